//! Sizes, bytes, headers and timestamps: varied on purpose, where mirrors are known to go wrong.

use super::Generated;
use bytes::Bytes;
use judge::{
    history::{Content, RecordId},
    plan::{Sizes, Workload},
};
use rand::{Rng, RngExt, rngs::ChaCha8Rng, seq::SliceRandom};

/// The largest value: with key, headers and batch header it is below librdkafka's default
/// `message.max.bytes` (1,000,000) and the broker's (1,048,588).
pub(super) const LARGEST: usize = 900_000;

/// How many large values there are in all, and at most in one partition.
const LARGE: usize = 6;
const LARGE_IN_PARTITION: usize = 3;

/// 2001-01-01 in milliseconds since 1970.
const YEAR_2001: i64 = 978_307_200_000;

/// What a value is going to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// Null.
    Null,
    /// So many bytes, which may be 0.
    Bytes(usize),
}

/// `percent` of `records`, rounded, and at least one where any was asked for.
pub(super) fn share(records: u32, percent: u8) -> u32 {
    let exact = (u64::from(records) * u64::from(percent.min(100)) + 50) / 100;
    (exact as u32).max(u32::from(percent > 0)).min(records)
}

/// How long a value must be to hold its id.
pub(super) fn id_length(id: RecordId) -> usize {
    id.to_string().len() + 1
}

/// One size for each record, none of them large yet.
pub(super) fn sizes(workload: &Workload, random: &mut ChaCha8Rng) -> Vec<Size> {
    let nulls = share(workload.records, workload.null_values);
    let empties = share(workload.records, workload.empty_values).min(workload.records - nulls);
    let mut sizes = vec![Size::Null; nulls as usize];
    sizes.resize((nulls + empties) as usize, Size::Bytes(0));
    sizes.resize_with(workload.records as usize, || {
        Size::Bytes(match workload.sizes {
            Sizes::Small | Sizes::WithLarge => random.random_range(80..=120_u32) as usize,
            // Every power of two is as likely, so that short values are no exception.
            Sizes::Varied => {
                let bits = random.random_range(0..=12_u32);
                random.random_range(0..1_u32 << bits) as usize
            }
        })
    });
    sizes.shuffle(random);
    sizes
}

/// Makes a few values large, the first of them the largest.
pub(super) fn enlarge(
    workload: &Workload,
    records: &[Generated],
    sizes: &mut [Size],
    random: &mut ChaCha8Rng,
) {
    match workload.sizes {
        Sizes::Small | Sizes::Varied => return,
        Sizes::WithLarge => {}
    }
    let mut candidates: Vec<usize> = (0..records.len())
        .filter(|index| matches!(sizes[*index], Size::Bytes(size) if size > 0))
        .collect();
    candidates.shuffle(random);
    let mut chosen: Vec<usize> = Vec::new();
    for index in candidates {
        let partition = records[index].partition;
        let there = chosen.iter().filter(|other| records[**other].partition == partition).count();
        if there == LARGE_IN_PARTITION {
            continue;
        }
        let size = match chosen.len() {
            0 => LARGEST,
            _ => random.random_range(100_000..=LARGEST as u32) as usize,
        };
        sizes[index] = Size::Bytes(size);
        chosen.push(index);
        if chosen.len() == LARGE {
            break;
        }
    }
}

/// A value of that size: the id, if there is room, and then text or bytes.
pub(super) fn value(id: RecordId, size: Size, random: &mut ChaCha8Rng) -> Option<Bytes> {
    let size = match size {
        Size::Null => return None,
        Size::Bytes(size) => size,
    };
    let mut value = vec![0; size];
    random.fill_bytes(&mut value);
    let style = random.random_range(0..8_u32);
    let short = size < id_length(id);
    // A value without an id is letters alone, so that none can be read from it.
    if style != 0 || short {
        for byte in &mut value {
            *byte = b'a' + *byte % 26;
        }
    }
    if short {
        return Some(value.into());
    }
    let head = format!("{id}{}", char::from(Content::ID_END));
    let (start, rest) = value.split_at_mut(head.len());
    start.copy_from_slice(head.as_bytes());
    // What a mirror that trims lines or text would change.
    let ending: &[u8] = match style {
        1 => b"\n",
        2 => b"  ",
        3 => b"\r\n",
        4 => b"\0",
        _ => b"",
    };
    let keep = rest.len().saturating_sub(ending.len());
    for (byte, end) in rest[keep..].iter_mut().zip(ending) {
        *byte = *end;
    }
    Some(value.into())
}

/// The id's header among others: repeated names, null and empty values, other scripts, bytes, and
/// sometimes very many.
pub(super) fn varied_headers(
    id: (String, Option<Bytes>),
    random: &mut ChaCha8Rng,
) -> Vec<(String, Option<Bytes>)> {
    let header =
        |name: &str, value: Option<&'static [u8]>| (name.to_owned(), value.map(Bytes::from_static));
    let mut headers = match random.random_range(0..64_u32) {
        0 => (0..40).map(|number| header(&format!("many-{number}"), Some(b"x"))).collect(),
        1..=16 => vec![
            header("trace", Some(b"2")),
            header("trace", Some(b"1")),
            header("trace", Some(b"2")),
        ],
        17..=26 => vec![header("null", None), header("trace", Some(b"1")), header("null", None)],
        27..=36 => vec![header("empty", Some(b"")), header("EMPTY", Some(b" "))],
        37..=46 => vec![header("größe 鏡", Some("große 鏡".as_bytes()))],
        47..=56 => vec![header("bytes", Some(b"\0\xff\xfe\x80\n"))],
        _ => Vec::new(),
    };
    let place = random.random_range(0..=headers.len() as u32);
    headers.insert(place as usize, id);
    headers
}

/// Mostly ascending within the last hour, some of 2001, some out of order, never in the future.
///
/// Not spread evenly over the years: a broker begins a new file whenever a record is a week later
/// than the file's first, and hundreds of files a partition are no part of any promise. Never 0,
/// which librdkafka takes for now.
pub(super) fn varied_timestamp(number: u32, now_ms: i64, random: &mut ChaCha8Rng) -> i64 {
    const HOUR: u32 = 3_600_000;
    let before = |milliseconds: u32| now_ms - i64::from(milliseconds);
    let timestamp = match random.random_range(0..10_u32) {
        0 => YEAR_2001 + i64::from(number),
        1 => before(random.random_range(0..24 * HOUR)),
        2 => now_ms,
        _ => before(HOUR.saturating_sub(number)),
    };
    timestamp.clamp(1, now_ms.max(1))
}
