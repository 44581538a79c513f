//! Which of several equal source records a copy is of.
//!
//! Where their order tells it, `account` does. The assignment may differ from what the mirror really
//! did, where nobody could tell the difference. It must not invent anomalies where a lawful account
//! exists.
//!
//! Equal records without order (null keys, keys that may lie anywhere), in several source partitions
//! (whether a sequence is a lawful mixture of several is NP-hard to tell), copied to several
//! partitions, or partly from before the readiness of a subject that starts at the end are counted:
//! first copies take one candidate each, and further ones are repeats of candidates that an event
//! explains, if there are any left. Order and staleness are not judged of them.

use super::{
    NONE,
    account::{Lane, account},
    count::count,
    identity::Groups,
    timeline::Timeline,
};
use crate::{
    contract::{Contract, OrderScope, Partitioning, Start},
    history::{History, TopicPartition},
};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Whether all records of a source partition come to one destination partition.
fn comes_whole(history: &History, contract: &Contract, source: u32) -> bool {
    let topic = &history.topics[history.source[source as usize].at.topic as usize];
    matches!(topic.destination_partitions[..], [1])
        || contract.partitioning == Partitioning::Preserve
}

/// The lane of a source record: records that must all come to one destination partition in order,
/// so that a gap or a jump says something. [`NONE`] where they may be spread.
fn lane_of(history: &History, contract: &Contract, keys: &[u32], source: u32) -> u32 {
    let record = &history.source[source as usize];
    let counts = &history.topics[record.at.topic as usize].destination_partitions;
    let whole = comes_whole(history, contract, source);
    let by_key = match contract.partitioning {
        Partitioning::Murmur2 => counts.len() == 1,
        // CRC32 spreads empty keys, too.
        Partitioning::Crc32 => {
            counts.len() == 1 && record.content.key().is_some_and(|key| !key.is_empty())
        }
        Partitioning::Preserve | Partitioning::Any => false,
    };
    match contract.order {
        OrderScope::Partition if whole => 0,
        OrderScope::Partition | OrderScope::Key if whole || by_key => keys[source as usize],
        OrderScope::Partition | OrderScope::Key => NONE,
    }
}

/// Resolves every destination record in `time` that has a group: the source record, or [`NONE`].
pub(super) fn resolve(
    history: &History,
    contract: &Contract,
    groups: &Groups,
    keys: &[u32],
    time: &[u32],
    timeline: &Timeline,
) -> Resolved {
    let mut resolver = Resolver {
        history,
        groups,
        contract,
        copy_of: vec![NONE; history.destination.len()],
        used: vec![false; history.source.len()],
    };
    let lane = |index: u32| match groups.of_destination[index as usize] {
        NONE => NONE,
        group => lane_of(history, contract, keys, groups.members(group)[0]),
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
    let equal: HashSet<u32> =
        equals.values().flat_map(|copies| resolver.members(copies[0])).copied().collect();
    let one_shard = |copies: &Vec<u32>| resolver.is_one_shard(copies);
    // A lane of which some records can only be counted does not show its sequence: all are.
    let vague: HashSet<u32> =
        equals.values().filter(|copies| !one_shard(copies)).map(|copies| lane(copies[0])).collect();
    let (mut lanes, mut counted) = (HashSet::new(), Vec::new());
    for copies in equals.into_values() {
        let lane = lane(copies[0]);
        if lane == NONE || vague.contains(&lane) {
            counted.push(copies);
        } else {
            lanes.insert(lane);
        }
    }
    if !lanes.is_empty() {
        let lane = |index: u32| Some(lane(index)).filter(|lane| lanes.contains(lane));
        resolver.account(time, lane, keys);
    }
    let mut unordered = HashSet::new();
    for copies in counted {
        let members = resolver.members(copies[0]);
        unordered.extend(members);
        resolver.by_count(members, &copies, timeline);
    }
    let mut order_unsure = unordered.clone();
    if contract.order == OrderScope::Partition {
        // Told apart by key alone, they say nothing about the order between keys.
        let by_key = |group: &u32| !comes_whole(history, contract, groups.members(*group)[0]);
        let lone = |group: &u32| groups.members(*group).len() > 1 && by_key(group);
        let vague = groups.of_destination.iter().filter(|group| **group != NONE && lone(group));
        order_unsure.extend(vague.flat_map(|group| groups.members(*group)));
    }
    Resolved { copy_of: resolver.copy_of, equal, unordered, order_unsure }
}

pub(super) struct Resolved {
    pub(super) copy_of: Vec<u32>,
    /// Source records that nothing tells apart from others.
    pub(super) unordered: HashSet<u32>,
    /// Those, and records of which order within their partition cannot be judged.
    pub(super) order_unsure: HashSet<u32>,
    /// Source records of whose equals a copy may be as well.
    pub(super) equal: HashSet<u32>,
}

struct Resolver<'h> {
    history: &'h History,
    groups: &'h Groups,
    contract: &'h Contract,
    copy_of: Vec<u32>,
    used: Vec<bool>,
}

impl<'h> Resolver<'h> {
    fn assign(&mut self, index: u32, source: u32) {
        self.copy_of[index as usize] = source;
        self.used[source as usize] = true;
    }

    /// Lanes in which there are equal records, each as a whole. A copy that is not where the others of
    /// its lane are says nothing about their order.
    fn account(&mut self, time: &[u32], lane: impl Fn(u32) -> Option<u32>, keys: &[u32]) {
        let mut copies = HashMap::<_, BTreeMap<TopicPartition, Vec<u32>>>::new();
        for index in time {
            if let Some(number) = lane(*index) {
                let from = self.history.source[self.members(*index)[0] as usize].at;
                let at = self.history.destination[*index as usize].at;
                let lane = copies.entry((from, number)).or_default();
                lane.entry(at).or_default().push(*index);
            }
        }
        let mut originals = HashMap::<_, Vec<u32>>::new();
        for (index, record) in (0..).zip(&self.history.source) {
            let lane = (record.at, lane_of(self.history, self.contract, keys, index));
            if copies.contains_key(&lane) {
                originals.entry(lane).or_default().push(index);
            }
        }
        for (number, copies) in copies {
            let originals = originals.get(&number).map_or(&[][..], Vec::as_slice);
            for (at, copies) in copies {
                let lane = Lane { originals, copies: &copies, at };
                let absent = |source| self.may_be_absent(source);
                let account = account(self.history, lane, |copy| self.members(copy), absent);
                for (copy, source) in account {
                    self.assign(copy, source);
                }
            }
        }
    }

    /// The source records that a destination record may be a copy of. Where partition numbers are
    /// kept, those of its own partition come first.
    fn members(&self, index: u32) -> &'h [u32] {
        let members = self.groups.members(self.groups.of_destination[index as usize]);
        if self.contract.partitioning != Partitioning::Preserve || members.len() == 1 {
            return members;
        }
        let at = self.history.destination[index as usize].at;
        let begin = members.partition_point(|member| self.history.source[*member as usize].at < at);
        let end = members.partition_point(|member| self.history.source[*member as usize].at <= at);
        if begin < end { &members[begin..end] } else { members }
    }

    /// Whether a subject that starts at the end may have left a record out.
    fn may_be_absent(&self, source: u32) -> bool {
        let record = &self.history.source[source as usize];
        let ready = self.history.ready.as_ref().and_then(|ready| ready.get(&record.at));
        self.contract.start == Start::Latest && ready.is_some_and(|ready| record.offset < *ready)
    }

    /// Whether equal records lie in one source partition, their copies in one of the destination,
    /// and all of them had to arrive.
    fn is_one_shard(&self, copies: &[u32]) -> bool {
        let members = self.members(copies[0]);
        let from = |member: u32| self.history.source[member as usize].at;
        let to = |copy: &u32| self.history.destination[*copy as usize].at;
        !self.may_be_absent(members[0])
            && from(members[0]) == from(members[members.len() - 1])
            && copies.iter().all(|copy| to(copy) == to(&copies[0]))
    }

    /// Equal records without order: which is which cannot be told, only how many there are.
    fn by_count(&mut self, members: &[u32], copies: &[u32], timeline: &Timeline) {
        let unused = members.iter().copied().filter(|member| !self.used[*member as usize]);
        let (optional, mut unused): (Vec<_>, Vec<_>) =
            unused.partition(|member| self.may_be_absent(*member));
        unused.extend(optional.into_iter().rev());
        for (copy, source) in copies.iter().zip(&unused) {
            self.assign(*copy, *source);
        }
        let further = &copies[copies.len().min(unused.len())..];
        for (copy, source) in further.iter().zip(count(self.history, members, further, timeline)) {
            self.assign(*copy, source);
        }
    }
}
