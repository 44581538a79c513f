//! A digest of records that does not depend on their order: the sum of one hash for each record.
//!
//! Two sets of records with equal digests and equal counts are the same, but for chance; sums of parts are the
//! digest of the whole, so that topics can be compared whose partitions differ. It is no proof against somebody
//! who makes up records on purpose.
//!
//! The hash is XXH3 with 128 bits, whose output is fixed for all versions and machines, of these bytes:
//!
//! ```text
//!  key        0 if null, else 1, its length (u64), its bytes
//!  value      likewise
//!  timestamp  milliseconds (i64), the smallest i64 if there is none
//!  headers    for each in order: the name's length (u64), the name, and the value as above
//! ```
//! Numbers are little-endian. The sum wraps at 2^128 and is shown as 32 hexadecimal digits.

use std::{fmt, ops::AddAssign};

use serde::{Serialize, Serializer};
use xxhash_rust::xxh3::Xxh3Default;

/// What the report calls this construction; another one gets another name.
pub const NAME: &str = "xxh3-128-sum";

/// The sum of the hashes of records; zero for none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Digest(u128);

impl Digest {
    /// The digest of one record. `timestamp` is in milliseconds.
    pub fn of<'h>(
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        timestamp: Option<i64>,
        headers: impl Iterator<Item = (&'h str, Option<&'h [u8]>)>,
    ) -> Self {
        let mut hasher = Xxh3Default::new();
        nullable(&mut hasher, key);
        nullable(&mut hasher, value);
        hasher.update(&timestamp.unwrap_or(i64::MIN).to_le_bytes());
        for (name, value) in headers {
            hasher.update(&(name.len() as u64).to_le_bytes());
            hasher.update(name.as_bytes());
            nullable(&mut hasher, value);
        }
        Self(hasher.digest128())
    }
}

fn nullable(hasher: &mut Xxh3Default, bytes: Option<&[u8]>) {
    match bytes {
        None => hasher.update(&[0]),
        Some(bytes) => {
            hasher.update(&[1]);
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        }
    }
}

impl AddAssign for Digest {
    fn add_assign(&mut self, other: Self) {
        self.0 = self.0.wrapping_add(other.0);
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Headers<'h> = &'h [(&'h str, Option<&'h [u8]>)];

    fn of(
        key: Option<&str>,
        value: Option<&str>,
        time: Option<i64>,
        headers: Headers<'_>,
    ) -> Digest {
        let [key, value] = [key, value].map(|text| text.map(str::as_bytes));
        Digest::of(key, value, time, headers.iter().copied())
    }

    #[test]
    fn is_the_same_for_ever() {
        let digest = of(Some("k"), Some("v"), Some(1), &[("h", Some(b"x")), ("h", None)]);
        // Computed by xxHash 0.8.4, the reference, of the bytes that the module's head describes.
        assert_eq!(digest.to_string(), "20513a022ff74cecb0d7a371d0c4da50");
        assert_eq!(of(None, None, None, &[]).to_string(), "608373fcdd1ff9b29dea62889ddc47aa");
        let (key, value) = ("k".repeat(100), "v".repeat(1000));
        let long = of(Some(&key), Some(&value), Some(1_500_000_000_000), &[]);
        assert_eq!(long.to_string(), "579764cffd7f38977919e04828053d17");
    }

    #[test]
    fn whatever_differs_between_two_records_shows() {
        let all = [
            of(Some("k"), Some("v"), Some(1), &[]),
            of(None, Some("v"), Some(1), &[]),
            of(Some(""), Some("v"), Some(1), &[]),
            of(Some("kv"), Some(""), Some(1), &[]),
            of(Some("k"), None, Some(1), &[]),
            of(Some("k"), Some("v"), Some(2), &[]),
            of(Some("k"), Some("v"), None, &[]),
            of(Some("k"), Some("v"), Some(1), &[("a", None)]),
            of(Some("k"), Some("v"), Some(1), &[("a", Some(b""))]),
            of(Some("k"), Some("v"), Some(1), &[("a", None), ("b", None)]),
            of(Some("k"), Some("v"), Some(1), &[("b", None), ("a", None)]),
        ];
        for (i, one) in all.iter().enumerate() {
            assert!(!all[i + 1..].contains(one), "{i} looks like another");
        }
    }

    #[test]
    fn the_order_does_not_matter_and_the_number_does() {
        let records = ["a", "b", "c"].map(|value| of(None, Some(value), None, &[]));
        let sum = |order: &[usize]| {
            let mut sum = Digest::default();
            order.iter().for_each(|i| sum += records[*i]);
            sum
        };
        assert_eq!(sum(&[0, 1, 2]), sum(&[2, 0, 1]));
        assert_ne!(sum(&[0, 1]), sum(&[0, 1, 1]));
        assert_ne!(sum(&[0, 0]), Digest::default());
    }
}
