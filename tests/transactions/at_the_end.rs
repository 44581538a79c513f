//! What a source holds at its end that is no record: the marker of a transaction, and what was aborted before one that is open.
//!
//! `--once` is to end there, and the next start is to begin behind it.

use super::begun::{PATIENCE, begin};
use crate::support::mirroring::{Ended, Running};
use harness::cluster::Pair;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::Value;
use std::{fmt::Display, path::Path};
use tokio::runtime::Runtime;

const TOPIC: &str = "at-the-end";
const RECORDS: u32 = 10;
/// Where what is wanted ends: behind the marker in partition 0, before the open transaction in partition 1.
const ENDS: [i64; 2] = [RECORDS as i64 + 1, RECORDS as i64];

/// Two runs of one mirror: the first copies what is committed, the second nothing; both end.
pub(crate) fn it_ends(runtime: &Runtime, pair: &Pair, folder: &Path) -> Result<(), String> {
    for cluster in [&pair.source, &pair.destination] {
        runtime.block_on(cluster.create_topic(TOPIC, 2)).map_err(failed)?;
    }
    let committed = begin(&pair.source, "committed")?;
    send(&committed, 0, RECORDS)?;
    committed.commit_transaction(PATIENCE).map_err(failed)?;
    let aborted = begin(&pair.source, "aborted")?;
    send(&aborted, 1, RECORDS)?;
    let left_open = begin(&pair.source, "left-open")?;
    send(&left_open, 1, 1)?;
    aborted.abort_transaction(PATIENCE).map_err(failed)?;
    for (group, more) in [("in-turn", &[][..]), ("exactly-once", &["--exactly-once"][..])] {
        for (run, copied) in [("first", [RECORDS, 0]), ("second", [0, 0])] {
            let folder = folder.join(format!("{group}-{run}"));
            is_complete(&mirrored(pair, group, &folder, more)?, copied)
                .map_err(|reason| format!("{group}, {run} run: {reason}"))?;
        }
    }
    left_open.abort_transaction(PATIENCE).map_err(failed)
}

fn send(producer: &BaseProducer, partition: i32, records: u32) -> Result<(), String> {
    for number in 0..records {
        let value = format!("{number}");
        let record = BaseRecord::<str, str>::to(TOPIC).partition(partition).payload(&value);
        producer.send(record).map_err(|(error, _)| failed(error))?;
    }
    producer.flush(PATIENCE).map_err(failed)
}

fn mirrored(pair: &Pair, group: &str, folder: &Path, more: &[&str]) -> Result<Ended, String> {
    let consumer = format!(
        "bootstrap.servers={}\ngroup.id={group}\nisolation.level=read_committed\n",
        pair.source.bootstrap()
    );
    let producer = format!("bootstrap.servers={}\n", pair.destination.bootstrap());
    let arguments = [&["--once", "--json", "--include", TOPIC], more].concat();
    Running::start(folder, &arguments, &consumer, &producer, "info")?.wait()
}

/// It has ended well, at the ends, with so many records of each partition.
fn is_complete(ended: &Ended, copied: [u32; 2]) -> Result<(), String> {
    let told =
        |what: &str| format!("{what}, {:?} after {:?}:\n{}", ended.code, ended.took, ended.output);
    let report: Value = serde_json::from_str(&ended.report).map_err(|_| told("no report"))?;
    if ended.code != Some(0) || report["complete"] != true {
        return Err(told("it is not complete"));
    }
    for (partition, (end, records)) in ENDS.into_iter().zip(copied).enumerate() {
        let one = &report["partitions"][partition];
        if one["end_offset"] != end || one["destination"]["records"] != records {
            return Err(told(&format!(
                "{records} of [{partition}] up to {end} were wanted: {one}"
            )));
        }
    }
    Ok(())
}

fn failed(error: impl Display) -> String {
    format!("failed to {error}")
}
