//! How each contender is configured: as it comes, and with what its documentation says about throughput.

use crate::subject::{Kind, properties::Properties};
use std::collections::BTreeMap;

fn properties(pairs: &[(&str, &str)]) -> Properties {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Threads that copy. MirrorMaker 2 has one task a default connector, which nobody leaves it at.
pub(super) fn streams(kind: &Kind, tuned: bool) -> u32 {
    match (kind, tuned) {
        (Kind::MirrorMaker2, _) => 4,
        (Kind::MirrorMaker1, true) => 2,
        _ => 1,
    }
}

/// Properties of the consumer.
pub(super) fn consumer(kind: &Kind, tuned: bool) -> Properties {
    match (kind, tuned) {
        // The records were there before it was started.
        (Kind::MirrorMaker1, false) => properties(&[("auto.offset.reset", "earliest")]),
        (Kind::MirrorMaker1, true) => properties(&[
            ("auto.offset.reset", "earliest"),
            ("max.poll.records", "5000"),
            ("max.partition.fetch.bytes", "4194304"),
            ("fetch.min.bytes", "100000"),
            ("receive.buffer.bytes", "1048576"),
        ]),
        (Kind::MirrorMaker2, true) => properties(&[
            ("max.poll.records", "5000"),
            ("max.partition.fetch.bytes", "4194304"),
            ("fetch.min.bytes", "100000"),
        ]),
        _ => Properties::new(),
    }
}

/// Properties of the producer.
pub(super) fn producer(kind: &Kind, tuned: bool) -> Properties {
    match (kind, tuned) {
        (Kind::MirrorMaker1 | Kind::MirrorMaker2, true) => properties(&[
            ("batch.size", "524288"),
            ("linger.ms", "20"),
            ("buffer.memory", "134217728"),
        ]),
        (Kind::Mirror, true) => properties(&[("linger.ms", "20")]),
        _ => Properties::new(),
    }
}

/// Kafka's own scripts start its programs like this; the harness's image does it for short tests.
pub(super) fn environment(kind: &Kind) -> BTreeMap<String, String> {
    let heap = match kind {
        Kind::MirrorMaker1 => "-Xmx256M",
        Kind::MirrorMaker2 => "-Xms256M -Xmx2G",
        _ => return BTreeMap::new(),
    };
    let performance = "-server -XX:+UseG1GC -XX:MaxGCPauseMillis=20 \
                       -XX:InitiatingHeapOccupancyPercent=35 -XX:+ExplicitGCInvokesConcurrent";
    [("KAFKA_HEAP_OPTS", heap), ("KAFKA_JVM_PERFORMANCE_OPTS", performance)]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}
