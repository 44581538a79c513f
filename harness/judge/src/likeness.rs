//! What a contract lets a subject change in a record, and so what a copy has in common with it.
//!
//! ```text
//! source       x at 5, set by a broker       x with header h=1
//! destination  x at 5, set by a producer     x with headers h=1 h=2   where h may be added
//! ```
//!
//! Key and value stay what they are. Headers do, in order and with repetitions, but that those of a name that the
//! contract allows may be put between them. A timestamp is its number, whoever set it (a mirror of a topic
//! with broker time hands it on as its own), and is compared unless the contract says that they are set
//! anew; a source record without one promises nothing.

use crate::{
    contract::{Contract, Timestamps},
    history::{Content, HeaderRef, Headers, Timestamp},
};
use xxhash_rust::xxh3::Xxh3;

/// Whether a copy is as its record must become.
pub(crate) fn is_like(original: &Content, copy: &Content, contract: &Contract) -> bool {
    // Equal bytes are the rule, and need not be unpacked.
    original == copy || agreement(original, copy, contract) == FIELDS
}

const FIELDS: usize = 4;

/// In how many fields a copy is like its record.
pub(crate) fn agreement(original: &Content, copy: &Content, contract: &Contract) -> usize {
    let fields: [bool; FIELDS] = [
        original.key() == copy.key(),
        original.value() == copy.value(),
        has_headers(original.headers(), copy.headers(), contract),
        has_time(original.timestamp(), copy.timestamp(), contract),
    ];
    fields.into_iter().filter(|agree| *agree).count()
}

/// Whether a copy's headers are the source's, in order, with nothing but allowed ones between.
pub(crate) fn has_headers(original: Headers<'_>, copy: Headers<'_>, contract: &Contract) -> bool {
    let mut expected = original.peekable();
    for header in copy {
        if expected.next_if_eq(&header).is_none() && !may_be_added(&header, contract) {
            return false;
        }
    }
    expected.next().is_none()
}

/// Whether the contract lets the subject add a header.
pub(crate) fn may_be_added(header: &HeaderRef<'_>, contract: &Contract) -> bool {
    contract.added_headers.iter().any(|name| name == header.name)
}

/// Whether a copy's timestamp is the source's.
pub(crate) fn has_time(original: Timestamp, copy: Timestamp, contract: &Contract) -> bool {
    let original = milliseconds(original);
    match contract.timestamps {
        Timestamps::Restamped => true,
        Timestamps::Kept => original.is_none() || original == milliseconds(copy),
    }
}

fn milliseconds(timestamp: Timestamp) -> Option<i64> {
    match timestamp {
        Timestamp::None => None,
        Timestamp::Create(time) | Timestamp::Append(time) => Some(time),
    }
}

/// A digest of what a record and its copies have in common. Headers that may have been added are none of it.
pub(crate) fn likeness(content: &Content, contract: &Contract) -> u128 {
    digest(content, time_of(content, contract), contract)
}

/// The digest of a record without a timestamp that a copy may be of, whatever its own is.
pub(crate) fn timeless_likeness(copy: &Content, contract: &Contract) -> u128 {
    digest(copy, None, contract)
}

/// The time that tells records apart.
fn time_of(content: &Content, contract: &Contract) -> Option<i64> {
    match contract.timestamps {
        Timestamps::Restamped => None,
        Timestamps::Kept => milliseconds(content.timestamp()),
    }
}

fn digest(content: &Content, time: Option<i64>, contract: &Contract) -> u128 {
    let mut hash = Xxh3::new();
    let mut put = |bytes: Option<&[u8]>| {
        let length = bytes.map_or(u64::MAX, |bytes| bytes.len() as u64);
        hash.update(&length.to_le_bytes());
        hash.update(bytes.unwrap_or_default());
    };
    put(Some(&content.digest().to_le_bytes()));
    put(time.map(i64::to_le_bytes).as_ref().map(<[u8; 8]>::as_slice));
    for header in content.headers().filter(|header| !may_be_added(header, contract)) {
        put(Some(header.name.as_bytes()));
        put(header.value);
    }
    hash.digest128()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Header;

    fn record(headers: &[(&str, Option<&str>)], timestamp: Timestamp) -> Content {
        let header = |(name, value): &(&str, Option<&str>)| Header {
            name: name.to_string(),
            value: value.map(Into::into),
        };
        Content::of(None, Some(b"x"), headers.iter().map(header).collect(), timestamp)
    }

    #[test]
    fn only_what_a_subject_may_change_tells_no_records_apart() {
        let kept = Contract { added_headers: vec!["hop".into()], ..Contract::default() };
        let restamped = Contract { timestamps: Timestamps::Restamped, ..kept.clone() };
        let (create, append) = (Timestamp::Create(5), Timestamp::Append(5));
        let plain = record(&[("a", None)], create);
        let check = |other: &Content, when_kept, when_restamped| {
            let is_alike = |contract| likeness(&plain, contract) == likeness(other, contract);
            assert_eq!((is_alike(&kept), is_alike(&restamped)), (when_kept, when_restamped));
        };
        check(&record(&[("a", None)], append), true, true);
        check(&record(&[("hop", None), ("a", None), ("hop", Some("1"))], create), true, true);
        check(&record(&[("a", None)], Timestamp::Create(6)), false, true);
        check(&record(&[("a", None)], Timestamp::None), false, true);
        check(&record(&[("a", Some(""))], create), false, false);
        check(&record(&[("a", None), ("a", None)], create), false, false);
        check(&record(&[], create), false, false);
        let timeless = record(&[("a", None)], Timestamp::None);
        assert_eq!(timeless_likeness(&plain, &kept), likeness(&timeless, &kept));
    }
}
