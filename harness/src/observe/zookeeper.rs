//! What the old consumer keeps in ZooKeeper: its committed offsets.

use crate::cluster::ClusterError;
use std::{collections::BTreeMap, time::Duration};
use zookeeper_client::Client;

/// Positions under `/consumers/GROUP/offsets/TOPIC/PARTITION`.
pub fn committed(
    connect: &str,
    group: &str,
    topic: &str,
    partitions: u32,
) -> Result<BTreeMap<u32, i64>, ClusterError> {
    let failed = |reason: String| ClusterError::ZooKeeper { address: connect.to_owned(), reason };
    let read = async {
        let client = Client::connect(connect).await.map_err(|error| failed(error.to_string()))?;
        let mut found = BTreeMap::new();
        for partition in 0..partitions {
            let path = format!("/consumers/{group}/offsets/{topic}/{partition}");
            match client.get_data(&path).await {
                Ok((data, _)) => {
                    let text = String::from_utf8_lossy(&data);
                    let offset = text.trim().parse().map_err(|_| {
                        failed(format!("{path} holds {text:?}, which is not an offset"))
                    })?;
                    found.insert(partition, offset);
                }
                Err(zookeeper_client::Error::NoNode) => {}
                Err(error) => return Err(failed(format!("{path}: {error}"))),
            }
        }
        Ok(found)
    };
    // The caller is a thread of the blocking pool: it has a runtime, and no task of its own.
    tokio::runtime::Handle::current().block_on(async {
        tokio::time::timeout(Duration::from_secs(10), read)
            .await
            .unwrap_or_else(|_| Err(failed("no answer within 10 s".into())))
    })
}
