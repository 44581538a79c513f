//! From a workload to the records of it: pure and seeded, so that the same plan writes the same
//! records wherever it runs. It knows no client and no clock.
//!
//! Shares (null keys, null and empty values) are exact and not drawn, so that a scenario which asks
//! for tombstones has them whatever its seed. Only the order, the sizes and the bytes are random.

mod content;
mod keys;

pub use keys::key_for;

use self::content::Size;
use bytes::Bytes;
use judge::{
    history::{Content, RecordId},
    partition::java_partition,
    plan::{Headers, Placement, Skew, TimestampStyle, Workload},
};
use rand::{SeedableRng, distr::Distribution, rngs::ChaCha8Rng, seq::SliceRandom};
use std::collections::BTreeMap;

/// The most bytes that [`generate`] puts into one partition: values shrink, the largest most, to
/// stay below it. librdkafka's mock cluster silently drops the oldest records beyond 5 MiB a
/// partition; the rest is for batch headers and sentinels. Values never shrink below their ids, so
/// beyond some 20,000 records a partition the budget is exceeded all the same.
pub const PARTITION_BYTES: usize = 4 << 20;

/// What a record takes besides key, value and headers: lengths, deltas, its part of the batch
/// header.
pub const RECORD_OVERHEAD: usize = 24;

/// What a header takes besides its name and value.
pub const HEADER_OVERHEAD: usize = 4;

/// A record to be produced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generated {
    /// Its identity; `id.producer` tells who sends it. Records without a key share one index, the
    /// one behind the last key.
    pub id: RecordId,
    /// Key or null.
    pub key: Option<Bytes>,
    /// Value or null. It begins with the id where it is long enough to hold it.
    pub value: Option<Bytes>,
    /// Headers in order.
    pub headers: Vec<(String, Option<Bytes>)>,
    /// Milliseconds since 1970; `None`: the client's now.
    pub timestamp: Option<i64>,
    /// Partition of the source.
    pub partition: u32,
}

impl Generated {
    /// Whether the record's id can be read from its header or its value.
    pub fn carries_id(&self) -> bool {
        let id = format!("{}{}", self.id, char::from(Content::ID_END));
        self.headers.iter().any(|(name, _)| name == Content::ID_HEADER)
            || self.value.as_ref().is_some_and(|value| value.starts_with(id.as_bytes()))
    }

    /// About how many bytes the record takes in a partition.
    pub fn bytes(&self) -> usize {
        let length = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| name.len() + length(value) + HEADER_OVERHEAD);
        RECORD_OVERHEAD + length(&self.key) + length(&self.value) + headers.sum::<usize>()
    }
}

/// The records of `workload` in the order in which they are to be produced. The sequences of each
/// producer and key are dense from 0.
pub fn generate(
    workload: &Workload,
    run: u64,
    seed: u64,
    partitions: u32,
    now_ms: i64,
) -> Vec<Generated> {
    assert!(partitions > 0, "a topic has at least one partition");
    let random = &mut ChaCha8Rng::seed_from_u64(seed);
    let keys = keys::keys(workload);
    let order = key_order(workload, keys.len() as u32, random);
    let sizes = content::sizes(workload, random);
    let mut sequences = BTreeMap::new();
    let mut keyless = 0_u32;

    let mut records: Vec<Generated> = Vec::with_capacity(order.len());
    for (number, index) in (0_u32..).zip(order) {
        let key = keys.get(index as usize).cloned();
        let producer = (number % u32::from(workload.producers.max(1))) as u16;
        let next = sequences.entry((producer, index)).or_insert(0);
        let id = RecordId { run, producer, key: index, sequence: *next };
        *next += 1;
        let partition = match (workload.placement, &key) {
            (Placement::RoundRobin, _) => number % partitions,
            (Placement::Murmur2, Some(key)) => java_partition(key, partitions),
            (Placement::Murmur2, None) => {
                keyless += 1;
                (keyless - 1) % partitions
            }
        };
        let headers = match workload.headers {
            Headers::None => Vec::new(),
            Headers::Id => vec![id_header(id)],
            Headers::Varied => content::varied_headers(id_header(id), random),
        };
        let timestamp = match workload.timestamps {
            TimestampStyle::Now => None,
            TimestampStyle::Varied => Some(content::varied_timestamp(number, now_ms, random)),
        };
        records.push(Generated { id, key, value: None, headers, timestamp, partition });
    }
    let sizes = within_budget(workload, &records, sizes, partitions, random);
    for (record, size) in records.iter_mut().zip(sizes) {
        record.value = content::value(record.id, size, random);
    }
    records
}

fn id_header(id: RecordId) -> (String, Option<Bytes>) {
    (Content::ID_HEADER.to_owned(), Some(id.to_string().into()))
}

/// The index of each record's key; `keys` for null. Every key is used, if there are records enough.
fn key_order(workload: &Workload, keys: u32, random: &mut ChaCha8Rng) -> Vec<u32> {
    let nulls = if keys == 0 {
        workload.records
    } else {
        content::share(workload.records, workload.null_keys)
    };
    let keyed = workload.records - nulls;
    let mut order: Vec<u32> = match workload.skew {
        Skew::Uniform => (0..keyed).map(|number| number % keys).collect(),
        Skew::Zipf(exponent) => {
            let each_once = if keyed >= keys { keys } else { 0 };
            // A plan may come from a file, where any number can stand.
            let exponent = if exponent.is_nan() { 0.0 } else { exponent.clamp(0.0, 10.0) };
            let law = rand_distr::Zipf::new(f64::from(keys.max(1)), exponent)
                .expect("at least one key and an exponent that is not negative");
            let drawn = (each_once..keyed).map(|_| law.sample(random) as u32 - 1);
            (0..each_once).chain(drawn).collect()
        }
    };
    order.extend((0..nulls).map(|_| keys));
    order.shuffle(random);
    order
}

/// Makes some values large, if asked for, and then all values smaller where a partition would get
/// more than [`PARTITION_BYTES`].
fn within_budget(
    workload: &Workload,
    records: &[Generated],
    mut sizes: Vec<Size>,
    partitions: u32,
    random: &mut ChaCha8Rng,
) -> Vec<Size> {
    let by_partition = |partition| {
        records.iter().enumerate().filter(move |(_, record)| record.partition == partition)
    };
    content::enlarge(workload, records, &mut sizes, random);
    for partition in 0..partitions {
        let mut fixed = 0;
        let mut wanted = 0;
        for (index, record) in by_partition(partition) {
            let least = content::id_length(record.id);
            if let Size::Bytes(size) = sizes[index] {
                fixed += size.min(least);
                wanted += size.saturating_sub(least);
            }
            fixed += record.bytes();
        }
        let spare = PARTITION_BYTES.saturating_sub(fixed);
        if wanted <= spare {
            continue;
        }
        for (index, record) in by_partition(partition) {
            let least = content::id_length(record.id);
            if let Size::Bytes(size) = &mut sizes[index]
                && *size > least
            {
                let shrunk = (*size - least) as u64 * spare as u64 / wanted as u64;
                *size = least + shrunk as usize;
            }
        }
    }
    sizes
}

#[cfg(test)]
mod tests;
