//! `commit-ahead`: a position was committed while a record below it was not on the destination.
//!
//! ```text
//! source       1 2 3 4
//! committed    position 4 (1 2 3 are done)
//! destination  1 2               read after the position: 3 was committed ahead
//! ```
//!
//! A crash at that moment loses the record, whether or not it arrived later in this run. Samples
//! read committed positions first and end offsets after them, so that a lawful subject cannot be
//! caught in between. Each record is judged by the first sample that covers it, for later ones are
//! kinder. Where absence at the end could not be judged as loss (the run did not end), the final
//! read is one more sample.
//!
//! Of records that nothing tells apart from others it is counted how many a position covers that had to
//! be there, and how many copies there are of any of them: what is missing then is missing whichever
//! the copies are of.
//!
//! ```text
//! source       x x x             without keys and ids
//! committed    position 2        two of them are done
//! destination  x                 one of the two was committed ahead
//! ```
//!
//! A position beyond the source's end covers records that are still to come, whatever is there: one
//! instance for each such partition.

use super::{Check, Observation, evidence::on_source, scene::Scene, tally::Tally};
use crate::{
    history::{Completeness, Ends, Positions, SourceOffset, TopicPartition},
    verdict::{Anomaly, Circumstance, Evidence, Finding, Place},
};
use std::collections::{BTreeMap, HashMap};

pub(super) fn check<'s>(scene: &'s Scene<'s>) -> Box<dyn Check + 's> {
    Box::new(CommitAhead {
        scene,
        delivered: vec![false; scene.history.source.len()],
        covered: BTreeMap::new(),
        equals: HashMap::new(),
        tally: Tally::of(Anomaly::CommitAhead),
    })
}

struct CommitAhead<'s> {
    scene: &'s Scene<'s>,
    delivered: Vec<bool>,
    /// Up to where each source partition was judged.
    covered: BTreeMap<TopicPartition, SourceOffset>,
    /// What was seen of each set of records that nothing tells apart.
    equals: HashMap<u32, Equals>,
    tally: Tally<Ahead>,
}

#[derive(Default)]
struct Equals {
    /// How many copies there are of any of them.
    copies: usize,
    /// How many that had to be there were covered by a position.
    covered: usize,
    /// How many of these were accused.
    accused: usize,
}

/// What a position covers though it should not.
enum Ahead {
    Record(u32, SourceOffset),
    Beyond(TopicPartition, SourceOffset),
}

/// The highest position of each partition in which one lies beyond the source's end.
fn beyond_the_end(scene: &Scene<'_>) -> Positions {
    let history = scene.history;
    let samples = history.commits.iter().map(|sample| &sample.committed);
    let mut beyond = Positions::new();
    for (at, position) in samples.chain(&history.final_commit.committed).flatten() {
        let end = history.source_ends.get(at);
        if scene.is_selected(*at) && end.is_some_and(|end| position > end) {
            let highest = beyond.entry(*at).or_insert(*position);
            *highest = (*highest).max(*position);
        }
    }
    beyond
}

impl CommitAhead<'_> {
    /// Takes positions in, and where the destination ended when they were read; `None` at the end of the run.
    fn sample(&mut self, committed: &Positions, ends: Option<&Ends>) {
        let records = &self.scene.history.source;
        let mut equals = BTreeMap::<u32, Vec<(u32, SourceOffset)>>::new();
        for (at, position) in committed {
            if !self.scene.is_selected(*at) {
                continue;
            }
            let covered = self.covered.entry(*at).or_insert(SourceOffset(i64::MIN));
            let from = (*at, *covered);
            let begin = records.partition_point(|record| (record.at, record.offset) < from);
            *covered = (*covered).max(*position);
            let below = records[begin..]
                .iter()
                .take_while(|record| record.at == *at && record.offset < *position);
            for source in (begin as u32..).take(below.count()) {
                if !self.scene.is_judged(source) || self.scene.may_have_expired(source) {
                    continue;
                }
                if let Some(set) = self.set_of(source) {
                    // Of those on a compacted topic copies may be gone that were there at the time.
                    if !self.scene.history.topics[at.topic as usize].compacted {
                        equals.entry(set).or_default().push((source, *position));
                    }
                } else if !self.delivered[source as usize] {
                    let absence = self.scene.absence_by_then(source, ends);
                    self.tally.add(absence, Ahead::Record(source, *position));
                }
            }
        }
        for (set, mut covered) in equals {
            covered.retain(|(source, _)| self.scene.had_to_arrive(*source));
            self.count(set, &covered);
        }
    }

    /// The set of a source record that nothing tells apart from others.
    fn set_of(&self, source: u32) -> Option<u32> {
        let correspondence = &self.scene.correspondence;
        let is_unordered = correspondence.unordered.contains(&source);
        is_unordered.then(|| correspondence.equal[&source])
    }

    /// Takes in which of a set of equal records a sample covers for the first time.
    fn count(&mut self, set: u32, covered: &[(u32, SourceOffset)]) {
        let equals = self.equals.entry(set).or_default();
        equals.covered += covered.len();
        let missing = equals.covered.saturating_sub(equals.copies + equals.accused);
        equals.accused += missing;
        // Each sample adds what is missing of what it covers: the last of them stand for it.
        for (source, position) in &covered[covered.len() - missing..] {
            self.tally.add(self.scene.absence(*source), Ahead::Record(*source, *position));
        }
    }
}

impl Check for CommitAhead<'_> {
    fn step(&mut self, observation: Observation) {
        match observation {
            Observation::Copy { source, .. } => {
                self.delivered[source as usize] = true;
                if let Some(set) = self.scene.correspondence.equal.get(&source) {
                    self.equals.entry(*set).or_default().copies += 1;
                }
            }
            Observation::Commit(index) => {
                let sample = &self.scene.history.commits[index];
                self.sample(&sample.committed, Some(&sample.destination_ends));
            }
            Observation::Source(_) | Observation::Other(..) => {}
        }
    }

    fn finish(mut self: Box<Self>) -> Vec<Finding> {
        if self.scene.history.completeness() == Completeness::Unknown
            && let Some(committed) = &self.scene.history.final_commit.committed
        {
            self.sample(committed, None);
        }
        let scene = self.scene;
        for (at, position) in beyond_the_end(scene) {
            self.tally.add(Circumstance::Plain, Ahead::Beyond(at, position));
        }
        self.tally.findings(|ahead| match ahead {
            Ahead::Record(source, position) => {
                let detail =
                    format!("not on the destination when position {} was read", position.0);
                on_source(scene, source, detail)
            }
            Ahead::Beyond(at, position) => {
                let topic = scene.history.topics[at.topic as usize].source.clone();
                let end = scene.history.source_ends.get(&at).map_or(0, |end| end.0);
                Evidence {
                    source: Some(Place { topic, partition: at.partition, offset: position.0 }),
                    detail: format!("position {} is beyond the source's end {end}", position.0),
                    ..Evidence::default()
                }
            }
        })
    }
}
