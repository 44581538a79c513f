//! Creating and deleting topics of real clusters, each awaited until every broker has seen it.

use super::{
    ClusterError, REQUEST_TIMEOUT,
    client::{self, Isolation},
};
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    admin::{
        AdminClient, AdminOptions, AlterConfig, ConfigResourceResult, NewPartitions, NewTopic,
        ResourceSpecifier, TopicReplication,
    },
    client::DefaultClientContext,
    types::RDKafkaErrorCode,
};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

fn admin(bootstrap: &str) -> Result<AdminClient<DefaultClientContext>, ClusterError> {
    ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("client.id", "mirrorproof-admin")
        .create()
        .map_err(client::request_failed("create an admin client", bootstrap))
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .operation_timeout(Some(REQUEST_TIMEOUT))
        .request_timeout(Some(REQUEST_TIMEOUT))
}

/// The settings of a topic whose records never expire by themselves.
pub(super) fn unlimited() -> BTreeMap<String, String> {
    ["retention.ms", "retention.bytes"].map(|name| (name.to_owned(), "-1".to_owned())).into()
}

/// Creates a topic without retention, a replica on each broker: what a scenario wrote must not expire while it is judged.
pub(super) async fn create_topic(
    bootstrap: &str,
    name: &str,
    partitions: u32,
    replication: usize,
) -> Result<(), ClusterError> {
    let failed = |reason: String| ClusterError::CreateTopic { topic: name.into(), reason };
    let asked = ask_for_topic(bootstrap, name, partitions, replication).await?;
    asked.map_err(|code| failed(code.to_string()))?;
    await_partitions(bootstrap, name, partitions).await.map_err(failed)
}

/// Deletes a topic and creates it anew. Brokers no longer show a topic while ZooKeeper still has it.
pub(super) async fn recreate_topic(
    bootstrap: &str,
    name: &str,
    partitions: u32,
    replication: usize,
) -> Result<(), ClusterError> {
    delete_topic(bootstrap, name).await?;
    let started = Instant::now();
    while let Err(code) = ask_for_topic(bootstrap, name, partitions, replication).await? {
        if code != RDKafkaErrorCode::TopicAlreadyExists || started.elapsed() > REQUEST_TIMEOUT {
            let reason = code.to_string();
            return Err(ClusterError::CreateTopic { topic: name.into(), reason });
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let failed = |reason: String| ClusterError::CreateTopic { topic: name.into(), reason };
    await_partitions(bootstrap, name, partitions).await.map_err(failed)
}

/// Asks for a topic, and returns what the broker says of it.
async fn ask_for_topic(
    bootstrap: &str,
    name: &str,
    partitions: u32,
    replication: usize,
) -> Result<Result<(), RDKafkaErrorCode>, ClusterError> {
    let unlimited = unlimited();
    let topic = NewTopic::new(name, partitions as i32, TopicReplication::Fixed(replication as i32));
    let topic = unlimited.iter().fold(topic, |topic, (name, value)| topic.set(name, value));
    let results = admin(bootstrap)?
        .create_topics([&topic], &options())
        .await
        .map_err(client::request_failed("create a topic", bootstrap))?;
    let answers = results.into_iter().map(|result| result.map(drop).map_err(|(_, code)| code));
    Ok(answers.collect())
}

/// Gives a topic more partitions.
pub(super) async fn grow_topic(
    bootstrap: &str,
    name: &str,
    partitions: u32,
) -> Result<(), ClusterError> {
    let failed = |reason: String| ClusterError::GrowTopic { topic: name.into(), reason };
    let results = admin(bootstrap)?
        .create_partitions(&[NewPartitions::new(name, partitions as usize)], &options())
        .await
        .map_err(client::request_failed("grow a topic", bootstrap))?;
    for result in results {
        result.map_err(|(_, code)| failed(code.to_string()))?;
    }
    await_partitions(bootstrap, name, partitions).await.map_err(failed)
}

/// Gives a topic settings; those that are not named go back to their defaults.
pub(super) async fn configure_topic(
    bootstrap: &str,
    name: &str,
    settings: &BTreeMap<String, String>,
) -> Result<(), ClusterError> {
    let failed = |reason: String| ClusterError::ConfigureTopic { topic: name.into(), reason };
    let config = AlterConfig::new(ResourceSpecifier::Topic(name));
    let config = settings.iter().fold(config, |config, (name, value)| config.set(name, value));
    let results = admin(bootstrap)?
        .alter_configs([&config], &options())
        .await
        .map_err(client::request_failed("configure a topic", bootstrap))?;
    for result in results {
        result.map_err(|(_, code)| failed(code.to_string()))?;
    }
    Ok(())
}

/// The settings of a topic that exists, defaults included.
pub(super) async fn topic_settings(
    bootstrap: &str,
    name: &str,
) -> Result<BTreeMap<String, String>, ClusterError> {
    let (admin, started) = (admin(bootstrap)?, Instant::now());
    loop {
        let answers = admin
            .describe_configs([&ResourceSpecifier::Topic(name)], &options())
            .await
            .map_err(client::request_failed("read the settings of a topic", bootstrap))?;
        match settings_in(answers) {
            Ok(settings) => return Ok(settings),
            // One of several brokers may not have heard of it yet.
            Err(RDKafkaErrorCode::UnknownTopicOrPartition)
                if started.elapsed() < REQUEST_TIMEOUT =>
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(code) => {
                let (topic, address) = (name.to_owned(), bootstrap.to_owned());
                return Err(ClusterError::ReadSettings {
                    topic,
                    address,
                    reason: code.to_string(),
                });
            }
        }
    }
}

/// What a broker says of each resource it was asked for. Settings that it refuses to tell are not ones that
/// are not set.
fn settings_in(
    answers: Vec<ConfigResourceResult>,
) -> Result<BTreeMap<String, String>, RDKafkaErrorCode> {
    let mut settings = BTreeMap::new();
    for resource in answers {
        let told = resource?.entries.into_iter();
        settings.extend(told.filter_map(|entry| Some((entry.name, entry.value?))));
    }
    Ok(settings)
}

/// Deletes a topic, if it is there.
pub(super) async fn delete_topic(bootstrap: &str, name: &str) -> Result<(), ClusterError> {
    let failed = |reason: String| ClusterError::DeleteTopic { topic: name.into(), reason };
    let results = admin(bootstrap)?
        .delete_topics(&[name], &options())
        .await
        .map_err(client::request_failed("delete a topic", bootstrap))?;
    for result in results {
        match result {
            Ok(_) | Err((_, RDKafkaErrorCode::UnknownTopicOrPartition)) => {}
            Err((_, code)) => return Err(failed(code.to_string())),
        }
    }
    await_partitions(bootstrap, name, 0).await.map_err(failed)
}

/// Deletes a consumer group. One that does not exist is no error, and one whose dead members are not
/// yet forgotten stays: its name is the scenario's own.
pub(super) async fn delete_group(bootstrap: &str, name: &str) -> Result<(), ClusterError> {
    let results = admin(bootstrap)?
        .delete_groups(&[name], &options())
        .await
        .map_err(client::request_failed("delete a group", bootstrap))?;
    for (_, code) in results.into_iter().filter_map(Result::err) {
        tracing::debug!("the group {name} stays: {code}");
    }
    Ok(())
}

/// Deletes all records of a topic, partition by partition.
pub(super) async fn delete_records(
    bootstrap: &str,
    name: &str,
) -> Result<BTreeMap<u32, i64>, ClusterError> {
    let (address, topic) = (bootstrap.to_owned(), name.to_owned());
    let look = move || {
        let reader = client::reader(&address, "mirrorproof-reader", Isolation::ReadUncommitted)?;
        client::watermarks(&reader, &address, &topic)
    };
    let bounds = tokio::task::spawn_blocking(look).await.map_err(|error| {
        ClusterError::DeleteTopic { topic: name.into(), reason: error.to_string() }
    })??;
    let failed = || client::request_failed("delete records", bootstrap);
    let mut list = TopicPartitionList::new();
    for (partition, (_, end)) in &bounds {
        list.add_partition_offset(name, *partition as i32, Offset::Offset(*end))
            .map_err(failed())?;
    }
    let deleted = admin(bootstrap)?.delete_records(&list, &options()).await.map_err(failed())?;
    for element in deleted.elements() {
        // The call succeeds as a whole even where a partition refuses.
        element.error().map_err(failed())?;
    }
    Ok(bounds.into_iter().map(|(partition, (_, end))| (partition, end)).collect())
}

/// Creation and deletion are asynchronous where ZooKeeper keeps the metadata.
async fn await_partitions(bootstrap: &str, name: &str, expected: u32) -> Result<(), String> {
    let (address, name) = (bootstrap.to_owned(), name.to_owned());
    let look = move || {
        let reader = client::reader(&address, "mirrorproof-reader", Isolation::ReadUncommitted)?;
        let started = Instant::now();
        loop {
            let found = client::partition_count(&reader, &address, &name)?;
            if found == expected || started.elapsed() > REQUEST_TIMEOUT {
                return Ok::<u32, ClusterError>(found);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let found = tokio::task::spawn_blocking(look).await.map_err(|error| error.to_string())?;
    match found.map_err(|error| error.to_string())? {
        found if found == expected => Ok(()),
        found => Err(format!("the brokers still show {found} partitions, not {expected}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdkafka::admin::{ConfigEntry, ConfigResource, ConfigSource, OwnedResourceSpecifier};

    #[test]
    fn settings_that_a_broker_refuses_to_tell_are_not_ones_that_are_not_set() {
        let entry = |name: &str, value: Option<&str>| ConfigEntry {
            name: name.into(),
            value: value.map(str::to_owned),
            source: ConfigSource::Default,
            is_read_only: false,
            is_default: true,
            is_sensitive: false,
        };
        let told = ConfigResource {
            specifier: OwnedResourceSpecifier::Topic("orders".into()),
            entries: vec![entry("cleanup.policy", Some("delete")), entry("unset", None)],
        };
        let settings = BTreeMap::from([("cleanup.policy".into(), "delete".into())]);
        assert_eq!(settings_in(vec![Ok(told)]), Ok(settings));
        let refused = RDKafkaErrorCode::TopicAuthorizationFailed;
        assert_eq!(settings_in(vec![Err(refused)]), Err(refused));
    }
}
