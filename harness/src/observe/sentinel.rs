//! The harness's own records: they show that a path through the subject is drained, and no checker
//! ever sees them.

use bytes::Bytes;
use judge::{history::Content, partition::java_partition};

/// What key, header and value of a sentinel begin with: each alone identifies it, so that a mirror
/// that damages one of them still shows the others.
pub const MARK: &str = "mirrorproof-sentinel";

/// One sentinel of a path from a source partition to a destination partition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sentinel {
    /// Partition of the source that it is written to.
    pub partition: u32,
    /// Its number within the scenario.
    pub number: u64,
    /// Its key, chosen so that murmur2 sends it to the wanted destination partition.
    pub key: Bytes,
}

impl Sentinel {
    /// A sentinel that is written to `partition` of the source, and that a mirror which hashes keys
    /// puts into partition `reaching` of `partitions` (`None`: anywhere).
    pub fn new(number: u64, partition: u32, reaching: Option<(u32, u32)>) -> Sentinel {
        let key = (0_u32..)
            .map(|salt| format!("{MARK}-{number}-{salt}"))
            .find(|key| {
                reaching.is_none_or(|(target, partitions)| {
                    java_partition(key.as_bytes(), partitions) == target
                })
            })
            .unwrap_or_default();
        Sentinel { partition, number, key: key.into() }
    }

    /// What header and value hold.
    pub fn text(&self) -> String {
        format!("{MARK}|{}", self.number)
    }
}

/// Whether a record is a sentinel, and which, if its number is still readable.
pub fn recognise(
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    content: &Content,
) -> Option<Option<u64>> {
    let number = |bytes: &[u8], separator: char| {
        let rest = std::str::from_utf8(bytes).ok()?.strip_prefix(MARK)?;
        let rest = rest.strip_prefix(separator)?;
        rest.split(separator).next()?.parse::<u64>().ok()
    };
    let header = content
        .headers()
        .find(|header| header.name == Content::SENTINEL_HEADER)
        .map(|header| header.value.and_then(|value| number(value, '|')));
    let marked = |bytes: Option<&[u8]>, separator| {
        bytes
            .filter(|bytes| bytes.starts_with(MARK.as_bytes()))
            .map(|bytes| number(bytes, separator))
    };
    [header, marked(value, '|'), marked(key, '-')]
        .into_iter()
        .flatten()
        .reduce(|first, second| first.or(second))
}

#[cfg(test)]
mod tests {
    use super::*;
    use judge::history::Timestamp;

    #[test]
    fn a_sentinel_reaches_the_partition_it_is_made_for() {
        for target in 0..8 {
            let sentinel = Sentinel::new(7, 0, Some((target, 8)));
            assert_eq!(java_partition(&sentinel.key, 8), target);
        }
    }

    #[test]
    fn any_of_its_parts_identifies_it() {
        let sentinel = Sentinel::new(7, 0, None);
        let bare = Content::of(None, None, vec![], Timestamp::None);
        assert_eq!(recognise(Some(&sentinel.key), None, &bare), Some(Some(7)));
        assert_eq!(recognise(None, Some(sentinel.text().as_bytes()), &bare), Some(Some(7)));
        assert_eq!(recognise(None, Some(MARK.as_bytes()), &bare), Some(None));
        assert_eq!(recognise(Some(b"key-1"), Some(b"value"), &bare), None);
    }
}
