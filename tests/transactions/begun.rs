//! A transaction that a test begins, and ends when it wants.

use harness::cluster::Cluster;
use rdkafka::{
    ClientConfig,
    error::KafkaError,
    producer::{BaseProducer, Producer},
};
use std::time::Duration;

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// The most that brokers allow by default: longer than any test waits.
const TRANSACTION: &str = "900000";

/// A producer with a transaction begun.
pub(crate) fn begin(cluster: &Cluster, id: &str) -> Result<BaseProducer, String> {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap())
        .set("transactional.id", id)
        .set("transaction.timeout.ms", TRANSACTION)
        .create()
        .map_err(failed)?;
    producer.init_transactions(PATIENCE).map_err(failed)?;
    producer.begin_transaction().map_err(failed)?;
    Ok(producer)
}

fn failed(error: KafkaError) -> String {
    format!("failed to {error}")
}
