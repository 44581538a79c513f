//! A record on its way, whole and in the mirror's own hands: what a defect may change, hold back,
//! send twice or forget.

use crate::observe::sentinel::MARK;
use rdkafka::{
    Message, Timestamp,
    message::{BorrowedMessage, Headers},
};

/// Where a record came from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Origin {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) offset: i64,
}

/// A record.
#[derive(Clone, Debug)]
pub(super) struct Record {
    /// `None`: nobody waits for its acknowledgement (a repeat, or a record out of nothing).
    pub(super) origin: Option<Origin>,
    /// Topic of the destination.
    pub(super) topic: String,
    /// Partition of the destination; `None` leaves it to the producer.
    pub(super) partition: Option<i32>,
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) headers: Vec<(String, Option<Vec<u8>>)>,
    /// Milliseconds since 1970.
    pub(super) timestamp: Option<i64>,
}

impl Record {
    pub(super) fn of(message: &BorrowedMessage<'_>) -> Record {
        let headers = message.headers().map(|headers| {
            let header = |header: rdkafka::message::Header<'_, &[u8]>| {
                (header.key.to_owned(), header.value.map(<[u8]>::to_vec))
            };
            headers.iter().map(header).collect()
        });
        Record {
            origin: Some(Origin {
                topic: message.topic().to_owned(),
                partition: message.partition(),
                offset: message.offset(),
            }),
            topic: message.topic().to_owned(),
            partition: None,
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers: headers.unwrap_or_default(),
            timestamp: match message.timestamp() {
                Timestamp::CreateTime(time) | Timestamp::LogAppendTime(time) => Some(time),
                Timestamp::NotAvailable => None,
            },
        }
    }

    /// The same record once more, for which nobody waits.
    pub(super) fn again(&self) -> Record {
        Record { origin: None, ..self.clone() }
    }

    /// Whether it is data. A defect that strikes once keeps its hands off the harness's own
    /// records: no checker sees them.
    pub(super) fn is_data(&self) -> bool {
        !self.key.as_ref().is_some_and(|key| key.starts_with(MARK.as_bytes()))
    }
}

/// What a mirror does next, in this order.
#[derive(Debug)]
pub(super) enum Step {
    /// Sends a record; its origin counts as copied when it is acknowledged.
    Send(Record),
    /// Counts a record as copied, though nothing was sent for it.
    Forget(Origin),
    /// Ends as if all were well.
    End,
    /// Does nothing any more.
    Hang,
}

/// The steps that a defect decides on.
#[derive(Debug, Default)]
pub(super) struct Outbox(pub(super) Vec<Step>);

impl Outbox {
    pub(super) fn send(&mut self, record: Record) {
        self.0.push(Step::Send(record));
    }

    pub(super) fn forget(&mut self, record: &Record) {
        self.0.extend(record.origin.clone().map(Step::Forget));
    }
}
