//! `--once` in several processes of one group: what another member has read to its end is done, whoever copied it.
//!
//! Each member waits for all that was there at the start, and reads only its own partitions. What the others have
//! committed tells how far theirs are. It is asked for only once the group has given us our partitions: whoever reads
//! a partition looks whether its committed offset is one of its log, and nobody has looked before.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rdkafka::{
    TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaResult,
};

use super::{
    client::{self, Source},
    notes::Notes,
    once::Goal,
    reader::Key,
};
use crate::progress::Place;

/// How often the group is asked.
const INTERVAL: Duration = Duration::from_secs(1);
/// One question to it.
const QUESTION: Duration = Duration::from_secs(2);

/// What is read by other members of the group.
pub(super) struct Elsewhere<'e> {
    goal: &'e Goal,
    notes: &'e [Arc<Notes>],
    /// A member's.
    consumer: Arc<BaseConsumer<Source>>,
    asked: Instant,
}

impl<'e> Elsewhere<'e> {
    pub(super) fn new(
        goal: &'e Goal,
        notes: &'e [Arc<Notes>],
        consumer: Arc<BaseConsumer<Source>>,
    ) -> Self {
        Self { goal, notes, consumer, asked: Instant::now() }
    }

    /// Asks now and then how far the others are.
    pub(super) fn look(&mut self) {
        if self.asked.elapsed() < INTERVAL {
            return;
        }
        let wanted = self.of_others();
        if !wanted.is_empty() {
            match self.committed(&wanted) {
                // Some may have become ours in between.
                Ok(committed) => {
                    let still = self.of_others();
                    let is_of_others =
                        |place: &Place| still.contains(&(place.topic.clone(), place.partition));
                    self.goal.committed_elsewhere(committed.into_iter().filter(is_of_others));
                }
                Err(error) => {
                    let reason = client::reason(&error);
                    tracing::debug!("the group does not tell how far others are: {reason}");
                }
            }
        }
        self.asked = Instant::now();
    }

    /// What is not read and not ours; nothing before all our streams have their partitions.
    fn of_others(&self) -> Vec<Key> {
        if !self.notes.iter().all(|notes| notes.meters.has_joined()) {
            return Vec::new();
        }
        let is_ours = |place: &Place| {
            let follows =
                |notes: &Arc<Notes>| notes.progress().slot(&place.topic, place.partition).is_some();
            self.notes.iter().any(follows)
        };
        let unread = self.goal.unread().into_iter();
        unread.filter(|place| !is_ours(place)).map(|place| (place.topic, place.partition)).collect()
    }

    /// The group's committed offsets, where it has any.
    fn committed(&self, wanted: &[Key]) -> KafkaResult<Vec<Place>> {
        let mut list = TopicPartitionList::with_capacity(wanted.len());
        for (topic, partition) in wanted {
            list.add_partition(topic, *partition);
        }
        let committed = self.consumer.committed_offsets(list, QUESTION)?;
        let elements = committed.elements();
        let place = |element: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| {
            element.error().ok()?;
            let offset = element.offset().to_raw().filter(|offset| *offset >= 0)?;
            let (topic, partition) = (element.topic().to_owned(), element.partition());
            Some(Place { topic, partition, offset })
        };
        Ok(elements.iter().filter_map(place).collect())
    }
}
