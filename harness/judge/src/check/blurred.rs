//! Where the order of a partition is promised, and a compacted topic shows too little of it.
//!
//! There any record of a key but the last may be gone, on both sides. Which of several equals without an id a copy is of, or
//! whether it is of one that the source has forgotten, is told by the sequence of its key alone. So between keys it says nothing
//! for certain, and where it says that they are out of order, that is a doubt.
//!
//! ```text
//! source       . a b a           one offset shows nothing
//! destination  a b . a           the first a may be of what lay there
//! destination  . b a a           so may this one: nobody can tell
//! ```

use super::scene::Scene;
use crate::{
    contract::{OrderScope, Partitioning},
    correspondence::{NONE, is_forgettable},
    history::TopicPartition,
};
use std::collections::{BTreeMap, HashMap};

impl Scene<'_> {
    /// On compacted topics: whether a copy that was taken for one of a record may be of another, held or forgotten, which lies
    /// elsewhere in the partition.
    pub(super) fn is_blurred(&self, source: u32) -> bool {
        let record = self.source(source);
        let has_equals = self.correspondence.equal.contains_key(&source);
        let may_be_of_another = has_equals
            || (is_forgettable(&record.content) && self.may_have_forgotten_equals(record.at));
        self.history.topics[record.at.topic as usize].compacted
            && may_be_of_another
            && !self.is_known_end(source)
    }

    /// Whether a record must have come, is the last of its key, and its only copy lies behind all of its key: whatever it is
    /// like lies before it, on both sides.
    fn is_known_end(&self, source: u32) -> bool {
        let record = self.source(source);
        let is_here = |at: &TopicPartition| at.topic != record.at.topic || *at == record.at;
        let is_apart = self.contract.partitioning == Partitioning::Preserve
            || (self.hollow.iter().all(is_here)
                && !self.last_copies.may_be_of_another(&self.correspondence, source));
        let Some(key) = self.key(source) else { return false };
        let first = self.correspondence.first[source as usize];
        first != NONE
            && is_apart
            && self.last_of_key(record.at, key) == Some(source)
            && self.history.is_final(record)
            && !self.last_copies.further.contains(&source)
            && !self.may_be_spread(source)
            && self.last_copies.all.get(&(self.destination(first).at, key)) == Some(&first)
    }
}

/// How many first copies come behind one of a later record of their source partition, if each is of a record that its key's
/// sequence leaves to it, and one of the two may be of another.
pub(crate) fn blurred(scene: &Scene<'_>) -> usize {
    if scene.contract.order != OrderScope::Partition {
        return 0;
    }
    let equals = Equals::of(scene);
    // For each pair of partitions the latest record with a copy, and the latest that it is of for certain.
    let mut furthest = HashMap::<_, (Option<u32>, Option<u32>)>::new();
    let mut count = 0;
    for index in &scene.correspondence.time {
        let Some(source) = scene.correspondence.source_of(*index) else { continue };
        let (to, from) = (scene.destination(*index).at, scene.source(source).at);
        let is_first = scene.correspondence.first[source as usize] == *index;
        if !is_first || !scene.history.topics[from.topic as usize].compacted {
            continue;
        }
        let is_blurred = scene.is_blurred(source);
        let (latest, certain) = furthest.entry((to, from)).or_default();
        let of = equals.next(source, *latest).unwrap_or(source);
        let is_behind = Some(of) < *latest && !scene.may_be_repeat(*index, source);
        // What comes behind a record for certain is reordered, not in doubt.
        let is_known = !is_blurred && Some(source) < *certain;
        count += usize::from(is_behind && !is_known);
        *latest = (*latest).max(Some(of));
        *certain = (*certain).max((!is_blurred).then_some(source));
    }
    count
}

/// The equal records of each source partition, in order, and of each that is not its key's last the number of its set.
struct Equals {
    sets: Vec<Vec<u32>>,
    of: HashMap<u32, usize>,
}

impl Equals {
    fn of(scene: &Scene<'_>) -> Equals {
        let mut sets = BTreeMap::<_, Vec<u32>>::new();
        for (source, set) in &scene.correspondence.equal {
            sets.entry((set, scene.source(*source).at)).or_default().push(*source);
        }
        let mut sets: Vec<_> = sets.into_values().collect();
        sets.iter_mut().for_each(|members| members.sort_unstable());
        let is_last = |source: u32| {
            let key = scene.key(source);
            key.is_none_or(|key| scene.last_of_key(scene.source(source).at, key) == Some(source))
        };
        let of = (0..).zip(&sets).flat_map(|(set, members)| {
            let earlier = members.iter().copied().filter(|source| !is_last(*source));
            earlier.map(move |source| (source, set))
        });
        Equals { of: of.collect(), sets }
    }

    /// The first equal of a record behind another, up to itself: told by its key a copy is of the last that it can be of.
    fn next(&self, source: u32, behind: Option<u32>) -> Option<u32> {
        let members = &self.sets[*self.of.get(&source)?];
        let next = members.partition_point(|member| Some(*member) <= behind);
        members.get(next).copied().filter(|next| *next <= source)
    }
}
