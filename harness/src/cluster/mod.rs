//! Where the experiment takes place: a source and a destination cluster.
//!
//! A scenario leases a pair; it never learns which backend it is on, only what the backend is
//! capable of. Nothing here knows what is produced or judged.

mod admin;
pub mod client;
pub mod containers;
pub mod embedded;
pub mod pool;

use containers::Node;
use judge::plan::Side;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// A kind of cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Backend {
    /// librdkafka's mock, in this process.
    Embedded,
    /// Kafka and ZooKeeper in containers.
    Containers,
}

impl Backend {
    /// All backends.
    pub const ALL: [Backend; 2] = [Backend::Embedded, Backend::Containers];

    /// The name on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Backend::Embedded => "embedded",
            Backend::Containers => "containers",
        }
    }
}

/// How long any single request of the harness to a cluster may take.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// What went wrong with a cluster: the environment's failure, never the subject's.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// It did not start.
    #[error("start a cluster: {reason}")]
    Start {
        /// What was in the way.
        reason: String,
    },
    /// The container engine, or what runs in it.
    #[error(transparent)]
    Engine(#[from] containers::EngineError),
    /// A topic could not be created.
    #[error("create the topic {topic}: {reason}")]
    CreateTopic {
        /// Its name.
        topic: String,
        /// What was in the way.
        reason: String,
    },
    /// A topic could not be given more partitions.
    #[error("grow the topic {topic}: {reason}")]
    GrowTopic {
        /// Its name.
        topic: String,
        /// What was in the way.
        reason: String,
    },
    /// A topic could not be given settings.
    #[error("configure the topic {topic}: {reason}")]
    ConfigureTopic {
        /// Its name.
        topic: String,
        /// What was in the way.
        reason: String,
    },
    /// A topic's settings could not be read.
    #[error("read the settings of the topic {topic} at {address}: {reason}; see the brokers' log")]
    ReadSettings {
        /// Its name.
        topic: String,
        /// Who was asked.
        address: String,
        /// What was in the way.
        reason: String,
    },
    /// Brokers do not list a topic that was there.
    #[error(
        "find the topic {topic} at {address}: it was there, and has not been listed for {} s; see the \
         brokers' log, and whether somebody deletes topics",
        REQUEST_TIMEOUT.as_secs()
    )]
    Vanished {
        /// Its name.
        topic: String,
        /// Who was asked.
        address: String,
    },
    /// A topic could not be deleted, or its deletion was not seen.
    #[error("delete the topic {topic}: {reason}")]
    DeleteTopic {
        /// Its name.
        topic: String,
        /// What was in the way.
        reason: String,
    },
    /// The cluster did not answer the harness.
    #[error("{operation} at {address}: {source}")]
    Request {
        /// What was asked.
        operation: &'static str,
        /// Whom.
        address: String,
        /// The client's error.
        source: rdkafka::error::KafkaError,
    },
    /// ZooKeeper did not answer the harness.
    #[error("read from ZooKeeper at {address}: {reason}")]
    ZooKeeper {
        /// Its connect string.
        address: String,
        /// What was in the way.
        reason: String,
    },
    /// The backend cannot do what the scenario asks.
    #[error("{what}: the {} backend cannot do that", backend.name())]
    Unsupported {
        /// What was asked.
        what: &'static str,
        /// Which backend.
        backend: Backend,
    },
}

/// One cluster, as a scenario sees it.
#[derive(Debug)]
pub enum Cluster {
    /// In this process.
    Embedded(embedded::Mock),
    /// In containers.
    Containers {
        /// Its containers.
        cluster: Box<containers::Cluster>,
        /// Its addresses on this machine.
        bootstrap: String,
    },
}

impl Cluster {
    /// A cluster in containers.
    pub fn in_containers(cluster: containers::Cluster) -> Cluster {
        Cluster::Containers { bootstrap: cluster.bootstrap(), cluster: Box::new(cluster) }
    }

    /// Addresses for clients on this machine, `host:port`, comma between.
    pub fn bootstrap(&self) -> &str {
        match self {
            Cluster::Embedded(mock) => mock.bootstrap(),
            Cluster::Containers { bootstrap, .. } => bootstrap,
        }
    }

    /// The containers, where the backend has any.
    pub fn containers(&self) -> Result<&containers::Cluster, ClusterError> {
        match self {
            Cluster::Embedded(_) => {
                Err(ClusterError::Unsupported { what: "use containers", backend: self.backend() })
            }
            Cluster::Containers { cluster, .. } => Ok(cluster),
        }
    }

    /// Which backend it is of.
    pub fn backend(&self) -> Backend {
        match self {
            Cluster::Embedded(_) => Backend::Embedded,
            Cluster::Containers { .. } => Backend::Containers,
        }
    }

    /// Creates a topic that never expires by itself.
    pub async fn create_topic(&self, name: &str, partitions: u32) -> Result<(), ClusterError> {
        match self {
            Cluster::Embedded(mock) => mock.create_topic(name, partitions),
            Cluster::Containers { bootstrap, cluster } => {
                admin::create_topic(bootstrap, name, partitions, replication(cluster)).await
            }
        }
    }

    /// Deletes a topic and creates it anew, and waits until every broker knows of it.
    pub async fn recreate_topic(&self, name: &str, partitions: u32) -> Result<(), ClusterError> {
        match self {
            Cluster::Embedded(_) => {
                Err(ClusterError::Unsupported { what: "delete a topic", backend: self.backend() })
            }
            Cluster::Containers { bootstrap, cluster } => {
                let replication = replication(cluster);
                admin::recreate_topic(bootstrap, name, partitions, replication).await
            }
        }
    }

    /// Gives a topic more partitions, and waits until every broker knows of them.
    pub async fn grow_topic(&self, name: &str, partitions: u32) -> Result<(), ClusterError> {
        match self {
            Cluster::Embedded(_) => {
                Err(ClusterError::Unsupported { what: "grow a topic", backend: self.backend() })
            }
            Cluster::Containers { bootstrap, .. } => {
                admin::grow_topic(bootstrap, name, partitions).await
            }
        }
    }

    /// Gives a topic settings, on top of those that keep its records from expiring.
    pub async fn configure_topic(
        &self,
        name: &str,
        settings: &BTreeMap<String, String>,
    ) -> Result<(), ClusterError> {
        match self {
            Cluster::Embedded(_) => Err(ClusterError::Unsupported {
                what: "configure a topic",
                backend: self.backend(),
            }),
            Cluster::Containers { bootstrap, .. } => {
                let mut all = admin::unlimited();
                all.extend(settings.clone());
                admin::configure_topic(bootstrap, name, &all).await
            }
        }
    }

    /// The settings of a topic that exists; `None` of a mock's topic, which has none that can be read.
    pub async fn topic_settings(
        &self,
        name: &str,
    ) -> Result<Option<BTreeMap<String, String>>, ClusterError> {
        match self {
            Cluster::Embedded(_) => Ok(None),
            Cluster::Containers { bootstrap, .. } => {
                admin::topic_settings(bootstrap, name).await.map(Some)
            }
        }
    }

    /// Deletes all records of a topic; returns where each partition begins then.
    pub async fn delete_records(&self, name: &str) -> Result<BTreeMap<u32, i64>, ClusterError> {
        match self {
            Cluster::Embedded(_) => {
                Err(ClusterError::Unsupported { what: "delete records", backend: self.backend() })
            }
            Cluster::Containers { bootstrap, .. } => admin::delete_records(bootstrap, name).await,
        }
    }

    /// Deletes a consumer group's positions, if it has any and no members.
    pub async fn delete_group(&self, name: &str) -> Result<(), ClusterError> {
        match self {
            Cluster::Embedded(_) => Ok(()),
            Cluster::Containers { bootstrap, .. } => admin::delete_group(bootstrap, name).await,
        }
    }

    /// Deletes a topic and waits until that is seen; a mock's topics go with the mock.
    pub async fn delete_topic(&self, name: &str) -> Result<(), ClusterError> {
        match self {
            Cluster::Embedded(_) => Ok(()),
            Cluster::Containers { bootstrap, .. } => admin::delete_topic(bootstrap, name).await,
        }
    }
}

/// Topics have a replica on each broker.
fn replication(cluster: &containers::Cluster) -> usize {
    cluster.nodes().into_iter().filter(|node| matches!(node, Node::Broker(_))).count()
}

/// A source and a destination, leased to one scenario.
#[derive(Clone, Debug)]
pub struct Pair {
    /// Where records are produced.
    pub source: Arc<Cluster>,
    /// Where the subject copies them to.
    pub destination: Arc<Cluster>,
    /// The containers of both, which can start a subject beside them.
    pub containers: Option<Arc<containers::Pair>>,
}

impl Pair {
    /// A fresh pair of mock clusters: 0.1 ms.
    pub fn embedded() -> Result<Pair, ClusterError> {
        Ok(Pair {
            source: Arc::new(Cluster::Embedded(embedded::Mock::start(1)?)),
            destination: Arc::new(Cluster::Embedded(embedded::Mock::start(1)?)),
            containers: None,
        })
    }

    /// A pair of clusters in containers.
    pub fn in_containers(pair: Arc<containers::Pair>) -> Pair {
        Pair {
            source: Arc::new(Cluster::in_containers(pair.source.clone())),
            destination: Arc::new(Cluster::in_containers(pair.destination.clone())),
            containers: Some(pair),
        }
    }

    /// The cluster of a side.
    pub fn side(&self, side: Side) -> &Arc<Cluster> {
        match side {
            Side::Source => &self.source,
            Side::Destination => &self.destination,
        }
    }
}
