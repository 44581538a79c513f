//! Which topics are asked for, as MirrorMaker reads its list: whole names, commas between.

use fancy_regex::Regex;

pub(super) struct Filter {
    whole: Regex,
    anywhere: Regex,
}

impl Filter {
    pub(super) fn parse(list: &str) -> Result<Filter, String> {
        let pattern = list.replace(',', "|").replace(' ', "");
        let read = |pattern: &str| {
            Regex::new(pattern)
                .map_err(|error| format!("read the list of topics {list:?}: {error}"))
        };
        Ok(Filter { whole: read(&format!("^(?:{pattern})$"))?, anywhere: read(&pattern)? })
    }

    pub(super) fn matches(&self, topic: &str) -> bool {
        self.whole.is_match(topic).unwrap_or(false)
    }

    /// Whether a part of the name matches, which is not what was asked for.
    pub(super) fn matches_somewhere(&self, topic: &str) -> bool {
        self.anywhere.is_match(topic).unwrap_or(false)
    }
}
