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
    contract::{Contract, Isolation},
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

    /// A copy whose absence nothing excuses, and is no other fault: a compacted topic need not keep what is superseded.
    fn pick_needed(&mut self) -> Option<usize> {
        let is_needed = |copy: &usize| self.is_needed(*copy) && !self.leaves_stale(*copy);
        let needed: Vec<_> = self.sole_copies().into_iter().filter(is_needed).collect();
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
        !is_compacted
            || record.content.key().is_none()
            || !(of_key.any(supersedes) || self.may_have_been_aborted_behind(copy))
    }

    /// The other copies of its key, as they lie.
    fn others_of_key(&self, copy: usize) -> Vec<&DestinationRecord> {
        let (history, record) = (&self.history, &self.history.destination[copy]);
        let is_other = |other: &DestinationRecord| {
            other.at.topic == record.at.topic
                && other.content.key() == record.content.key()
                && other.offset >= history.destination_bounds[&other.at].baseline
        };
        let copies = history.destination.iter().enumerate();
        let others = copies.filter(|(index, other)| *index != copy && is_other(other));
        others.map(|(_, other)| other).collect()
    }

    /// What the source shows of the record of a copy to who reads uncommitted ones.
    fn shown(&self, copy: &DestinationRecord) -> Option<&SourceRecord> {
        let mut records = self.history.source.iter().chain(&self.history.aborted);
        records.find(|record| record.content.header_id() == copy.content.header_id())
    }

    /// Whether a record of its key that was aborted, and that the source has forgotten, may be a later one, were a copy gone: who
    /// reads such has copied it, and no first copy of what the source holds comes last behind it.
    fn may_have_been_aborted_behind(&self, copy: usize) -> bool {
        let is_acknowledged = |copy: &DestinationRecord| {
            self.history.produced.iter().any(|produced| {
                Some(produced.id) == copy.content.header_id()
                    && produced.outcome == Outcome::Acknowledged
            })
        };
        let is_forgotten =
            |copy: &&DestinationRecord| self.shown(copy).is_none() && !is_acknowledged(copy);
        let is_first = |copy: &DestinationRecord| {
            self.shown(copy).is_some_and(|original| !self.history.explains(copy, original))
        };
        let others = self.others_of_key(copy);
        let mut partitions = others.chunk_by(|one, next| one.at == next.at);
        self.contract.isolation == Isolation::ReadUncommitted
            && partitions.any(|copies| {
                copies.iter().any(is_forgotten) && !is_first(copies[copies.len() - 1])
            })
    }

    /// Whether an older record would be its key's last in its partition, were a copy gone: it was repeated right before.
    fn leaves_stale(&self, copy: usize) -> bool {
        let (at, from) = (self.history.destination[copy].at, self.original(copy).0);
        let others = self.others_of_key(copy).into_iter().filter(|other| other.at == at);
        let shown = others.filter_map(|other| self.shown(other)).filter(|one| one.at == from);
        let offsets: Vec<_> = shown.map(|one| one.offset).collect();
        self.history.destination[copy].content.key().is_some()
            && offsets.last() < offsets.iter().max()
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
