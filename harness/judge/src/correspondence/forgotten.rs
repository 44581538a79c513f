//! Copies that may be of records which a compacted source has forgotten, though it holds others of the same content.
//!
//! A record without an id is its content, and where an offset of the source shows nothing, there may have been one like it:
//!
//! ```text
//! source       . x               one offset shows nothing
//! destination  x x               the first x may be of what lay there: it is no repeat for certain
//! destination  x x x             one of them is
//! ```

use super::{
    NONE,
    account::{Equals, Lane},
    cleaned::{self, holes},
    count::unexplained,
    explanation::Explanations,
    identity::is_forgettable,
    position::{LaneId, Resolver},
};
use crate::{
    contract::Partitioning,
    history::{History, TopicPartition},
};
use std::collections::{BTreeMap, HashMap, HashSet};

/// What compaction leaves of each key of compacted topics.
#[derive(Default)]
pub(super) struct Cleaned {
    /// The last record of each key in each source partition.
    last_of_key: HashSet<u32>,
    /// The last record of each key in each destination partition.
    ends: HashSet<u32>,
    /// The last copy of each source partition and key in each destination partition, of those that are of there for certain.
    own: HashMap<(TopicPartition, TopicPartition, u32), u32>,
    /// How many records the source may have forgotten of each topic; none where it is not compacted.
    gaps: Vec<u64>,
}

impl Cleaned {
    pub(super) fn of(history: &History, keys: &[u32], room: &[u64]) -> Cleaned {
        let is_compacted = |at: TopicPartition| history.topics[at.topic as usize].compacted;
        let (mut last_of_key, mut ends) = (HashMap::new(), HashMap::new());
        for (index, record) in (0..).zip(&history.source).filter(|(_, one)| is_compacted(one.at)) {
            last_of_key.insert((record.at, keys[index as usize]), index);
        }
        for (index, record) in (0..).zip(&history.destination) {
            if let Some(key) = record.content.key().filter(|_| is_compacted(record.at)) {
                ends.insert((record.at, key), index);
            }
        }
        let last_of_key = last_of_key.into_iter().filter(|((_, key), _)| *key != NONE);
        Cleaned {
            last_of_key: last_of_key.map(|(_, source)| source).collect(),
            ends: ends.into_values().collect(),
            own: HashMap::new(),
            gaps: room.to_vec(),
        }
    }
}

/// How many copies there may be of so many forgotten records: each event may repeat them.
pub(super) fn copies_of_forgotten(history: &History, records: u64) -> u64 {
    records.saturating_mul(1 + history.events.len() as u64)
}

impl Resolver<'_> {
    /// How many copies there may be of records that other partitions of a topic have forgotten.
    pub(super) fn forgotten_elsewhere(&self, from: TopicPartition) -> u64 {
        let mut bounds = self.history.source_bounds.keys().filter(|at| at.topic == from.topic);
        let is_possible = self.contract.partitioning != Partitioning::Preserve;
        if is_possible && bounds.any(|at| *at != from) {
            copies_of_forgotten(self.history, self.cleaned.gaps[from.topic as usize])
        } else {
            0
        }
    }

    /// Lanes of compacted topics whose copies, each told by its content alone, are not in order, though some may be of records
    /// that the source has forgotten.
    pub(super) fn disordered(
        &self,
        time: &[u32],
        lane: impl Fn(u32) -> Option<LaneId>,
    ) -> HashSet<(LaneId, TopicPartition)> {
        let (mut last, mut disordered) = (HashMap::new(), HashSet::new());
        for index in time {
            let record = &self.history.destination[*index as usize];
            let source = self.copy_of[*index as usize];
            if source == NONE
                || self.cleaned.gaps[record.at.topic as usize] == 0
                || !is_forgettable(&record.content)
            {
                continue;
            }
            if let Some(lane) = lane(source)
                && last.insert((lane, record.at), source).is_some_and(|last| last >= source)
            {
                disordered.insert((lane, record.at));
            }
        }
        disordered
    }

    /// Of records that may lie anywhere, and of which each is told by its content alone, those copies in a partition that are not in
    /// order may be of records that the source has forgotten.
    pub(super) fn forget_disordered(&mut self, time: &[u32], lane: impl Fn(u32) -> Option<LaneId>) {
        let disordered = self.disordered(time, &lane);
        let mut copies = BTreeMap::<_, Vec<u32>>::new();
        for index in time.iter().filter(|_| !disordered.is_empty()) {
            let at = self.history.destination[*index as usize].at;
            let source = self.copy_of[*index as usize];
            let lane = if source == NONE { None } else { lane(source) };
            if let Some(shard) = lane.map(|lane| (lane, at)).filter(|one| disordered.contains(one))
            {
                copies.entry(shard).or_default().push(*index);
            }
        }
        let mut holes_of = HashMap::new();
        for ((lane, at), copies) in copies {
            let mut originals: Vec<u32> =
                copies.iter().map(|copy| self.copy_of[*copy as usize]).collect();
            originals.sort_unstable();
            originals.dedup();
            let shard = Lane { originals: &originals, copies: &copies, at };
            let equals = |copy| Equals { group: self.group(copy), members: self.members(copy) };
            let holes = holes_of.entry(lane.0).or_insert_with(|| holes(self.history, lane.0));
            let elsewhere = self.forgotten_elsewhere(lane.0);
            let account =
                cleaned::account(self.history, self.contract, shard, holes, elsewhere, equals);
            for (copy, source) in account.into_iter().flatten() {
                if source.is_none() {
                    self.copy_of[copy as usize] = NONE;
                }
            }
        }
    }

    /// Of a key of a compacted topic the last record must have stayed: if a copy may be of it, one is. It may be if nothing of
    /// its key and source partition lies behind it.
    pub(super) fn put_last_first(&self, unused: &mut [u32], copies: &[u32]) {
        let Cleaned { last_of_key, own, .. } = &self.cleaned;
        unused.sort_by_cached_key(|source| {
            let is_behind = |copy: &u32| {
                let to = self.history.destination[*copy as usize].at;
                let from = self.history.source[*source as usize].at;
                own.get(&(to, from, self.keys[*source as usize])).is_none_or(|own| own <= copy)
            };
            !(last_of_key.contains(source) && copies.iter().any(is_behind))
        });
    }

    /// Looks up where the copies of a key end that are of one source partition for certain.
    pub(super) fn note_ends(&mut self) {
        for copy in 0..self.copy_of.len() as u32 {
            if self.group(copy) == NONE {
                continue;
            }
            let members = self.members(copy);
            let home = |source: &u32| self.history.source[*source as usize].at;
            let from = home(&members[0]);
            let is_compacted = self.history.topics[from.topic as usize].compacted;
            if is_compacted && members.last().map(home) == Some(from) {
                let to = self.history.destination[copy as usize].at;
                self.cleaned.own.insert((to, from, self.keys[members[0] as usize]), copy);
            }
        }
    }

    /// Copies that nothing explains, of records that the source holds, while it has forgotten others: that many may be of
    /// those. A key's last copy in its partition is the last to be taken for one.
    pub(super) fn forgotten(&self, members: &[u32], copies: &[u32]) -> Vec<u32> {
        let topic = self.history.source[members[0] as usize].at.topic as usize;
        let content = &self.history.destination[copies[0] as usize].content;
        let gaps = self.cleaned.gaps[topic];
        if gaps == 0 || copies.len() <= members.len() || !is_forgettable(content) {
            return Vec::new();
        }
        let most = usize::try_from(copies_of_forgotten(self.history, gaps)).unwrap_or(usize::MAX);
        let mut forgotten = copies.to_vec();
        forgotten.sort_by_key(|copy| self.cleaned.ends.contains(copy));
        let number = match *members {
            [source] => self.fewest_of_others(source, copies, &forgotten),
            _ => unexplained(self.history, members, &copies[members.len()..]),
        };
        forgotten.truncate(number.min(most));
        forgotten
    }

    /// How many of the copies of a record must be of others, the first of `others` first, so that events explain those behind
    /// its first.
    fn fewest_of_others(&self, source: u32, copies: &[u32], others: &[u32]) -> usize {
        let place: HashMap<u32, usize> = others.iter().copied().zip(0..).collect();
        let are_explained = |number: usize| {
            let mut explanations = Explanations::default();
            let mut copies = copies.iter().copied().filter(|copy| place[copy] >= number);
            let first = copies.next();
            copies.all(|copy| explanations.take(self.history, copy, source, first).is_some())
        };
        let (mut fewest, mut enough) = (0, others.len());
        while fewest < enough {
            let middle = usize::midpoint(fewest, enough);
            if are_explained(middle) {
                enough = middle;
            } else {
                fewest = middle + 1;
            }
        }
        enough
    }

    /// The same for copies of records without equals that have no order.
    pub(super) fn forget_repeats(&mut self, time: &[u32], is_told: impl Fn(u32) -> bool) {
        let mut copies = BTreeMap::<u32, Vec<u32>>::new();
        for index in time {
            let source = self.copy_of[*index as usize];
            let topic = self.history.destination[*index as usize].at.topic as usize;
            if source != NONE
                && self.cleaned.gaps[topic] != 0
                && self.members(*index).len() == 1
                && !is_told(source)
            {
                copies.entry(source).or_default().push(*index);
            }
        }
        for (source, copies) in copies {
            for copy in self.forgotten(&[source], &copies) {
                self.copy_of[copy as usize] = NONE;
            }
        }
    }
}
