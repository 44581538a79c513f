//! Which topics are mirrored: MirrorMaker 1's topic filter.
//!
//! The engine asks it at every metadata refresh and subscribes to explicit names, because librdkafka's own
//! patterns are of another grammar (POSIX) and are not anchored. It knows no cluster.

use fancy_regex::Regex;

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
}

impl TopicFilter {
    /// Reads an include list as MirrorMaker does: surrounding blanks go, commas become alternatives, blanks
    /// inside go, quotes around it go.
    pub fn parse(list: &str) -> Result<Self, BadFilter> {
        let pattern = list.trim().replace(',', "|").replace(' ', "");
        let pattern = pattern.trim_matches(['"', '\'']);
        let bad = |reason: String| BadFilter { list: list.to_owned(), reason };
        if pattern.is_empty() {
            return Err(bad("it is empty".to_owned()));
        }
        // On its own first: in the group below, "a)(b" would compile.
        Regex::new(pattern).map_err(|error| bad(error.to_string()))?;
        let regex =
            Regex::new(&format!("^(?:{pattern})$")).map_err(|error| bad(error.to_string()))?;
        Ok(Self { regex, list: list.to_owned() })
    }

    /// Is this topic to be mirrored?
    pub fn matches(&self, topic: &str) -> bool {
        let is_of_a_mirror = topic.strip_prefix(POSITIONS).is_some_and(|end| end.starts_with('.'));
        let is_internal = is_of_a_mirror || INTERNAL.contains(&topic);
        // A pattern that backtracks beyond all bounds matches nothing.
        !is_internal && self.regex.is_match(topic).unwrap_or(false)
    }

    /// The list as the user gave it.
    pub fn list(&self) -> &str {
        &self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(list: &str, topic: &str, expected: bool) {
        let filter = TopicFilter::parse(list).unwrap();
        assert_eq!(filter.matches(topic), expected, "{list:?} against {topic:?}");
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
    fn refuses_what_does_not_compile() {
        for list in ["*", "(", "a)(b", "", "  ", "[a"] {
            let error = TopicFilter::parse(list).unwrap_err().to_string();
            assert!(error.contains(&format!("{list:?}")), "{error}");
        }
    }
}
