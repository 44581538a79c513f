//! By what a log is recognised: a few records that were read from it, with a short print of each.
//!
//! An offset does not say of which log it is. If a topic is deleted and made anew, or a log is truncated and
//! written again, the new log may well hold a record at the old position, and reading goes on there as if
//! nothing had happened. So a commit carries, as its metadata, the prints of records that were read
//! ([`Note`]); whoever begins there reads those records again and compares. A record that is gone (retention,
//! compaction) proves nothing, and neither does a commit without a note: only a record that differs does.
//!
//! It knows no client and decides nothing.

use std::fmt;

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// What the text of a note begins with; another form gets another number.
const FORM: &str = "witness/1";
/// Of longer keys and values only so many bytes at each end make the print, so that its cost has a bound.
const END: usize = 64;

/// A record that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Witness {
    /// Its offset.
    pub offset: i64,
    /// Its print.
    pub print: u64,
}

/// The print of a record: timestamp, and key and value with their lengths. It tells records of one partition
/// apart, and is no digest of their content.
pub fn print(key: Option<&[u8]>, value: Option<&[u8]>, timestamp: Option<i64>) -> u64 {
    let print = add(timestamp.unwrap_or(i64::MIN) as u64, key);
    add(print, value)
}

fn add(print: u64, bytes: Option<&[u8]>) -> u64 {
    let Some(bytes) = bytes else { return xxh3_64_with_seed(&[0], print) };
    let seed = print ^ (bytes.len() as u64 + 1);
    if bytes.len() <= 2 * END {
        return xxh3_64_with_seed(bytes, seed);
    }
    let (first, last) = (&bytes[..END], &bytes[bytes.len() - END..]);
    xxh3_64_with_seed(last, xxh3_64_with_seed(first, seed))
}

/// What is stored with a committed position.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Note {
    /// How many partitions the topic had. It is noted with partition 0 alone, which every topic has.
    pub partitions: Option<i32>,
    /// Records that were read, in the order of their offsets.
    pub witnesses: Vec<Witness>,
}

impl Note {
    /// The note of a commit. What is not ours, or of another form, says nothing.
    pub fn parse(text: &str) -> Self {
        Self::read(text).unwrap_or_default()
    }

    fn read(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        if words.next() != Some(FORM) {
            return None;
        }
        let mut note = Self::default();
        for word in words {
            let (name, value) = word.split_once('=')?;
            if name == "partitions" {
                note.partitions = Some(value.parse().ok()?);
            } else {
                let print = u64::from_str_radix(value, 16).ok()?;
                note.witnesses.push(Witness { offset: name.parse().ok()?, print });
            }
        }
        Some(note)
    }
}

impl fmt::Display for Note {
    /// Such as `witness/1 partitions=8 1041=9f3c2b1a00ff0102`; nothing if there is nothing to note.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::default() {
            return Ok(());
        }
        write!(formatter, "{FORM}")?;
        if let Some(partitions) = self.partitions {
            write!(formatter, " partitions={partitions}")?;
        }
        self.witnesses
            .iter()
            .try_for_each(|witness| write!(formatter, " {}={:016x}", witness.offset, witness.print))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_as_it_was_written() {
        let witnesses =
            vec![Witness { offset: 0, print: u64::MAX }, Witness { offset: 41, print: 7 }];
        let note = Note { partitions: Some(8), witnesses };
        assert_eq!(
            note.to_string(),
            "witness/1 partitions=8 0=ffffffffffffffff 41=0000000000000007"
        );
        assert_eq!(Note::parse(&note.to_string()), note);
        assert_eq!(Note::default().to_string(), "");
    }

    #[test]
    fn what_is_not_ours_says_nothing() {
        for text in [
            "",
            "operator's words",
            "witness/2 5=1",
            "witness/1 5",
            "witness/1 x=1",
            "witness/1 5=g",
        ] {
            assert_eq!(Note::parse(text), Note::default(), "{text:?}");
        }
    }

    #[test]
    fn prints_tell_records_apart() {
        let long = |middle: u8, last: u8| {
            let mut bytes = vec![7; 300];
            (bytes[150], bytes[299]) = (middle, last);
            bytes
        };
        let (one, inside, end) = (long(1, 1), long(2, 1), long(1, 2));
        let prints = [
            print(None, None, None),
            print(None, Some(b""), None),
            print(Some(b""), None, None),
            print(None, None, Some(0)),
            print(Some(b"a"), Some(b"b"), Some(1)),
            print(Some(b"b"), Some(b"a"), Some(1)),
            print(Some(b"a"), Some(b"b"), Some(2)),
            print(None, Some(&one), Some(1)),
            print(None, Some(&end), Some(1)),
            print(None, Some(&one[..299]), Some(1)),
        ];
        for (index, print) in prints.iter().enumerate() {
            assert!(!prints[..index].contains(print), "{index}");
        }
        // The bound on its cost.
        assert_eq!(print(None, Some(&inside), Some(1)), prints[7]);
    }
}
