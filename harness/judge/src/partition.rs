//! Where a key belongs: the hash functions that Kafka's producers use.
//!
//! The checkers have their own implementation on purpose: a mirror is not judged by the code it
//! partitions with.

/// Kafka's murmur2 (seed `0x9747b28c`), as in `org.apache.kafka.common.utils.Utils.murmur2`.
pub fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c_u32 ^ data.len() as u32;
    let (words, rest) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if rest.len() >= 3 {
        hash ^= u32::from(rest[2]) << 16;
    }
    if rest.len() >= 2 {
        hash ^= u32::from(rest[1]) << 8;
    }
    if !rest.is_empty() {
        hash = (hash ^ u32::from(rest[0])).wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

/// The partition that a Java producer chooses for `key`: `toPositive(murmur2(key)) % partitions`.
/// An empty key is hashed like any other; only a null key has no place of its own.
pub fn java_partition(key: &[u8], partitions: u32) -> u32 {
    (murmur2(key) & 0x7fff_ffff) % partitions
}

/// The partition that librdkafka's default partitioner (`consistent_random`) chooses for a key
/// that is neither null nor empty: `crc32(key) % partitions`.
pub fn crc32_partition(key: &[u8], partitions: u32) -> u32 {
    let crc = key.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & 0_u32.wrapping_sub(crc & 1))
        })
    });
    !crc % partitions
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors of Kafka's `UtilsTest.testMurmur2`.
    #[test]
    fn murmur2_is_kafkas() {
        for (text, expected) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(text.as_bytes()) as i32, expected, "{text}");
        }
    }

    /// Cases in which the two partitioners were seen to differ (kafkajs#1154, node-rdkafka#817).
    #[test]
    fn the_two_partitioners_differ_where_they_were_seen_to() {
        for (key, partitions, crc, java) in
            [("TT0124", 15, 9, 10), ("fd7af248-ce5c-46a5-93d7-1c0c9005b99d", 32, 23, 26)]
        {
            assert_eq!(crc32_partition(key.as_bytes(), partitions), crc);
            assert_eq!(java_partition(key.as_bytes(), partitions), java);
        }
        assert_eq!(java_partition(b"", 6), 3);
    }
}
