//! `--once`: what was copied of one source partition, where it went, and its digest.
//!
//! Each record counts once, when all before it are acknowledged, whoever reads the partition by then: what a
//! rebalance makes a stream read again is told apart. It knows no client.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::digest::Digest;

/// Records, counted, weighed and hashed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many.
    pub records: u64,
    /// Bytes of keys, values, and names and values of headers.
    pub bytes: u64,
    /// Their digest.
    pub digest: Digest,
}

impl Sum {
    /// Adds other records.
    pub fn add(&mut self, other: Self) {
        self.records += other.records;
        self.bytes += other.bytes;
        self.digest += other.digest;
    }
}

/// A range of offsets of one partition, with the number of records in it that were copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Range {
    /// How many.
    pub records: u64,
    /// The lowest offset; `None` if none is known.
    pub first: Option<i64>,
    /// The highest offset.
    pub last: Option<i64>,
}

impl Range {
    fn add(&mut self, offset: Option<i64>) {
        self.records += 1;
        self.first = [self.first, offset].into_iter().flatten().min();
        self.last = self.last.max(offset);
    }
}

/// What was copied of a source partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Copied {
    /// What was read from the source.
    pub read: Sum,
    /// What the destination acknowledged, as the delivery reports hold it.
    pub acknowledged: Sum,
    /// Source offsets of what was acknowledged.
    pub source: Range,
    /// Where it went: destination partitions, with the offsets there.
    pub destinations: BTreeMap<i32, Range>,
    /// Records that were not acknowledged as they were read.
    pub changed: u64,
    /// Records that could not be sent, and were passed over.
    pub dropped: u64,
    /// Offsets that were gone from the source before they could be read.
    pub lost: u64,
    /// Records read and copied a second time, and not counted above.
    pub repeated: u64,
    /// Everything below this source offset has been counted.
    pub counted: i64,
}

impl Copied {
    /// Reading goes on at another offset than was expected.
    pub fn jump(&mut self, from: i64, to: i64) {
        self.lost += (to - from).max(0) as u64;
        self.counted = to;
    }

    fn count(&mut self, offset: i64, record: Waiting) {
        if offset < self.counted {
            self.repeated += 1;
            return;
        }
        self.counted = offset + 1;
        self.read.add(record.read);
        match record.acknowledged {
            None => self.dropped += 1,
            Some((sum, landed)) => {
                self.acknowledged.add(sum);
                self.changed += u64::from(sum != record.read);
                self.source.add(Some(offset));
                self.destinations.entry(landed.partition).or_default().add(landed.offset);
            }
        }
    }
}

/// Where the destination put a record. An offset can be unknown (`acks=0`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Landed {
    /// The destination's partition.
    pub partition: i32,
    /// The offset there.
    pub offset: Option<i64>,
}

/// A record that is read, and not yet part of the acknowledged prefix.
#[derive(Debug)]
pub struct Waiting {
    /// In milliseconds, as on the source.
    pub timestamp: Option<i64>,
    read: Sum,
    acknowledged: Option<(Sum, Landed)>,
}

impl Waiting {
    /// Notes the acknowledgement of these bytes.
    pub fn landed(&mut self, acknowledged: Sum, landed: Landed) {
        self.acknowledged = Some((acknowledged, landed));
    }
}

/// One assignment's view of what is copied of its partition.
#[derive(Debug)]
pub struct Account {
    end: i64,
    /// As many as are in flight, in the same order.
    pub(super) waiting: VecDeque<Waiting>,
    /// Within transactions: what is done with and not committed, with its source offsets.
    uncommitted: Option<Vec<(i64, Waiting)>>,
    copied: Arc<Mutex<Copied>>,
}

impl Account {
    /// For a partition that is to be read up to `end`, the first offset that is not wanted.
    pub fn new(end: i64, copied: Arc<Mutex<Copied>>) -> Self {
        Self { end, waiting: VecDeque::new(), uncommitted: None, copied }
    }

    /// Counts nothing before its transaction is committed. `former`: that of the assignment before, in the same
    /// transaction.
    pub fn in_transactions(self, former: Option<Self>) -> Self {
        let uncommitted = former.and_then(|former| former.uncommitted).unwrap_or_default();
        Self { uncommitted: Some(uncommitted), ..self }
    }

    /// The transaction of all that is done with is committed.
    pub fn commit(&mut self) {
        let mut copied = lock(&self.copied);
        for (offset, record) in self.uncommitted.iter_mut().flat_map(std::mem::take) {
            copied.count(offset, record);
        }
    }

    /// Nothing lies before this offset that is not done with.
    pub(super) fn reach(&mut self, offset: i64) {
        if self.uncommitted.as_ref().is_none_or(Vec::is_empty) {
            let mut copied = lock(&self.copied);
            copied.counted = copied.counted.max(offset);
        }
    }

    /// The first offset that is not wanted.
    pub fn end(&self) -> i64 {
        self.end
    }

    /// Notes a record that is about to be received.
    pub fn read(&mut self, read: Sum, timestamp: Option<i64>) {
        self.waiting.push_back(Waiting { timestamp, read, acknowledged: None });
    }

    /// The oldest record, which lies at `offset`, and all before it are done with.
    pub(super) fn settle(&mut self, offset: i64) {
        let Some(record) = self.waiting.pop_front() else { return };
        match &mut self.uncommitted {
            Some(uncommitted) => uncommitted.push((offset, record)),
            None => lock(&self.copied).count(offset, record),
        }
    }
}

/// What an account's owner shares with those who report it.
pub(crate) fn lock(copied: &Mutex<Copied>) -> MutexGuard<'_, Copied> {
    copied.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_committed_does_not_count() {
        let copied = Arc::new(Mutex::new(Copied::default()));
        let account = |former| Account::new(9, Arc::clone(&copied)).in_transactions(former);
        let copy = |account: &mut Account, offset| {
            let sum = Sum { records: 1, ..Sum::default() };
            account.read(sum, None);
            account.waiting[0].landed(sum, Landed { partition: 0, offset: None });
            account.settle(offset);
        };
        let mut aborted = account(None);
        copy(&mut aborted, 0);
        drop(aborted);
        assert_eq!(*lock(&copied), Copied::default());
        let mut before_a_jump = account(None);
        copy(&mut before_a_jump, 0);
        let mut account = account(Some(before_a_jump));
        copy(&mut account, 1);
        account.commit();
        account.commit();
        let copied = lock(&copied);
        assert_eq!((copied.acknowledged.records, copied.counted, copied.repeated), (2, 2, 0));
    }
}
