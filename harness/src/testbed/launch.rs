//! One start of the subject: its properties, its addresses, its process or container.

use super::{Testbed, TestbedError};
use crate::{
    cluster::{Backend, Cluster},
    subject::{Kind, Launch, Running, properties::Properties},
};
use judge::contract::Offsets;

impl Testbed {
    pub(super) async fn launch(&mut self) -> Result<Running, TestbedError> {
        self.incarnation += 1;
        let containers = self.pair.containers.clone();
        let in_container = self.settings.subject.in_container(&self.options);
        let translates = matches!(self.contract().offsets, Offsets::Translated { .. });
        let launch = Launch {
            pair: containers.as_deref().filter(|_| in_container),
            folder: &self.folder,
            incarnation: self.incarnation,
            topics: &self.whitelist(),
            options: &self.options,
            consumer: self.consumer_properties(in_container)?,
            producer: self.producer_properties(in_container)?,
            environment: Default::default(),
            application: translates.then_some(self.application.as_str()),
        };
        let (running, ignored) = Running::start(&self.settings.subject, launch).await?;
        if !ignored.is_empty() {
            self.log(&format!("the harness's own instead of the user's: {}", ignored.join(", ")));
        }
        Ok(running)
    }

    fn consumer_properties(&self, in_container: bool) -> Result<Properties, TestbedError> {
        let source = &self.pair.source;
        if self.options.as_in_the_article {
            let cluster = source.containers()?;
            let zookeeper = cluster.zookeeper_internal();
            // The new consumer of later MirrorMakers does not know zookeeper.connect.
            let address = if self.settings.subject.kind == Kind::MirrorMaker1
                && !cluster.version().has_old_consumer()
            {
                ("bootstrap.servers", cluster.bootstrap_internal())
            } else {
                ("zookeeper.connect", zookeeper)
            };
            return Ok(properties([address, ("group.id", self.group())]));
        }
        let mut consumer = properties([
            ("bootstrap.servers", address(source, in_container)?),
            ("group.id", self.group()),
            ("session.timeout.ms", session_timeout_ms(source.backend()).to_string()),
            ("heartbeat.interval.ms", "300".into()),
            ("metadata.max.age.ms", "1000".into()),
        ]);
        if self.options.begins_at_end {
            consumer.insert("auto.offset.reset".into(), "latest".into());
        }
        Ok(consumer)
    }

    fn producer_properties(&self, in_container: bool) -> Result<Properties, TestbedError> {
        let in_container = in_container || self.options.as_in_the_article;
        let mut producer = properties([
            ("bootstrap.servers", address(&self.pair.destination, in_container)?),
            ("compression.type", "none".into()),
        ]);
        if !self.options.as_in_the_article {
            producer.insert("metadata.max.age.ms".into(), "1000".into());
        }
        if self.options.small_batches {
            let single = [("batch.size", "1"), ("max.in.flight.requests.per.connection", "1")];
            producer.extend(single.map(|(name, value)| (name.into(), value.into())));
        }
        Ok(producer)
    }
}

/// How long a subject may be silent before its group takes it for gone, in milliseconds.
pub fn session_timeout_ms(backend: Backend) -> u64 {
    match backend {
        // The mock lets a joining member wait for the session timeout less a second.
        Backend::Embedded => 1_500,
        Backend::Containers => 6_000,
    }
}

/// A cluster's address, from where the subject runs.
fn address(cluster: &Cluster, in_container: bool) -> Result<String, TestbedError> {
    Ok(if in_container {
        cluster.containers()?.bootstrap_internal()
    } else {
        cluster.bootstrap().to_owned()
    })
}

fn properties<const N: usize>(pairs: [(&str, String); N]) -> Properties {
    pairs.map(|(name, value)| (name.to_owned(), value)).into()
}
