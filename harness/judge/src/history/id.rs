//! The identity of a generated record: how a copy is recognised.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The identity that the generator gave to a record; it travels in a header and in the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RecordId {
    /// The run that generated the record, so that leftovers of another run are recognised.
    pub run: u64,
    /// Which of the run's producers.
    pub producer: u16,
    /// Index of the key among the keys of the workload.
    pub key: u32,
    /// Dense count of this producer's records of this key, from 0.
    pub sequence: u32,
}

impl fmt::Display for RecordId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:x}.{}.{}.{}", self.run, self.producer, self.key, self.sequence)
    }
}

impl RecordId {
    /// Reads the text form. Histories hold millions of them, and each is read several times: no
    /// detour by text and numbers of the standard library.
    pub(super) fn parse(bytes: &[u8]) -> Option<RecordId> {
        let mut parts = bytes.split(|byte| *byte == b'.');
        let id = RecordId {
            run: number(parts.next()?, 16)?,
            producer: number(parts.next()?, 10)?.try_into().ok()?,
            key: number(parts.next()?, 10)?.try_into().ok()?,
            sequence: number(parts.next()?, 10)?.try_into().ok()?,
        };
        parts.next().is_none().then_some(id)
    }
}

fn number(digits: &[u8], radix: u32) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = char::from(*digit).to_digit(radix)?;
        number.checked_mul(radix.into())?.checked_add(digit.into())
    })
}

impl std::str::FromStr for RecordId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        RecordId::parse(text.as_bytes()).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_they_are_written() {
        let most =
            RecordId { run: u64::MAX, producer: u16::MAX, key: u32::MAX, sequence: u32::MAX };
        let least = RecordId { run: 0, producer: 0, key: 0, sequence: 0 };
        for id in [most, least] {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        for text in [
            "",
            "1",
            "1.2.3",
            "1.2.3.4.5",
            "1.2.3.",
            "g.2.3.4",
            "1.65536.3.4",
            "1.2.-3.4",
            "1.2.+3.4",
        ] {
            assert_eq!(text.parse::<RecordId>(), Err(()), "{text}");
        }
        assert_eq!("10000000000000000.0.0.0".parse::<RecordId>(), Err(()));
    }
}
