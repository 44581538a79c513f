//! When a cluster is ready: each of its brokers answers and names all of them.
//!
//! Not when the port answers: the engine's own proxy accepts connections long before the broker.

use super::{EngineError, command};
use bollard::Docker;
use rdkafka::{
    ClientConfig, ClientContext,
    config::{FromClientConfigAndContext, RDKafkaLogLevel},
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::KafkaError,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Three brokers and three ZooKeepers a side on two cores need a third of it.
const DEADLINE: Duration = Duration::from_secs(90);
const METADATA_TIMEOUT: Duration = Duration::from_secs(2);
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Swallows the client's complaints: until the brokers listen, refused connections are normal.
struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, _level: RDKafkaLogLevel, _facility: &str, _message: &str) {}
    fn error(&self, _error: KafkaError, _reason: &str) {}
}

impl ConsumerContext for Quiet {}

/// What to wait for.
#[derive(Debug)]
pub(super) struct Awaited<'a> {
    pub(super) cluster: &'a str,
    /// Each broker's own address.
    pub(super) addresses: &'a [String],
    /// Containers that must go on running meanwhile.
    pub(super) containers: &'a [String],
}

/// Waits until every broker itself answers, and names as many brokers as there are. One answer for
/// all is not enough: a broker that was killed is named by the others until its session expires.
pub(super) async fn ready(docker: &Docker, awaited: Awaited<'_>) -> Result<(), EngineError> {
    let started = Instant::now();
    for address in awaited.addresses {
        let mut client = client(address)?;
        loop {
            let seen = match brokers(&client).await {
                Ok(count) if count == awaited.addresses.len() => break,
                Ok(count) => {
                    // A client that has had an answer may ask any other broker next.
                    client = self::client(address)?;
                    format!("{count} brokers")
                }
                Err(error) => error,
            };
            if let Some(container) = first_stopped(docker, awaited.containers).await {
                let log = command::log_tail(docker, &container).await;
                let reason = "it ended by itself".into();
                return Err(EngineError::Start { container, reason, log });
            }
            if started.elapsed() > DEADLINE {
                let log = match awaited.containers.last() {
                    Some(container) => command::log_tail(docker, container).await,
                    None => Default::default(),
                };
                return Err(EngineError::Ready {
                    cluster: awaited.cluster.to_owned(),
                    awaited: format!("{} brokers named by {address}", awaited.addresses.len()),
                    seen,
                    deadline: DEADLINE,
                    log,
                });
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }
    Ok(())
}

fn client(address: &str) -> Result<Arc<BaseConsumer<Quiet>>, EngineError> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", address)
        // The default backs off to ten seconds, and a cluster starts within four.
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "200");
    BaseConsumer::from_config_and_context(&config, Quiet)
        .map(Arc::new)
        .map_err(|error| EngineError::Unsupported(error.to_string()))
}

/// Asks on a thread of its own, because the client's call blocks.
async fn brokers(client: &Arc<BaseConsumer<Quiet>>) -> Result<usize, String> {
    let client = Arc::clone(client);
    tokio::task::spawn_blocking(move || client.fetch_metadata(None, METADATA_TIMEOUT))
        .await
        .map_err(|error| error.to_string())?
        .map(|metadata| metadata.brokers().len())
        .map_err(|error| error.to_string())
}

async fn first_stopped(docker: &Docker, containers: &[String]) -> Option<String> {
    for container in containers {
        let state = docker.inspect_container(container, None).await.ok().and_then(|c| c.state);
        if state.is_some_and(|state| state.running == Some(false)) {
            return Some(container.clone());
        }
    }
    None
}
