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
use judge::{history::Topic, plan::Side};

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

    pub(super) async fn kill_broker(&self, side: Side, broker: u8) -> Result<(), TestbedError> {
        let cluster = self.pair.side(side).containers()?;
        Ok(cluster.kill_broker(broker).await.map_err(ClusterError::from)?)
    }

    pub(super) async fn start_broker(&self, side: Side, broker: u8) -> Result<(), TestbedError> {
        let cluster = self.pair.side(side).containers()?;
        Ok(cluster.start_broker(broker).await.map_err(ClusterError::from)?)
    }

    pub(super) async fn kill_cluster(&self, side: Side) -> Result<(), TestbedError> {
        let cluster = self.pair.side(side).containers()?;
        for broker in brokers(cluster) {
            cluster.kill_broker(broker).await.map_err(ClusterError::from)?;
        }
        Ok(())
    }

    pub(super) async fn start_cluster(&self, side: Side) -> Result<(), TestbedError> {
        let cluster = self.pair.side(side).containers()?;
        cluster.start_brokers(&brokers(cluster)).await.map_err(ClusterError::from)?;
        // A client that was told for a moment that its topic does not exist fails what it is given next.
        self.forget_topics().await
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
