//! Looks now and then whether the source still holds the logs that are being read (see `custody`).
//!
//! ```text
//!  progress of all streams -> one look at the source -> losses -> the stream that reads the partition
//! ```
//! A thread of its own, so that a slow source holds up nothing. Records that differ say enough at once; what only
//! a broker's word tells (a topic is gone, a log is shorter) must be told twice, because a broker that has just
//! started knows little yet.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use super::{
    Settings,
    custody::{Custody, broken},
    data_loss::Loss,
    notes::Notes,
    once::Goal,
    reader::{Answer, Asked, Key, Seen},
};
use crate::{
    progress::{Followed, Place},
    shutdown::Stop,
};

/// The first look, soon after the start: from then on there is something to compare with.
const FIRST: Duration = Duration::from_secs(1);
/// What one look left in doubt is looked at again.
const AGAIN: Duration = Duration::from_secs(1);
/// `--once` does not wait longer than that for a topic that is gone.
const ONCE: Duration = Duration::from_secs(5);
/// How often it is looked whether it is time to end.
const NAP: Duration = Duration::from_millis(20);

/// Who reads a partition, and how far it is.
struct Reading {
    stream: usize,
    followed: Followed,
}

/// What was told once.
struct Doubt {
    stream: usize,
    next: Place,
    /// Is the partition gone? Otherwise its log is too short.
    is_gone: bool,
}

/// What the guard needs, and what it remembers from one look to the next.
pub(super) struct Guard<'g> {
    settings: &'g Settings,
    custody: &'g Custody,
    notes: &'g [Arc<Notes>],
    goal: Option<&'g Goal>,
    /// Where each log ended when it was seen last.
    ends: BTreeMap<Key, i64>,
    doubts: BTreeMap<Key, Doubt>,
    /// Partitions that are gone, and have been reported.
    told: BTreeSet<Key>,
}

impl<'g> Guard<'g> {
    pub(super) fn new(
        settings: &'g Settings,
        custody: &'g Custody,
        notes: &'g [Arc<Notes>],
        goal: Option<&'g Goal>,
    ) -> Self {
        let (ends, doubts, told) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Self { settings, custody, notes, goal, ends, doubts, told }
    }

    /// Looks until it is time to stop.
    pub(super) fn watch(&mut self, stop: &Stop) {
        let usual = match self.goal {
            Some(_) => self.settings.topic_refresh.min(ONCE),
            None => self.settings.topic_refresh,
        };
        let mut pause = FIRST.min(usual);
        let mut looked = Instant::now();
        while !stop.requested() {
            thread::sleep(NAP);
            if looked.elapsed() < pause {
                continue;
            }
            if let Err(reason) = self.look(stop) {
                tracing::debug!("the source does not show what was read before: {reason}");
            }
            pause = if self.doubts.is_empty() { usual } else { AGAIN.min(usual) };
            looked = Instant::now();
        }
    }

    fn look(&mut self, stop: &Stop) -> Result<(), String> {
        let reading = self.reading();
        if reading.is_empty() && self.doubts.is_empty() {
            return Ok(());
        }
        let partitions = self.custody.ask(self.settings, |reader| reader.partitions())?;
        let exists = |key: &Key| partitions.get(&key.0).is_some_and(|count| key.1 < *count);
        self.settle_doubts(&partitions);
        self.told.retain(|key| !exists(key));
        let (there, gone): (Vec<Reading>, Vec<Reading>) =
            reading.into_iter().partition(|reading| exists(&reading.key()));
        for reading in gone.into_iter().filter(|reading| !self.told.contains(&reading.key())) {
            self.doubts.entry(reading.key()).or_insert_with(|| reading.doubt(true));
        }
        let ask = |reading: &Reading| {
            let key = reading.key();
            let mut witnesses = self.custody.anchors(&key);
            witnesses.extend(reading.followed.last.filter(|last| !witnesses.contains(last)));
            Asked { key, witnesses }
        };
        let asked: Vec<Asked> = there.iter().map(ask).collect();
        let is_over = || stop.requested();
        let answers = self.custody.ask(self.settings, |reader| reader.look(&asked, &is_over))?;
        let is_told = |answer: &Answer| !answer.seen.contains(&Seen::Unknown);
        if !answers.iter().all(is_told) {
            self.custody.renew();
        }
        for (reading, (asked, answer)) in there.iter().zip(asked.iter().zip(&answers)) {
            self.compare(reading, asked, answer);
        }
        // Only now: what is noted of a topic must not be newer than what its records say.
        self.custody.keep_partitions(&partitions);
        Ok(())
    }

    /// What the streams read. Taken before the source is asked: what is found to be the same then was read from
    /// the log that there is then.
    fn reading(&self) -> Vec<Reading> {
        let streams = self.notes.iter().enumerate();
        let reading = streams.flat_map(|(stream, notes)| {
            let followed = notes.progress().followed();
            followed.into_iter().map(move |followed| Reading { stream, followed })
        });
        reading.collect()
    }

    fn compare(&mut self, reading: &Reading, asked: &Asked, answer: &Answer) {
        let Some((low, high)) = answer.bounds else { return };
        let (key, next) = (reading.key(), &reading.followed.next);
        if let Some(found) = broken(&asked.witnesses, answer) {
            let slot = Some(reading.followed.slot);
            return self.report(reading.stream, Loss::of_another_log(next.clone(), slot, found));
        }
        if next.offset > high {
            if self.doubts.remove(&key).is_none() {
                self.doubts.insert(key, reading.doubt(false));
            } else if let Some(loss) =
                Loss::out_of_range(next.clone(), reading.followed.slot, low, high)
            {
                self.report(reading.stream, loss);
            }
            return;
        }
        self.doubts.remove(&key);
        self.ends.insert(key.clone(), high);
        let Some(last) = reading.followed.last else { return };
        // Where the older ones are gone, this is the best that there is.
        let is_known =
            answer.seen.iter().all(|seen| *seen != Seen::Unknown && *seen != Seen::Beyond);
        if is_known {
            self.custody.promote(key, last);
        }
    }

    /// Partitions that were not there at the last look, nor now.
    fn settle_doubts(&mut self, partitions: &BTreeMap<String, i32>) {
        let gone: Vec<Key> = self
            .doubts
            .iter()
            .filter(|(_, doubt)| doubt.is_gone)
            .map(|(key, _)| key.clone())
            .collect();
        for key in gone {
            let count = partitions.get(&key.0).copied().unwrap_or_default();
            if let Some(doubt) = self.doubts.remove(&key)
                && key.1 >= count
            {
                self.tell_of(doubt, count);
                self.told.insert(key);
            }
        }
    }

    fn tell_of(&self, doubt: Doubt, partitions: i32) {
        let Doubt { stream, mut next, .. } = doubt;
        // It may have been given back since, and read further before that.
        let read = self.notes[stream].furthest.of(&next.topic, next.partition);
        next.offset = next.offset.max(read);
        let key = (next.topic.clone(), next.partition);
        let wanted = self.goal.and_then(|goal| goal.unread_end(&key));
        let end = self.ends.get(&key).copied().max(wanted);
        let loss = if partitions > 0 {
            Loss::of_gone_partition(next, end, partitions)
        } else if let Some(end) = end.filter(|end| *end > next.offset) {
            Loss::of_deleted_topic(next, end)
        } else {
            let Place { topic, partition, offset } = next;
            tracing::warn!(
                "{topic} [{partition}]: the topic was deleted on the source; it was read up to offset {offset}, and \
                 nothing beyond it is known"
            );
            return;
        };
        self.report(stream, loss);
    }

    fn report(&self, stream: usize, loss: Loss) {
        tracing::debug!("found: {}", loss.text);
        self.notes[stream].add_loss(loss);
    }
}

impl Reading {
    fn key(&self) -> Key {
        (self.followed.next.topic.clone(), self.followed.next.partition)
    }

    fn doubt(&self, is_gone: bool) -> Doubt {
        Doubt { stream: self.stream, next: self.followed.next.clone(), is_gone }
    }
}
