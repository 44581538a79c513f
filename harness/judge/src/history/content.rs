//! What a record carries, packed: a history of millions of records must fit into memory.
//!
//! One allocation holds all of it, in this order: what there is (one byte), timestamp, key, value,
//! headers. Ids are read from it when they are asked for. It knows nothing of where a record lies.

use super::RecordId;
use serde::{Deserialize, Serialize};

/// A value that may be null. Null is not empty. Of a large one only a digest and the beginning are
/// kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Payload<'c> {
    /// No value: a tombstone on a compacted topic.
    Null,
    /// A value of at most [`Payload::HEAD`] bytes, which may be none.
    Whole(&'c [u8]),
    /// A larger one.
    Large {
        /// Length in bytes.
        length: u32,
        /// XXH3-128 of all bytes.
        digest: u128,
        /// The first bytes, for evidence.
        head: &'c [u8],
    },
}

impl Payload<'_> {
    /// How many leading bytes are kept for evidence.
    pub const HEAD: usize = 48;

    /// The length in bytes, unless it is null.
    pub fn length(&self) -> Option<usize> {
        match self {
            Payload::Null => None,
            Payload::Whole(bytes) => Some(bytes.len()),
            Payload::Large { length, .. } => Some(*length as usize),
        }
    }

    /// The first bytes; none if it is null.
    pub fn head(&self) -> &[u8] {
        match self {
            Payload::Null => &[],
            Payload::Whole(bytes) => bytes,
            Payload::Large { head, .. } => head,
        }
    }
}

/// One header, as a client returned it. Order and repetition of headers matter, and a null value is
/// not an empty one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Header {
    /// Name, as bytes decoded lossily.
    pub name: String,
    /// Value or null.
    pub value: Option<Vec<u8>>,
}

/// One header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HeaderRef<'c> {
    /// Name, as bytes decoded lossily.
    pub name: &'c str,
    /// Value or null.
    pub value: Option<&'c [u8]>,
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

/// What a record carries. Equal contents are equal bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Content(Box<[u8]>);

/// The first byte: what there is.
const KEY: u8 = 1;
const WHOLE: u8 = 2;
const LARGE: u8 = 4;
const CREATE: u8 = 8;
const APPEND: u8 = 16;

impl Content {
    /// Name of the header that carries a record's id.
    pub const ID_HEADER: &'static str = "mirrorproof-id";
    /// Name of the header that marks the harness's own records, which no checker sees.
    pub const SENTINEL_HEADER: &'static str = "mirrorproof-sentinel";
    /// Ends the id at the beginning of a value.
    pub const ID_END: u8 = b'|';
    /// Within how many bytes an id must end; no id is longer.
    const ID_MOST: usize = Payload::HEAD;

    /// Packs a record as a client returned it.
    pub fn of(
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: Vec<Header>,
        timestamp: Timestamp,
    ) -> Content {
        let mut packed = vec![0];
        let (set, time) = match timestamp {
            Timestamp::None => (0, None),
            Timestamp::Create(time) => (CREATE, Some(time)),
            Timestamp::Append(time) => (APPEND, Some(time)),
        };
        packed[0] = set;
        packed.extend(time.into_iter().flat_map(i64::to_le_bytes));
        if let Some(key) = key {
            packed[0] |= KEY;
            put(&mut packed, key);
        }
        match value {
            None => {}
            Some(value) if value.len() <= Payload::HEAD => {
                packed[0] |= WHOLE;
                put(&mut packed, value);
            }
            Some(value) => {
                packed[0] |= LARGE;
                packed.extend((value.len() as u32).to_le_bytes());
                packed.extend(xxhash_rust::xxh3::xxh3_128(value).to_le_bytes());
                packed.extend(&value[..Payload::HEAD]);
            }
        }
        for header in headers {
            put(&mut packed, header.name.as_bytes());
            match header.value {
                None => packed.push(0),
                Some(value) => {
                    packed.push(1);
                    put(&mut packed, &value);
                }
            }
        }
        Content(packed.into())
    }

    /// Key or null; whole, because placement is a function of all its bytes.
    pub fn key(&self) -> Option<&[u8]> {
        self.unpack().key
    }

    /// Value or null.
    pub fn value(&self) -> Payload<'_> {
        self.unpack().value
    }

    /// All headers in order, the one with the record's id included.
    pub fn headers(&self) -> Headers<'_> {
        Headers(self.unpack().headers)
    }

    /// Timestamp.
    pub fn timestamp(&self) -> Timestamp {
        self.unpack().timestamp
    }

    /// The id found in the header [`Content::ID_HEADER`].
    pub fn header_id(&self) -> Option<RecordId> {
        RecordId::parse(self.headers().find(|header| header.name == Content::ID_HEADER)?.value?)
    }

    /// The id found at the beginning of the value.
    pub fn value_id(&self) -> Option<RecordId> {
        let unpacked = self.unpack();
        let head = unpacked.value.head();
        let end = head.iter().take(Content::ID_MOST).position(|byte| *byte == Content::ID_END)?;
        RecordId::parse(&head[..end])
    }

    /// The id that the record goes by: the header's, else the value's.
    pub fn id(&self) -> Option<RecordId> {
        self.header_id().or_else(|| self.value_id())
    }

    /// The ids that the record carries.
    pub fn ids(&self) -> impl Iterator<Item = RecordId> {
        self.header_id().into_iter().chain(self.value_id())
    }

    /// A digest of key and value. Null and empty differ.
    pub fn digest(&self) -> u128 {
        let unpacked = self.unpack();
        // What there is of key and value: the bits below those of the timestamp.
        let kinds = u64::from(self.0[0] & (CREATE - 1));
        xxhash_rust::xxh3::xxh3_128_with_seed(unpacked.key_and_value, kinds)
    }

    fn unpack(&self) -> Unpacked<'_> {
        let (set, mut rest) = (self.0[0], &self.0[1..]);
        let timestamp = if set & CREATE != 0 {
            Timestamp::Create(i64::from_le_bytes(take_array(&mut rest)))
        } else if set & APPEND != 0 {
            Timestamp::Append(i64::from_le_bytes(take_array(&mut rest)))
        } else {
            Timestamp::None
        };
        let begin = rest;
        let key = (set & KEY != 0).then(|| take(&mut rest));
        let value = if set & WHOLE != 0 {
            Payload::Whole(take(&mut rest))
        } else if set & LARGE != 0 {
            let length = u32::from_le_bytes(take_array(&mut rest));
            let digest = u128::from_le_bytes(take_array(&mut rest));
            let (head, after) = rest.split_at(Payload::HEAD);
            rest = after;
            Payload::Large { length, digest, head }
        } else {
            Payload::Null
        };
        let key_and_value = &begin[..begin.len() - rest.len()];
        Unpacked { timestamp, key, value, key_and_value, headers: rest }
    }
}

impl std::fmt::Debug for Content {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Unpacked { timestamp, key, value, .. } = self.unpack();
        out.debug_struct("Content")
            .field("key", &key)
            .field("value", &value)
            .field("headers", &self.headers().collect::<Vec<_>>())
            .field("timestamp", &timestamp)
            .finish()
    }
}

struct Unpacked<'c> {
    timestamp: Timestamp,
    key: Option<&'c [u8]>,
    value: Payload<'c>,
    key_and_value: &'c [u8],
    headers: &'c [u8],
}

/// The headers of a record, one by one.
#[derive(Clone, Copy, Debug)]
pub struct Headers<'c>(&'c [u8]);

impl<'c> Iterator for Headers<'c> {
    type Item = HeaderRef<'c>;

    fn next(&mut self) -> Option<HeaderRef<'c>> {
        if self.0.is_empty() {
            return None;
        }
        let name = take(&mut self.0);
        let [is_set] = take_array(&mut self.0);
        let value = (is_set == 1).then(|| take(&mut self.0));
        // It was text when it was packed.
        Some(HeaderRef { name: std::str::from_utf8(name).unwrap_or_default(), value })
    }
}

/// Writes bytes behind their length: one byte for short ones, else 255 and four bytes.
fn put(packed: &mut Vec<u8>, bytes: &[u8]) {
    match u8::try_from(bytes.len()) {
        Ok(length) if length < u8::MAX => packed.push(length),
        Ok(_) | Err(_) => {
            packed.push(u8::MAX);
            packed.extend((bytes.len() as u32).to_le_bytes());
        }
    }
    packed.extend(bytes);
}

fn take<'c>(rest: &mut &'c [u8]) -> &'c [u8] {
    let [short] = take_array(rest);
    let length = match short {
        u8::MAX => u32::from_le_bytes(take_array(rest)) as usize,
        short => usize::from(short),
    };
    let (bytes, after) = rest.split_at(length);
    *rest = after;
    bytes
}

fn take_array<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let mut array = [0; N];
    let (bytes, after) = rest.split_at(N);
    array.copy_from_slice(bytes);
    *rest = after;
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(key: Option<&[u8]>, value: Option<&[u8]>, headers: &[(&str, Option<&[u8]>)]) {
        let header = |(name, value): &(&str, Option<&[u8]>)| Header {
            name: name.to_string(),
            value: value.map(<[u8]>::to_vec),
        };
        for timestamp in [Timestamp::None, Timestamp::Create(-7), Timestamp::Append(i64::MAX)] {
            let content = Content::of(key, value, headers.iter().map(header).collect(), timestamp);
            assert_eq!(content.key(), key);
            assert_eq!(content.value().length(), value.map(<[u8]>::len));
            let head = value.map_or(&[][..], |value| &value[..value.len().min(Payload::HEAD)]);
            assert_eq!(content.value().head(), head);
            let found: Vec<_> =
                content.headers().map(|header| (header.name, header.value)).collect();
            assert_eq!(found, headers);
            assert_eq!(content.timestamp(), timestamp);
        }
    }

    #[test]
    fn what_was_packed_is_unpacked() {
        let long = vec![b'x'; 70_000];
        for size in [0, 1, 48, 49, 254, 255, 256, 70_000] {
            let bytes = Some(&long[..size]);
            check(bytes, bytes, &[("a", bytes), ("", None), ("ä", Some(b""))]);
            check(None, bytes, &[]);
            check(bytes, None, &[("mirrorproof-id", None)]);
        }
        check(None, None, &[]);
    }

    #[test]
    fn digests_tell_keys_and_values_apart() {
        let digest = |key: Option<&[u8]>, value: Option<&[u8]>| {
            Content::of(key, value, Vec::new(), Timestamp::None).digest()
        };
        let all = [
            digest(None, None),
            digest(Some(b""), None),
            digest(None, Some(b"")),
            digest(Some(b""), Some(b"")),
            digest(Some(b"a"), None),
            digest(None, Some(b"a")),
            digest(Some(b"a"), Some(b"b")),
            digest(Some(b"ab"), Some(b"")),
            digest(Some(b""), Some(b"ab")),
        ];
        assert_eq!(std::collections::BTreeSet::from(all).len(), all.len());
    }

    #[test]
    fn digests_know_neither_time_nor_headers() {
        let digest = |headers, time| Content::of(Some(b"a"), Some(b"b"), headers, time).digest();
        let header = Header { name: "h".into(), value: None };
        let plain = digest(Vec::new(), Timestamp::None);
        assert_eq!(digest(vec![header], Timestamp::None), plain);
        assert_eq!(digest(Vec::new(), Timestamp::Create(1)), plain);
        assert_eq!(digest(Vec::new(), Timestamp::Append(1)), plain);
    }

    #[test]
    fn a_short_record_is_small_and_can_be_read_in_failures() {
        let content = Content::of(Some(b"a"), Some(b"b"), Vec::new(), Timestamp::Create(1));
        assert_eq!(content.0.len(), 1 + 8 + 2 + 2);
        let text = format!("{content:?}");
        assert!(text.contains("key: Some([97])") && text.contains("Create(1)"), "{text}");
    }
}
