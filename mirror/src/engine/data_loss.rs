//! The source no longer holds what is to be read next: retention was faster, or the log shrank or was made anew.
//!
//! librdkafka reports an offset out of range without saying where, so every assigned partition is looked at.
//! What it does not notice, the `guard` does.

use std::{sync::atomic::Ordering, time::Duration};

use rdkafka::consumer::Consumer;

use super::{
    EngineError, absent,
    assignment::insist,
    custody::{Break, broken},
    drain::Drained,
    exactly_once::Lanes,
    reader::Asked,
    stream::Stream,
};
use crate::{
    cli::OnDataLoss,
    progress::{Followed, Place, Slot},
    shutdown::Stop,
};

/// One question to the source.
const QUESTION: Duration = Duration::from_secs(10);
/// So many events are attended to at once: the group's question may lie behind statistics and lines of the log.
const EVENTS: usize = 256;
/// What is in flight is committed before its partition begins anew.
const BEFORE_JUMP: Duration = Duration::from_secs(10);

/// A range of the source that can no longer be copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Loss {
    /// What was to be read next.
    pub(super) next: Place,
    /// The assignment it was found for; if that is gone, so is the loss. `None`: it holds whoever has it.
    pub(super) slot: Option<Slot>,
    /// Where reading goes on; `None` if the partition is gone.
    pub(super) from: Option<i64>,
    /// Topic, partition and range, for people.
    pub(super) text: String,
}

impl Loss {
    /// The position lies outside the log; `None` if it does not.
    pub(super) fn out_of_range(next: Place, slot: Slot, low: i64, high: i64) -> Option<Self> {
        if next.offset >= low && next.offset <= high {
            return None;
        }
        let text = describe(&next, low, high);
        Some(Self { next, slot: Some(slot), from: Some(low), text })
    }

    /// Whether both say the same of the same partition.
    pub(super) fn repeats(&self, other: &Self) -> bool {
        let of = |loss: &Self| {
            (loss.next.topic.clone(), loss.next.partition, loss.slot, loss.from.is_some())
        };
        of(self) == of(other)
    }

    /// The log is another one than was read.
    pub(super) fn of_another_log(next: Place, slot: Option<Slot>, found: Break) -> Self {
        let Place { topic, partition, offset } = &next;
        let text = format!(
            "{topic} [{partition}]: offsets {} to {} hold other records than before, by the one at {}: the topic \
             was deleted and made anew, or its log was truncated and written again",
            found.from,
            offset - 1,
            found.at
        );
        Self { next, slot, from: Some(found.from), text }
    }

    /// The group had a position, and it is gone: brokers delete positions with their topic (since 0.10.2). What
    /// is there now is read from `low` on.
    pub(super) fn of_forgotten_position(next: Place, low: i64) -> Self {
        let Place { topic, partition, offset } = &next;
        let text = format!(
            "{topic} [{partition}]: the topic was deleted and made anew, and with it went the group's position \
             {offset}; what the old one held from offset {offset} on is lost"
        );
        Self { next, slot: None, from: Some(low), text }
    }

    /// The topic was deleted, and so much of it is known that was not copied.
    pub(super) fn of_deleted_topic(next: Place, end: i64) -> Self {
        let Place { topic, partition, offset } = &next;
        let text = format!(
            "{topic} [{partition}]: the topic was deleted before offsets {offset} to {} were copied",
            end - 1
        );
        Self { next, slot: None, from: None, text }
    }

    /// With `--once`: what was there at the start is not all there any more, and the log ends before `end`.
    pub(super) fn of_missing_end(next: Place, slot: Slot, end: i64) -> Self {
        let Place { topic, partition, offset } = &next;
        let text = format!(
            "{topic} [{partition}]: offsets {offset} to {} are gone, the log ends at {offset}: it was truncated, or the topic was deleted \
             and made anew",
            end - 1
        );
        Self { next, slot: Some(slot), from: None, text }
    }

    /// The topic has fewer partitions than before. `end` is where the log is known to have ended.
    pub(super) fn of_gone_partition(next: Place, end: Option<i64>, partitions: i32) -> Self {
        let Place { topic, partition, offset } = &next;
        let range = match end.filter(|end| end > offset) {
            Some(end) => format!("offsets {offset} to {} are lost", end - 1),
            None => format!("what it held from offset {offset} on, and was not copied, is lost"),
        };
        let text = format!(
            "{topic} [{partition}]: the topic was deleted and made anew with {partitions} partitions; {range}"
        );
        Self { next, slot: None, from: None, text }
    }
}

impl Stream<'_> {
    /// librdkafka says that something is out of range: names what is lost; then fails, or goes on with what is left.
    pub(super) fn on_data_loss(&self, stop: &Stop) -> Result<(), EngineError> {
        // Markers that were read are not among what is lost.
        self.pass_markers();
        let followed = self.notes.progress().followed();
        let mut losses = Vec::new();
        for Followed { slot, next, .. } in &followed {
            if let Some((low, high)) = self.range(next, stop)? {
                losses.extend(Loss::out_of_range(next.clone(), *slot, low, high));
            }
        }
        if stop.requested() {
            return Ok(());
        }
        // Behind what is wanted nothing is lost.
        let (mut losses, others): (Vec<Loss>, Vec<Loss>) =
            losses.into_iter().partition(|loss| self.is_wanted(&loss.next));
        let left_alone = others.iter().filter(|loss| self.leave_alone(&loss.next)).count();
        if losses.is_empty() && left_alone > 0 {
            return Ok(());
        }
        if losses.is_empty() {
            losses = self.other_logs(&followed);
        }
        if !losses.is_empty() {
            return self.lose(losses);
        }
        let all: Vec<Place> = followed.into_iter().map(|followed| followed.next).collect();
        let lost = format!(
            "the source reports an offset out of range or a truncated log, but every position is in range again: {}",
            super::assignment::show(&all)
        );
        if self.settings.on_data_loss == OnDataLoss::Fail {
            return Err(EngineError::DataLoss { lost });
        }
        tracing::error!("{lost}; going on there");
        self.notes.meters.lost_ranges.add(1);
        self.begin_again(&all, &all)
    }

    /// Whether anything of the partition is still to be read: with `--once` it may be read to its end.
    fn is_wanted(&self, Place { topic, partition, .. }: &Place) -> bool {
        let goal = self.notes.goal.get();
        goal.is_none_or(|goal| goal.unread(&(topic.clone(), *partition)).is_some())
    }

    /// Where the log of a partition begins and ends; `None` if it is gone, which the guard finds out, or if it is
    /// time to stop. A leader that is away is waited for: the partition is not fetched again unless its loss is known.
    fn range(&self, next: &Place, stop: &Stop) -> Result<Option<(i64, i64)>, EngineError> {
        let Place { topic, partition, .. } = next;
        let ask = || match self.consumer.fetch_watermarks(topic, *partition, QUESTION) {
            Err(error) if absent::is_missing(&error) => Ok(None),
            told => told.map(Some),
        };
        let told = insist("range of its log", self.consumer.client(), stop, ask)?;
        Ok(told.flatten())
    }

    /// The positions are in range, and the logs are not those that were read.
    fn other_logs(&self, followed: &[Followed]) -> Vec<Loss> {
        let custody = &self.notes.custody;
        let ask = |followed: &Followed| {
            let key = (followed.next.topic.clone(), followed.next.partition);
            let mut witnesses = custody.anchors(&key);
            witnesses.extend(followed.last);
            Asked { key, witnesses }
        };
        let asked: Vec<Asked> = followed.iter().map(ask).collect();
        let answers = custody.ask(self.settings, |reader| reader.look(&asked, &|| false));
        let answers = answers.unwrap_or_default();
        let looked = followed.iter().zip(asked.iter().zip(&answers));
        let found = looked.filter_map(|(followed, (asked, answer))| {
            let found = broken(&asked.witnesses, answer)?;
            Some(Loss::of_another_log(followed.next.clone(), Some(followed.slot), found))
        });
        found.collect()
    }

    /// What the guard has found for this stream, and what had to wait.
    pub(super) fn settle_losses(&self) -> Result<(), EngineError> {
        if self.must_wait() {
            return Ok(());
        }
        let losses = self.notes.take_losses();
        if losses.is_empty() { Ok(()) } else { self.lose(losses) }
    }

    /// Fails if no loss is accepted, else logs and counts them.
    pub(super) fn accept(&self, losses: &[Loss]) -> Result<(), EngineError> {
        if losses.is_empty() {
            return Ok(());
        }
        let texts: Vec<&str> = losses.iter().map(|loss| loss.text.as_str()).collect();
        let lost = texts.join("; ");
        if self.settings.on_data_loss == OnDataLoss::Fail {
            return Err(EngineError::DataLoss { lost });
        }
        tracing::error!(
            "records are gone from the source before they were copied, going on: {lost}"
        );
        self.notes.meters.lost_ranges.add(losses.len() as u64);
        Ok(())
    }

    /// Fails, or goes on with what is left.
    fn lose(&self, losses: Vec<Loss>) -> Result<(), EngineError> {
        let losses = self.still_lost(losses);
        if self.settings.on_data_loss == OnDataLoss::Fail {
            return self.accept(&losses);
        }
        let (jumps, gone): (Vec<Loss>, Vec<Loss>) =
            losses.into_iter().partition(|loss| loss.from.is_some());
        self.accept(&gone)?;
        for loss in gone {
            if let Some(goal) = self.notes.goal.get() {
                goal.give_up(&loss.next);
            }
        }
        if jumps.is_empty() {
            return Ok(());
        }
        let drained = if self.must_wait() {
            Drained::Silent
        } else if self.consumer.assignment_lost() {
            Drained::Expelled
        } else {
            self.drain(BEFORE_JUMP)?
        };
        if drained == Drained::All {
            // What a transaction carries was read before the jump, and is counted so.
            self.complete(Some(BEFORE_JUMP))?;
        }
        let jumps = self.still_lost(jumps);
        if drained == Drained::Silent {
            // The jump would be committed over records that have not arrived: it has time.
            tracing::warn!("going on behind lost records once the destination answers");
        }
        // A partition whose transaction failed is begun anew first, or it would be left out.
        let is_broken = self.lanes.as_ref().is_some_and(Lanes::has_broken);
        if drained != Drained::All || is_broken || self.is_asked_by_the_group()? {
            // Of a partition that is taken from us it is forgotten. It may stay ours though a commit was refused.
            jumps.into_iter().for_each(|loss| self.notes.add_loss(loss));
            return Ok(());
        }
        self.accept(&jumps)?;
        let mut places = Vec::new();
        let mut progress = self.notes.progress();
        for loss in &jumps {
            let Some(place) = self.take_note_of_jump(loss) else { continue };
            self.follow(&mut progress, &place, None);
            places.push(place);
        }
        let all = progress.next_positions();
        drop(progress);
        self.begin_again(&places, &all)
    }

    /// Whether a cooperative group waits for our answer, of which we have not heard yet: librdkafka would take the next thing that we
    /// do for it (`rd_kafka_cgrp_incremental_unassign`, 2.12.1).
    fn is_asked_by_the_group(&self) -> Result<bool, EngineError> {
        if !self.is_cooperative() {
            return Ok(false);
        }
        self.stay_in_group()?;
        let is_asked = || self.consumer.context().has_rebalance();
        (0..EVENTS).take_while(|_| !is_asked()).for_each(|_| self.serve());
        self.resume_all()?;
        Ok(is_asked())
    }

    /// A record that found no room in the producer is yet to be sent: what lies behind it cannot be passed over before.
    fn must_wait(&self) -> bool {
        self.settings.on_data_loss != OnDataLoss::Fail && self.notes.holding.load(Ordering::Relaxed)
    }

    /// What is of partitions that are ours as they were when it was found.
    fn still_lost(&self, mut losses: Vec<Loss>) -> Vec<Loss> {
        let progress = self.notes.progress();
        losses.retain(|loss| {
            let slot = progress.slot(&loss.next.topic, loss.next.partition);
            loss.slot.is_none() || loss.slot == slot
        });
        losses
    }

    /// Reading goes on elsewhere, if need be in another log: nothing that was read before is of it.
    pub(super) fn take_note_of_jump(&self, loss: &Loss) -> Option<Place> {
        let place = Place { offset: loss.from?, ..loss.next.clone() };
        if let Some(goal) = self.notes.goal.get() {
            goal.jump(loss.next.offset, &place);
        }
        self.notes.custody.forget(&(place.topic.clone(), place.partition));
        self.notes.furthest.forget(&place);
        Some(place)
    }
}

fn describe(next: &Place, low: i64, high: i64) -> String {
    let Place { topic, partition, offset } = next;
    if *offset < low {
        format!(
            "{topic} [{partition}]: offsets {offset} to {} are deleted, the log begins at {low}",
            low - 1
        )
    } else {
        format!(
            "{topic} [{partition}]: to be read from offset {offset}, but the log ends at {high}: it was truncated, or \
             the topic was deleted and made anew"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_topic_partition_and_range() {
        let next = || Place { topic: "t".to_owned(), partition: 3, offset: 10 };
        assert_eq!(
            describe(&next(), 15, 90),
            "t [3]: offsets 10 to 14 are deleted, the log begins at 15"
        );
        assert!(
            describe(&next(), 0, 4)
                .starts_with("t [3]: to be read from offset 10, but the log ends at 4")
        );
        let other = Loss::of_another_log(next(), None, Break { at: 7, from: 2 });
        assert!(other.text.starts_with("t [3]: offsets 2 to 9 hold other records"), "{other:?}");
        let forgotten = Loss::of_forgotten_position(next(), 0).text;
        assert!(forgotten.starts_with("t [3]") && forgotten.ends_with("from offset 10 on is lost"));
        let deleted = Loss::of_deleted_topic(next(), 15).text;
        assert_eq!(deleted, "t [3]: the topic was deleted before offsets 10 to 14 were copied");
        for (end, words) in
            [(Some(15), "offsets 10 to 14 are lost"), (Some(10), "from offset 10 on")]
        {
            let gone = Loss::of_gone_partition(next(), end, 2).text;
            assert!(gone.contains("made anew with 2 partitions"), "{gone}");
            assert!(gone.starts_with("t [3]") && gone.contains(words), "{gone}");
        }
    }
}
