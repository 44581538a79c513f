//! Which of several equal source records a copy is of.
//!
//! Where their order tells it, `account` does. The assignment may differ from what the mirror really
//! did, where nobody could tell the difference. It must not invent anomalies where a lawful account
//! exists.
//!
//! Equal records without order (null keys, keys that may lie anywhere), in several source partitions
//! (whether a sequence is a lawful mixture of several is NP-hard to tell), copied to several
//! partitions, partly from before the readiness of a subject that starts at the end, or partly gone before
//! they could be read are counted: first copies take one candidate each, those first that had to arrive,
//! and further ones are repeats of candidates that an event explains, if there are any left. Of their order and
//! staleness no more is judged than is certain whichever they are (`check/span.rs`, `check/tangled.rs`).

use super::{
    NONE,
    account::{Equals, Lane, account},
    cleaned::{self, Holes, holes},
    count::count,
    forgotten::Cleaned,
    identity::Groups,
};
use crate::{
    contract::{Contract, OrderScope, Partitioning, Start},
    history::{Completeness, History, TopicPartition},
};
use std::collections::{BTreeMap, HashMap, HashSet};

/// A source partition, and the number of a key or of nothing.
pub(super) type LaneId = (TopicPartition, u32);

/// The lane of a source record: records that come to one destination partition in order, apart from
/// those that go to others. `None` where nobody knows where they go.
fn lane_of(history: &History, contract: &Contract, keys: &[u32], source: u32) -> Option<LaneId> {
    let record = &history.source[source as usize];
    let counts = &history.topics[record.at.topic as usize].destination_partitions;
    let key = record.content.key();
    let is_placed = match contract.partitioning {
        Partitioning::Preserve => true,
        Partitioning::Murmur2 => counts.len() == 1 && key.is_some(),
        // CRC32 spreads empty keys, too.
        Partitioning::Crc32 => counts.len() == 1 && key.is_some_and(|key| !key.is_empty()),
        Partitioning::Any => false,
    };
    let has_one_place = is_placed || counts[..] == [1];
    has_one_place.then(|| sequence_of(history, contract, keys, source)).flatten()
}

/// The sequence that a source record belongs to, wherever its copies go. On a compacted topic any record of a key but the last may be
/// gone, on both sides, so there only its key tells one from its equals.
fn sequence_of(
    history: &History,
    contract: &Contract,
    keys: &[u32],
    source: u32,
) -> Option<LaneId> {
    let at = history.source[source as usize].at;
    let is_compacted = history.topics[at.topic as usize].compacted;
    let number = match contract.order {
        OrderScope::Partition if !is_compacted => 0,
        OrderScope::Partition | OrderScope::Key => keys[source as usize],
    };
    (number != NONE).then_some((at, number))
}

/// Resolves every destination record in `time` that has a group: the source record, or [`NONE`].
pub(super) fn resolve(
    history: &History,
    contract: &Contract,
    groups: &Groups,
    keys: &[u32],
    time: &[u32],
    room: &[u64],
) -> Resolved {
    let mut resolver = Resolver {
        history,
        groups,
        contract,
        keys,
        cleaned: Cleaned::of(history, keys, room),
        copy_of: vec![NONE; history.destination.len()],
        used: vec![false; history.source.len()],
    };
    let mut equals = BTreeMap::<(u32, u32), Vec<u32>>::new();
    for index in time {
        let group = groups.of_destination[*index as usize];
        if group == NONE {
            continue;
        }
        match resolver.members(*index) {
            [sole] => resolver.assign(*index, *sole),
            members => equals.entry((group, members[0])).or_default().push(*index),
        }
    }
    resolver.note_ends();
    let lane = |source: u32| lane_of(history, contract, keys, source);
    let members = |copies: &[u32]| resolver.members(copies[0]);
    let equal = number(equals.values().map(|copies| members(copies)));
    // A lane of which some records can only be counted does not show its sequence: all are.
    let vague = equals.values().filter(|copies| !resolver.is_one_shard(copies));
    let vague: HashSet<LaneId> =
        vague.flat_map(|copies| members(copies)).filter_map(|source| lane(*source)).collect();
    let told = |copies: &Vec<u32>| lane(members(copies)[0]).filter(|lane| !vague.contains(lane));
    let mut lanes: HashSet<LaneId> = equals.values().filter_map(told).collect();
    let disordered = resolver.disordered(time, lane).into_iter().map(|(lane, _)| lane);
    lanes.extend(disordered.filter(|lane| !vague.contains(lane)));
    let mut counted: Vec<_> =
        equals.into_values().filter(|copies| told(copies).is_none()).collect();
    // Those that can be of few records come first: there may be others that can be of more.
    counted.sort_by_key(|copies| members(copies).len());
    if !lanes.is_empty() {
        resolver.account(time, |source| lane(source).filter(|lane| lanes.contains(lane)));
    }
    let mut unordered = HashSet::new();
    for copies in counted {
        let members = resolver.members(copies[0]);
        unordered.extend(members);
        resolver.by_count(members, &copies);
    }
    let is_told = |source| lane(source).is_some_and(|lane| !vague.contains(&lane));
    resolver.forget_repeats(time, is_told);
    resolver.forget_disordered(time, |source| {
        let is_sole = !unordered.contains(&source) && !is_told(source);
        is_sole.then(|| sequence_of(history, contract, keys, source)).flatten()
    });
    Resolved { copy_of: resolver.copy_of, equal, unordered }
}

pub(super) struct Resolved {
    pub(super) copy_of: Vec<u32>,
    /// Source records that nothing tells apart from others.
    pub(super) unordered: HashSet<u32>,
    /// Source records of whose equals a copy may be as well, and the number of each with its equals.
    pub(super) equal: HashMap<u32, u32>,
}

/// Numbers the records of sets: those of one set have the same number, and so have those of two sets that share
/// a record.
fn number<'g>(sets: impl Iterator<Item = &'g [u32]>) -> HashMap<u32, u32> {
    fn lowest(same: &[u32], mut number: u32) -> u32 {
        while same[number as usize] != number {
            number = same[number as usize];
        }
        number
    }
    let (mut numbers, mut same) = (HashMap::new(), Vec::new());
    for (set, members) in (0..).zip(sets) {
        same.push(set);
        for member in members {
            let other = *numbers.entry(*member).or_insert(set);
            let (one, other) = (lowest(&same, set), lowest(&same, other));
            same[one.max(other) as usize] = one.min(other);
        }
    }
    numbers.values_mut().for_each(|number| *number = lowest(&same, *number));
    numbers
}

pub(super) struct Resolver<'h> {
    pub(super) history: &'h History,
    pub(super) groups: &'h Groups,
    pub(super) contract: &'h Contract,
    pub(super) keys: &'h [u32],
    pub(super) cleaned: Cleaned,
    pub(super) copy_of: Vec<u32>,
    used: Vec<bool>,
}

impl<'h> Resolver<'h> {
    fn assign(&mut self, index: u32, source: u32) {
        self.copy_of[index as usize] = source;
        self.used[source as usize] = true;
    }

    /// Lanes in which there are equal records, each as a whole. A copy that is not where the others of
    /// its lane are says nothing about their order.
    fn account(&mut self, time: &[u32], lane: impl Fn(u32) -> Option<LaneId>) {
        let mut copies = HashMap::<LaneId, BTreeMap<TopicPartition, Vec<u32>>>::new();
        for index in time {
            if self.group(*index) != NONE
                && let Some(lane) = lane(self.members(*index)[0])
            {
                let at = self.history.destination[*index as usize].at;
                copies.entry(lane).or_default().entry(at).or_default().push(*index);
            }
        }
        let mut originals = HashMap::<LaneId, Vec<u32>>::new();
        for source in 0..self.history.source.len() as u32 {
            if let Some(lane) = lane(source) {
                originals.entry(lane).or_default().push(source);
            }
        }
        let mut holes_of = HashMap::<TopicPartition, Holes>::new();
        for ((from, number), copies) in copies {
            let originals = &originals[&(from, number)];
            let is_compacted = self.history.topics[from.topic as usize].compacted;
            for (at, copies) in copies {
                let lane = Lane { originals, copies: &copies, at };
                let equals = |copy| Equals { group: self.group(copy), members: self.members(copy) };
                let cleaned = is_compacted.then(|| {
                    let holes = holes_of.entry(from).or_insert_with(|| holes(self.history, from));
                    let elsewhere = self.forgotten_elsewhere(from);
                    cleaned::account(self.history, self.contract, lane, holes, elsewhere, equals)
                });
                let found = cleaned.flatten().unwrap_or_else(|| {
                    let whole = account(self.history, lane, equals).into_iter();
                    whole.map(|(copy, source)| (copy, Some(source))).collect()
                });
                for (copy, source) in found {
                    match source {
                        Some(source) => self.assign(copy, source),
                        None => self.copy_of[copy as usize] = NONE,
                    }
                }
            }
        }
    }

    pub(super) fn group(&self, index: u32) -> u32 {
        self.groups.of_destination[index as usize]
    }

    /// The source records that a destination record may be a copy of. Where partition numbers are
    /// kept, those of its own partition come first.
    pub(super) fn members(&self, index: u32) -> &'h [u32] {
        let members = self.groups.members(self.group(index));
        if self.contract.partitioning != Partitioning::Preserve {
            return members;
        }
        let from = |member: u32| self.history.source[member as usize].at;
        let at = self.history.destination[index as usize].at;
        let mut partitions = members.chunk_by(|one, next| from(*one) == from(*next));
        partitions.find(|members| from(members[0]) == at).unwrap_or(members)
    }

    /// Whether a record may have been left out: it was aborted, was there before a subject that starts at the end,
    /// or was gone before it could be read.
    fn may_be_absent(&self, source: u32) -> bool {
        let (history, record) = (self.history, &self.history.source[source as usize]);
        self.groups.aborted.contains(&source)
            || history.is_announced(record)
            || (self.contract.start == Start::Latest
                && history.is_before_readiness(record.at, record.offset))
    }

    /// Whether the subject may not have come to a record: it stopped moving before.
    fn may_be_ahead(&self, source: u32) -> bool {
        let (history, record) = (self.history, &self.history.source[source as usize]);
        history.completeness() == Completeness::Stalled && !history.is_final(record)
    }

    /// Whether equal records lie in one source partition, their copies in one of the destination,
    /// and all of them had to arrive.
    fn is_one_shard(&self, copies: &[u32]) -> bool {
        let members = self.members(copies[0]);
        let from = |member: u32| self.history.source[member as usize].at;
        let to = |copy: &u32| self.history.destination[*copy as usize].at;
        !members.iter().any(|member| self.may_be_absent(*member))
            && from(members[0]) == from(members[members.len() - 1])
            && copies.iter().all(|copy| to(copy) == to(&copies[0]))
    }

    /// Equal records without order: which is which cannot be told, only how many there are.
    fn by_count(&mut self, members: &[u32], copies: &[u32]) {
        let forgotten: HashSet<u32> = self.forgotten(members, copies).into_iter().collect();
        let is_held = |copy: &u32| !forgotten.contains(copy);
        let copies = &copies.iter().copied().filter(is_held).collect::<Vec<_>>()[..];
        let unused = members.iter().copied().filter(|member| !self.used[*member as usize]);
        let (optional, required): (Vec<_>, Vec<_>) =
            unused.partition(|member| self.may_be_absent(*member));
        let (ahead, mut unused): (Vec<_>, Vec<_>) =
            required.into_iter().partition(|member| self.may_be_ahead(*member));
        self.put_last_first(&mut unused, copies);
        unused.extend(ahead);
        unused.extend(optional.into_iter().rev());
        for (copy, source) in copies.iter().zip(&unused) {
            self.assign(*copy, *source);
        }
        let further = &copies[copies.len().min(unused.len())..];
        for (copy, source) in further.iter().zip(count(self.history, members, further)) {
            self.assign(*copy, source);
        }
    }
}
