//! Where a record goes on the destination: a pure decision.
//!
//! The engine asks it once per assigned partition, not per record. It knows nothing of clients, and not how
//! a key is hashed: with [`Partitioning::Key`] the producer decides (murmur2, as Java's does).

use clap::ValueEnum;

/// How the destination partition is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Partitioning {
    /// By the hash of the key, as a Java producer does; records without a key go anywhere.
    Key,
    /// The same partition number as on the source.
    Preserve,
}

impl Partitioning {
    /// The destination partition for records of this one; `None` leaves it to the producer.
    pub fn of(self, source_partition: i32) -> Option<i32> {
        match self {
            Self::Key => None,
            Self::Preserve => Some(source_partition),
        }
    }
}

/// The destination cannot take this partition.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "copy {topic} with --partitioning preserve: the source has partition {source_partition}, but the destination \
     has only {destination_partitions} partitions; add partitions there, or use --partitioning key"
)]
pub struct TooFewPartitions {
    /// The topic, which has the same name on both sides.
    pub topic: String,
    /// The partition that has no counterpart.
    pub source_partition: i32,
    /// How many partitions the destination has.
    pub destination_partitions: usize,
}

/// The destination partition for records of `source_partition`; `None` leaves it to the producer.
pub fn destination_partition(
    partitioning: Partitioning,
    topic: &str,
    source_partition: i32,
    destination_partitions: usize,
) -> Result<Option<i32>, TooFewPartitions> {
    match partitioning {
        Partitioning::Key => Ok(None),
        Partitioning::Preserve => {
            if usize::try_from(source_partition).is_ok_and(|p| p < destination_partitions) {
                Ok(Some(source_partition))
            } else {
                Err(TooFewPartitions {
                    topic: topic.to_owned(),
                    source_partition,
                    destination_partitions,
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_leaves_it_to_the_producer_whatever_the_counts() {
        assert_eq!(destination_partition(Partitioning::Key, "t", 7, 3), Ok(None));
    }

    #[test]
    fn preserve_needs_a_counterpart() {
        assert_eq!(destination_partition(Partitioning::Preserve, "t", 2, 3), Ok(Some(2)));
        let refused = destination_partition(Partitioning::Preserve, "t", 3, 3).unwrap_err();
        assert!(refused.to_string().contains("partition 3"), "{refused}");
        assert!(refused.to_string().contains("--partitioning key"), "{refused}");
    }
}
