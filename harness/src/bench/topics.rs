//! The topics that are copied: their names, and how every mirror is asked for them.

use crate::cluster::ClusterError;
use futures::{StreamExt, TryStreamExt, stream};

/// So many are made or removed at once: a cluster takes a second for each, most of which is waiting.
const AT_ONCE: usize = 10;

/// Their names. One alone has no number.
pub(super) fn names(topics: u32) -> Vec<String> {
    match topics {
        1 => vec!["bench".to_owned()],
        _ => (1..=topics).map(|number| format!("bench-{number}")).collect(),
    }
}

/// What selects them all, and nothing of what mirrors keep for themselves, as a mirror's `--whitelist` takes it.
pub(super) fn pattern(topics: u32) -> &'static str {
    match topics {
        1 => "bench",
        _ => "bench-[0-9]+",
    }
}

/// The topic of the record with this number: each in turn, so that all hold as many, but for one.
pub(super) fn of_record(names: &[String], number: u64) -> &str {
    &names[(number % names.len() as u64) as usize]
}

/// Does something to each topic.
pub(super) async fn with_each<'t, Done: Future<Output = Result<(), ClusterError>>>(
    names: &'t [String],
    of: impl FnMut(&'t str) -> Done,
) -> Result<(), ClusterError> {
    stream::iter(names).map(String::as_str).map(of).buffer_unordered(AT_ONCE).try_collect().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use fancy_regex::Regex;
    use std::collections::BTreeMap;

    #[test]
    fn the_pattern_selects_every_topic_and_no_other() {
        for topics in [1, 2, 50] {
            let selected = Regex::new(&format!("^(?:{})$", pattern(topics))).unwrap();
            let names = names(topics);
            assert_eq!(names.len(), topics as usize);
            assert!(names.iter().all(|name| selected.is_match(name).unwrap()), "{names:?}");
            // MirrorMaker 2 names its topics by the group.
            for other in ["bench-7.checkpoints.internal", "mm2-configs.bench-7.internal"] {
                assert!(!selected.is_match(other).unwrap(), "{other} of {topics}");
            }
        }
    }

    #[test]
    fn all_topics_hold_as_many_records_but_for_one() {
        let names = names(3);
        let mut held = BTreeMap::new();
        (0..8).for_each(|number| *held.entry(of_record(&names, number)).or_insert(0) += 1);
        assert_eq!(held, [("bench-1", 3), ("bench-2", 3), ("bench-3", 2)].into());
    }
}
