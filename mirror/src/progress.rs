//! What may be committed: per partition, the position before which every received record is acknowledged.
//!
//! The engine tells it what was received and what was acknowledged; it says how far a commit may go. Source
//! offsets have holes (transaction markers, compaction), so it follows the records received, not the numbers.
//! It knows no client, no clock and no policy.

pub mod account;
mod client_position;
mod in_flight;
mod token;

use std::collections::{HashMap, VecDeque};

use account::{Account, Waiting};
use client_position::ClientPosition;
use in_flight::{InFlight, give_back_room};
pub use token::{Slot, Token};

use crate::witness::Witness;

/// A place in the source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Offset of a record, or position to continue at.
    pub offset: i64,
}

/// A partition that is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    /// This assignment of it.
    pub slot: Slot,
    /// What is to be read next.
    pub next: Place,
    /// The last record received.
    pub last: Option<Witness>,
    /// Anything was handed over since the assignment, if only a marker of a transaction.
    pub has_begun: bool,
}

#[derive(Debug)]
struct Partition {
    topic: String,
    partition: i32,
    /// Received and not yet part of the acknowledged prefix, oldest first.
    in_flight: VecDeque<InFlight>,
    /// Sequence number of the oldest record in flight.
    first_sequence: u32,
    /// Everything received before here is acknowledged.
    position: i64,
    /// The position to read next.
    next: i64,
    /// The last record of the acknowledged prefix.
    witness: Option<Witness>,
    /// What the last commit asked for, until it is known to have failed.
    requested: Option<i64>,
    /// Records below this offset were read before.
    again_below: i64,
    client_position: ClientPosition,
    /// With `--once`: what is copied.
    account: Option<Account>,
}

/// The progress of one stream over all its partitions.
#[derive(Debug, Default)]
pub struct Progress {
    slots: Vec<(Slot, Option<Partition>)>,
    /// Slots to be used again, the one that has been free for longest first.
    free: VecDeque<Slot>,
    by_topic: HashMap<String, Vec<Option<Slot>>>,
    read_again: u64,
}

impl Progress {
    /// Begins to follow a partition that is read from `start` on. `committed` is what the group has stored.
    pub fn assign(
        &mut self,
        topic: &str,
        partition: i32,
        start: i64,
        committed: Option<i64>,
    ) -> Slot {
        self.revoke(topic, partition);
        let slot = self.free.pop_front().unwrap_or_else(|| Slot::first(self.slots.len()));
        let new = Some(Partition {
            topic: topic.to_owned(),
            partition,
            in_flight: VecDeque::new(),
            first_sequence: 0,
            position: start,
            next: start,
            witness: None,
            requested: committed,
            again_below: 0,
            client_position: ClientPosition::Unknown,
            account: None,
        });
        if slot.index() < self.slots.len() {
            self.slots[slot.index()] = (slot, new);
        } else {
            self.slots.push((slot, new));
        }
        let partitions = self.by_topic.entry(topic.to_owned()).or_default();
        let index = partition.max(0) as usize;
        if partitions.len() <= index {
            partitions.resize(index + 1, None);
        }
        partitions[index] = Some(slot);
        slot
    }

    /// Forgets a partition; what is still in flight for it no longer counts.
    pub fn revoke(&mut self, topic: &str, partition: i32) {
        if let Some(slot) = self.slot(topic, partition) {
            self.slots[slot.index()].1 = None;
            self.free.push_back(slot.next());
            if let Some(partitions) = self.by_topic.get_mut(topic) {
                partitions[partition as usize] = None;
            }
        }
    }

    fn at(&self, slot: Slot) -> Option<&Partition> {
        let (current, partition) = self.slots.get(slot.index())?;
        partition.as_ref().filter(|_| *current == slot)
    }

    fn at_mut(&mut self, slot: Slot) -> Option<&mut Partition> {
        let (current, partition) = self.slots.get_mut(slot.index())?;
        partition.as_mut().filter(|_| *current == slot)
    }

    fn followed_partitions(&self) -> impl Iterator<Item = &Partition> {
        self.slots.iter().filter_map(|(_, partition)| partition.as_ref())
    }

    fn followed_partitions_mut(&mut self) -> impl Iterator<Item = &mut Partition> {
        self.slots.iter_mut().filter_map(|(_, partition)| partition.as_mut())
    }

    /// The slot of a partition, if it is assigned.
    pub fn slot(&self, topic: &str, partition: i32) -> Option<Slot> {
        *self.by_topic.get(topic)?.get(usize::try_from(partition).ok()?)?
    }

    /// Is the assignment still ours?
    pub fn is_current(&self, slot: Slot) -> bool {
        self.at(slot).is_some()
    }

    /// Counts records below `offset` as read again.
    pub fn expect_again(&mut self, slot: Slot, offset: i64) {
        if let Some(partition) = self.at_mut(slot) {
            partition.again_below = offset;
        }
    }

    /// How many records were received that were received before, by whatever assignment; those not told yet.
    pub fn take_read_again(&mut self) -> u64 {
        std::mem::take(&mut self.read_again)
    }

    /// Keeps an account of what is copied of a partition that was just assigned.
    pub fn keep_account(&mut self, slot: Slot, account: Account) {
        if let Some(partition) = self.at_mut(slot) {
            partition.account = Some(account);
        }
    }

    /// The account of a partition, if one is kept. It must be told of each record before [`Progress::received`].
    pub fn account(&mut self, slot: Slot) -> Option<&mut Account> {
        self.at_mut(slot)?.account.as_mut()
    }

    /// Takes the account of a partition, which is about to be assigned anew.
    pub fn take_account(&mut self, slot: Slot) -> Option<Account> {
        self.at_mut(slot)?.account.take()
    }

    /// What the account holds of a record in flight.
    pub fn waiting(&mut self, token: Token) -> Option<&mut Waiting> {
        let (slot, sequence) = token.parts();
        let partition = self.at_mut(slot)?;
        let index = sequence.wrapping_sub(partition.first_sequence) as usize;
        partition.account.as_mut()?.waiting.get_mut(index)
    }

    /// Notes a record as received. Offsets of a slot must rise; `None` if the slot is gone.
    pub fn received(&mut self, slot: Slot, offset: i64) -> Option<Token> {
        self.received_with(slot, offset, None)
    }

    /// The same with the record's timestamp, to be asked for while it is in flight.
    pub fn received_with(
        &mut self,
        slot: Slot,
        offset: i64,
        timestamp: Option<i64>,
    ) -> Option<Token> {
        let partition = self.at_mut(slot)?;
        let sequence = partition.first_sequence.wrapping_add(partition.in_flight.len() as u32);
        let record = InFlight { offset, print: 0, timestamp, acknowledged: false };
        partition.in_flight.push_back(record);
        partition.next = offset + 1;
        partition.client_position = ClientPosition::Now;
        self.read_again += u64::from(offset < partition.again_below);
        Some(Token::new(slot, sequence))
    }

    /// Keeps the print of a record that was just received: the log is recognised by it later.
    pub fn remember(&mut self, token: Token, print: u64) {
        let (slot, sequence) = token.parts();
        let Some(partition) = self.at_mut(slot) else { return };
        let index = sequence.wrapping_sub(partition.first_sequence) as usize;
        if let Some(record) = partition.in_flight.get_mut(index) {
            record.print = print;
        }
    }

    /// Notes a record as acknowledged; false if its assignment is gone (or it was acknowledged before).
    pub fn acknowledged(&mut self, token: Token) -> bool {
        let (slot, sequence) = token.parts();
        let Some(partition) = self.at_mut(slot) else { return false };
        let index = sequence.wrapping_sub(partition.first_sequence) as usize;
        match partition.in_flight.get_mut(index) {
            Some(record) if !record.acknowledged => record.acknowledged = true,
            _ => return false,
        }
        while partition.in_flight.front().is_some_and(|record| record.acknowledged) {
            if let Some(record) = partition.in_flight.pop_front() {
                partition.position = record.offset + 1;
                partition.witness = Some(record.witness());
                partition.first_sequence = partition.first_sequence.wrapping_add(1);
                if let Some(account) = &mut partition.account {
                    account.settle(record.offset);
                }
            }
        }
        true
    }

    /// Nothing is to come before this position, nor in flight: what lies between are no records (markers of
    /// transactions). Then it may be committed.
    pub fn reach(&mut self, end: &Place) {
        let Some(slot) = self.slot(&end.topic, end.partition) else { return };
        if let Some(partition) = self.at_mut(slot) {
            partition.reach(end.offset);
        }
    }

    /// The client has handed over all that lies before its position (`None`: nothing since the assignment), and what it
    /// handed over is received. So what lies behind the last record is none, and is passed: to where, if anything is. What it
    /// says first, right after an assignment, may be of the one before.
    pub fn handed_over(&mut self, slot: Slot, position: Option<i64>) -> Option<i64> {
        let partition = self.at_mut(slot)?;
        partition.client_position = partition.client_position.told(position);
        let position = position.filter(|_| partition.client_position == ClientPosition::Now)?;
        // Records behind the wanted end are handed over and not received.
        let end = partition.account.as_ref().map_or(position, |of| position.min(of.end()));
        partition.reach(end).then_some(end)
    }

    /// Takes back the record received last of its partition, which was not sent.
    pub fn take_back(&mut self, token: Token) {
        let (slot, sequence) = token.parts();
        let Some(partition) = self.at_mut(slot) else { return };
        let index = sequence.wrapping_sub(partition.first_sequence) as usize;
        if index + 1 != partition.in_flight.len() {
            return;
        }
        if let Some(record) = partition.in_flight.pop_back() {
            partition.next = record.offset;
            // The client's lies behind the record.
            partition.client_position = ClientPosition::Unknown;
        }
        if let Some(account) = &mut partition.account {
            account.waiting.pop_back();
        }
    }

    /// Where in the source the record of a token came from, while it is in flight.
    pub fn place(&self, token: Token) -> Option<Place> {
        let (partition, record) = self.record(token)?;
        Some(partition.at(record.offset))
    }

    /// The timestamp of the record of a token, while it is in flight.
    pub fn timestamp(&self, token: Token) -> Option<i64> {
        self.record(token)?.1.timestamp
    }

    fn record(&self, token: Token) -> Option<(&Partition, &InFlight)> {
        let (slot, sequence) = token.parts();
        let partition = self.at(slot)?;
        let index = sequence.wrapping_sub(partition.first_sequence) as usize;
        Some((partition, partition.in_flight.get(index)?))
    }

    /// The positions that a commit may store and has not asked for yet; they count as asked for from now on.
    pub fn take_commits(&mut self) -> Vec<Place> {
        let mut places = Vec::new();
        for partition in self.followed_partitions_mut() {
            // Each partition is looked at here, and not too often.
            give_back_room(&mut partition.in_flight);
            if let Some(account) = &mut partition.account {
                give_back_room(&mut account.waiting);
            }
            if partition.requested != Some(partition.position) {
                partition.requested = Some(partition.position);
                places.push(partition.at(partition.position));
            }
        }
        places
    }

    /// A commit failed: every position is to be asked for again.
    pub fn commit_failed(&mut self) {
        for partition in self.followed_partitions_mut() {
            partition.requested = None;
        }
    }

    /// The position each assigned partition is to be read from next.
    pub fn next_positions(&self) -> Vec<Place> {
        self.followed_partitions().map(|partition| partition.at(partition.next)).collect()
    }

    /// The position before which everything received is acknowledged, for each assigned partition.
    pub fn positions(&self) -> Vec<Place> {
        self.followed_partitions().map(|partition| partition.at(partition.position)).collect()
    }

    /// Where each partition that has records in flight is to be read again if these are given up.
    pub fn unfinished(&self) -> Vec<Place> {
        let unfinished = self.followed_partitions().filter(|of| !of.in_flight.is_empty());
        unfinished.map(|partition| partition.at(partition.position)).collect()
    }

    /// The last record of a partition's acknowledged prefix, if it was received since the assignment.
    pub fn witness(&self, topic: &str, partition: i32) -> Option<Witness> {
        self.at(self.slot(topic, partition)?)?.witness
    }

    /// What is being read, and the last record received of each partition.
    pub fn followed(&self) -> Vec<Followed> {
        let slots = self.slots.iter();
        let partitions = slots.filter_map(|(slot, partition)| Some((*slot, partition.as_ref()?)));
        let followed = partitions.map(|(slot, partition)| Followed {
            slot,
            next: partition.at(partition.next),
            last: partition.in_flight.back().map(InFlight::witness).or(partition.witness),
            has_begun: partition.client_position == ClientPosition::Now,
        });
        followed.collect()
    }

    /// Whether records of the topic have been acknowledged, of its partitions as they are assigned now.
    pub fn has_moved(&self, topic: &str) -> bool {
        let mut partitions = self.followed_partitions();
        partitions.any(|partition| partition.topic == topic && partition.witness.is_some())
    }

    /// How many received records of the assigned partitions are not in an acknowledged prefix.
    pub fn in_flight(&self) -> usize {
        self.followed_partitions().map(|partition| partition.in_flight.len()).sum()
    }

    /// The same without the record of this token.
    pub fn others_in_flight(&self, token: Token) -> usize {
        self.in_flight() - usize::from(self.record(token).is_some())
    }
}

impl Partition {
    fn reach(&mut self, offset: i64) -> bool {
        self.next = self.next.max(offset);
        let is_passed = self.in_flight.is_empty() && self.position < offset;
        if is_passed {
            self.position = offset;
            if let Some(account) = &mut self.account {
                account.reach(offset);
            }
        }
        is_passed
    }

    fn at(&self, offset: i64) -> Place {
        Place { topic: self.topic.clone(), partition: self.partition, offset }
    }
}

#[cfg(test)]
mod tests;
