//! `--once` in several processes of one group: what another member has read to its end is done, whoever copied it.
//!
//! Each member waits for all that was there at the start, and reads only its own partitions. What the others have
//! committed tells how far theirs are. It is asked for only once the group has given us our partitions, and believed
//! only if the log reaches so far: what was committed of a log that was made anew is for its reader to find out.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rdkafka::{
    Offset, TopicPartitionList,
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
                    self.goal.read_elsewhere(committed.into_iter().filter(is_of_others));
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
        let unread = self.goal.all_unread().into_iter();
        unread.filter(|place| !is_ours(place)).map(|place| (place.topic, place.partition)).collect()
    }

    /// The group's committed offsets, where they are at the wanted end or beyond it.
    fn committed(&self, wanted: &[Key]) -> KafkaResult<Vec<Place>> {
        let mut list = TopicPartitionList::with_capacity(wanted.len());
        for (topic, partition) in wanted {
            list.add_partition(topic, *partition);
        }
        let committed = self.consumer.committed_offsets(list, QUESTION)?;
        let reached = client::told(&committed);
        self.within_logs(reached.into_iter().filter(|place| self.goal.is_end(place)).collect())
    }

    /// Those that lie within their logs as they are now.
    fn within_logs(&self, committed: Vec<Place>) -> KafkaResult<Vec<Place>> {
        if committed.is_empty() {
            return Ok(committed);
        }
        let mut ends = client::list(&committed)?;
        ends.set_all_offsets(Offset::End)?;
        let ends = client::told(&self.consumer.offsets_for_times(ends, QUESTION)?);
        let is_within = |place: &Place| {
            let is_of =
                |end: &&Place| (&end.topic, end.partition) == (&place.topic, place.partition);
            ends.iter().find(is_of).is_some_and(|end| place.offset <= end.offset)
        };
        Ok(committed.into_iter().filter(is_within).collect())
    }
}
