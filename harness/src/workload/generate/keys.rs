//! The keys of a workload, by index, without any randomness: they are chosen so that a workload of
//! a hundred keys reaches every partition, and every pair of partitions that two topics allow.
//!
//! Names alone would leave gaps: a hundred random keys miss one of 32 partitions more often than
//! not, and a scenario that repartitions would silently judge fewer pairs than its name says.

use bytes::Bytes;
use judge::{
    partition::{java_partition, murmur2},
    plan::{KeyStyle, Workload},
};

/// Hashes must leave every remainder by each of these. With 17 to 32 that is every partition of a
/// topic of up to 32 partitions (a smaller count divides one of them); with the rest every possible
/// pair between topics of up to 8 partitions, since a pair is a remainder by the least common
/// multiple.
const MODULI: [u32; 17] = [17, 18, 19, 22, 23, 24, 25, 26, 27, 29, 30, 31, 32, 35, 40, 42, 56];

/// All keys of the workload, the empty one last.
pub(super) fn keys(workload: &Workload) -> Vec<Bytes> {
    let count = workload.keys as usize;
    let named = if workload.empty_key { count.saturating_sub(1) } else { count };
    let mut covered = Covered::default();
    let mut keys = Vec::with_capacity(count);
    for number in 0.. {
        if keys.len() >= named {
            break;
        }
        let names = |suffix| {
            let mut names = family(workload.key_style, number, suffix);
            names.truncate(named - keys.len());
            names
        };
        // The plain name where nothing is left to be gained.
        let suffixes = if covered.everything() { 0..=0 } else { 0..=26 };
        let best = suffixes.rev().max_by_key(|suffix| covered.with(&names(*suffix)).count());
        let chosen = names(best.unwrap_or(0));
        covered = covered.with(&chosen);
        keys.extend(chosen);
    }
    if workload.empty_key {
        keys.push(Bytes::new());
    }
    keys
}

/// A key that Java's producers put into `partition` of `partitions`; another one for another salt.
pub fn key_for(partition: u32, partitions: u32, salt: u64) -> Bytes {
    assert!(partition < partitions, "partition {partition} of {partitions}");
    (0_u64..)
        .map(|number| Bytes::from(format!("mirrorproof-{salt:x}-{number}")))
        .find(|key| java_partition(key, partitions) == partition)
        .expect("numbers do not end before a hash has every remainder")
}

/// The keys of one name and suffix; several where they are to differ in one respect only, so that a
/// mirror which trims or folds case is caught by two keys becoming one.
fn family(style: KeyStyle, number: u32, suffix: u8) -> Vec<Bytes> {
    let name = |number| match suffix {
        0 => format!("key-{number}"),
        _ => format!("key-{number}{}", char::from(b'a' + suffix - 1)),
    };
    match style {
        KeyStyle::Plain => vec![name(number).into()],
        KeyStyle::Varied => varied(number / 7, number % 7, suffix, &name(number / 7)),
    }
}

fn varied(group: u32, kind: u32, suffix: u8, name: &str) -> Vec<Bytes> {
    match kind {
        0 => vec![name.to_owned().into(), name.to_uppercase().into(), format!("{name} ").into()],
        1 => vec![format!("schlüssel 鏡 {name}").into()],
        2 => vec![not_utf8(name)],
        3 => vec![(u64::from(group) * 27 + u64::from(suffix)).to_string().into()],
        4 => vec![one_byte(group)],
        5 => vec![format!("\"{name}\",\t'{group}'\n").into()],
        _ => vec![format!("{name}{}", "-long".repeat(203)).into()],
    }
}

fn not_utf8(name: &str) -> Bytes {
    [b"\xff\xfe\0", name.as_bytes()].concat().into()
}

/// One byte, as long as there are such that no other key of ours is.
fn one_byte(group: u32) -> Bytes {
    match u8::try_from(group) {
        Ok(low @ 0..128) => vec![0x80 | low].into(),
        _ => [b"\x80", group.to_be_bytes().as_slice()].concat().into(),
    }
}

/// Which remainders occur, one bit each.
#[derive(Default)]
struct Covered([u64; MODULI.len()]);

impl Covered {
    fn with(&self, keys: &[Bytes]) -> Covered {
        let mut with = self.0;
        for key in keys {
            let hash = murmur2(key) & 0x7fff_ffff;
            for (bits, modulus) in with.iter_mut().zip(MODULI) {
                *bits |= 1 << (hash % modulus);
            }
        }
        Covered(with)
    }

    fn count(&self) -> u32 {
        self.0.iter().map(|bits| bits.count_ones()).sum()
    }

    fn everything(&self) -> bool {
        self.count() == MODULI.iter().sum::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn workload(keys: u32, key_style: KeyStyle, empty_key: bool) -> Workload {
        Workload { keys, key_style, empty_key, ..Workload::default() }
    }

    #[test]
    fn a_hundred_keys_of_either_style_reach_everything() {
        for style in [KeyStyle::Plain, KeyStyle::Varied] {
            let covered = Covered::default().with(&keys(&workload(100, style, false)));
            assert!(covered.everything(), "{style:?}: {}", covered.count());
        }
    }

    #[test]
    fn keys_are_as_many_as_asked_for_and_distinct() {
        for style in [KeyStyle::Plain, KeyStyle::Varied] {
            for count in [0, 1, 2, 8, 9, 10, 100, 5_000] {
                for empty in [false, true] {
                    let keys = keys(&workload(count, style, empty));
                    let expected = count.max(u32::from(empty)) as usize;
                    assert_eq!(keys.len(), expected);
                    assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), expected);
                    assert_eq!(keys.iter().any(Bytes::is_empty), empty);
                }
            }
        }
    }

    #[test]
    fn varied_keys_have_what_their_documentation_says() {
        let keys = keys(&workload(99, KeyStyle::Varied, false));
        let text = |key: &Bytes| String::from_utf8(key.to_vec());
        assert!(keys.iter().any(|key| key.len() == 1));
        assert!(keys.iter().any(|key| key.len() > 1_000 && key.len() < 1_100));
        assert!(keys.iter().any(|key| text(key).is_err() && key.len() > 1));
        assert!(keys.iter().any(|key| text(key).is_ok_and(|key| !key.is_ascii())));
        assert!(keys.iter().any(|key| key.iter().all(u8::is_ascii_digit)));
        for key in keys.iter().filter(|key| key.starts_with(b"key-") && key.len() < 9) {
            let twins = keys.iter().filter(|twin| {
                *twin != key && (twin.eq_ignore_ascii_case(key) || twin.trim_ascii() == &key[..])
            });
            assert!(key.ends_with(b" ") || twins.count() == 2, "{key:?}");
        }
    }

    #[test]
    fn a_key_is_found_for_every_partition_and_salt() {
        for partitions in 1..=32 {
            for partition in 0..partitions {
                let keys = [0, 1, u64::MAX].map(|salt| key_for(partition, partitions, salt));
                assert!(keys.iter().all(|key| java_partition(key, partitions) == partition));
                assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), 3);
            }
        }
    }
}
