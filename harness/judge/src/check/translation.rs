//! `translation-skips` and `translation-rewinds`: what a group gets that goes on at the
//! destination where the subject's promise about offsets says.
//!
//! ```text
//! source       a0 b1 c2 d3       the group committed 2: it has read a b
//! destination  x0 a1 b2 c3 d4    translated 3: gets c d, as it should
//!                                translated 4: c is skipped
//!                                translated 1: a b come again: 2 rewound
//! ```
//!
//! - *Skipped* is what the group has not read (at or beyond its committed position, everything in a
//!   partition without one), has copies, and has none at or beyond the position in the partition
//!   where that copy lies. What has no copy at all is `lost`, not skipped. A position beyond the
//!   destination's end skips what will come there: one instance for each such partition.
//! - *Rewound* is what the group had read and whose first copy lies at or beyond the position. A
//!   later copy is a repeat, which `rewound` and `duplicated` judge. The contract says how many of
//!   a topic a group may get again; those beyond are counted.
//!
//! A copy that has expired since may have lain beyond the position, and was read there: a record is
//! not called skipped if one may be missing beyond it. And the first copy that is seen is not taken
//! for the first if the first may be gone, and an event explains it as a repeat.
//!
//! A partition without a translated position is read from its beginning: that skips nothing. Only a
//! contract that promises something is held to it. Where offsets are translated, the positions are
//! those that the subject wrote. Where offsets are preserved, a group goes on at the number that it
//! committed, unless the subject wrote another for it; consumers that really moved by raw offsets are
//! judged too; and nothing may come again. On a compacted topic a superseded record may be skipped.

use super::{Check, evidence::on_source, offsets::placed, scene::Scene, tally::Tally};
use crate::{
    contract::Offsets,
    history::{DestinationOffset, Ends, Positions, TopicIndex, TopicPartition},
    verdict::{Anomaly, Circumstance, Evidence, Finding, Place},
};

pub(super) fn check<'s>(scene: &'s Scene<'s>) -> Box<dyn Check + 's> {
    Box::new(Translation { scene })
}

struct Translation<'s> {
    scene: &'s Scene<'s>,
}

/// A group that moves, and where it goes on. Partitions without a position: at their beginning.
struct Move<'h> {
    topic: TopicIndex,
    group: &'h str,
    committed: &'h Positions,
    resumed: Ends,
}

/// Something that a group does not get.
enum Skipped {
    Record(u32),
    Beyond(TopicPartition, DestinationOffset),
}

impl<'s> Translation<'s> {
    /// The moves that the contract promises something about, and how much they may get again.
    fn moves(&self) -> (Vec<Move<'s>>, u64) {
        let history = self.scene.history;
        let translations = history.translations.iter();
        match self.scene.contract.offsets {
            Offsets::Independent => (Vec::new(), 0),
            Offsets::Translated { max_rewind } => {
                let moves = translations.map(|one| Move {
                    topic: one.topic,
                    group: &one.group,
                    committed: &one.committed,
                    resumed: one.translated.clone(),
                });
                (moves.collect(), max_rewind)
            }
            Offsets::Preserved => {
                let raw = |committed: &Positions| -> Ends {
                    committed
                        .iter()
                        .map(|(at, offset)| (*at, DestinationOffset(offset.0)))
                        .collect()
                };
                let translations = translations.map(|one| {
                    let mut resumed = raw(&one.committed);
                    resumed.extend(one.translated.iter().map(|(at, offset)| (*at, *offset)));
                    let (group, committed) = (one.group.as_str(), &one.committed);
                    Move { topic: one.topic, group, committed, resumed }
                });
                let trials = history.resumes.iter().map(|trial| Move {
                    topic: trial.topic,
                    group: "a consumer that moved",
                    committed: &trial.committed,
                    resumed: trial.resumed.clone(),
                });
                (translations.chain(trials).collect(), 0)
            }
        }
    }

    fn judge(&self, one: &Move<'s>) -> (Vec<Skipped>, Vec<u32>) {
        let scene = self.scene;
        let placed = placed(scene, one.topic, |at, offset| {
            one.resumed.get(&at).is_none_or(|from| offset >= *from)
        });
        let (mut skipped, mut rewound) = (Vec::new(), Vec::new());
        for (source, placed) in placed {
            let record = scene.source(source);
            if !scene.is_judged(source) {
                continue;
            }
            let read = one.committed.get(&record.at).is_some_and(|at| record.offset < *at);
            let first = scene.correspondence.first[source as usize];
            // One that has expired since may have lain where the group went on.
            let mut expired = scene.expired_from(source);
            let gone = |at, low| one.resumed.get(at).is_none_or(|from| *from < low);
            if read && placed.first && !scene.may_be_repeat(first, source) {
                rewound.push(source);
            } else if !read && !placed.any && !expired.any(|(at, bounds)| gone(at, bounds.low)) {
                skipped.push(Skipped::Record(source));
            }
        }
        for (at, position) in &one.resumed {
            let end = scene.history.destination_bounds.get(at).map(|bounds| bounds.end);
            if at.topic == one.topic && end.is_some_and(|end| *position > end) {
                skipped.push(Skipped::Beyond(*at, *position));
            }
        }
        (skipped, rewound)
    }

    fn show_skipped(&self, skipped: &Skipped, group: &str) -> Evidence {
        match skipped {
            Skipped::Record(source) => {
                let detail = format!("not read by {group}, and no copy lies where it goes on");
                on_source(self.scene, *source, detail)
            }
            Skipped::Beyond(at, position) => {
                let topic = self.scene.history.topics[at.topic as usize].destination.clone();
                let place = Place { topic, partition: at.partition, offset: position.0 };
                let detail = format!("{group} goes on beyond the end of the partition");
                Evidence { destination: Some(place), detail, ..Evidence::default() }
            }
        }
    }
}

impl Check for Translation<'_> {
    fn finish(self: Box<Self>) -> Vec<Finding> {
        let scene = self.scene;
        let mut skips = Tally::of(Anomaly::TranslationSkips);
        let mut rewinds = Tally::of(Anomaly::TranslationRewinds);
        let (moves, allowed) = self.moves();
        for (number, one) in moves.iter().enumerate() {
            if !scene.history.topics[one.topic as usize].selected {
                continue;
            }
            let (skipped, rewound) = self.judge(one);
            for skipped in skipped {
                let circumstance = match skipped {
                    Skipped::Record(source) if scene.is_superseded(source) => {
                        Circumstance::Superseded
                    }
                    Skipped::Record(_) | Skipped::Beyond(..) => Circumstance::Plain,
                };
                skips.add(circumstance, (number, skipped));
            }
            // The furthest back are those that are too many.
            let beyond =
                rewound.len() - rewound.len().min(allowed.try_into().unwrap_or(usize::MAX));
            for source in furthest_back(scene, one.committed, rewound, beyond) {
                rewinds.add(Circumstance::Plain, (number, source));
            }
        }
        let mut findings =
            skips.findings(|(number, skipped)| self.show_skipped(&skipped, moves[number].group));
        findings.extend(rewinds.findings(|(number, source)| {
            let group = moves[number].group;
            on_source(scene, source, format!("read by {group}, which gets it again"))
        }));
        findings
    }
}

/// The records that lie furthest before the positions of their partitions, in order.
fn furthest_back(
    scene: &Scene<'_>,
    committed: &Positions,
    mut records: Vec<u32>,
    count: usize,
) -> Vec<u32> {
    let distance = |source: &u32| {
        let record = scene.source(*source);
        committed.get(&record.at).map_or(0, |at| at.0 - record.offset.0)
    };
    records.sort_by_key(|source| std::cmp::Reverse(distance(source)));
    records.truncate(count);
    records.sort_unstable();
    records
}
