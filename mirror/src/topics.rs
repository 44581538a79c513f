//! Which topics are mirrored: MirrorMaker 1's topic filter.
//!
//! The engine asks it at every metadata refresh and subscribes to explicit names, because librdkafka's own
//! patterns are of another grammar (POSIX) and are not anchored. It knows no cluster.

mod java;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use fancy_regex::{CompileError, Error, Regex};

/// A filter that does not compile.
#[derive(Debug, thiserror::Error)]
#[error(
    "read the include list {list:?} as a regular expression: {reason}; topics are matched in full, commas separate \
     alternatives, and every topic is '.*'"
)]
pub struct BadFilter {
    list: String,
    reason: String,
}

/// What brokers keep for themselves (`Topic.isInternal` of Kafka 4, the tiered storage's and KRaft's logs).
const INTERNAL: [&str; 5] = [
    "__consumer_offsets",
    "__transaction_state",
    "__share_group_state",
    "__remote_log_metadata",
    "__cluster_metadata",
];
/// How the topics begin, before a dot, in which mirrors with `--exactly-once` keep their positions: no include list selects them.
pub(crate) const POSITIONS: &str = "__mirror_positions";

/// The topics to mirror. Those of Kafka itself never match, and neither do a mirror's positions.
#[derive(Debug, Clone)]
pub struct TopicFilter {
    regex: Regex,
    list: String,
    /// Topics that nobody can tell of, as was said once. Shared by all who ask, at each refresh.
    undecided: Arc<Mutex<BTreeSet<String>>>,
}

impl TopicFilter {
    /// Reads an include list as MirrorMaker does: surrounding blanks go, commas become alternatives, blanks
    /// inside go, quotes around it go.
    pub fn parse(list: &str) -> Result<Self, BadFilter> {
        let pattern = pattern(list);
        let pattern = pattern.as_str();
        let bad = |reason: String| BadFilter { list: list.to_owned(), reason };
        if pattern.is_empty() {
            return Err(bad("it is empty".to_owned()));
        }
        if let Some(construct) = java::foreign(pattern) {
            return Err(bad(construct));
        }
        if let Some(cut) = java::cut_repetition(pattern) {
            return Err(bad(format!(
                "{cut} is no repetition, since a comma is an alternative wherever it stands (MirrorMaker refuses it, too); write \
                 it out, as in aa? for a{{1,2}}"
            )));
        }
        if let Some(brace) = java::lone_brace(pattern) {
            return Err(bad(format!(
                "{brace} begins a repetition that is none (MirrorMaker refuses it, too); write \\{{ for the character"
            )));
        }
        let compile = |pattern: &str| Regex::new(pattern).map_err(|error| bad(fault(&error)));
        // On its own first: in the group below, "a)(b" would compile.
        compile(pattern)?;
        let regex = compile(&format!("^(?:{pattern})$"))?;
        Ok(Self { regex, list: list.to_owned(), undecided: Arc::default() })
    }

    /// Is this topic to be mirrored?
    pub fn matches(&self, topic: &str) -> bool {
        let is_of_a_mirror = topic.strip_prefix(POSITIONS).is_some_and(|end| end.starts_with('.'));
        let is_internal = is_of_a_mirror || INTERNAL.contains(&topic);
        !is_internal && self.regex.is_match(topic).unwrap_or_else(|_| self.give_up(topic))
    }

    /// A pattern that backtracks beyond all bounds matches nothing, and that is said.
    fn give_up(&self, topic: &str) -> bool {
        let mut undecided = self.undecided.lock().unwrap_or_else(PoisonError::into_inner);
        if undecided.insert(topic.to_owned()) {
            tracing::warn!(
                "topic {topic} is not mirrored: whether {:?} matches it takes too long to find out; name the topic in the \
                 include list, or write the list without a repetition in a repetition",
                self.list
            );
        }
        false
    }

    /// The alternatives of a list of names that are the name of none of these topics; none if it is more than names.
    pub fn unmatched(&self, topics: &[String]) -> Vec<String> {
        let pattern = pattern(&self.list);
        let is_of_a_name = |c: char| c.is_ascii_alphanumeric() || "._-|".contains(c);
        if !pattern.chars().all(is_of_a_name) {
            return Vec::new();
        }
        // A dot may stand for any character.
        let is_it = |name: &str, topic: &str| {
            let mut both = name.bytes().zip(topic.bytes());
            name.len() == topic.len() && both.all(|(one, other)| one == other || one == b'.')
        };
        let names = pattern.split('|').filter(|name| !name.is_empty());
        let unmatched = names.filter(|name| !topics.iter().any(|topic| is_it(name, topic)));
        unmatched.map(str::to_owned).collect()
    }

    /// The list as the user gave it.
    pub fn list(&self) -> &str {
        &self.list
    }
}

/// The regular expression that MirrorMaker makes of a list.
fn pattern(list: &str) -> String {
    let pattern = list.trim().replace(',', "|").replace(' ', "");
    pattern.trim_matches(['"', '\'']).to_owned()
}

/// What is wrong with a pattern. Of a class of characters only the innermost error says it, in its last line.
fn fault(error: &Error) -> String {
    let syntax = match error {
        Error::CompileError(error) => match &**error {
            CompileError::InnerError(error) => error.syntax_error(),
            _ => None,
        },
        _ => None,
    };
    let text = syntax.map_or_else(|| error.to_string(), ToString::to_string);
    let line = text.lines().last().unwrap_or_default();
    let said = line.trim_start_matches("error: ");
    if said.contains("invalid range boundary") {
        return format!(
            "{said}; a hyphen that is meant as such stands last in its brackets, as in [\\w.-]"
        );
    }
    said.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(list: &str, topic: &str, expected: bool) {
        let filter = TopicFilter::parse(list).unwrap();
        assert_eq!(filter.matches(topic), expected, "{list:?} against {topic:?}");
    }

    #[test]
    fn names_that_no_topic_has_are_told() {
        let topics = ["orders", "a.b", "a-b"].map(str::to_owned);
        let unmatched = |list: &str| TopicFilter::parse(list).unwrap().unmatched(&topics).join(" ");
        assert_eq!(unmatched("orders,paymnts | Orders"), "paymnts Orders");
        assert_eq!(unmatched("'a.b,a_b'"), "a_b");
        assert_eq!(unmatched("a.b|orders"), "");
        assert_eq!(unmatched("x.*,paymnts"), "", "it is no list of names");
        assert_eq!(unmatched("a b.c"), "ab.c");
    }

    #[test]
    fn matches_in_full() {
        check("testtopic", "testtopic", true);
        check("testtopic", "testtopic2", false);
        check("testtopic", "atesttopic", false);
        check("a|ab", "ab", true);
        check("a.c", "abc", true);
        check("A", "a", false);
    }

    #[test]
    fn reads_lists_as_mirrormaker_does() {
        check(" a , b ,c ", "b", true);
        check("\"a,b\"", "a", true);
        check("'a|b'", "b", true);
        check("a,b", "a,b", false);
        check("a b", "ab", true);
    }

    #[test]
    fn knows_java_expressions() {
        check(r"orders-\d+", "orders-12", true);
        check("(?!test).*", "prod", true);
        check("(?!test).*", "test1", false);
    }

    #[test]
    fn never_matches_internal_topics() {
        check(".*", "__consumer_offsets", false);
        check("__transaction_state", "__transaction_state", false);
        check(".*", "__mirror_positions.g", false);
        check(".*", "_schemas", true);
        check("__audit", "__audit", true);
    }

    #[test]
    fn says_once_of_which_topics_it_cannot_tell() {
        // Of letters that come twice only backtracking can tell.
        let filter = TopicFilter::parse(r"(a*)*\1b").unwrap();
        let topic = "a".repeat(40);
        let again = filter.clone();
        assert!(!filter.matches(&topic) && !again.matches(&topic));
        assert!(filter.matches("aab"));
        assert_eq!(*filter.undecided.lock().unwrap(), BTreeSet::from([topic]));
    }

    #[test]
    fn refuses_what_does_not_compile() {
        for list in ["*", "(", "a)(b", "", "  ", "[a"] {
            let error = TopicFilter::parse(list).unwrap_err().to_string();
            assert!(error.contains(&format!("{list:?}")), "{error}");
        }
        let backwards = TopicFilter::parse("[z-a]").unwrap_err().to_string();
        assert!(backwards.contains("invalid character class range"), "{backwards}");
        let cut = TopicFilter::parse("orders{1,2}").unwrap_err().to_string();
        assert!(cut.contains("{1|2} is no repetition"), "{cut}");
        let lone = TopicFilter::parse("orders{").unwrap_err().to_string();
        assert!(
            lone.contains("{ begins a repetition that is none") && lone.contains(r"write \{"),
            "{lone}"
        );
        let hyphen = TopicFilter::parse(r"[\w-.]+").unwrap_err().to_string();
        assert!(hyphen.contains(r"as in [\w.-]"), "{hyphen}");
        let java = TopicFilter::parse(r"\p{javaLowerCase}+").unwrap_err().to_string();
        assert!(
            java.contains(r"\p{javaLowerCase} is Java's alone") && java.contains(r"write \p{Ll}"),
            "{java}"
        );
    }
}
