//! Is a log still the one that was read?
//!
//! Committed positions carry notes of records that were read (`witness`). Where a stream begins at a committed
//! position, it reads those again; while it runs, the `guard` does. A record that differs says that the topic
//! was made anew or its log truncated and written again. Nothing read since the last record that is known to be
//! the same need be of the log that is there now, so reading goes on behind that one, or at the beginning.
//!
//! Brokers have ids of topics and epochs of leaders for that (KIP-516, KIP-320); rdkafka 0.39 gives access to
//! neither, and records can be compared on brokers of any version.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, OnceLock},
    thread,
    time::{Duration, Instant},
};

use rdkafka::error::KafkaResult;

use super::{
    EngineError, Settings,
    assignment::Start,
    client::{self, lock},
    data_loss::Loss,
    reader::{Answer, Asked, Key, Reader, Seen},
    stream::Stream,
};
use crate::{
    progress::Place,
    shutdown::Stop,
    witness::{Note, Witness},
};

/// Pause before the source is asked again.
const AGAIN: Duration = Duration::from_secs(1);
/// How long `--once` waits for a whole answer.
const WHOLE: Duration = Duration::from_secs(10);
/// So many records of each partition that were found to be the same are remembered.
const ANCHORS: usize = 2;

/// What all streams of the process know of the source's logs.
#[derive(Debug, Default)]
pub(super) struct Custody {
    known: Mutex<Known>,
    reader: Mutex<Option<Reader>>,
    /// What there was when the group began; it is wanted where that begins at the end.
    first_seen: OnceLock<BTreeSet<Key>>,
}

#[derive(Debug, Default)]
struct Known {
    /// Records of the logs that are being read, in the order of their offsets.
    anchors: BTreeMap<Key, Vec<Witness>>,
    partitions: BTreeMap<String, i32>,
    /// What this process has committed.
    committed: BTreeMap<Key, (Place, Note)>,
    /// Partitions that are gone, and have been reported.
    gone: BTreeSet<Key>,
}

impl Custody {
    /// What a commit of this position notes. `last` is the last record before it.
    pub(super) fn note(&self, place: &Place, last: Option<Witness>) -> Note {
        let known = lock(&self.known);
        let key = (place.topic.clone(), place.partition);
        let anchors = known.anchors.get(&key).into_iter().flatten().copied();
        let mut witnesses: Vec<Witness> =
            anchors.chain(last).filter(|witness| witness.offset < place.offset).collect();
        witnesses.sort_by_key(|witness| witness.offset);
        witnesses.dedup_by_key(|witness| witness.offset);
        let partitions = known.partitions.get(&place.topic).filter(|_| place.partition == 0);
        Note { partitions: partitions.copied(), witnesses }
    }

    pub(super) fn anchors(&self, key: &Key) -> Vec<Witness> {
        lock(&self.known).anchors.get(key).cloned().unwrap_or_default()
    }

    /// These records are of the log that is read from now on.
    pub(super) fn begin(&self, key: Key, anchors: Vec<Witness>) {
        lock(&self.known).anchors.insert(key, anchors);
    }

    /// Everything up to this record was read from the same log.
    pub(super) fn promote(&self, key: Key, witness: Witness) {
        let mut known = lock(&self.known);
        let anchors = known.anchors.entry(key).or_default();
        if anchors.last().is_none_or(|last| last.offset < witness.offset) {
            anchors.push(witness);
            let surplus = anchors.len().saturating_sub(ANCHORS);
            anchors.drain(..surplus);
        }
    }

    pub(super) fn keep_committed(&self, places: &[(Place, Note)]) {
        let mut known = lock(&self.known);
        for (place, note) in places {
            let key = (place.topic.clone(), place.partition);
            known.committed.insert(key, (place.clone(), note.clone()));
        }
    }

    /// What this process has committed of a partition: a group that no longer has it has lost it since.
    pub(super) fn committed(&self, topic: &str, partition: i32) -> Option<(Place, Note)> {
        lock(&self.known).committed.get(&(topic.to_owned(), partition)).cloned()
    }

    /// Another stream, or process, or log.
    pub(super) fn forget(&self, key: &Key) {
        lock(&self.known).anchors.remove(key);
    }

    /// Notes that a partition is gone; false if that has been reported before.
    pub(super) fn report_gone(&self, key: &Key) -> bool {
        lock(&self.known).gone.insert(key.clone())
    }

    /// Keeps how many partitions each topic has.
    pub(super) fn keep_partitions(&self, partitions: &BTreeMap<String, i32>) {
        let exact = partitions.iter().filter(|(_, count)| **count < i32::MAX);
        let mut known = lock(&self.known);
        known
            .gone
            .retain(|(topic, number)| partitions.get(topic).is_none_or(|count| number >= count));
        known.partitions = exact.map(|(topic, count)| (topic.clone(), *count)).collect();
    }

    /// Was the partition there when the group began? If so, `auto.offset.reset=latest` means its end.
    pub(super) fn was_there_at_first(&self, topic: &str, partition: i32) -> bool {
        let first = self.first_seen.get();
        first.is_some_and(|first| first.contains(&(topic.to_owned(), partition)))
    }

    pub(super) fn keep_first_seen(&self, partitions: BTreeSet<Key>) {
        // It is found out once, before the streams run.
        let _ = self.first_seen.set(partitions);
    }

    /// Asks the source outside the group; a client that gets no answer is made anew, because it may hold on to
    /// what it knows of a topic that is gone.
    pub(super) fn ask<T>(
        &self,
        settings: &Settings,
        question: impl Fn(&Reader) -> KafkaResult<T>,
    ) -> Result<T, String> {
        let mut slot = lock(&self.reader);
        let reader = match slot.take() {
            Some(reader) => reader,
            None => Reader::new(settings).map_err(|error| error.to_string())?,
        };
        match question(&reader) {
            Ok(answer) => {
                *slot = Some(reader);
                Ok(answer)
            }
            Err(error) => {
                // Its end takes a moment, and nobody needs to wait for it.
                thread::spawn(move || drop(reader));
                Err(client::reason(&error))
            }
        }
    }

    /// The next question is asked by a client that knows nothing yet.
    pub(super) fn renew(&self) {
        if let Some(reader) = lock(&self.reader).take() {
            thread::spawn(move || drop(reader));
        }
    }
}

/// A log that is another one than was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Break {
    /// The first record known to differ.
    pub(super) at: i64,
    /// Behind what is known to be the same, or the beginning.
    pub(super) from: i64,
}

/// What was seen of a partition's records says that its log is another one; `None` if it does not.
pub(super) fn broken(witnesses: &[Witness], answer: &Answer) -> Option<Break> {
    let seen = || witnesses.iter().zip(&answer.seen);
    let (other, _) = seen().find(|(_, seen)| **seen == Seen::Other)?;
    let same =
        seen().filter(|(witness, seen)| **seen == Seen::Same && witness.offset < other.offset);
    let low = answer.bounds.map_or(0, |(low, _)| low);
    let from = same.map(|(witness, _)| witness.offset + 1).max().unwrap_or(low);
    Some(Break { at: other.offset, from })
}

impl Stream<'_> {
    /// The partitions that a topic had and no longer has, unless they have been reported.
    fn shrunk(&self, topic: &str, had: i32, has: i32) -> Vec<Loss> {
        let custody = &self.notes.custody;
        let gone =
            (has..had).filter(|partition| custody.report_gone(&(topic.to_owned(), *partition)));
        let loss = |partition| {
            // Where the group was in it, if we are who has committed it.
            let unknown = || Place { topic: topic.to_owned(), partition, offset: 0 };
            let next = custody.committed(topic, partition).map_or_else(unknown, |(place, _)| place);
            Loss::of_gone_partition(next, None, has)
        };
        gone.map(loss).collect()
    }

    /// Compares the logs with the notes of the positions where we would begin. Of another log nothing may have
    /// been copied: that is an error, or it is read from where it may have been left.
    pub(super) fn compare(
        &self,
        starts: &mut [Start],
        notes: &[Note],
        stop: &Stop,
    ) -> Result<(), EngineError> {
        let custody = &self.notes.custody;
        let ask = |(start, note): (&Start, &Note)| {
            let before =
                note.witnesses.iter().filter(|witness| witness.offset < start.place.offset);
            let key = (start.place.topic.clone(), start.place.partition);
            Asked { key, witnesses: before.copied().collect() }
        };
        let asked: Vec<Asked> = starts.iter().zip(notes).map(ask).collect();
        for Asked { key, witnesses } in &asked {
            custody.begin(key.clone(), witnesses.clone());
        }
        let is_remembered = |starts: &[Start]| starts.iter().any(|start| start.is_remembered);
        if notes.iter().all(|note| *note == Note::default()) && !is_remembered(starts) {
            return Ok(());
        }
        let (since, is_over) = (Instant::now(), || stop.requested());
        let (partitions, answers) = loop {
            let told = custody.ask(self.settings, |reader| {
                Ok((reader.partitions()?, reader.look(&asked, &is_over)?))
            });
            // Some of it may stay unknown for good, as what lies behind the last record that is not aborted.
            let is_enough = |answers: &[Answer]| {
                let is_insisted_on = self.settings.once && since.elapsed() <= WHOLE;
                !is_insisted_on || answers.iter().all(Answer::is_whole)
            };
            let reason = match told {
                Ok(told) if is_enough(&told.1) => break told,
                Ok(_) => {
                    custody.renew();
                    "not all of it".to_owned()
                }
                Err(reason) => reason,
            };
            let (index, words) =
                (self.index, "the source does not show what was read before, it is");
            // What has nothing to read would have ended before it was compared.
            if !self.settings.once || stop.requested() {
                tracing::warn!("stream {index}: {words} compared later: {reason}");
                return Ok(());
            }
            tracing::warn!("stream {index}: {words} asked again: {reason}");
            thread::sleep(AGAIN);
        };
        custody.keep_partitions(&partitions);
        let mut losses = Vec::new();
        for (index, (asked, answer)) in asked.iter().zip(&answers).enumerate() {
            let start = &mut starts[index];
            // A broker that has just started lists few topics: one that is not listed is the guard's to miss twice.
            let has = partitions.get(&start.place.topic).copied();
            if let (Some(had), Some(has)) = (notes[index].partitions, has) {
                let shrunk = self.shrunk(&start.place.topic, had, has);
                // The new count is noted with the next commit.
                start.committed = start.committed.filter(|_| shrunk.is_empty());
                losses.extend(shrunk);
            }
            let is_told = answer.is_whole();
            if start.is_remembered && is_told && !answer.seen.contains(&Seen::Same) {
                let low = answer.bounds.map_or(0, |(low, _)| low);
                losses.push(Loss::of_forgotten_position(start.place.clone(), low));
                start.begin_at(low);
            } else if let Some(found) = broken(&asked.witnesses, answer) {
                losses.push(Loss::of_another_log(start.place.clone(), None, found));
                start.begin_at(found.from);
            }
        }
        self.accept(&losses)?;
        for loss in losses.iter().filter(|loss| loss.from.is_some()) {
            self.take_note_of_jump(loss);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITNESSES: [Witness; 3] = [
        Witness { offset: 10, print: 1 },
        Witness { offset: 20, print: 2 },
        Witness { offset: 30, print: 3 },
    ];

    fn check(seen: [Seen; 3]) -> Option<(i64, i64)> {
        let answer = Answer { bounds: Some((5, 100)), seen: seen.to_vec() };
        broken(&WITNESSES, &answer).map(|found| (found.at, found.from))
    }

    #[test]
    fn only_a_record_that_differs_accuses() {
        use Seen::{Beyond, Gone, Other, Same, Unknown};
        assert_eq!(check([Same, Same, Same]), None);
        assert_eq!(check([Gone, Gone, Unknown]), None);
        assert_eq!(check([Same, Gone, Beyond]), None);
        assert_eq!(check([Gone, Unknown, Other]), Some((30, 5)), "from the beginning");
        assert_eq!(check([Same, Unknown, Other]), Some((30, 11)), "behind what is the same");
        assert_eq!(check([Same, Same, Other]), Some((30, 21)));
        assert_eq!(check([Other, Other, Other]), Some((10, 5)));
    }

    #[test]
    fn a_commit_notes_what_lies_before_it() {
        let custody = Custody::default();
        let place = |partition, offset| Place { topic: "t".to_owned(), partition, offset };
        let offsets = |place: &Place, last| -> Vec<i64> {
            custody.note(place, last).witnesses.iter().map(|witness| witness.offset).collect()
        };
        assert!(offsets(&place(1, 31), None).is_empty());
        WITNESSES.into_iter().for_each(|witness| custody.promote(("t".to_owned(), 1), witness));
        custody.promote(("t".to_owned(), 1), WITNESSES[0]);
        assert_eq!(offsets(&place(1, 31), Some(WITNESSES[2])), [20, 30]);
        assert_eq!(offsets(&place(1, 30), Some(Witness { offset: 25, print: 5 })), [20, 25]);
        custody.keep_partitions(&[("t".to_owned(), 4)].into());
        assert_eq!(custody.note(&place(1, 31), None).partitions, None);
        assert_eq!(custody.note(&place(0, 31), None).partitions, Some(4));
        custody.forget(&("t".to_owned(), 1));
        assert!(offsets(&place(1, 31), None).is_empty());
    }
}
