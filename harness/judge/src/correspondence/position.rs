//! Which of several equal source records a copy is of, told by its position.
//!
//! The rule of the design is: the first such record after the copy's predecessor in its shard, else
//! the earliest. Taken literally it accuses lawful mirrors, because it looks back only. For a key
//! whose records are `x y x` (a tombstone, a value, a tombstone: no ids, equal contents), a kill
//! after the first record gives the destination `x | x y x`. Looking back, its second record is the
//! third of the source, and the `y` behind it comes too late: "reordered", though nothing was. So
//! candidates are compared by what follows as well, in this order:
//!
//! 1. how many of the following records of the lane continue the source's sequence from there;
//! 2. how soon they do: of equal records in two source partitions the one whose successor comes
//!    first must have been the first (earliest deadline first);
//! 3. not yet copied before already copied: equal records of a key that moved to another partition
//!    are two records, not a repeat;
//! 4. after the predecessor before the others; of those after it the earliest, of the others the
//!    latest, so that a repeat reaches back no further than it must.
//!
//! The assignment may differ from what the mirror really did, where nobody could tell the
//! difference. It must not invent anomalies where a lawful account exists.
//!
//! Records without order (null keys) are counted: the first copies take one candidate each, and
//! further ones are repeats of candidates that an event explains, if there are any left.

use super::{NONE, identity::Groups, timeline::Timeline};
use crate::{
    contract::{Contract, OrderScope},
    history::{EventKind, History, TopicPartition},
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap, HashSet},
};

/// How many records ahead candidates are compared by.
const LOOK_AHEAD: usize = 32;
/// From how many candidates on only those near the predecessor are compared.
const MANY: usize = 12;

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
        copy_of: vec![NONE; history.destination.len()],
        used: vec![false; history.source.len()],
        predecessors: HashMap::new(),
        first_unused: HashMap::new(),
    };
    let lane = |index: u32| match (groups.of_destination[index as usize], contract.order) {
        (NONE, _) => NONE,
        (_, OrderScope::Partition) => 0,
        (group, OrderScope::Key) => keys[groups.members(group)[0] as usize],
    };
    let mut lanes = HashSet::new();
    let mut counted = BTreeMap::<u32, Vec<u32>>::new();
    for index in time {
        let group = groups.of_destination[*index as usize];
        if group == NONE {
            continue;
        }
        match (groups.members(group), lane(*index)) {
            ([sole], _) => resolver.assign(*index, *sole),
            (_, NONE) => counted.entry(group).or_default().push(*index),
            (_, lane) => _ = lanes.insert(lane),
        }
    }
    if !lanes.is_empty() {
        resolver.by_lane(time, |index| Some(lane(index)).filter(|lane| lanes.contains(lane)));
    }
    let mut unordered = HashSet::new();
    for (group, copies) in counted {
        unordered.extend(groups.members(group));
        resolver.by_count(groups.members(group), &copies, timeline);
    }
    Resolved { copy_of: resolver.copy_of, unordered }
}

pub(super) struct Resolved {
    pub(super) copy_of: Vec<u32>,
    /// Source records that nothing tells apart from others.
    pub(super) unordered: HashSet<u32>,
}

/// A destination partition, a source partition and a lane.
type Shard = (TopicPartition, TopicPartition, u32);

struct Resolver<'h> {
    history: &'h History,
    groups: &'h Groups,
    copy_of: Vec<u32>,
    used: Vec<bool>,
    predecessors: HashMap<Shard, u32>,
    /// For each large group: below which position every member is used.
    first_unused: HashMap<u32, usize>,
}

impl Resolver<'_> {
    fn assign(&mut self, index: u32, source: u32) {
        self.copy_of[index as usize] = source;
        self.used[source as usize] = true;
    }

    fn by_lane(&mut self, time: &[u32], lane: impl Fn(u32) -> Option<u32>) {
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
            if self.copy_of[*index as usize] == NONE {
                let following = &sequences[&(at, lane)][*position..];
                let following = &following[..following.len().min(LOOK_AHEAD)];
                let source = self.choose(*index, at, lane, following);
                self.assign(*index, source);
            }
            let source = self.copy_of[*index as usize];
            let from = self.history.source[source as usize].at;
            self.predecessors.insert((at, from, lane), source);
        }
    }

    fn choose(&mut self, index: u32, at: TopicPartition, lane: u32, following: &[u32]) -> u32 {
        let group = self.groups.of_destination[index as usize];
        let candidates = self.candidates(group, at, lane);
        let rank = |source: &u32| {
            let from = self.history.source[*source as usize].at;
            let predecessor = self.predecessors.get(&(at, from, lane));
            let after = predecessor.is_none_or(|predecessor| source > predecessor);
            let near = if after { -i64::from(*source) } else { i64::from(*source) };
            let (fit, distance) = self.fit(*source, following);
            (fit, Reverse(distance), !self.used[*source as usize], after, near)
        };
        // A group is never empty; its first member stands in for the impossible.
        candidates.iter().copied().max_by_key(rank).unwrap_or(self.groups.members(group)[0])
    }

    /// How many of the records that follow continue the source's sequence behind `source`, and how
    /// soon the first of them does.
    fn fit(&self, source: u32, following: &[u32]) -> (u32, usize) {
        let from = self.history.source[source as usize].at;
        let (mut fit, mut first, mut reached) = (0, usize::MAX, source);
        for (distance, index) in following.iter().enumerate() {
            let members = self.groups.members(self.groups.of_destination[*index as usize]);
            let next = members.partition_point(|member| *member <= reached);
            if let Some(next) = members.get(next)
                && self.history.source[*next as usize].at == from
            {
                reached = *next;
                fit += 1;
                first = first.min(distance);
            }
        }
        (fit, first)
    }

    /// All members of a small group; of a large one those next to the predecessor in each source
    /// partition, and the first that have no copy yet.
    fn candidates(&mut self, group: u32, at: TopicPartition, lane: u32) -> Vec<u32> {
        let members = self.groups.members(group);
        if members.len() <= MANY {
            return members.to_vec();
        }
        let unused = self.first_unused.entry(group).or_default();
        while members.get(*unused).is_some_and(|member| self.used[*member as usize]) {
            *unused += 1;
        }
        let mut candidates = members[*unused..].iter().take(2).copied().collect::<Vec<_>>();
        let mut begin = 0;
        while begin < members.len() && candidates.len() < 8 * MANY {
            let from = self.history.source[members[begin] as usize].at;
            let end = members.partition_point(|m| self.history.source[*m as usize].at <= from);
            let middle = match self.predecessors.get(&(at, from, lane)) {
                Some(last) => members.partition_point(|member| member <= last),
                None => begin,
            };
            let middle = middle.clamp(begin, end);
            let near = middle.saturating_sub(MANY / 3).max(begin)..(middle + MANY / 3).min(end);
            candidates.extend(&members[near]);
            begin = end;
        }
        candidates
    }

    /// Equal records without order: which is which cannot be told, only how many there are.
    fn by_count(&mut self, members: &[u32], copies: &[u32], timeline: &Timeline) {
        let unused: Vec<u32> =
            members.iter().copied().filter(|member| !self.used[*member as usize]).collect();
        for (copy, source) in copies.iter().zip(&unused) {
            self.assign(*copy, *source);
        }
        let history = self.history;
        let latest = members[members.len() - 1];
        // Each event explains one repeat of each record that was not committed.
        let mut explained: Vec<usize> = vec![members.len(); history.events.len()];
        for copy in copies.iter().skip(unused.len()) {
            let record = &history.destination[*copy as usize];
            let begun = timeline.epoch(record.at, record.offset) as usize;
            let candidate = (0..history.events.len().min(begun)).find_map(|number| {
                let event = &history.events[number];
                if event.kind == EventKind::ProduceFault {
                    return None;
                }
                let next = members[..explained[number]].iter().rposition(|member| {
                    let source = &history.source[*member as usize];
                    event.committed.get(&source.at).is_none_or(|at| source.offset >= *at)
                });
                explained[number] = next.unwrap_or(0);
                next.map(|next| members[next])
            });
            self.assign(*copy, candidate.unwrap_or(latest));
        }
    }
}
