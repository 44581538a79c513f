//! Which source records a destination record *may* be a copy of, before its position is looked at.
//!
//! Source records fall into groups of equal identity: by id where they carry one, by content where
//! they do not. Nearly all groups have one member. A destination record that carries no id which
//! the source holds (headers dropped, id damaged) is looked up by content among all records.

use crate::history::{Content, History, Payload, RecordId, TopicIndex};
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
    let mut pairs = Vec::with_capacity(history.source.len());
    let mut by_identity = HashMap::with_capacity(history.source.len());
    let mut next = 0_u32;
    let mut intern = |identity: Identity, by_identity: &mut HashMap<Identity, u32>| {
        *by_identity.entry(identity).or_insert_with(|| {
            next += 1;
            next - 1
        })
    };
    let mut sole = Vec::with_capacity(history.source.len());
    for (index, record) in history.source.iter().enumerate() {
        let content = &record.content;
        let identity = match content.header_id.or(content.value_id) {
            Some(id) => Identity::Id(record.at.topic, id),
            None => Identity::Content(record.at.topic, content_digest(content)),
        };
        let group = intern(identity, &mut by_identity);
        if group as usize == sole.len() {
            sole.push(index as u32);
        }
        pairs.push((group, index as u32));
    }
    let lookup = |topic, id: Option<RecordId>| {
        id.and_then(|id| by_identity.get(&Identity::Id(topic, id)).copied())
    };
    let mut of_destination = vec![NONE; history.destination.len()];
    let mut without_id = Vec::new();
    for (index, record) in
        history.destination.iter().enumerate().filter(|(index, _)| wanted(*index))
    {
        let (topic, content) = (record.at.topic, &record.content);
        let found = (lookup(topic, content.header_id), lookup(topic, content.value_id));
        let group = match found {
            (Some(header), Some(value)) if header != value => {
                let source = |group: u32| &history.source[sole[group as usize] as usize].content;
                // Headers or values were swapped: the identity that agrees in more fields is the
                // better account of what happened; between equals the header decides.
                if agreement(content, source(value)) > agreement(content, source(header)) {
                    Some(value)
                } else {
                    Some(header)
                }
            }
            (header, value) => header.or(value),
        };
        match group {
            Some(group) => of_destination[index] = group,
            None => without_id.push(index as u32),
        }
    }
    let absent = absent(history, &by_identity);
    let produced = absent_ids(history, &absent);
    without_id.retain(|index| {
        let record = &history.destination[*index as usize];
        // An id that is in the producers' log, though not on the source, is known well enough.
        !ids(&record.content).any(|id| produced.contains(&(record.at.topic, id)))
    });
    if !without_id.is_empty() {
        let mut by_content = HashMap::new();
        let contents =
            without_id.iter().map(|index| &history.destination[*index as usize]).map(|record| {
                let topic = record.at.topic;
                Identity::Content(topic, content_digest(&record.content))
            });
        // Groups by content come on top of those by id: a record may be in one of each.
        for identity in contents {
            by_content.entry(identity).or_insert(NONE);
        }
        for (index, record) in history.source.iter().enumerate() {
            let identity = Identity::Content(record.at.topic, content_digest(&record.content));
            if let Some(group) = by_content.get_mut(&identity) {
                if *group == NONE {
                    *group = next;
                    next += 1;
                }
                pairs.push((*group, index as u32));
            }
        }
        for index in without_id {
            let record = &history.destination[index as usize];
            let identity = Identity::Content(record.at.topic, content_digest(&record.content));
            of_destination[index as usize] = by_content.get(&identity).copied().unwrap_or(NONE);
        }
    }
    drop(by_identity);
    let (starts, members) = collect(pairs, next);
    Groups { starts, members, of_destination, absent }
}

/// The ids that a record carries.
pub(super) fn ids(content: &Content) -> impl Iterator<Item = RecordId> {
    content.header_id.into_iter().chain(content.value_id)
}

/// In how many fields two records agree.
fn agreement(left: &Content, right: &Content) -> u32 {
    u32::from(left.key == right.key)
        + u32::from(left.value == right.value)
        + u32::from(left.headers == right.headers)
        + u32::from(left.timestamp == right.timestamp)
}

fn absent(history: &History, by_identity: &HashMap<Identity, u32>) -> Vec<u32> {
    let on_source = |topic, id| by_identity.contains_key(&Identity::Id(topic, id));
    (0..history.produced.len() as u32)
        .filter(|index| {
            let produced = &history.produced[*index as usize];
            !on_source(produced.topic, produced.id)
        })
        .collect()
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
