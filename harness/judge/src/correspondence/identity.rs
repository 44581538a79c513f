//! Which source records a destination record *may* be a copy of, before its position is looked at.
//!
//! Source records fall into groups of equal identity: by id where they carry one, by content where
//! they do not. Nearly all groups have one member. A destination record that carries no id which
//! the source holds (headers dropped, id damaged) is looked up by content among all records.

use crate::history::{Content, DestinationRecord, History, Payload, RecordId, TopicIndex};
use std::collections::{HashMap, HashSet};
use xxhash_rust::xxh3::xxh3_128;

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
    /// Produced records whose ids the source does not hold.
    pub(super) absent: Vec<u32>,
}

impl Groups {
    pub(super) fn members(&self, group: u32) -> &[u32] {
        let group = group as usize;
        &self.members[self.starts[group] as usize..self.starts[group + 1] as usize]
    }
}

/// A digest of key and value. Null and empty differ.
pub(super) fn content_digest(content: &Content) -> u128 {
    let mut bytes = Vec::with_capacity(64);
    match &content.value {
        Payload::Null => bytes.push(0),
        Payload::Bytes { length, digest, .. } => {
            bytes.push(1);
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(&digest.to_le_bytes());
        }
    }
    match &content.key {
        None => bytes.push(0),
        Some(key) => {
            bytes.push(1);
            bytes.extend_from_slice(key);
        }
    }
    xxh3_128(&bytes)
}

#[derive(PartialEq, Eq, Hash)]
enum Identity {
    Id(TopicIndex, RecordId),
    Content(TopicIndex, u128),
}

/// Groups the source, and finds the group of each destination record that `wanted` selects.
pub(super) fn group(history: &History, wanted: impl Fn(usize) -> bool) -> Groups {
    let mut grouping = Grouping::of_source(history);
    let mut of_destination = vec![NONE; history.destination.len()];
    let mut without_id = Vec::new();
    for index in (0..history.destination.len()).filter(|index| wanted(*index)) {
        match grouping.by_id(history, &history.destination[index]) {
            Some(group) => of_destination[index] = group,
            None => without_id.push(index as u32),
        }
    }
    let absent = grouping.absent(history);
    let produced = absent_ids(history, &absent);
    without_id.retain(|index| {
        let record = &history.destination[*index as usize];
        // An id that is in the producers' log, though not on the source, is known well enough.
        !record.content.ids().any(|id| produced.contains(&(record.at.topic, id)))
    });
    if !without_id.is_empty() {
        grouping.by_content(history, &without_id, &mut of_destination);
    }
    let (starts, members) = collect(grouping.pairs, grouping.groups);
    Groups { starts, members, of_destination, absent }
}

/// Groups in the making.
struct Grouping {
    by_identity: HashMap<Identity, u32>,
    /// The first member of each group.
    first: Vec<u32>,
    /// Groups with their members.
    pairs: Vec<(u32, u32)>,
    groups: u32,
}

impl Grouping {
    fn of_source(history: &History) -> Grouping {
        let size = history.source.len();
        let mut by_identity = HashMap::with_capacity(size);
        let (mut first, mut pairs) = (Vec::with_capacity(size), Vec::with_capacity(size));
        for (index, record) in history.source.iter().enumerate() {
            let content = &record.content;
            let identity = match content.header_id.or(content.value_id) {
                Some(id) => Identity::Id(record.at.topic, id),
                None => Identity::Content(record.at.topic, content_digest(content)),
            };
            let group = *by_identity.entry(identity).or_insert(first.len() as u32);
            if group as usize == first.len() {
                first.push(index as u32);
            }
            pairs.push((group, index as u32));
        }
        let groups = first.len() as u32;
        Grouping { by_identity, first, pairs, groups }
    }

    /// The group of the id that a destination record carries, if the source holds it.
    fn by_id(&self, history: &History, record: &DestinationRecord) -> Option<u32> {
        let (topic, content) = (record.at.topic, &record.content);
        let find = |id| self.by_identity.get(&Identity::Id(topic, id)).copied();
        match (content.header_id.and_then(find), content.value_id.and_then(find)) {
            (Some(header), Some(value)) if header != value => {
                let first =
                    |group: u32| &history.source[self.first[group as usize] as usize].content;
                // Headers or values were swapped: the identity that agrees in more fields is the
                // better account of what happened; between equals the header decides.
                let by_value = agreement(content, first(value)) > agreement(content, first(header));
                Some(if by_value { value } else { header })
            }
            (header, value) => header.or(value),
        }
    }

    /// Looks up records without a known id among all that have their content. These groups come on
    /// top of the others: a source record may be in one of each.
    fn by_content(&mut self, history: &History, without_id: &[u32], of_destination: &mut [u32]) {
        let destination = |index: u32| &history.destination[index as usize];
        let identity = |topic, content: &Content| (topic, content_digest(content));
        let mut groups: HashMap<_, u32> = without_id
            .iter()
            .map(|index| destination(*index))
            .map(|record| (identity(record.at.topic, &record.content), NONE))
            .collect();
        for (index, record) in history.source.iter().enumerate() {
            if let Some(group) = groups.get_mut(&identity(record.at.topic, &record.content)) {
                if *group == NONE {
                    *group = self.groups;
                    self.groups += 1;
                }
                self.pairs.push((*group, index as u32));
            }
        }
        for index in without_id {
            let record = destination(*index);
            let group = groups.get(&identity(record.at.topic, &record.content));
            of_destination[*index as usize] = group.copied().unwrap_or(NONE);
        }
    }

    /// Records of the producers' log whose ids the source does not hold.
    fn absent(&self, history: &History) -> Vec<u32> {
        let on_source = |index: &u32| {
            let produced = &history.produced[*index as usize];
            self.by_identity.contains_key(&Identity::Id(produced.topic, produced.id))
        };
        (0..history.produced.len() as u32).filter(|index| !on_source(index)).collect()
    }
}

/// In how many fields two records agree.
fn agreement(left: &Content, right: &Content) -> u32 {
    u32::from(left.key == right.key)
        + u32::from(left.value == right.value)
        + u32::from(left.headers == right.headers)
        + u32::from(left.timestamp == right.timestamp)
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
