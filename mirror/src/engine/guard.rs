//! Looks now and then whether the source still holds the logs that are being read (see `custody`).
//!
//! ```text
//!  progress of all streams -> one look at the source -> losses -> the stream that reads the partition
//! ```
//! A thread of its own, so that a slow source holds up nothing. Records that differ say enough at once; what only
//! a broker's word tells (a topic is gone, a log is shorter) must be told twice, because a broker that has just
//! started knows little yet.

use std::{
    collections::BTreeMap,
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
/// How long a topic must be missed before it counts as deleted: all brokers may be starting, and list few topics.
pub(super) const MISSED: Duration = Duration::from_secs(15);
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
    since: Instant,
}

/// What the guard needs, and what it remembers from one look to the next.
pub(super) struct Guard<'g> {
    custody: &'g Custody,
    notes: &'g [Arc<Notes>],
    goal: Option<&'g Goal>,
    /// Where each log ended when it was seen last.
    ends: BTreeMap<Key, i64>,
    doubts: BTreeMap<Key, Doubt>,
}

impl<'g> Guard<'g> {
    pub(super) fn new(
        custody: &'g Custody,
        notes: &'g [Arc<Notes>],
        goal: Option<&'g Goal>,
    ) -> Self {
        let (ends, doubts) = (BTreeMap::new(), BTreeMap::new());
        Self { custody, notes, goal, ends, doubts }
    }

    /// Looks until it is time to stop.
    pub(super) fn watch(&mut self, settings: &Settings, stop: &Stop) {
        let usual = match self.goal {
            Some(_) => settings.topic_refresh.min(ONCE),
            None => settings.topic_refresh,
        };
        let mut pause = FIRST.min(usual);
        let mut looked = Instant::now();
        while !stop.requested() {
            thread::sleep(NAP);
            if looked.elapsed() < pause {
                continue;
            }
            if let Err(reason) = self.look(settings, stop) {
                tracing::debug!("the source does not show what was read before: {reason}");
            }
            pause = if self.doubts.is_empty() { usual } else { AGAIN.min(usual) };
            looked = Instant::now();
        }
    }

    fn look(&mut self, settings: &Settings, stop: &Stop) -> Result<(), String> {
        let reading = self.reading();
        let given_back = self.given_back(&reading);
        if reading.is_empty() && given_back.is_empty() && self.doubts.is_empty() {
            return Ok(());
        }
        let partitions = self.custody.ask(settings, |reader| reader.partitions())?;
        let exists = |key: &Key| partitions.get(&key.0).is_some_and(|count| key.1 < *count);
        self.settle_doubts(&partitions);
        let (there, gone): (Vec<Reading>, Vec<Reading>) =
            reading.into_iter().partition(|reading| exists(&reading.key()));
        for reading in gone {
            self.miss(reading.key(), reading.doubt(true));
        }
        for next in given_back {
            let is_there = exists(&(next.topic.clone(), next.partition));
            self.look_at_given_back(next, is_there);
        }
        let ask = |reading: &Reading| {
            let key = reading.key();
            let mut witnesses = self.custody.anchors(&key);
            witnesses.extend(reading.followed.last.filter(|last| !witnesses.contains(last)));
            Asked { key, witnesses }
        };
        let asked: Vec<Asked> = there.iter().map(ask).collect();
        if asked.is_empty() {
            return Ok(());
        }
        let is_over = || stop.requested();
        let answers = self.custody.ask(settings, |reader| reader.look(&asked, &is_over))?;
        if !answers.iter().all(Answer::is_whole) {
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

    /// What was read and is not any more, and with `--once` what is still to be read: the group takes away a topic
    /// that is deleted, perhaps before we have looked.
    fn given_back(&self, reading: &[Reading]) -> Vec<Place> {
        let mut known = self.notes.first().map(|notes| notes.furthest.all()).unwrap_or_default();
        known.extend(self.goal.into_iter().flat_map(Goal::all_unread));
        let reads = |place: &Place| {
            reading.iter().any(|reading| {
                let next = &reading.followed.next;
                (&next.topic, next.partition) == (&place.topic, place.partition)
            })
        };
        known.retain(|place| !reads(place));
        known
    }

    fn look_at_given_back(&mut self, next: Place, is_there: bool) {
        let key = (next.topic.clone(), next.partition);
        if is_there {
            // Others may have read on: where it ended before says nothing of what would be lost with it.
            self.ends.remove(&key);
        } else {
            let since = Instant::now();
            self.miss(key, Doubt { stream: 0, next, is_gone: true, since });
        }
    }

    /// That it is gone is more than that its log is too short.
    fn miss(&mut self, key: Key, doubt: Doubt) {
        if self.doubts.get(&key).is_none_or(|known| !known.is_gone) {
            self.doubts.insert(key, doubt);
        }
    }

    fn compare(&mut self, reading: &Reading, asked: &Asked, answer: &Answer) {
        let Some((low, high)) = answer.bounds else { return };
        let (key, next) = (reading.key(), &reading.followed.next);
        if let Some(found) = broken(&asked.witnesses, answer) {
            let loss = Loss::of_another_log(next.clone(), Some(reading.followed.slot), found);
            return self.report(reading.stream, loss);
        }
        let slot = reading.followed.slot;
        let wanted = self.goal.and_then(|goal| goal.unread(&key)).map(|wanted| wanted.end);
        let is_short = next.offset > high && (self.goal.is_none() || wanted.is_some());
        let missing = wanted.filter(|end| *end > high && next.offset == high);
        if is_short || missing.is_some() {
            // A leader of before 2.2 may not know for a while how far its log is committed.
            let patience = if is_short { Duration::ZERO } else { MISSED };
            let doubt = self.doubts.remove(&key).filter(|doubt| !doubt.is_gone);
            if doubt.as_ref().is_none_or(|doubt| doubt.since.elapsed() < patience) {
                self.doubts.insert(key, doubt.unwrap_or_else(|| reading.doubt(false)));
            } else if let Some(loss) = Loss::out_of_range(next.clone(), slot, low, high) {
                self.report(reading.stream, loss);
            } else if let Some(end) = missing {
                self.report(reading.stream, Loss::of_missing_end(next.clone(), slot, end));
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

    /// Partitions that were not there at the last look, nor now; a whole topic must be missed for longer.
    fn settle_doubts(&mut self, partitions: &BTreeMap<String, i32>) {
        let gone: Vec<Key> = self
            .doubts
            .iter()
            .filter(|(key, doubt)| {
                let is_listed = partitions.contains_key(&key.0);
                doubt.is_gone && (is_listed || doubt.since.elapsed() >= MISSED)
            })
            .map(|(key, _)| key.clone())
            .collect();
        for key in gone {
            self.settle(key, partitions);
        }
    }

    fn settle(&mut self, key: Key, partitions: &BTreeMap<String, i32>) {
        let count = partitions.get(&key.0).copied().unwrap_or_default();
        if key.1 < count {
            self.doubts.remove(&key);
            return;
        }
        let Some((stream, left)) = self.doubts.get(&key).map(|of| (of.stream, self.left(&key, of)))
        else {
            return;
        };
        let Left { next, end, is_followed, is_wanted } = left;
        let is_read = end.is_none_or(|end| next.offset >= end);
        if self.goal.is_some() && is_read && is_followed {
            // All that is wanted of it is on its way: there is time until it is given back.
            return;
        }
        self.doubts.remove(&key);
        let is_lost = self.goal.is_none() || !is_read;
        if !is_lost || !self.custody.report_gone(&key) {
            // Nothing of it is lost, or that has been told.
            if let Some(goal) = self.goal.filter(|_| is_wanted) {
                goal.give_up(&next);
            }
            return;
        }
        if count > 0 {
            self.report(stream, Loss::of_gone_partition(next, end, count));
        } else if let Some(end) = end.filter(|_| !is_read) {
            self.report(stream, Loss::of_deleted_topic(next, end));
        } else {
            let Place { topic, partition, offset } = next;
            tracing::warn!(
                "{topic} [{partition}]: the topic was deleted on the source; it was read up to offset {offset}, and \
                 nothing beyond it is known"
            );
        }
    }

    /// What of a partition that is gone is not copied, as far as anybody knows.
    fn left(&self, key: &Key, doubt: &Doubt) -> Left {
        let followed = self.notes.iter().flat_map(|notes| notes.progress().followed());
        let next = followed.map(|followed| followed.next).find(|next| is_of(next, key));
        let is_followed = next.is_some();
        let wanted = self.goal.and_then(|goal| goal.unread(key));
        let place = |offset| Place { offset, ..doubt.next.clone() };
        // It may have been given back since, and read further before that; what was cut off then was not copied.
        let next = next.unwrap_or_else(|| match wanted {
            Some(wanted) => place(wanted.copied),
            None => {
                let read = self.notes[doubt.stream].furthest.of(&key.0, key.1);
                place(doubt.next.offset.max(read))
            }
        });
        let end = match self.goal {
            Some(_) => wanted.map(|wanted| wanted.end),
            None => self.ends.get(key).copied(),
        };
        Left { next, end, is_followed, is_wanted: wanted.is_some() }
    }

    fn report(&self, stream: usize, loss: Loss) {
        tracing::debug!("found: {}", loss.text);
        self.notes[stream].add_loss(loss);
    }
}

/// What is left of a partition that is gone.
struct Left {
    /// What was to be read next.
    next: Place,
    /// Where its log is known to have ended, or what is wanted of it ends.
    end: Option<i64>,
    is_followed: bool,
    /// With `--once`: it counts for the end.
    is_wanted: bool,
}

fn is_of(place: &Place, (topic, partition): &Key) -> bool {
    place.topic == *topic && place.partition == *partition
}

impl Reading {
    fn key(&self) -> Key {
        (self.followed.next.topic.clone(), self.followed.next.partition)
    }

    fn doubt(&self, is_gone: bool) -> Doubt {
        let (stream, next) = (self.stream, self.followed.next.clone());
        Doubt { stream, next, is_gone, since: Instant::now() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{engine::custody::Break, progress::Slot, witness::Witness};

    const KEY: (&str, i32) = ("t", 0);

    /// A stream that has read up to 9, and a log that says this.
    struct Scene {
        custody: Custody,
        notes: [Arc<Notes>; 1],
    }

    impl Scene {
        fn new() -> Self {
            Self { custody: Custody::default(), notes: [Arc::default()] }
        }

        fn guard(&self) -> Guard<'_> {
            Guard::new(&self.custody, &self.notes, None)
        }

        fn losses(&self) -> Vec<String> {
            self.notes[0].take_losses().into_iter().map(|loss| loss.text).collect()
        }
    }

    /// What is in doubt has been for as long as a topic must be missed.
    fn wait(guard: &mut Guard<'_>) {
        for doubt in guard.doubts.values_mut() {
            doubt.since = doubt.since.checked_sub(MISSED).expect("the machine runs for longer");
        }
    }

    fn slot() -> Slot {
        crate::progress::Progress::default().assign("t", 0, 0, None)
    }

    fn look(guard: &mut Guard<'_>, seen: &[Seen], bounds: (i64, i64)) {
        let witnesses = [Witness { offset: 4, print: 1 }, Witness { offset: 9, print: 2 }];
        let key = (KEY.0.to_owned(), KEY.1);
        let next = Place { topic: key.0.clone(), partition: 0, offset: 10 };
        let followed = Followed { slot: slot(), next, last: Some(witnesses[1]), has_begun: true };
        let asked = Asked { key, witnesses: witnesses[..seen.len()].to_vec() };
        let answer = Answer { bounds: Some(bounds), seen: seen.to_vec() };
        guard.compare(&Reading { stream: 0, followed }, &asked, &answer);
    }

    #[test]
    fn another_record_is_reported_at_once_and_the_same_is_remembered() {
        let scene = Scene::new();
        let mut guard = scene.guard();
        look(&mut guard, &[Seen::Same, Seen::Same], (0, 20));
        let anchors = scene.custody.anchors(&("t".to_owned(), 0));
        assert_eq!((anchors.len(), anchors[0].offset), (1, 9));
        assert!(scene.losses().is_empty());
        look(&mut guard, &[Seen::Gone, Seen::Unknown], (7, 20));
        assert!(scene.losses().is_empty(), "what is gone proves nothing");
        look(&mut guard, &[Seen::Other, Seen::Same], (0, 20));
        let losses = scene.losses();
        assert!(losses.len() == 1 && losses[0].contains("offsets 0 to 9 hold other"), "{losses:?}");
    }

    #[test]
    fn a_log_that_is_too_short_must_be_seen_twice() {
        let scene = Scene::new();
        let mut guard = scene.guard();
        for (high, reported) in [(8, false), (20, false), (8, false), (8, true)] {
            look(&mut guard, &[Seen::Same], (0, high));
            let losses = scene.losses();
            assert_eq!(!losses.is_empty(), reported, "{high}: {losses:?}");
        }
    }

    #[test]
    fn a_partition_that_is_gone_must_be_missed_twice_and_is_reported_once() {
        let scene = Scene::new();
        let mut guard = scene.guard();
        let doubt = || Doubt {
            stream: 0,
            next: Place { topic: "t".to_owned(), partition: 2, offset: 10 },
            is_gone: true,
            since: Instant::now().checked_sub(MISSED).expect("the machine runs for longer"),
        };
        let key = ("t".to_owned(), 2);
        let partitions = |count| BTreeMap::from([("t".to_owned(), count)]);
        guard.doubts.insert(key.clone(), doubt());
        guard.settle_doubts(&partitions(3));
        assert!(scene.losses().is_empty() && guard.doubts.is_empty(), "it is back");
        guard.ends.insert(key.clone(), 15);
        for reported in [1, 0] {
            guard.doubts.insert(key.clone(), doubt());
            guard.settle_doubts(&partitions(2));
            assert_eq!(scene.losses().len(), reported);
        }
        // A topic that is deleted: a loss only if something of it is known to be left.
        for (end, reported) in [(15, 1), (10, 0)] {
            scene.custody.keep_partitions(&partitions(3));
            guard.ends.insert(key.clone(), end);
            guard.doubts.insert(key.clone(), doubt());
            guard.settle_doubts(&BTreeMap::new());
            assert_eq!(scene.losses().len(), reported, "{end}");
        }
    }

    #[test]
    fn once_loses_what_a_log_that_became_shorter_no_longer_holds() {
        let scene = Scene::new();
        let goal = Goal::new(&[Place { topic: "t".to_owned(), partition: 0, offset: 15 }]);
        let mut guard = Guard::new(&scene.custody, &scene.notes, Some(&goal));
        for (high, reported) in [(10, false), (20, false), (10, false), (10, true)] {
            look(&mut guard, &[Seen::Same], (0, high));
            let losses = scene.losses();
            assert_eq!(!losses.is_empty(), reported, "{high}: {losses:?}");
            wait(&mut guard);
        }
        goal.pass("t", 0);
        for _ in 0..2 {
            look(&mut guard, &[Seen::Same], (0, 5));
        }
        assert!(scene.losses().is_empty(), "nothing more of it is wanted");
    }

    #[test]
    fn what_others_have_read_is_not_given_up_with_its_topic() {
        let place = |offset| Place { topic: "t".to_owned(), partition: 2, offset };
        let scene = Scene::new();
        let goal = Goal::new(&[place(15)]);
        goal.read_elsewhere([place(15)].into_iter());
        let mut guard = Guard::new(&scene.custody, &scene.notes, Some(&goal));
        scene.custody.keep_partitions(&BTreeMap::from([("t".to_owned(), 3)]));
        guard.look_at_given_back(place(8), false);
        assert!(guard.doubts.contains_key(&("t".to_owned(), 2)), "it is gone");
        wait(&mut guard);
        guard.settle_doubts(&BTreeMap::new());
        assert!(scene.losses().is_empty() && goal.is_reached());
        let report = serde_json::to_value(goal.report(true)).unwrap();
        assert_eq!(
            (&report["complete"], &report["partitions"][0]["lost"]),
            (&true.into(), &0.into())
        );
    }

    #[test]
    fn once_does_not_wait_for_a_deleted_topic_and_loses_only_what_has_no_copy() {
        let place = |offset| Place { topic: "t".to_owned(), partition: 2, offset };
        for (copied, read, lost) in
            [(15, None, 0), (12, None, 1), (12, Some(15), 0), (12, Some(14), 1)]
        {
            let scene = Scene::new();
            let goal = Goal::new(&[place(15)]);
            assert!(goal.take(&place(copied)).is_some());
            if let Some(read) = read {
                // What lies between is read, and on its way.
                scene.notes[0].progress().assign("t", 2, read, None);
            }
            scene.notes[0].furthest.note(place(15));
            let mut guard = Guard::new(&scene.custody, &scene.notes, Some(&goal));
            scene.custody.keep_partitions(&BTreeMap::from([("t".to_owned(), 3)]));
            // Producers went on.
            guard.ends.insert(("t".to_owned(), 2), 20);
            guard.look_at_given_back(place(copied), false);
            assert!(guard.doubts.contains_key(&("t".to_owned(), 2)), "it is gone");
            wait(&mut guard);
            guard.settle_doubts(&BTreeMap::new());
            assert_eq!(scene.losses().len(), lost);
            let is_on_its_way = read == Some(15);
            assert_eq!(!guard.doubts.is_empty(), is_on_its_way, "until it is given back");
            let is_settled = lost == 0 && !is_on_its_way;
            assert_eq!(goal.is_reached(), is_settled, "a loss is settled by its stream");
        }
    }

    #[test]
    fn what_others_have_read_to_its_end_is_no_loss_when_its_topic_is_deleted() {
        let place = || Place { topic: "t".to_owned(), partition: 2, offset: 10 };
        let key = ("t".to_owned(), 2);
        for (was_seen_given_back, lost) in [(true, 0), (false, 1)] {
            let scene = Scene::new();
            let mut guard = scene.guard();
            scene.custody.keep_partitions(&BTreeMap::from([("t".to_owned(), 3)]));
            guard.ends.insert(key.clone(), 15);
            if was_seen_given_back {
                guard.look_at_given_back(place(), true);
            }
            guard.look_at_given_back(place(), false);
            assert!(guard.doubts.contains_key(&("t".to_owned(), 2)), "it is gone");
            wait(&mut guard);
            guard.settle_doubts(&BTreeMap::new());
            assert_eq!(scene.losses().len(), lost);
        }
    }

    #[test]
    fn a_loss_that_nobody_has_settled_yet_is_one_however_often_it_is_found() {
        let scene = Scene::new();
        let guard = scene.guard();
        let place = |partition| Place { topic: "t".to_owned(), partition, offset: 10 };
        let found = Break { from: 3, at: 5 };
        for partition in [0, 0, 1] {
            guard.report(0, Loss::of_another_log(place(partition), None, found));
        }
        guard.report(0, Loss::of_gone_partition(place(0), None, 1));
        assert_eq!(scene.losses().len(), 3, "two logs and a partition");
    }
}
