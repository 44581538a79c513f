//! Creates topics on the destination, with the settings of the source or without.

use super::{Options, client::EngineError, defect::Creates};
use futures::executor::block_on;
use rdkafka::{
    ClientConfig,
    admin::{
        AdminClient, AdminOptions, ConfigSource, NewTopic, ResourceSpecifier, TopicReplication,
    },
    client::DefaultClientContext,
};
use std::time::Duration;

fn admin(servers: Option<&String>) -> Result<AdminClient<DefaultClientContext>, EngineError> {
    let servers = servers.cloned().unwrap_or_default();
    Ok(ClientConfig::new().set("bootstrap.servers", servers).create()?)
}

/// Creates a topic like the source's, unless it is there.
pub(super) fn create(
    options: &Options,
    topic: &str,
    partitions: i32,
    how: Creates,
) -> Result<(), EngineError> {
    let limit = AdminOptions::new().request_timeout(Some(Duration::from_secs(10)));
    let settings = match how {
        Creates::Nothing => return Ok(()),
        Creates::Bare => Vec::new(),
        Creates::WithSettings => {
            let source = admin(options.consumer.get("bootstrap.servers"))?;
            let resource = ResourceSpecifier::Topic(topic);
            let described = block_on(source.describe_configs([&resource], &limit))?;
            let entries = described.into_iter().flatten().flat_map(|one| one.entries);
            entries
                .filter(|entry| matches!(entry.source, ConfigSource::DynamicTopic))
                .filter_map(|entry| Some((entry.name, entry.value?)))
                .collect()
        }
    };
    let fresh = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    let fresh = settings.iter().fold(fresh, |fresh, (name, value)| fresh.set(name, value));
    // It may exist already: then there is nothing to do.
    drop(block_on(
        admin(options.producer.get("bootstrap.servers"))?.create_topics([&fresh], &limit),
    )?);
    Ok(())
}
