//! What a record carries, kept small: values and their digests, keys, headers, ids.
//!
//! It knows nothing of where a record lies.

use super::RecordId;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A value that may be null. Null is not empty. Only a digest and the beginning are kept, so that
/// a history of large records stays small.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Payload {
    /// No value: a tombstone on a compacted topic.
    Null,
    /// A value of `length` bytes, which may be 0.
    Bytes {
        /// Length in bytes.
        length: u32,
        /// XXH3-128 of all bytes.
        digest: u128,
        /// The first bytes (at most [`Payload::HEAD`]), for evidence.
        head: Arc<[u8]>,
    },
}

impl Payload {
    /// How many leading bytes are kept for evidence.
    pub const HEAD: usize = 48;

    /// Summarises a value as a client returned it.
    pub fn of(bytes: Option<&[u8]>) -> Payload {
        match bytes {
            None => Payload::Null,
            Some(bytes) => Payload::Bytes {
                length: bytes.len() as u32,
                digest: xxhash_rust::xxh3::xxh3_128(bytes),
                head: bytes[..bytes.len().min(Payload::HEAD)].into(),
            },
        }
    }
}

/// One header. Order and repetition of headers matter, and a null value is not an empty one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Header {
    /// Name, as bytes decoded lossily.
    pub name: String,
    /// Value or null.
    pub value: Option<Vec<u8>>,
}

/// A record's timestamp as a consumer sees it, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Timestamp {
    /// The record carries none.
    None,
    /// Set by the producer.
    Create(i64),
    /// Set by the broker on arrival (`message.timestamp.type=LogAppendTime`).
    Append(i64),
}

/// What a record carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Key or null; whole, because placement is a function of all its bytes.
    pub key: Option<Arc<[u8]>>,
    /// Value or null.
    pub value: Payload,
    /// All headers in order, the one with the record's id included.
    pub headers: Arc<[Header]>,
    /// Timestamp.
    pub timestamp: Timestamp,
    /// The id found in the header [`Content::ID_HEADER`].
    pub header_id: Option<RecordId>,
    /// The id found at the beginning of the value.
    pub value_id: Option<RecordId>,
}

impl Content {
    /// Name of the header that carries a record's id.
    pub const ID_HEADER: &'static str = "mirrorproof-id";
    /// Name of the header that marks the harness's own records, which no checker sees.
    pub const SENTINEL_HEADER: &'static str = "mirrorproof-sentinel";
    /// Ends the id at the beginning of a value.
    pub const ID_END: u8 = b'|';

    /// The ids that the record carries.
    pub fn ids(&self) -> impl Iterator<Item = RecordId> {
        self.header_id.into_iter().chain(self.value_id)
    }

    /// Summarises a record as a client returned it, and reads its id from header and value.
    pub fn of(
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: Vec<Header>,
        timestamp: Timestamp,
    ) -> Content {
        let id_in = |bytes: &[u8]| std::str::from_utf8(bytes).ok()?.parse().ok();
        let header_id = headers
            .iter()
            .find(|header| header.name == Content::ID_HEADER)
            .and_then(|header| id_in(header.value.as_deref()?));
        let value_id = value.and_then(|value| {
            let end = value.iter().take(64).position(|byte| *byte == Content::ID_END)?;
            id_in(&value[..end])
        });
        Content {
            key: key.map(Into::into),
            value: Payload::of(value),
            headers: headers.into(),
            timestamp,
            header_id,
            value_id,
        }
    }
}
