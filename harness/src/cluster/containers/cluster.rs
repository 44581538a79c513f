//! One cluster: where it answers, and what can be done to its nodes.

use super::{
    EngineError, ExecOutput, KafkaVersion, Tail, command,
    listeners::Listeners,
    node::{INTERNAL_PORT, ZOOKEEPER_PORT},
    ready::{Awaited, ready},
};
use bollard::Docker;

/// A node, numbered from 1 as its broker id is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Node {
    /// A ZooKeeper.
    ZooKeeper(u8),
    /// A broker.
    Broker(u8),
}

/// A running cluster. It does not own its containers: the pair does.
#[derive(Clone, Debug)]
pub struct Cluster {
    pub(super) docker: Docker,
    pub(super) name: &'static str,
    pub(super) version: KafkaVersion,
    pub(super) network: String,
    pub(super) zookeepers: Vec<Member>,
    pub(super) brokers: Vec<Member>,
    pub(super) listeners: Listeners,
}

/// A container of a cluster and its ports on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) container: String,
    pub(super) port: u16,
    /// Of its listeners beside the plain ones.
    pub(super) more: Vec<u16>,
}

impl Member {
    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Cluster {
    /// Addresses for clients on this machine: `127.0.0.1:port`, comma between.
    pub fn bootstrap(&self) -> String {
        on_host(&self.brokers)
    }

    /// Addresses of one of [`Topology::listeners`](super::Topology::listeners) for clients on this machine.
    pub fn listener(&self, name: &str) -> Result<String, EngineError> {
        let index = self.listeners.named.iter().position(|listener| listener.name == name);
        let index = index.ok_or_else(|| {
            EngineError::Unsupported(format!("the {} cluster has no listener {name}", self.name))
        })?;
        Ok(join(self.brokers.iter().map(|broker| format!("127.0.0.1:{}", broker.more[index]))))
    }

    /// Addresses for clients in the cluster's network: `name:19092`, comma between.
    pub fn bootstrap_internal(&self) -> String {
        in_network(&self.brokers, INTERNAL_PORT)
    }

    /// ZooKeeper's connect string on this machine.
    pub fn zookeeper(&self) -> String {
        on_host(&self.zookeepers)
    }

    /// ZooKeeper's connect string in the cluster's network.
    pub fn zookeeper_internal(&self) -> String {
        in_network(&self.zookeepers, ZOOKEEPER_PORT)
    }

    /// Which Kafka it runs.
    pub fn version(&self) -> &KafkaVersion {
        &self.version
    }

    /// The name of its network.
    pub fn network(&self) -> &str {
        &self.network
    }

    /// All of its nodes.
    pub fn nodes(&self) -> Vec<Node> {
        let zookeepers = (1..).map(Node::ZooKeeper).take(self.zookeepers.len());
        zookeepers.chain((1..).map(Node::Broker).take(self.brokers.len())).collect()
    }

    /// The name of a node's container, which is its host name in the network.
    pub fn container(&self, node: Node) -> Result<&str, EngineError> {
        let (members, number) = match node {
            Node::ZooKeeper(number) => (&self.zookeepers, number),
            Node::Broker(number) => (&self.brokers, number),
        };
        let member = usize::from(number).checked_sub(1).and_then(|index| members.get(index));
        member.map(|member| member.container.as_str()).ok_or_else(|| {
            EngineError::Unsupported(format!("the {} cluster has no {node:?}", self.name))
        })
    }

    /// Runs a command in a node's container and waits for its end.
    pub async fn exec(&self, node: Node, command: &[&str]) -> Result<ExecOutput, EngineError> {
        self.exec_with_input(node, command, b"").await
    }

    /// The same, with what somebody would have typed; it ends with the end of the input.
    pub async fn exec_with_input(
        &self,
        node: Node,
        command: &[&str],
        input: &[u8],
    ) -> Result<ExecOutput, EngineError> {
        command::exec(&self.docker, self.container(node)?, command, input).await
    }

    /// Ends a broker at once, as a crash does. Its container and its log stay.
    pub async fn kill_broker(&self, number: u8) -> Result<(), EngineError> {
        self.control(Node::Broker(number), "kill").await
    }

    /// Starts a killed broker over its old log, and waits until the cluster is complete again:
    /// other killed brokers must be started first, or with [`Cluster::start_brokers`].
    pub async fn start_broker(&self, number: u8) -> Result<(), EngineError> {
        self.start_brokers(&[number]).await
    }

    /// Starts several killed brokers at once.
    pub async fn start_brokers(&self, numbers: &[u8]) -> Result<(), EngineError> {
        for number in numbers {
            self.control(Node::Broker(*number), "start").await?;
        }
        self.ready().await
    }

    /// Freezes a node: its connections stay open and nothing is answered.
    pub async fn pause(&self, node: Node) -> Result<(), EngineError> {
        let name = self.container(node)?;
        let request = self.docker.pause_container(name).await;
        request.map_err(EngineError::request(format!("pause {name}")))
    }

    /// Lets a frozen node go on.
    pub async fn unpause(&self, node: Node) -> Result<(), EngineError> {
        let name = self.container(node)?;
        let request = self.docker.unpause_container(name).await;
        request.map_err(EngineError::request(format!("unpause {name}")))
    }

    /// The end of a node's log.
    pub async fn log_tail(&self, node: Node) -> Result<Tail, EngineError> {
        Ok(command::log_tail(&self.docker, self.container(node)?).await)
    }

    /// Waits until every broker answers and knows the others.
    pub async fn ready(&self) -> Result<(), EngineError> {
        let members = self.zookeepers.iter().chain(&self.brokers);
        let containers: Vec<String> = members.map(|member| member.container.clone()).collect();
        let addresses: Vec<String> = self.brokers.iter().map(Member::address).collect();
        let awaited =
            Awaited { cluster: self.name, addresses: &addresses, containers: &containers };
        ready(&self.docker, awaited).await
    }

    async fn control(&self, node: Node, verb: &str) -> Result<(), EngineError> {
        let output = self.exec(node, &["node", verb]).await?;
        if output.exit == 0 {
            return Ok(());
        }
        Err(EngineError::Start {
            container: self.container(node)?.to_owned(),
            reason: format!("`node {verb}` ended with {}: {}", output.exit, output.stderr.trim()),
            log: self.log_tail(node).await?,
        })
    }
}

fn on_host(members: &[Member]) -> String {
    join(members.iter().map(Member::address))
}

fn in_network(members: &[Member], port: u16) -> String {
    join(members.iter().map(|member| format!("{}:{port}", member.container)))
}

pub(super) fn join(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(",")
}
