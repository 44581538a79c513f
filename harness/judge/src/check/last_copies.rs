//! Which records of a key come last in the partitions of a compacted destination.

use crate::{
    correspondence::Correspondence,
    history::{DestinationRecord, History, TopicIndex, TopicPartition},
};
use std::collections::{BTreeSet, HashMap, HashSet};

/// The last records of keys in destination partitions of compacted topics.
#[derive(Default)]
pub(super) struct LastCopies {
    /// Of each partition and number of a key.
    pub(super) all: HashMap<(TopicPartition, u32), u32>,
    /// Of each partition, source partition and number of a key: the last first copy that is of a record of there for certain.
    pub(super) own: HashMap<(TopicPartition, TopicPartition, u32), u32>,
    /// The records with several copies.
    pub(super) further: HashSet<u32>,
    /// The source partitions of each set of equal records, if there are several.
    spread: HashMap<u32, BTreeSet<TopicPartition>>,
}

impl LastCopies {
    /// Whether a copy that was taken for one of a record may be of an equal in another source partition.
    pub(super) fn may_be_of_another(&self, correspondence: &Correspondence, source: u32) -> bool {
        self.homes(correspondence, source).is_some()
    }

    /// The source partitions of a record and its equals, if there are several.
    pub(super) fn homes(
        &self,
        correspondence: &Correspondence,
        source: u32,
    ) -> Option<&BTreeSet<TopicPartition>> {
        self.spread.get(correspondence.equal.get(&source)?)
    }

    /// `forgetful` are the topics of which the source may have forgotten records.
    pub(super) fn of(
        history: &History,
        correspondence: &Correspondence,
        forgetful: &BTreeSet<TopicIndex>,
    ) -> LastCopies {
        let is_compacted = |at: TopicPartition| history.topics[at.topic as usize].compacted;
        let mut numbers = HashMap::new();
        for (record, number) in history.source.iter().zip(&correspondence.keys) {
            if let Some(key) = record.content.key().filter(|_| is_compacted(record.at)) {
                numbers.insert((record.at.topic, key), *number);
            }
        }
        if numbers.is_empty() {
            return LastCopies::default();
        }
        let mut copies =
            LastCopies { spread: spread(history, correspondence), ..LastCopies::default() };
        let home = |copies: &LastCopies, copy: &DestinationRecord, source: u32| {
            let original = &history.source[source as usize];
            let may_be_of_another = copies.may_be_of_another(correspondence, source)
                || (forgetful.contains(&copy.at.topic) && copy.content.ids().next().is_none());
            let is_repeat = || history.explains(copy, original);
            (!may_be_of_another && !is_repeat()).then_some(original.at)
        };
        for index in &correspondence.time {
            let copy = &history.destination[*index as usize];
            let number = copy.content.key().and_then(|key| numbers.get(&(copy.at.topic, key)));
            let Some(number) = number else { continue };
            copies.all.insert((copy.at, *number), *index);
            let Some(source) = correspondence.source_of(*index) else { continue };
            if correspondence.first[source as usize] != *index {
                copies.further.insert(source);
            } else if let Some(from) = home(&copies, copy, source) {
                copies.own.insert((copy.at, from, *number), *index);
            }
        }
        copies
    }
}

/// The source partitions of each set of equal records that lies in several.
fn spread(
    history: &History,
    correspondence: &Correspondence,
) -> HashMap<u32, BTreeSet<TopicPartition>> {
    let mut homes = HashMap::<_, BTreeSet<_>>::new();
    for (source, set) in &correspondence.equal {
        homes.entry(*set).or_default().insert(history.source[*source as usize].at);
    }
    homes.retain(|_, homes| homes.len() > 1);
    homes
}
