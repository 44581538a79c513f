//! Kafka's protocol by hand, for records that no client of ours can write or read.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use crate::support::{Cluster, TOPIC};

/// A header as it lies in a record: the length of its name, its name, the length of its value, its value. Lengths are
/// zigzag numbers, of one byte here.
pub(crate) fn header(name: &[u8], value: &[u8]) -> Vec<u8> {
    [&[short(name.len())], name, &[short(value.len())], value].concat()
}

/// A batch (version 2) of a record with a value and a header, or none, of a time in milliseconds.
pub(crate) fn batch(value: &[u8], header: &[u8], time: i64) -> Vec<u8> {
    let headers = short(usize::from(!header.is_empty()));
    // attributes, timestamp and offset since the batch's, no key, value, headers
    let body = [&[0, 0, 0, 1, short(value.len())], value, &[headers], header].concat();
    batch_of(0, &body, time)
}

/// The marker of a transaction that was committed: a batch of its own, which a reader passes and does not see.
pub(crate) fn marker() -> Vec<u8> {
    const OF_A_TRANSACTION: u8 = 1 << 4;
    const CONTROL: u8 = 1 << 5;
    // version, kind; the value is nothing to a reader
    let (key, value) = ([0, 0, 0, 1], [0; 6]);
    let body =
        [&[0, 0, 0, short(key.len())], &key[..], &[short(value.len())], &value, &[0]].concat();
    batch_of(OF_A_TRANSACTION | CONTROL, &body, 1_500_000_000_000)
}

fn batch_of(attributes: u8, body: &[u8], time: i64) -> Vec<u8> {
    let record = [&[short(body.len())], body].concat();
    let time = time.to_be_bytes();
    let (none, one) = ([0xff; 14], 1_i32.to_be_bytes());
    // attributes, last offset, both timestamps, no producer, number of records
    let rest = [&[0, attributes][..], &[0; 4], &time, &time, &none, &one, &record].concat();
    // leader's epoch, magic, checksum
    let batch = [&[0; 4][..], &[2], &checksum(&rest).to_be_bytes(), &rest].concat();
    [&[0; 8], &sized(&batch)[..]].concat()
}

/// The same with a checksum that is wrong.
pub(crate) fn damaged(mut batch: Vec<u8>) -> Vec<u8> {
    // It lies behind offset, length, leader's epoch and magic.
    batch[8 + 4 + 4 + 1] ^= 1;
    batch
}

/// The same, said to be compressed with this codec, which it is not.
pub(crate) fn badly_compressed(mut batch: Vec<u8>, codec: u8) -> Vec<u8> {
    const CHECKSUM: usize = 8 + 4 + 4 + 1;
    const ATTRIBUTES: usize = CHECKSUM + 4;
    batch[ATTRIBUTES + 1] = codec;
    let checksum = checksum(&batch[ATTRIBUTES..]);
    batch[CHECKSUM..ATTRIBUTES].copy_from_slice(&checksum.to_be_bytes());
    batch
}

/// Produces a batch to partition 0 without a client (ProduceRequest 3). The mock looks neither at its checksum nor at
/// what else is in it.
pub(crate) fn produce(cluster: &Cluster, batch: &[u8]) {
    // no transaction, acks of all, timeout; one topic, one partition
    let head = [&[0xff; 2][..], &[0xff; 2], &10_000_i32.to_be_bytes()].concat();
    let answer = ask(cluster, (0, 3), &[&head[..], &one_partition(), &sized(batch)].concat());
    let error = &answer[4 + 4 + 2 + TOPIC.len() + 4 + 4..][..2];
    assert_eq!(error, [0, 0], "the broker refuses it: {answer:?}");
}

/// The batches of partition 0 that hold its first so many records, as they lie there (FetchRequest 4); the mock hands out one
/// at a time.
pub(crate) fn fetch(cluster: &Cluster, records: i64) -> Vec<u8> {
    let (most, wait) = (1_000_000_i32.to_be_bytes(), 100_i32.to_be_bytes());
    // no replica, wait, at least a byte, at most, uncommitted
    let head =
        [&[0xff; 4], &wait, &1_i32.to_be_bytes(), &most, &[0][..], &one_partition()].concat();
    let from =
        |offset: i64| ask(cluster, (1, 4), &[&head[..], &offset.to_be_bytes(), &most].concat());
    (0..records).flat_map(from).collect()
}

/// The only topic and partition that is asked about.
fn one_partition() -> Vec<u8> {
    let (one, name) = (1_i32.to_be_bytes(), (TOPIC.len() as i16).to_be_bytes());
    [&one[..], &name, TOPIC.as_bytes(), &one, &[0; 4]].concat()
}

/// Sends a request (its key and version) and returns the answer behind its length.
fn ask(cluster: &Cluster, (key, version): (i16, i16), body: &[u8]) -> Vec<u8> {
    let mut broker = TcpStream::connect(cluster.bootstrap_servers()).unwrap();
    // correlation, no client id
    let head = [&key.to_be_bytes()[..], &version.to_be_bytes(), &[0; 4], &[0xff; 2]].concat();
    broker.write_all(&sized(&[&head, body].concat())).unwrap();
    let mut length = [0; 4];
    broker.read_exact(&mut length).unwrap();
    let mut answer = vec![0; i32::from_be_bytes(length) as usize];
    broker.read_exact(&mut answer).unwrap();
    answer
}

/// CRC-32C, bit by bit.
fn checksum(bytes: &[u8]) -> u32 {
    let shift = |crc: u32, _| (crc >> 1) ^ (0x82f6_3b78 * (crc & 1));
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), shift))
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as i32).to_be_bytes(), bytes].concat()
}

/// A zigzag number of one byte.
fn short(number: usize) -> u8 {
    assert!(number < 64, "it takes two bytes");
    (number as u8) << 1
}
