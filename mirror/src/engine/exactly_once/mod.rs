//! Exactly once: a transaction on the destination carries the records and the source's position.
//!
//! ```text
//!  assign: fence (lane) -> read the stored positions (positions) -> begin there
//!  copy:   begin, records, ... position, commit      one transaction a source partition and commit interval
//!  broken: drop the producer, fence again, begin behind the last transaction that was committed
//! ```
//! Each source partition has a producer of its own, whose transactional id is the partition's: ownership and
//! fencing go with the partition, not with the stream that has it for now. What the group has committed on the
//! source says how far the mirror is, to those who look at its lag; it is read only where no position is stored.

mod lane;
pub(super) mod positions;
mod reading;
#[cfg(test)]
mod trials;
mod uncommitted;
mod wait;

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashMap},
    thread,
    time::{Duration, Instant},
};

pub(super) use lane::is_of_the_transaction;
use lane::{Lane, Tried};
pub(super) use positions::{Origin, Stored};
use rdkafka::{
    TopicPartitionList,
    consumer::{CommitMode, Consumer},
    error::KafkaError,
    topic_partition_list::TopicPartitionListElem,
};

pub(super) use uncommitted::Uncommitted;
use wait::Wait;

use super::{
    EngineError, Settings,
    assignment::Start,
    client,
    stream::{LAST_TRANSACTION, Stream, consume},
    writer::Record,
};
use crate::{
    progress::{Place, Slot, Token},
    shutdown::Stop,
    witness::Note,
};

/// Pause before lanes are opened anew once more: what broke them may last.
const BETWEEN_MENDS: Duration = Duration::from_secs(1);

/// Sees to the topic of the positions, and says whose they are.
pub(super) fn prepare(settings: &Settings, cluster: Option<String>) -> Result<Origin, EngineError> {
    let Some(cluster) = cluster else {
        let reason = "the source does not tell its cluster id (Kafka 0.10.1 and later do), by which the positions of \
                      two mirrors are told apart";
        return Err(EngineError::NoTransactions { reason: reason.to_owned() });
    };
    let group = settings.consumers[0].get("group.id").unwrap_or_default().to_owned();
    let origin = Origin { group, cluster };
    positions::prepare(settings, &origin)?;
    Ok(origin)
}

/// The lanes of a stream's partitions.
pub(super) struct Lanes {
    origin: Origin,
    stop: Stop,
    by_slot: RefCell<HashMap<Slot, Lane>>,
    /// Those whose transaction can no longer be committed; they are to be opened anew.
    broken: RefCell<Vec<Lane>>,
    mended: Cell<Option<Instant>>,
}

impl Lanes {
    pub(super) fn new(origin: Origin, stop: Stop) -> Self {
        let (by_slot, broken) = (RefCell::default(), RefCell::default());
        Self { origin, stop, by_slot, broken, mended: Cell::new(None) }
    }

    /// Hands a record to its partition's lane; false if that sends nothing any more.
    pub(super) fn send(
        &self,
        token: Token,
        offset: i64,
        record: Record<'_>,
    ) -> Result<bool, KafkaError> {
        let mut lanes = self.by_slot.borrow_mut();
        // Without a lane it is a record of an assignment that is gone.
        lanes.get_mut(&token.slot()).map_or(Ok(false), |lane| lane.send(offset, record))
    }

    /// Reads the reports that are there, of all lanes.
    pub(super) fn poll(&self) {
        self.by_slot.borrow_mut().values_mut().for_each(Lane::poll);
    }

    /// Is anything sent that is not part of a committed transaction?
    pub(super) fn has_transaction(&self) -> bool {
        self.by_slot.borrow().values().any(Lane::has_transaction)
    }

    /// Whether a transaction has failed and its partition is not begun anew yet.
    pub(super) fn has_broken(&self) -> bool {
        !self.broken.borrow().is_empty()
    }

    /// A partition is followed in this lane from here on.
    pub(super) fn enter(&self, slot: Slot, lane: Option<Lane>, start: &Start) {
        let Some(mut lane) = lane else { return };
        if start.is_jump {
            lane.jump_to(start.place.offset);
        } else {
            lane.begin_at(start.place.offset);
        }
        // A partition may be assigned again without having been taken away. Its reports wait for the progress, which is locked.
        let former: Vec<Lane> = self.by_slot.borrow_mut().insert(slot, lane).into_iter().collect();
        end(former);
    }

    /// A partition is followed anew, from this offset on.
    pub(super) fn follow(&self, former: Slot, now: Slot, offset: i64) {
        let mut lanes = self.by_slot.borrow_mut();
        if let Some(mut lane) = lanes.remove(&former) {
            lane.jump_to(offset);
            lanes.insert(now, lane);
        }
    }

    /// Gives up the lanes of assignments that are gone; an open transaction is aborted by whoever is next.
    pub(super) fn close(&self, is_ours: impl Fn(Slot) -> bool) {
        let mut lanes = self.by_slot.borrow_mut();
        let closed: Vec<Lane> = lanes.extract_if(|slot, _| !is_ours(*slot)).map(|l| l.1).collect();
        end(closed);
    }
}

/// Lanes that only we write to, and what is stored of their partitions.
#[derive(Default)]
pub(super) struct Opened(HashMap<(String, i32), (Option<Stored>, Lane)>);

impl Opened {
    /// Where a partition goes on, and what is noted of its log.
    pub(super) fn stored(&self, topic: &str, partition: i32) -> Option<&Stored> {
        self.0.get(&(topic.to_owned(), partition))?.0.as_ref()
    }

    /// The lane of a place.
    pub(super) fn take(&mut self, place: &Place) -> Option<Lane> {
        self.0.remove(&(place.topic.clone(), place.partition)).map(|(_, lane)| lane)
    }
}

impl Stream<'_> {
    /// Makes us the only writer of these partitions, and reads where each goes on. Without `--exactly-once` there
    /// is nothing to do. `None` if it is time to stop.
    pub(super) fn open_lanes(
        &self,
        partitions: &TopicPartitionList,
    ) -> Result<Option<Opened>, EngineError> {
        let Some(lanes) = self.lanes.as_ref().filter(|_| partitions.count() > 0) else {
            return Ok(Some(Opened::default()));
        };
        let new = |element: &TopicPartitionListElem<'_>| {
            Lane::new(self, &lanes.origin, element.topic(), element.partition())
        };
        let mut opened = partitions.elements().iter().map(new).collect::<Result<Vec<_>, _>>()?;
        let mut waiting: Vec<&mut Lane> = opened.iter_mut().collect();
        let fenced = self.persist(
            || lanes.stop.requested(),
            || {
                let tried = at_once(&mut waiting, |lane| lane.fence());
                let mut again = Vec::new();
                for (lane, tried) in waiting.drain(..).zip(tried) {
                    if let Tried::Again = tried? {
                        lane.serve();
                        again.push(lane);
                    }
                }
                waiting = again;
                Ok(Tried::done_if(waiting.is_empty()))
            },
        )?;
        if !fenced {
            return Ok(None);
        }
        // Only now: what a former owner could still have committed is committed or aborted.
        let keys = opened.iter().map(|lane| lane.key().to_owned()).collect();
        let mut wait = Wait::new(self);
        let stored = reading::read(self.settings, &lanes.origin, &keys, &mut || {
            wait.go_on().map(|()| !lanes.stop.requested())
        });
        wait.end()?;
        let stored = stored?;
        let with = |mut stored: BTreeMap<String, Stored>| {
            let one = |lane: Lane| (lane.partition(), (stored.remove(lane.key()), lane));
            Opened(opened.into_iter().map(one).collect())
        };
        Ok(stored.map(with))
    }

    /// Commits the open transactions with their positions. One that cannot be committed, or is not within
    /// `patience` (`None`: not before it is time to stop), is given up: nothing of it counts, and [`Stream::mend_lanes`] begins anew.
    pub(super) fn complete(&self, patience: Option<Duration>) -> Result<(), EngineError> {
        let Some(lanes) = &self.lanes else { return Ok(()) };
        let mut all = lanes.by_slot.borrow_mut();
        let mut open: Vec<&mut Lane> = all.values_mut().filter(|lane| lane.is_open()).collect();
        // One deadline for all steps.
        let since = Instant::now();
        let is_over = || match patience {
            Some(patience) => since.elapsed() >= patience,
            // A stop does not cut short what is nearly done.
            None => lanes.stop.requested() && since.elapsed() > LAST_TRANSACTION,
        };
        // A position is written last, so that it notes the last record before it.
        let ended = self.deliver(&is_over, &mut open)?
            && self.send_positions(&is_over, &mut open)?
            && self.commit_lanes(&is_over, &mut open)?;
        if !ended {
            open.iter_mut().for_each(|lane| lane.give_up());
        }
        drop(open);
        drop(all);
        self.give_up_broken();
        Ok(())
    }

    fn send_positions(
        &self,
        is_over: &impl Fn() -> bool,
        open: &mut [&mut Lane],
    ) -> Result<bool, EngineError> {
        let mut unsent: Vec<usize> = (0..open.len()).collect();
        self.persist(is_over, || {
            unsent.retain(|index| {
                let note = self.notes.note_of(&open[*index].place());
                matches!(open[*index].send_position(&note), Tried::Again)
            });
            open.iter_mut().for_each(|lane| lane.poll());
            Ok(Tried::done_if(unsent.is_empty()))
        })
    }

    fn deliver(
        &self,
        is_over: &impl Fn() -> bool,
        open: &mut [&mut Lane],
    ) -> Result<bool, EngineError> {
        self.persist(is_over, || {
            open.iter_mut().for_each(|lane| lane.poll());
            Ok(Tried::done_if(open.iter().all(|lane| !lane.is_open() || lane.in_flight() == 0)))
        })
    }

    fn commit_lanes(
        &self,
        is_over: &impl Fn() -> bool,
        open: &mut Vec<&mut Lane>,
    ) -> Result<bool, EngineError> {
        self.persist(is_over, || {
            open.retain(|lane| lane.is_open());
            open.iter_mut().for_each(|lane| lane.poll());
            let tried = at_once(open, |lane| lane.commit());
            open.iter().filter(|lane| !lane.has_transaction()).for_each(|lane| self.count(lane));
            Ok(Tried::done_if(tried.iter().all(|tried| matches!(tried, Tried::Done))))
        })
    }

    /// A lane's transaction is committed, so what it carried counts.
    fn count(&self, lane: &Lane) {
        lane.count();
        let (topic, partition) = lane.partition();
        let mut progress = self.notes.progress();
        let slot = progress.slot(&topic, partition);
        if let Some(account) = slot.and_then(|slot| progress.account(slot)) {
            account.commit();
        }
    }

    /// What was sent by a broken lane counts for nothing, and nobody waits for it.
    pub(super) fn give_up_broken(&self) {
        let Some(lanes) = &self.lanes else { return };
        let mut all = lanes.by_slot.borrow_mut();
        for (_, lane) in all.extract_if(|_, lane| lane.broken().is_some()) {
            lane.give_up_reports();
            let Place { topic, partition, .. } = lane.place();
            self.notes.progress().revoke(&topic, partition);
            if let Some(goal) = self.notes.goal.get() {
                goal.reopen(&topic, partition);
            }
            lanes.broken.borrow_mut().push(lane);
        }
    }

    /// Begins anew with each partition whose transaction could not be committed, if the group still says that it
    /// is ours: behind the last one that was.
    pub(super) fn mend_lanes(&self) -> Result<(), EngineError> {
        let Some(lanes) = &self.lanes else { return Ok(()) };
        self.give_up_broken();
        let assigned = self.consumer.assignment().map_err(consume)?;
        let mut broken = lanes.broken.take();
        // The others have gone with a rebalance, and are begun by whoever has them now.
        broken.retain(|lane| {
            let (topic, partition) = lane.partition();
            assigned.find_partition(&topic, partition).is_some()
        });
        if broken.is_empty() {
            return Ok(());
        }
        let is_too_soon = lanes.mended.get().is_some_and(|mended| mended.elapsed() < BETWEEN_MENDS);
        if is_too_soon || !self.is_member(&broken) {
            // Soon; or a rebalance is on its way, and says whether they are still ours.
            lanes.broken.replace(broken);
            return Ok(());
        }
        let mut partitions = TopicPartitionList::with_capacity(broken.len());
        for lane in &broken {
            let (topic, partition) = lane.partition();
            let reason = lane.broken().unwrap_or_default();
            tracing::warn!(
                "{topic} [{partition}]: a transaction is aborted, its records are copied again: {reason}"
            );
            partitions.add_partition(&topic, partition);
        }
        lanes.mended.set(Some(Instant::now()));
        let cut_short = cut_short(&broken);
        end(broken);
        let opened = self.open_lanes(&partitions)?;
        let starts = match &opened {
            Some(opened) => self.starts(&partitions, opened, &lanes.stop)?,
            None => None,
        };
        let (Some(opened), Some(starts)) = (opened, starts) else {
            // It is time to stop, and what was aborted is not copied.
            return cut_short.map_or(Ok(()), Err);
        };
        let places = self.follow_all(starts, opened);
        let all = self.notes.progress().next_positions();
        self.begin_again(&places, &all)
    }

    /// Why a transaction of ours was not committed in the end, if one was not and no other mirror has its partition.
    pub(super) fn aborted(&self) -> Option<EngineError> {
        let broken = self.lanes.as_ref()?.broken.borrow();
        for lane in broken.iter().filter(|lane| lane.is_fenced()) {
            let (topic, partition) = lane.partition();
            tracing::warn!(
                "others write {topic} [{partition}] by now, the last transaction is theirs"
            );
        }
        cut_short(&broken)
    }

    /// Does the group still take our commits? What is committed is what it has already.
    fn is_member(&self, lanes: &[Lane]) -> bool {
        self.end_commit();
        let noted = |place: Place| {
            let note = self.notes.note_of(&place);
            (place, note)
        };
        let places: Vec<(Place, Note)> =
            lanes.iter().filter_map(Lane::committed).map(noted).collect();
        if places.is_empty() {
            return true;
        }
        let commit = |list| self.consumer.commit(&list, CommitMode::Sync);
        match client::noted_list(&places).and_then(commit) {
            Ok(()) => true,
            Err(error) => !client::is_expulsion(&error),
        }
    }
}

/// What is lost with these lanes if they are not opened anew: nothing, where another mirror goes on.
fn cut_short(broken: &[Lane]) -> Option<EngineError> {
    broken.iter().find(|lane| !lane.is_fenced()).map(Lane::aborted)
}

/// Does something with all lanes side by side: each call waits for the destination.
fn at_once<T: Send>(lanes: &mut [&mut Lane], of: impl Fn(&mut Lane) -> T + Sync) -> Vec<T> {
    if let [lane] = lanes {
        return vec![of(lane)];
    }
    thread::scope(|scope| {
        let of = &of;
        let threads: Vec<_> = lanes.iter_mut().map(|lane| scope.spawn(move || of(lane))).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, T>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        threads.into_iter().map(join).collect()
    })
}

/// What they have on its way is nobody's business any more. The end of a producer takes a moment, and nobody needs to wait for it.
fn end(lanes: Vec<Lane>) {
    lanes.iter().for_each(Lane::give_up_reports);
    if !lanes.is_empty() {
        thread::spawn(move || lanes.iter().for_each(Lane::forget_unsent));
    }
}
