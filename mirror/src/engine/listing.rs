//! The source's topics, for what is decided once, at the start, and their partitions. Brokers that have just started list few
//! topics, and it must not rest on such a list.

use std::{
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    metadata::Metadata,
};

use super::{
    Settings,
    client::{self, Quiet},
    guard::MISSED,
};

/// One question to the source.
const QUESTION: Duration = Duration::from_secs(5);
/// After how long topics are listed again, if one is missing.
const AGAIN: Duration = Duration::from_secs(1);

/// Topics that were listed a moment ago.
pub(super) struct Listed {
    topics: Vec<String>,
    since: Instant,
}

impl Listed {
    pub(super) fn new(topics: Vec<String>) -> Self {
        Self { topics, since: Instant::now() }
    }

    /// Their partitions, as a list; an error if one of them is not told of, unless it has been missed for so long that
    /// it must have been deleted.
    pub(super) fn partitions(&self, metadata: &Metadata) -> KafkaResult<TopicPartitionList> {
        let told: Vec<(&str, i32)> = metadata
            .topics()
            .iter()
            .flat_map(|topic| topic.partitions().iter().map(|it| (topic.name(), it.id())))
            .collect();
        self.among(&told, self.since.elapsed() < MISSED)
    }

    fn among(&self, told: &[(&str, i32)], is_patient: bool) -> KafkaResult<TopicPartitionList> {
        let mut list = TopicPartitionList::new();
        for topic in &self.topics {
            let before = list.count();
            for (_, partition) in told.iter().filter(|(name, _)| name == topic) {
                list.add_partition(topic, *partition);
            }
            if list.count() == before && is_patient {
                return Err(KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopic));
            }
        }
        Ok(list)
    }
}

/// The source's topics, listed twice: a broker that has just started lists few, and a moment later all.
pub(super) fn listed_twice(
    source: &BaseConsumer<Quiet>,
    settings: &Settings,
    mut topics: Vec<String>,
) -> Vec<String> {
    let filter = &settings.filter;
    let is_matched = topics.iter().any(|topic| filter.matches(topic));
    if !is_matched || !filter.unmatched(&topics).is_empty() {
        thread::sleep(AGAIN);
    }
    match source.fetch_metadata(None, QUESTION) {
        Ok(metadata) => topics.extend(client::topic_names(&metadata)),
        Err(error) => tracing::debug!("the source does not list its topics again: {error}"),
    }
    topics.sort();
    topics.dedup();
    topics
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_that_is_not_listed_any_more_is_asked_for_again_until_it_must_be_gone() {
        let listed = Listed::new(vec!["a".to_owned(), "b".to_owned()]);
        let count = |told: &[(&str, i32)], is_patient| {
            listed.among(told, is_patient).ok().map(|list| list.count())
        };
        let whole = [("a", 0), ("a", 1), ("b", 0), ("other", 0)];
        assert_eq!(count(&whole, true), Some(3));
        assert_eq!(count(&whole[..2], true), None);
        assert_eq!(count(&whole[..2], false), Some(2));
        assert_eq!(count(&[], true), None);
        assert_eq!(count(&[], false), Some(0));
    }
}
