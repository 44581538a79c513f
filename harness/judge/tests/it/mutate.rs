//! Faults: what a bad mirror, or a bad day, does to a history. Each puts in one, at random, and
//! keeps away from what another has touched; it says what a finding must name.
//!
//! What is done to copies, to what nobody may see, and to positions are files of their own.

mod copies;
mod harmless;
mod positions;
mod strangers;

pub(crate) use {copies::*, harmless::*, positions::*, strangers::*};

use crate::generate::STEP;
use judge::{
    contract::Contract,
    history::*,
    verdict::{Evidence, Place},
};
use rand::{rngs::ChaCha8Rng, seq::IndexedRandom};
use std::collections::{BTreeMap, BTreeSet};

/// A history into which faults are put.
pub(crate) struct Bench {
    pub(crate) history: History,
    pub(crate) contract: Contract,
    pub(crate) random: ChaCha8Rng,
    /// Ids that a fault has touched already: faults are kept apart.
    pub(crate) touched: BTreeSet<RecordId>,
}

/// What a fault was put into, as its finding must name it: exactly so, and nothing where nothing is
/// to be named.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Victim {
    pub(crate) key: Option<String>,
    pub(crate) source: Option<Place>,
    pub(crate) destination: Option<Place>,
    /// A part of the detail: an id, a number, a topic, which have no field of their own.
    pub(crate) says: String,
}

impl Victim {
    /// Whether it is evidence of the same record, wherever its copy lies.
    pub(crate) fn is_of(&self, evidence: &Evidence) -> bool {
        (&evidence.key, &evidence.source) == (&self.key, &self.source)
    }

    pub(crate) fn is_named_by(&self, evidence: &Evidence) -> bool {
        let named = (&evidence.key, &evidence.source, &evidence.destination);
        named == (&self.key, &self.source, &self.destination)
            && evidence.detail.contains(&self.says)
    }
}

/// A key as people read it. Those of the generator are text.
fn key(content: &Content) -> Option<String> {
    content.key().map(|key| format!("{:?}", std::str::from_utf8(key).unwrap()))
}

fn id(content: &Content) -> RecordId {
    content.header_id().unwrap()
}

impl Bench {
    /// An offset between two records of the source at which no other one was aborted.
    fn behind(&self, at: TopicPartition, offset: SourceOffset) -> Option<SourceOffset> {
        let mut offsets = (1..STEP).map(|step| SourceOffset(offset.0 + step));
        let is_taken =
            |offset| self.history.aborted.iter().any(|one| (one.at, one.offset) == (at, offset));
        offsets.find(|offset| !is_taken(*offset))
    }

    /// Indices of copies that no fault has touched, of records that occur once on both sides.
    fn sole_copies(&self) -> Vec<usize> {
        let count = |ids: &mut dyn Iterator<Item = Option<RecordId>>| {
            let mut counts = BTreeMap::<Option<RecordId>, u32>::new();
            ids.for_each(|id| *counts.entry(id).or_default() += 1);
            counts
        };
        let id = |content: &Content| content.header_id();
        let copies = count(&mut self.history.destination.iter().map(|r| id(&r.content)));
        let originals = count(&mut self.history.source.iter().map(|r| id(&r.content)));
        let sole = |record: &DestinationRecord| {
            let id = id(&record.content);
            let is_touched = id.is_some_and(|id| self.touched.contains(&id));
            copies.get(&id) == Some(&1) && originals.get(&id) == Some(&1) && !is_touched
        };
        let records = self.history.destination.iter().enumerate();
        records.filter(|(_, record)| sole(record)).map(|(index, _)| index).collect()
    }

    fn pick(&mut self) -> Option<usize> {
        let index = *self.sole_copies().choose(&mut self.random)?;
        self.touch(index);
        Some(index)
    }

    fn touch(&mut self, copy: usize) {
        self.touched.insert(id(&self.history.destination[copy].content));
    }

    /// Where the source holds the record of a copy.
    fn original(&self, copy: usize) -> (TopicPartition, SourceOffset) {
        let id = self.history.destination[copy].content.header_id();
        let record = self.history.source.iter().find(|record| record.content.header_id() == id);
        record.map(|record| (record.at, record.offset)).unwrap()
    }

    /// Whether it is evidence of a record that a fault has touched.
    pub(crate) fn has_touched(&self, evidence: &Evidence) -> bool {
        let touched = |record: &&SourceRecord| self.touched.contains(&id(&record.content));
        self.history.source.iter().filter(touched).any(|record| {
            let place = self.source_place(record.at, record.offset);
            evidence.source == Some(place) && evidence.key == key(&record.content)
        })
    }

    /// Whether the first copy that is seen may be a repeat: compaction may have removed the first.
    fn may_hide_first_copies(&self) -> bool {
        self.history.topics[0].compacted && !self.history.events.is_empty()
    }

    /// A copy whose absence nothing excuses: a compacted topic need not keep what is superseded.
    fn pick_needed(&mut self) -> Option<usize> {
        let needed: Vec<_> =
            self.sole_copies().into_iter().filter(|c| self.is_needed(*c)).collect();
        let index = *needed.choose(&mut self.random)?;
        self.touch(index);
        Some(index)
    }

    fn is_needed(&self, copy: usize) -> bool {
        let (place, record) = (self.original(copy), &self.history.destination[copy]);
        let of_key = |other: &&SourceRecord| {
            other.at.topic == record.at.topic && other.content.key() == record.content.key()
        };
        let mut of_key = self.history.source.iter().filter(of_key);
        let supersedes = |other: &SourceRecord| other.at != place.0 || other.offset > place.1;
        let is_compacted = self.history.topics[record.at.topic as usize].compacted;
        !is_compacted || record.content.key().is_none() || !of_key.any(supersedes)
    }

    /// Whether a copy may be why another is gone: that of a record of its key in another source partition of a compacted topic.
    fn has_rivals(&self, copy: usize) -> bool {
        let (place, record) = (self.original(copy), &self.history.destination[copy]);
        let is_rival = |other: &SourceRecord| {
            other.at.topic == record.at.topic
                && other.at != place.0
                && other.content.key() == record.content.key()
        };
        self.history.topics[record.at.topic as usize].compacted
            && record.content.key().is_some()
            && self.history.source.iter().any(is_rival)
    }

    /// How many source records have no copy, where no record lies there twice.
    fn missing(&self) -> Option<usize> {
        let (source, copies) = (self.history.source.iter(), self.history.destination.iter());
        let source: BTreeSet<_> = source.map(|record| id(&record.content)).collect();
        let copied: BTreeSet<_> = copies.flat_map(|record| record.content.ids()).collect();
        (source.len() == self.history.source.len()).then(|| source.difference(&copied).count())
    }

    /// Whether a sample says that a copy was there, so that it cannot come later.
    fn is_sampled(&self, copy: usize) -> bool {
        let (from, offset) = self.original(copy);
        let covers =
            |sample: &CommitSample| sample.committed.get(&from).is_some_and(|at| *at > offset);
        self.history.commits.iter().any(covers)
    }

    /// Whether every sample saw both of two places of a partition, or neither.
    fn are_seen_together(&self, at: TopicPartition, places: [DestinationOffset; 2]) -> bool {
        self.history.commits.iter().all(|sample| {
            let end = sample.destination_ends.get(&at);
            let [one, other] = places.map(|place| end.is_some_and(|end| place < *end));
            one == other
        })
    }

    fn source_place(&self, at: TopicPartition, offset: SourceOffset) -> Place {
        let topic = self.history.topics[at.topic as usize].source.clone();
        Place { topic, partition: at.partition, offset: offset.0 }
    }

    fn destination_place(&self, at: TopicPartition, offset: DestinationOffset) -> Place {
        let topic = self.history.topics[at.topic as usize].destination.clone();
        Place { topic, partition: at.partition, offset: offset.0 }
    }

    /// The record of a copy, where only the source shows what is wrong with it.
    fn on_source(&self, copy: usize) -> Victim {
        let content = &self.history.destination[copy].content;
        let (at, offset) = self.original(copy);
        let source = Some(self.source_place(at, offset));
        Victim { key: key(content), source, destination: None, says: format!("id {}", id(content)) }
    }

    /// Writes a record at or as near behind an offset as there is room, and says where.
    fn write(&mut self, at: TopicPartition, from: i64, content: Content) -> Place {
        let taken: BTreeSet<i64> =
            self.history.destination.iter().filter(|r| r.at == at).map(|r| r.offset.0).collect();
        let offset = (from..).find(|offset| !taken.contains(offset)).unwrap();
        let offset = DestinationOffset(offset);
        self.history.destination.push(DestinationRecord { at, offset, content });
        self.history.destination.sort_by_key(|record| (record.at, record.offset));
        let zero = DestinationOffset(0);
        let fresh = DestinationBounds { low_baseline: zero, baseline: zero, low: zero, end: zero };
        let bounds = self.history.destination_bounds.entry(at).or_insert(fresh);
        bounds.end = bounds.end.max(DestinationOffset(offset.0 + 1));
        self.destination_place(at, offset)
    }

    fn end(&self, at: TopicPartition) -> i64 {
        self.history.destination_bounds.get(&at).map_or(0, |bounds| bounds.end.0)
    }
}
