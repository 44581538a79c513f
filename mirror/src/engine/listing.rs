//! The partitions of topics that were listed before. Brokers that have just started list few topics, and what is
//! decided once, at the start, must not rest on such a list.

use std::time::Instant;

use rdkafka::{
    TopicPartitionList,
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    metadata::Metadata,
};

use super::guard::MISSED;

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
