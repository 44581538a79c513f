//! Which of several equal source records a copy is of, told by its position.
//!
//! The rule of the design is: the first such record after the copy's predecessor in its shard, else
//! the earliest. Taken literally it accuses lawful mirrors, because it looks back only. For a key
//! whose records are `x y x` (a tombstone, a value, a tombstone: no ids, equal contents), a kill
//! after the first record gives the destination `x | x y x`. Looking back, its second record is the
//! third of the source, and the `y` behind it comes too late: "reordered", though nothing was. So
//! candidates are compared by what follows as well. A run goes on as long as it can: the direct
//! successor of the predecessor is taken if that is lawful (longest runs first need the fewest
//! rewinds, and none before the mirror's own). Else, in this order:
//!
//! 0. a first copy in order and without a gap, or a repeat that an event explains, before any other;
//! 1. how many of the following records of the lane go on from there, one by one;
//! 2. not yet copied before already copied: equal records of a key that moved to another partition
//!    are two records, not a repeat;
//! 3. after the predecessor before the others; of those after it the earliest, of the others the
//!    latest, so that a repeat reaches back no further than it must.
//!
//! The assignment may differ from what the mirror really did, where nobody could tell the
//! difference. It must not invent anomalies where a lawful account exists.
//!
//! Equal records without order (null keys, keys that may lie anywhere), in several source partitions (whether a sequence is a
//! lawful mixture of several is NP-hard to tell), copied to several partitions, or partly from
//! before the readiness of a subject that starts at the end are counted: first copies take one candidate
//! each, and further ones are repeats of candidates that an event explains, if there are any left.
//! Order and staleness are not judged of them.

use super::{
    NONE,
    account::{Lanes, account},
    count::count,
    explanation::Explanations,
    identity::Groups,
    timeline::Timeline,
};
use crate::{
    contract::{Contract, OrderScope, Partitioning, Start},
    history::{History, TopicPartition},
};
use std::collections::{BTreeMap, HashMap, HashSet};

/// How many records ahead candidates are compared by.
const LOOK_AHEAD: usize = 32;
/// From how many candidates on only those near the predecessor are compared.
const MANY: usize = 12;

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
        explanations: Explanations::default(),
        copy_of: vec![NONE; history.destination.len()],
        used: vec![false; history.source.len()],
        reached: vec![false; history.source.len()],
        counted: HashSet::new(),
        predecessors: HashMap::new(),
        furthest: HashMap::new(),
        successors: HashMap::new(),
        before: HashMap::new(),
        first_unused: HashMap::new(),
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
    for ((group, _), copies) in equals {
        let lane = lane(copies[0]);
        if lane == NONE || vague.contains(&lane) {
            resolver.counted.insert(group);
            counted.push(copies);
        } else {
            lanes.insert(lane);
        }
    }
    if !lanes.is_empty() {
        let lane = |index: u32| Some(lane(index)).filter(|lane| lanes.contains(lane));
        resolver.by_lane(time, lane, keys);
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

/// A destination partition, a source partition and a lane.
type Shard = (TopicPartition, TopicPartition, u32);

struct Resolver<'h> {
    history: &'h History,
    groups: &'h Groups,
    contract: &'h Contract,
    explanations: Explanations,
    copy_of: Vec<u32>,
    used: Vec<bool>,
    /// Which source records have a copy so far, in order of time.
    reached: Vec<bool>,
    /// Groups that only their number tells about.
    counted: HashSet<u32>,
    predecessors: HashMap<Shard, u32>,
    furthest: HashMap<Shard, u32>,
    /// The next record of each source record's lane, and the one before.
    successors: HashMap<u32, u32>,
    before: HashMap<u32, u32>,
    /// For each large group, by its first member: below which position every member is used.
    first_unused: HashMap<u32, usize>,
}

impl<'h> Resolver<'h> {
    fn assign(&mut self, index: u32, source: u32) {
        self.copy_of[index as usize] = source;
        self.used[source as usize] = true;
    }

    fn by_lane(&mut self, time: &[u32], lane: impl Fn(u32) -> Option<u32>, keys: &[u32]) {
        self.successors = self.successors(keys);
        self.before = self.successors.iter().map(|(before, next)| (*next, *before)).collect();
        let mut sequences = HashMap::<(TopicPartition, u32), Vec<u32>>::new();
        for index in time {
            if let Some(lane) = lane(*index) {
                let at = self.history.destination[*index as usize].at;
                sequences.entry((at, lane)).or_default().push(*index);
            }
        }
        let mut reached = HashMap::<(TopicPartition, u32), usize>::new();
        for index in time {
            let Some(lane) = lane(*index) else { continue };
            let at = self.history.destination[*index as usize].at;
            let position = reached.entry((at, lane)).or_default();
            *position += 1;
            if self.is_counted(*index) {
                continue;
            }
            if self.copy_of[*index as usize] == NONE {
                let following = &sequences[&(at, lane)][*position..];
                let following = &following[..following.len().min(LOOK_AHEAD)];
                let source = self.choose(*index, at, lane, following);
                self.assign(*index, source);
            }
            let source = self.copy_of[*index as usize];
            let from = self.history.source[source as usize].at;
            if std::mem::replace(&mut self.reached[source as usize], true) {
                self.explanations.take(self.history, *index, source, None);
            }
            self.predecessors.insert((at, from, lane), source);
            let furthest = self.furthest.entry((at, from, lane)).or_insert(source);
            *furthest = (*furthest).max(source);
        }
    }

    /// Lawful accounts of whole lanes replace what was found record by record.
    fn account(&mut self, time: &[u32], lane: impl Fn(u32) -> Option<u32>, keys: &[u32]) {
        let mut lanes = Lanes::new();
        for index in time {
            if let Some(number) = lane(*index) {
                let from = self.history.source[self.members(*index)[0] as usize].at;
                lanes.entry((from, number)).or_default().copies.push(*index);
            }
        }
        for (index, record) in (0..).zip(&self.history.source) {
            let number = lane_of(self.history, self.contract, keys, index);
            if let Some(lane) = lanes.get_mut(&(record.at, number)) {
                lane.originals.push(index);
            }
        }
        for lane in lanes.into_values() {
            let absent = |source| self.may_be_absent(source);
            let account = account(self.history, &lane, |copy| self.members(copy), absent);
            for (copy, source) in account.unwrap_or_default() {
                self.copy_of[copy as usize] = source;
            }
        }
    }

    /// For each source record the next one of its partition and lane.
    fn successors(&self, keys: &[u32]) -> HashMap<u32, u32> {
        let (mut last, mut successors) = (HashMap::new(), HashMap::new());
        for (index, record) in self.history.source.iter().enumerate() {
            let lane = lane_of(self.history, self.contract, keys, index as u32);
            if lane == NONE {
                continue;
            }
            if let Some(before) = last.insert((record.at, lane), index as u32) {
                successors.insert(before, index as u32);
            }
        }
        successors
    }

    fn choose(&mut self, index: u32, at: TopicPartition, lane: u32, following: &[u32]) -> u32 {
        let members = self.members(index);
        let from = self.history.source[members[0] as usize].at;
        let predecessor = self.predecessors.get(&(at, from, lane));
        let successor = predecessor.and_then(|last| self.successors.get(last)).copied();
        if let Some(next) = successor.filter(|next| members.binary_search(next).is_ok())
            && self.is_lawful(next, index, lane)
        {
            return next;
        }
        let candidates = self.candidates(members, at, lane);
        let rank = |source: &u32| {
            let from = self.history.source[*source as usize].at;
            let predecessor = self.predecessors.get(&(at, from, lane));
            let after = predecessor.is_none_or(|predecessor| source > predecessor);
            let near = if after { -i64::from(*source) } else { i64::from(*source) };
            (
                self.is_lawful(*source, index, lane),
                self.fit(*source, following),
                !self.used[*source as usize],
                after,
                near,
            )
        };
        // A group is never empty; its first member stands in for the impossible.
        candidates.iter().copied().max_by_key(rank).unwrap_or(members[0])
    }

    /// Whether a copy of `source` here would be its first, in order and without a gap, or a repeat
    /// that an event explains.
    fn is_lawful(&self, source: u32, index: u32, lane: u32) -> bool {
        if self.reached[source as usize] {
            return self.explanations.find(self.history, index, source, None).is_some();
        }
        let at = self.history.destination[index as usize].at;
        let from = self.history.source[source as usize].at;
        let furthest = self.furthest.get(&(at, from, lane));
        let before = self.before.get(&source);
        furthest.is_none_or(|furthest| source > *furthest)
            && before.is_none_or(|b| self.reached[*b as usize] || self.may_be_absent(*b))
    }

    /// How many of the records that follow continue the source's sequence behind `source`, one by
    /// one. Those of other source partitions are passed over.
    fn fit(&self, source: u32, following: &[u32]) -> u32 {
        let from = self.history.source[source as usize].at;
        let (mut fit, mut reached) = (0, source);
        for index in following {
            let members = self.members(*index);
            if self.history.source[members[0] as usize].at != from {
                continue;
            }
            match self.successors.get(&reached) {
                Some(next) if members.binary_search(next).is_ok() => reached = *next,
                Some(_) | None => break,
            }
            fit += 1;
        }
        fit
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

    fn is_counted(&self, index: u32) -> bool {
        self.counted.contains(&self.groups.of_destination[index as usize])
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

    /// All members of a small group; of a large one those next to the predecessor, and the first
    /// that have no copy yet. All members lie in one source partition.
    fn candidates(&mut self, members: &[u32], at: TopicPartition, lane: u32) -> Vec<u32> {
        if members.len() <= MANY {
            return members.to_vec();
        }
        let unused = self.first_unused.entry(members[0]).or_default();
        while members.get(*unused).is_some_and(|member| self.used[*member as usize]) {
            *unused += 1;
        }
        let unused = *unused;
        let from = self.history.source[members[0] as usize].at;
        let middle = match self.predecessors.get(&(at, from, lane)) {
            Some(last) => members.partition_point(|member| member <= last),
            None => 0,
        };
        let near = middle.saturating_sub(MANY / 2)..(middle + MANY / 2).min(members.len());
        members[unused..].iter().take(2).chain(&members[near]).copied().collect()
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
