//! Timestamps that cannot be written as they are: told once for each partition, and counted.

use std::{collections::BTreeSet, sync::Mutex};

use super::{client::lock, error, reader::Key};
use crate::{meters::Count, progress::Place};

/// The timestamp that a record is written with, in milliseconds; `None`: that of its sending. librdkafka takes 0 for none
/// (`rd_kafka_msg_new0`, 2.12.1), so a record of the beginning of 1970 gets the nearest that it takes.
pub(super) fn written(timestamp: Option<i64>) -> Option<i64> {
    timestamp.map(|timestamp| if timestamp == 0 { 1 } else { timestamp })
}

/// The partitions whose records are written with other timestamps, with the timestamps that cannot be written.
#[derive(Debug, Default)]
pub(super) struct Stamps(Mutex<BTreeSet<(Key, Option<i64>)>>);

impl Stamps {
    /// A record with this timestamp, in milliseconds, is sent.
    pub(super) fn note(
        &self,
        timestamp: Option<i64>,
        place: impl FnOnce() -> Place,
        restamped: &Count,
    ) {
        let means = match timestamp {
            None => "it has no timestamp, and gets the time of its copying",
            Some(0) => "its timestamp is 0, which librdkafka cannot write: it gets 1",
            Some(_) => return,
        };
        restamped.add(1);
        let place = place();
        let key = (place.topic.clone(), place.partition);
        if lock(&self.0).insert((key, timestamp)) {
            let shown = error::show(&place);
            tracing::warn!("{shown}: {means}, like each such record of the partition");
        }
    }
}
