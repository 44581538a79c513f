//! Which source records a destination record *may* be a copy of, before its position is looked at.
//!
//! Source records fall into groups of equal identity: by id where they carry one, by content where
//! they do not. Nearly all groups have one member. A destination record that carries no id is of those
//! that carry none either, if any of them has its content. Any other without an id which the source
//! holds (headers dropped, id damaged) is looked up by content among all records.
//!
//! Records of one group need not be alike: who sends a record again after its transaction was aborted
//! keeps the id, and not the timestamp. A copy that is like some of a group, but for what the contract lets a
//! subject change, is of those alone.

use crate::{
    contract::{Contract, Partitioning},
    history::{
        Content, DestinationRecord, History, RecordId, SourceRecord, TopicIndex, TopicPartition,
    },
    likeness::{agreement, is_like, likeness, timeless_likeness},
};
use std::collections::{HashMap, HashSet};
use xxhash_rust::xxh3::xxh3_64;

/// No group, no record: a niche that keeps the vectors small.
pub(super) const NONE: u32 = u32::MAX;

/// The candidates of every destination record.
pub(super) struct Groups {
    /// Where each group's members begin in `members`; one more than there are groups.
    starts: Vec<u32>,
    /// Indices of source records, ascending within a group.
    members: Vec<u32>,
    /// The group of each destination record, or [`NONE`].
    pub(super) of_destination: Vec<u32>,
    /// Source records of aborted transactions, if they are part of the history's source.
    pub(super) aborted: HashSet<u32>,
    /// Produced records whose ids the source does not hold.
    pub(super) absent: Vec<u32>,
}

impl Groups {
    pub(super) fn members(&self, group: u32) -> &[u32] {
        let group = group as usize;
        &self.members[self.starts[group] as usize..self.starts[group + 1] as usize]
    }
}

#[derive(PartialEq, Eq)]
enum Identity {
    Id(TopicIndex, RecordId),
    Content(TopicIndex, u128),
}

impl Identity {
    fn hash(&self) -> u64 {
        let mut bytes = [0; 20];
        match self {
            Identity::Id(topic, id) => {
                bytes[..8].copy_from_slice(&id.run.to_le_bytes());
                bytes[8..10].copy_from_slice(&id.producer.to_le_bytes());
                bytes[10..14].copy_from_slice(&id.key.to_le_bytes());
                bytes[14..18].copy_from_slice(&id.sequence.to_le_bytes());
                bytes[18..].copy_from_slice(&topic.to_le_bytes());
            }
            Identity::Content(topic, digest) => {
                bytes[..16].copy_from_slice(&digest.to_le_bytes());
                bytes[18..].copy_from_slice(&topic.to_le_bytes());
            }
        }
        xxh3_64(&bytes)
    }
}

/// Groups the source, and finds the group of each destination record that `wanted` selects.
pub(super) fn group(
    history: &History,
    contract: &Contract,
    room: &[u64],
    wanted: impl Fn(usize) -> bool,
) -> Groups {
    let mut grouping = Grouping::of_source(history);
    let mut of_destination = vec![NONE; history.destination.len()];
    let mut unknown = Vec::new();
    for index in (0..history.destination.len()).filter(|index| wanted(*index)) {
        let record = &history.destination[index];
        let group = grouping.by_id(history, contract, record);
        match group.or_else(|| grouping.without_id(history, record)) {
            Some(group) => of_destination[index] = group,
            None => unknown.push(index as u32),
        }
    }
    grouping.by_likeness(history, contract, &mut of_destination);
    grouping.leave_unlike(history, contract, room, &mut of_destination);
    let aborted = aborted_on_source(history);
    let absent = grouping.absent(history, &aborted);
    let produced = absent_ids(history, &absent);
    unknown.retain(|index| {
        let record = &history.destination[*index as usize];
        // An id that is in the producers' log, though not on the source, is known well enough.
        !record.content.ids().any(|id| produced.contains(&(record.at.topic, id)))
    });
    if !unknown.is_empty() {
        grouping.by_content(history, &unknown, &mut of_destination);
    }
    let (starts, members) = collect(grouping.pairs, grouping.groups);
    Groups { starts, members, of_destination, aborted, absent }
}

/// Whether compaction may have removed a record of which nothing but its content is known.
pub(crate) fn is_forgettable(content: &Content) -> bool {
    content.key().is_some() && content.ids().next().is_none()
}

/// What a source record goes by.
fn identity(record: &SourceRecord) -> Identity {
    match record.content.id() {
        Some(id) => Identity::Id(record.at.topic, id),
        None => Identity::Content(record.at.topic, record.content.digest()),
    }
}

/// Groups by identity. A hash table of numbers alone: identities are read from the history again,
/// where they already are, instead of being kept for millions of records.
struct Table {
    /// The group in each slot, or [`NONE`], and half of its hash: what differs in it need not be read.
    slots: Vec<(u32, u32)>,
}

impl Table {
    fn of(size: usize) -> Table {
        Table { slots: vec![(NONE, 0); (2 * size).next_power_of_two()] }
    }

    /// The group of an identity, or where to put it. `first`: the first member of each group.
    fn group(&mut self, history: &History, first: &[u32], wanted: &Identity) -> &mut u32 {
        let (slot, half) = self.slot(history, first, wanted);
        self.slots[slot].1 = half;
        &mut self.slots[slot].0
    }

    fn slot(&self, history: &History, first: &[u32], wanted: &Identity) -> (usize, u32) {
        let (hash, mask) = (wanted.hash(), self.slots.len() - 1);
        let half = (hash >> 32) as u32;
        let mut slot = hash as usize & mask;
        loop {
            let (group, other) = self.slots[slot];
            let is_wanted = || identity(&history.source[first[group as usize] as usize]) == *wanted;
            // At most half of the slots are taken, so there is an end.
            if group == NONE || (other == half && is_wanted()) {
                return (slot, half);
            }
            slot = (slot + 1) & mask;
        }
    }
}

/// Groups in the making.
struct Grouping {
    by_identity: Table,
    /// The first member of each group.
    first: Vec<u32>,
    /// Groups with their members.
    pairs: Vec<(u32, u32)>,
    groups: u32,
    /// Groups of which not all members are alike.
    motley: HashSet<u32>,
}

impl Grouping {
    fn of_source(history: &History) -> Grouping {
        let size = history.source.len();
        let mut by_identity = Table::of(size);
        let (mut first, mut pairs) = (Vec::with_capacity(size), Vec::with_capacity(size));
        let mut motley = HashSet::new();
        for (index, record) in history.source.iter().enumerate() {
            let identity = identity(record);
            let group = by_identity.group(history, &first, &identity);
            if *group == NONE {
                *group = first.len() as u32;
                first.push(index as u32);
            } else if record.content != history.source[first[*group as usize] as usize].content {
                motley.insert(*group);
            }
            pairs.push((*group, index as u32));
        }
        let groups = first.len() as u32;
        Grouping { by_identity, first, pairs, groups, motley }
    }

    fn find(&self, history: &History, identity: &Identity) -> Option<u32> {
        let (slot, _) = self.by_identity.slot(history, &self.first, identity);
        Some(self.by_identity.slots[slot].0).filter(|group| *group != NONE)
    }

    /// The group of the id that a destination record carries, if the source holds it.
    fn by_id(
        &self,
        history: &History,
        contract: &Contract,
        record: &DestinationRecord,
    ) -> Option<u32> {
        let (topic, content) = (record.at.topic, &record.content);
        let find = |id| self.find(history, &Identity::Id(topic, id));
        let (header, value) =
            (content.header_id().and_then(find), content.value_id().and_then(find));
        if header == value {
            return header;
        }
        match (header, value) {
            (Some(header), Some(value)) => {
                let first =
                    |group: u32| &history.source[self.first[group as usize] as usize].content;
                // Headers or values were swapped: the identity that agrees in more fields is the
                // better account of what happened; between equals the header decides.
                let agree = |group| agreement(first(group), content, contract);
                let by_value = agree(value) > agree(header);
                Some(if by_value { value } else { header })
            }
            (header, value) => header.or(value),
        }
    }

    /// The group of the records that carry no id, of the content of a destination record without one.
    fn without_id(&self, history: &History, record: &DestinationRecord) -> Option<u32> {
        let identity = Identity::Content(record.at.topic, record.content.digest());
        let has_id = record.content.ids().next().is_some();
        (!has_id).then(|| self.find(history, &identity)).flatten()
    }

    /// Of a group whose members are not alike a copy is of those that it is like, if there are any.
    /// These groups come on top of the others, too.
    fn by_likeness(&mut self, history: &History, contract: &Contract, of_destination: &mut [u32]) {
        if self.motley.is_empty() {
            return;
        }
        let mut numbers = HashMap::new();
        for pair in 0..self.pairs.len() {
            let (group, source) = self.pairs[pair];
            if self.motley.contains(&group) {
                let content = &history.source[source as usize].content;
                let number = numbers.entry((group, likeness(content, contract)));
                let number = *number.or_insert_with(|| {
                    self.groups += 1;
                    self.groups - 1
                });
                self.pairs.push((number, source));
            }
        }
        for (group, record) in of_destination.iter_mut().zip(&history.destination) {
            if self.motley.contains(group) {
                let alike = |likeness| numbers.get(&(*group, likeness)).copied();
                let number = alike(likeness(&record.content, contract));
                let timeless = || alike(timeless_likeness(&record.content, contract));
                *group = number.or_else(timeless).unwrap_or(*group);
            }
        }
    }

    /// A record without an id that is like none of those of its content may be of one that the source has forgotten, where it
    /// may have forgotten any. So may one of other partitions than its own, where partition numbers are kept.
    fn leave_unlike(
        &self,
        history: &History,
        contract: &Contract,
        room: &[u64],
        of_destination: &mut [u32],
    ) {
        let gaps_of = history.gaps_of_partitions();
        let may_forget = |topic: usize| room[topic] > 0;
        if !(0..history.topics.len()).any(may_forget) {
            return;
        }
        let (mut members, mut is_of_one) = (HashMap::<u32, Vec<u32>>::new(), HashMap::new());
        let alike = |(group, _): &&(u32, u32)| *group >= self.first.len() as u32;
        for (group, source) in self.pairs.iter().filter(alike) {
            members.entry(*group).or_default().push(*source);
        }
        let preserves = contract.partitioning == Partitioning::Preserve;
        let is_of = |group: u32, copy: &DestinationRecord| {
            let is_of = |source: &u32| {
                let original = &history.source[*source as usize];
                let is_there = !preserves || original.at == copy.at;
                is_there && is_like(&original.content, &copy.content, contract)
            };
            match members.get(&group) {
                Some(members) => members.iter().any(is_of),
                // It is like none of those, or they are all the same.
                None => {
                    let first = &history.source[self.first[group as usize] as usize].content;
                    !self.motley.contains(&group) && is_like(first, &copy.content, contract)
                }
            }
        };
        let homes = if preserves { self.homes(history) } else { HashSet::new() };
        for (group, record) in of_destination.iter_mut().zip(&history.destination) {
            let content = &record.content;
            if *group == NONE || !may_forget(record.at.topic as usize) || !is_forgettable(content) {
                continue;
            }
            let is_at_home = !preserves
                || gaps_of.get(&record.at).is_none_or(|gaps| *gaps == 0)
                || homes.contains(&(*group, record.at));
            let place = if preserves { Some(record.at) } else { None };
            let headers = content.headers().collect::<Vec<_>>();
            let look = (*group, place, headers, content.timestamp());
            if !is_at_home || !*is_of_one.entry(look).or_insert_with(|| is_of(*group, record)) {
                *group = NONE;
            }
        }
    }

    /// In which source partitions each group has members.
    fn homes(&self, history: &History) -> HashSet<(u32, TopicPartition)> {
        let home = |(group, source): &(u32, u32)| (*group, history.source[*source as usize].at);
        self.pairs.iter().map(home).collect()
    }

    /// Looks up records without a known id among all that have their content. These groups come on
    /// top of the others: a source record may be in one of each.
    fn by_content(&mut self, history: &History, unknown: &[u32], of_destination: &mut [u32]) {
        let destination = |index: u32| &history.destination[index as usize];
        let by_content = |topic, content: &Content| (topic, content.digest());
        let mut groups: HashMap<_, u32> = unknown
            .iter()
            .map(|index| destination(*index))
            .map(|record| (by_content(record.at.topic, &record.content), NONE))
            .collect();
        for (index, record) in history.source.iter().enumerate() {
            if let Some(group) = groups.get_mut(&by_content(record.at.topic, &record.content)) {
                if *group == NONE {
                    *group = self.groups;
                    self.groups += 1;
                }
                self.pairs.push((*group, index as u32));
            }
        }
        for index in unknown {
            let record = destination(*index);
            let group = groups.get(&by_content(record.at.topic, &record.content));
            of_destination[*index as usize] = group.copied().unwrap_or(NONE);
        }
    }

    /// Records of the producers' log whose ids the source does not hold, or only in what was aborted.
    fn absent(&self, history: &History, aborted: &HashSet<u32>) -> Vec<u32> {
        let aborted = aborted_ids(history, aborted);
        let on_source = |index: &u32| {
            let produced = &history.produced[*index as usize];
            !aborted.contains(&(produced.topic, produced.id))
                && self.find(history, &Identity::Id(produced.topic, produced.id)).is_some()
        };
        (0..history.produced.len() as u32).filter(|index| !on_source(index)).collect()
    }
}

/// The ids that lie in aborted transactions and nowhere else.
fn aborted_ids(history: &History, aborted: &HashSet<u32>) -> HashSet<(TopicIndex, RecordId)> {
    let id = |record: &SourceRecord| Some((record.at.topic, record.content.id()?));
    let mut ids: HashSet<_> = history.aborted.iter().filter_map(id).collect();
    if !ids.is_empty() {
        let committed = (0..).zip(&history.source).filter(|(index, _)| !aborted.contains(index));
        let committed = committed.map(|(_, record)| record);
        committed.filter_map(id).for_each(|id| _ = ids.remove(&id));
    }
    ids
}

/// The records of aborted transactions that the source of a history holds.
fn aborted_on_source(history: &History) -> HashSet<u32> {
    let find = |aborted: &SourceRecord| {
        let place = (aborted.at, aborted.offset);
        history.source.binary_search_by_key(&place, |record| (record.at, record.offset)).ok()
    };
    history.aborted.iter().filter_map(find).map(|index| index as u32).collect()
}

fn absent_ids(history: &History, absent: &[u32]) -> HashSet<(TopicIndex, RecordId)> {
    absent
        .iter()
        .map(|index| &history.produced[*index as usize])
        .map(|produced| (produced.topic, produced.id))
        .collect()
}

/// Sorts pairs of group and member by counting: both are dense.
fn collect(pairs: Vec<(u32, u32)>, groups: u32) -> (Vec<u32>, Vec<u32>) {
    let mut starts = vec![0_u32; groups as usize + 1];
    for (group, _) in &pairs {
        starts[*group as usize + 1] += 1;
    }
    for group in 0..groups as usize {
        starts[group + 1] += starts[group];
    }
    let mut next = starts.clone();
    let mut members = vec![0; pairs.len()];
    for (group, member) in pairs {
        let slot = &mut next[group as usize];
        members[*slot as usize] = member;
        *slot += 1;
    }
    (starts, members)
}
