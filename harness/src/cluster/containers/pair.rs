//! A source and a destination cluster, started together and removed together.

use super::{
    Cluster, Engine, EngineError, ImageName, KafkaVersion, Progress,
    cluster::{Member, join},
    listeners::Listeners,
    node::{self, Role, Spec, ZOOKEEPER_PORT},
    owner::PAIR_LABEL,
    sweep::Guard,
};
use bollard::models::NetworkCreateRequest;
use futures::future::{try_join, try_join_all};
use std::{collections::HashMap, sync::atomic::AtomicU32};

/// What a cluster consists of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topology {
    /// Which Kafka.
    pub version: KafkaVersion,
    /// How many ZooKeepers, 1 to 3.
    pub zookeepers: u8,
    /// How many brokers, 1 to 3.
    pub brokers: u8,
    /// Whether a topic comes to be when somebody asks for it.
    pub auto_create_topics: bool,
    /// What its brokers bear.
    pub capacity: Capacity,
    /// Where its brokers listen beside the plain listeners.
    pub listeners: Listeners,
}

/// How much a broker may take of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capacity {
    /// Little, and quick to start: for scenarios.
    #[default]
    Scenarios,
    /// As a broker that is not to be the bottleneck: for measurements.
    Measurements,
}

impl Capacity {
    /// The most of a broker's log that its memory holds, in bytes; what needs more does not fit.
    pub fn log_bytes(self) -> u64 {
        match self {
            Capacity::Scenarios => 512 << 20,
            Capacity::Measurements => 4 << 30,
        }
    }

    fn environment(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Capacity::Scenarios => &[],
            // Kafka's own script starts a broker like this.
            Capacity::Measurements => &[
                ("KAFKA_HEAP_OPTS", "-Xmx1G -Xms1G"),
                ("KAFKA_JVM_PERFORMANCE_OPTS", "-server -XX:+UseG1GC -XX:MaxGCPauseMillis=20"),
            ],
        }
    }
}

impl Default for Topology {
    /// The least that is a cluster, without automatic topics as in the article.
    fn default() -> Topology {
        Topology {
            version: KafkaVersion::scenarios(),
            zookeepers: 1,
            brokers: 1,
            auto_create_topics: false,
            capacity: Capacity::Scenarios,
            listeners: Listeners::default(),
        }
    }
}

impl Topology {
    /// Three of each on the article's Kafka: its walkthrough.
    pub fn walkthrough() -> Topology {
        Topology {
            version: KafkaVersion::walkthrough(),
            zookeepers: 3,
            brokers: 3,
            ..Topology::default()
        }
    }

    fn check(&self) -> Result<(), EngineError> {
        if (1..=3).contains(&self.zookeepers) && (1..=3).contains(&self.brokers) {
            return Ok(());
        }
        Err(EngineError::Unsupported(format!(
            "{} ZooKeepers and {} brokers: 1 to 3 of each",
            self.zookeepers, self.brokers
        )))
    }
}

/// Two clusters that are ready. Dropping it removes them, their networks and their tools; that
/// blocks for half a second, and [`Pair::remove`] does not.
#[derive(Debug)]
pub struct Pair {
    /// Where records are produced.
    pub source: Cluster,
    /// Where a mirror copies them to, and on whose side it runs.
    pub destination: Cluster,
    pub(super) name: String,
    pub(super) labels: HashMap<String, String>,
    /// What tools are made of.
    pub(super) image: ImageName,
    pub(super) tools: AtomicU32,
    guard: Guard,
}

impl Pair {
    /// Removes everything of the pair.
    pub async fn remove(self) -> Result<(), EngineError> {
        self.guard.remove().await
    }

    /// Leaves everything running: for a run that is [detached](super::RunLabel::detached).
    pub fn detach(self) -> (Cluster, Cluster) {
        self.guard.disarm();
        (self.source, self.destination)
    }
}

impl Engine {
    /// Starts both clusters at once and waits until they are ready. If anything fails, whatever
    /// was started is removed.
    pub async fn start_pair(
        &self,
        source: &Topology,
        destination: &Topology,
        progress: Progress<'_>,
    ) -> Result<Pair, EngineError> {
        source.check()?;
        destination.check()?;
        let source_image = self.ensure_image(&source.version, progress).await?;
        let image = self.ensure_image(&destination.version, progress).await?;
        let name = format!("mp-{}-{}", self.run.run(), self.next());
        let mut labels = self.run.labels();
        labels.insert(PAIR_LABEL.into(), name.clone());
        // Before anything exists: it also removes the half of a pair whose other half failed.
        let guard = Guard::new(&self.docker, PAIR_LABEL, &name);
        let side = |side, topology, image| Side {
            engine: self,
            pair: &name,
            labels: &labels,
            side,
            topology,
            image,
        };
        progress(&format!(
            "starting Kafka {} and {} ({} + {} brokers)",
            source.version, destination.version, source.brokers, destination.brokers
        ));
        let (source, destination) = try_join(
            side("source", source, &source_image).start(),
            side("destination", destination, &image).start(),
        )
        .await?;
        Ok(Pair { source, destination, name, labels, image, tools: AtomicU32::new(0), guard })
    }
}

/// One side while it is being started.
struct Side<'a> {
    engine: &'a Engine,
    pair: &'a str,
    labels: &'a HashMap<String, String>,
    side: &'static str,
    topology: &'a Topology,
    image: &'a ImageName,
}

impl Side<'_> {
    async fn start(&self) -> Result<Cluster, EngineError> {
        let docker = &self.engine.docker;
        let network = format!("{}-{}", self.pair, self.side);
        let request = NetworkCreateRequest {
            name: network.clone(),
            labels: Some(self.labels.clone()),
            ..Default::default()
        };
        let created = docker.create_network(request).await;
        created.map_err(EngineError::request(format!("create the network {network}")))?;
        // All at once: each waits for the names that it needs.
        let specs = self.specs(&network);
        let starts = specs.iter().map(|spec| async {
            let (port, more) = node::start(docker, self.image, spec).await?;
            Ok((spec.role, Member { container: spec.name.clone(), port, more }))
        });
        let members = try_join_all(starts).await?;
        let of = |wanted: Role| {
            let members = members.iter().filter(move |(role, _)| *role == wanted);
            members.map(|(_, member)| member.clone()).collect()
        };
        let cluster = Cluster {
            docker: docker.clone(),
            name: self.side,
            version: self.topology.version.clone(),
            network,
            zookeepers: of(Role::ZooKeeper),
            brokers: of(Role::Broker),
            listeners: self.topology.listeners.clone(),
        };
        cluster.ready().await?;
        Ok(cluster)
    }

    fn specs(&self, network: &str) -> Vec<Spec> {
        let Topology { zookeepers, brokers, auto_create_topics, capacity, .. } = *self.topology;
        let listeners = &self.topology.listeners;
        let name = |kind: &str, number| format!("{}-{}-{kind}-{number}", self.pair, self.side);
        let spec = |name: String, role, environment: Vec<(&str, String)>| Spec {
            name,
            network: network.to_owned(),
            labels: self.labels.clone(),
            environment: environment.into_iter().map(|(k, v)| (k.to_owned(), v)).collect(),
            role,
            listeners: match role {
                Role::ZooKeeper => Vec::new(),
                Role::Broker => listeners.named.clone(),
            },
            state_bytes: match role {
                Role::ZooKeeper => node::ZOOKEEPER_BYTES,
                Role::Broker => capacity.log_bytes(),
            },
        };
        let hosts = join((1..=zookeepers).map(|number| name("zookeeper", number)));
        let connect =
            join((1..=zookeepers).map(|n| format!("{}:{ZOOKEEPER_PORT}", name("zookeeper", n))));
        let zookeeper = |number: u8| {
            let environment =
                vec![("ZOOKEEPER_ID", number.to_string()), ("ZOOKEEPER_HOSTS", hosts.clone())];
            spec(name("zookeeper", number), Role::ZooKeeper, environment)
        };
        let broker = |number: u8| {
            let mut environment = vec![
                ("BROKER_ID", number.to_string()),
                ("BROKER_HOST", name("broker", number)),
                ("BROKER_COUNT", brokers.to_string()),
                ("ZOOKEEPER_CONNECT", connect.clone()),
                ("AUTO_CREATE_TOPICS", auto_create_topics.to_string()),
                ("MORE_PROPERTIES", listeners.properties.clone()),
            ];
            let own = capacity.environment().iter();
            environment.extend(own.map(|(name, value)| (*name, (*value).to_owned())));
            spec(name("broker", number), Role::Broker, environment)
        };
        (1..=zookeepers).map(zookeeper).chain((1..=brokers).map(broker)).collect()
    }
}
