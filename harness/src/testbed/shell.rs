//! What is done to the containers of a side: Kafka's own command line tools, run as a person would,
//! and brokers that die and come back.

use super::{Testbed, TestbedError, topics::partitions_now};
use crate::{
    cluster::{
        ClusterError,
        containers::{Cluster, Node},
    },
    observe::sentinel::MARK,
};
use judge::{
    history::{EventKind, Topic},
    plan::Side,
};

impl Testbed {
    /// Runs a command line with the article's variables set, and keeps what it wrote.
    pub(super) async fn shell(
        &mut self,
        side: Side,
        command: &str,
        input: &str,
    ) -> Result<(), TestbedError> {
        let cluster = self.pair.side(side).containers()?;
        let line = format!("{} {command}", self.exports()?);
        self.others_write |= side == Side::Source;
        let output = cluster
            .exec_with_input(Node::Broker(1), &["sh", "-c", &line], input.as_bytes())
            .await
            .map_err(ClusterError::from)?;
        self.log(&format!("{command}: exit {}\n{}{}", output.exit, output.stdout, output.stderr));
        self.shell_output = output.stdout;
        // It may have created, changed or deleted some.
        self.forget_topics().await
    }

    /// What the last command wrote to its standard output.
    pub fn shell_output(&self) -> &str {
        &self.shell_output
    }

    /// Its lines without those of the harness's own records.
    pub fn data_lines(&self) -> Vec<String> {
        let lines = self.shell_output.lines().filter(|line| !line.starts_with(MARK));
        lines.map(str::to_owned).collect()
    }

    pub(super) async fn kill_broker(&mut self, side: Side, broker: u8) -> Result<(), TestbedError> {
        self.kill_brokers(side, &[broker]).await
    }

    pub(super) async fn start_broker(
        &mut self,
        side: Side,
        broker: u8,
    ) -> Result<(), TestbedError> {
        let cluster = self.pair.side(side).containers()?;
        cluster.start_broker(broker).await.map_err(ClusterError::from)?;
        self.are_back(side, &[broker]).await
    }

    pub(super) async fn kill_cluster(&mut self, side: Side) -> Result<(), TestbedError> {
        let all = brokers(self.pair.side(side).containers()?);
        self.kill_brokers(side, &all).await
    }

    pub(super) async fn start_cluster(&mut self, side: Side) -> Result<(), TestbedError> {
        let cluster = self.pair.side(side).containers()?;
        let all = brokers(cluster);
        cluster.start_brokers(&all).await.map_err(ClusterError::from)?;
        self.are_back(side, &all).await?;
        // A client that was told for a moment that its topic does not exist fails what it is given next.
        self.forget_topics().await
    }

    async fn kill_brokers(&mut self, side: Side, killed: &[u8]) -> Result<(), TestbedError> {
        match side {
            // Our own producers send again what was not acknowledged, though it may have been written.
            Side::Source => self.others_write = true,
            Side::Destination => {
                self.begin_produce_fault().await?;
                self.down.extend(killed);
            }
        }
        let cluster = self.pair.side(side).containers()?;
        for broker in killed {
            cluster.kill_broker(*broker).await.map_err(ClusterError::from)?;
        }
        Ok(())
    }

    /// A subject whose producer is not idempotent does the same. An outage begins with the first broker that is killed, and
    /// its positions are those that were seen last: a source that is away cannot be asked.
    async fn begin_produce_fault(&mut self) -> Result<(), TestbedError> {
        if self.incarnation == 0 || self.contract().idempotent || !self.down.is_empty() {
            return Ok(());
        }
        let Some(sampler) = &self.sampler else { return Ok(()) };
        let seen = sampler.with(|progress, topics| {
            Ok((progress.destination_ends(topics)?, progress.last_committed()))
        });
        let (began, committed) = seen.await?;
        self.push_event(EventKind::ProduceFault, began, committed).await
    }

    /// What it sends again is there soon after the last of them is back.
    async fn are_back(&mut self, side: Side, started: &[u8]) -> Result<(), TestbedError> {
        if side == Side::Destination {
            self.down.retain(|broker| !started.contains(broker));
            if self.down.is_empty() {
                self.may_end(|event| event.kind == EventKind::ProduceFault).await?;
            }
        }
        Ok(())
    }

    /// The article's variables, as they are within the clusters' own networks: the first two hosts
    /// with port, comma between.
    fn exports(&self) -> Result<String, TestbedError> {
        let source = self.pair.source.containers()?;
        let destination = self.pair.destination.containers()?;
        Ok(format!(
            "export PATH=/opt/kafka/bin:$PATH SOURCE_ZKHOSTS={} SOURCE_BROKERHOSTS={} \
             DEST_ZKHOSTS={} DEST_BROKERHOSTS={};",
            first_two(&source.zookeeper_internal()),
            first_two(&source.bootstrap_internal()),
            first_two(&destination.zookeeper_internal()),
            first_two(&destination.bootstrap_internal()),
        ))
    }

    /// Takes on a topic that a command created.
    pub(super) async fn adopt_topic(&mut self, name: &str) -> Result<(), TestbedError> {
        let renamed = format!("{}{name}", self.contract().topic_prefix);
        let source = partitions_now(&self.pair.source, name).await?;
        let destination = partitions_now(&self.pair.destination, &renamed).await?;
        if source == 0 {
            return Err(TestbedError::Plan(format!("no command created {name} on the source")));
        }
        self.history.topics.push(Topic {
            source: name.to_owned(),
            destination: renamed,
            source_partitions: vec![source],
            destination_partitions: Some(destination)
                .filter(|count| *count > 0)
                .into_iter()
                .collect(),
            selected: true,
            compacted: false,
        });
        self.follow_topic(self.history.topics.len() - 1);
        Ok(())
    }
}

fn brokers(cluster: &Cluster) -> Vec<u8> {
    let number = |node| if let Node::Broker(number) = node { Some(number) } else { None };
    cluster.nodes().into_iter().filter_map(number).collect()
}

fn first_two(hosts: &str) -> String {
    hosts.split(',').take(2).collect::<Vec<_>>().join(",")
}
