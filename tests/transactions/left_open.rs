//! A mirror that died with a transaction open, on a partition that nobody has by now.
//!
//! Whoever reads committed records sees nothing behind it until somebody ends it, or for as long as the transaction may take.
//! Mock brokers show readers what is open, so only real ones tell.

use super::begun::{PATIENCE, begin};
use crate::support::mirroring::{Ended, Running, contents};
use harness::{
    cluster::{Cluster, Pair},
    workload::{generate::generate, pace::Pace, produce::Producers},
};
use judge::plan::Workload;
use rdkafka::{
    ClientConfig,
    producer::{BaseProducer, BaseRecord, Producer},
};
use std::{fmt::Display, path::Path};
use tokio::runtime::Runtime;

const TOPIC: &str = "left-open";
const GROUP: &str = "left-open";
const RECORDS: u32 = 300;

/// The next mirror ends it, goes on where the last one was, and repeats nothing.
pub(crate) fn is_ended(runtime: &Runtime, pair: &Pair, folder: &Path) -> Result<(), String> {
    for cluster in [&pair.source, &pair.destination] {
        runtime.block_on(cluster.create_topic(TOPIC, 2)).map_err(failed)?;
    }
    produce(&pair.source, 0)?;
    mirrored(pair, &folder.join("first"))?;
    let left = leave_open(pair)?;
    produce(&pair.source, 1)?;
    let ended = mirrored(pair, &folder.join("second"))?;
    drop(left);
    let (there, here) = (contents(&pair.source, TOPIC)?, contents(&pair.destination, TOPIC)?);
    if there.len() != 2 * RECORDS as usize || there != here {
        return Err(format!("{} records became {}", there.len(), here.len()));
    }
    let told = "ending the transaction of gone [0]";
    if ended.output.contains(told) {
        Ok(())
    } else {
        Err(format!("{told:?} is not in:\n{}", ended.output))
    }
}

fn produce(source: &Cluster, seed: u64) -> Result<(), String> {
    let workload = Workload { records: RECORDS, ..Workload::default() };
    let records = generate(&workload, 1, seed, 2, 1_700_000_000_000);
    let producers = Producers::to(source.bootstrap());
    producers.produce(TOPIC, &records, None, Pace::AtOnce).map(drop).map_err(failed)
}

/// Copies what is there.
fn mirrored(pair: &Pair, folder: &Path) -> Result<Ended, String> {
    let arguments = ["--once", "--exactly-once", "--include", TOPIC];
    let ended = Running::between(pair, GROUP, folder, &arguments, "")?.wait()?;
    match ended.code {
        Some(0) => Ok(ended),
        code => Err(format!("it ended with {code:?} after {:?}:\n{}", ended.took, ended.output)),
    }
}

/// What a mirror leaves that dies between its last record, which is the position, and its commit.
fn leave_open(pair: &Pair) -> Result<BaseProducer, String> {
    let asked = ClientConfig::new()
        .set("bootstrap.servers", pair.source.bootstrap())
        .create::<BaseProducer>()
        .map_err(failed)?;
    let cluster = asked.client().fetch_cluster_id(PATIENCE).ok_or("the source has no id")?;
    let key =
        format!(r#"{{"group":"{GROUP}","cluster":"{cluster}","topic":"gone","partition":0}}"#);
    let id = format!("mirror/{cluster}/{GROUP}/gone/0");
    let producer = begin(&pair.destination, &id)?;
    let positions = format!("__mirror_positions.{GROUP}");
    let position = BaseRecord::to(&positions).key(&key).payload(r#"{"version":1,"offset":1}"#);
    producer.send(position).map_err(|(error, _)| failed(error))?;
    producer.flush(PATIENCE).map_err(failed)?;
    Ok(producer)
}

fn failed(error: impl Display) -> String {
    format!("failed to {error}")
}
