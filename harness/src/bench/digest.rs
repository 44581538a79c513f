//! Whether topics of two sides hold the same records, in whatever partition each lies: how many, and the sum of
//! their hashes.
//!
//! A sum does not depend on the order, and a record that is repeated in another's place changes it.

use crate::cluster::{
    ClusterError,
    client::{self, Isolation, request_failed},
};
use rdkafka::{Message, Offset, error::KafkaError, message::Headers};
use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
    time::{Duration, Instant},
};

/// What some records are, all together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Digest {
    /// How many.
    pub(super) records: u64,
    /// Keys and values, in bytes.
    pub(super) bytes: u64,
    hashes: u128,
}

impl Digest {
    /// Adds a record of a topic, its headers left out.
    pub(super) fn add(
        &mut self,
        topic: &str,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        timestamp: Option<i64>,
    ) {
        self.records += 1;
        self.bytes += (key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len)) as u64;
        self.hashes += u128::from(hash(topic, key, value, timestamp));
    }
}

/// A record as a number.
fn hash(topic: &str, key: Option<&[u8]>, value: Option<&[u8]>, timestamp: Option<i64>) -> u64 {
    // The same keys for every process: `new` is not seeded.
    let mut hasher = DefaultHasher::new();
    (topic, key, value, timestamp).hash(&mut hasher);
    hasher.finish()
}

/// What was read.
pub(super) struct Read {
    /// What it is, all together.
    pub(super) digest: Digest,
    /// How many records are left out of it because they came before.
    pub(super) repeated: u64,
}

/// How long a read may go without a new record.
const SILENCE: Duration = Duration::from_secs(30);

/// Reads topics as they are now. A record with a header counts, and makes the sum differ: none was
/// written with one. If `repeats` are lawful, each record counts once: no two that were written are alike.
pub(super) fn read(
    bootstrap: &str,
    topics: &[String],
    repeats: bool,
) -> Result<Read, ClusterError> {
    let failed = request_failed("read the copy to its end", bootstrap);
    let reader = client::reader(bootstrap, "mirrorproof-bench", Isolation::ReadCommitted)?;
    let counts = client::partition_counts(&reader, bootstrap, topics.iter().map(String::as_str))?;
    let lows = client::list_offsets(&reader, bootstrap, &counts, Offset::Beginning)?;
    let ends = client::list_offsets(&reader, bootstrap, &counts, Offset::End)?;
    let places = lows.iter().map(|((topic, partition), low)| (topic.as_str(), *partition, *low));
    client::assign(&reader, bootstrap, places)?;
    let mut left: u64 = lows.iter().map(|(place, low)| (ends[place] - low) as u64).sum();
    let (mut digest, mut repeated, mut seen) = (Digest::default(), 0, HashSet::new());
    let mut last = Instant::now();
    while left > 0 && last.elapsed() < SILENCE {
        let message = match reader.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => message,
            Some(Err(error)) if !is_expected(&error) => return Err(failed(error)),
            Some(Err(_)) | None => continue,
        };
        let topic = message.topic();
        if message.offset() < ends[&(topic.to_owned(), message.partition() as u32)] {
            let marked = message.headers().is_some_and(|headers| headers.count() > 0);
            let timestamp = message.timestamp().to_millis().filter(|_| !marked);
            let (key, value) = (message.key(), message.payload());
            if repeats && !seen.insert(hash(topic, key, value, timestamp)) {
                repeated += 1;
            } else {
                digest.add(topic, key, value, timestamp);
            }
            left -= 1;
        }
        last = Instant::now();
    }
    if left > 0 {
        // What was not read is no difference: nobody has seen it.
        return Err(failed(KafkaError::NoMessageReceived));
    }
    Ok(Read { digest, repeated })
}

fn is_expected(error: &KafkaError) -> bool {
    matches!(error, KafkaError::PartitionEOF(_)) || client::is_passing(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(records: &[(&str, i64)]) -> Digest {
        let mut digest = Digest::default();
        for (key, timestamp) in records {
            digest.add("t", Some(key.as_bytes()), Some(b"v"), Some(*timestamp));
        }
        digest
    }

    #[test]
    fn order_does_not_matter_and_everything_else_does() {
        let original = digest(&[("a", 1), ("b", 2)]);
        assert_eq!(original, digest(&[("b", 2), ("a", 1)]));
        assert_ne!(original, digest(&[("a", 1), ("a", 1)]), "a loss hidden by a repeat");
        assert_ne!(original, digest(&[("a", 2), ("b", 1)]), "swapped timestamps");
        assert_ne!(original, digest(&[("a", 1)]));
        let mut null = Digest::default();
        null.add("t", Some(b"a"), None, Some(1));
        let mut empty = Digest::default();
        empty.add("t", Some(b"a"), Some(b""), Some(1));
        assert_ne!(null, empty);
        let mut elsewhere = Digest::default();
        elsewhere.add("u", Some(b"a"), None, Some(1));
        assert_ne!(null, elsewhere, "a record that was copied to another topic");
    }
}
