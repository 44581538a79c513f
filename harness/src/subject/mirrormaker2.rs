//! Kafka's MirrorMaker 2 as a process of its own, with the names of the source.

use super::Properties;
use judge::plan::SubjectOptions;

/// Its one properties file, in the scenario's folder.
pub(super) const FILE: &str = "mm2.properties";

/// What it calls the side that it copies to.
const DESTINATION: &str = "destination";

/// Its properties: those of the consumer and of the producer become those of its clients. Internal
/// topics carry the group's name, so that a restart goes on and another group begins anew.
pub(super) fn properties(
    mut consumer: Properties,
    mut producer: Properties,
    topics: &str,
    options: &SubjectOptions,
) -> Properties {
    let mut all = Properties::new();
    let source = consumer.remove("group.id").unwrap_or_else(|| "source".into());
    let mut set = |name: String, value: &str| drop(all.insert(name, value.to_owned()));
    set("clusters".into(), &format!("{source},{DESTINATION}"));
    for (cluster, client) in [(source.as_str(), &mut consumer), (DESTINATION, &mut producer)] {
        let servers = client.remove("bootstrap.servers").unwrap_or_default();
        set(format!("{cluster}.bootstrap.servers"), &servers);
    }
    let flow = format!("{source}->{DESTINATION}");
    set(format!("{flow}.enabled"), "true");
    set(format!("{flow}.topics"), topics);
    set(format!("{DESTINATION}->{source}.enabled"), "false");
    for noise in ["heartbeats", "checkpoints"] {
        set(format!("{flow}.emit.{noise}.enabled"), "false");
        set(format!("{DESTINATION}->{source}.emit.{noise}.enabled"), "false");
    }
    set(format!("{flow}.sync.topic.configs.enabled"), "false");
    let identity = "org.apache.kafka.connect.mirror.IdentityReplicationPolicy";
    set("replication.policy.class".into(), identity);
    set("tasks.max".into(), &options.streams.to_string());
    set("refresh.topics.interval.seconds".into(), "1");
    if let Some(interval) = options.commit_interval_ms {
        set("offset.flush.interval.ms".into(), &interval.to_string());
    }
    for topics in ["", "checkpoints.topic.", "heartbeats.topic.", "offset-syncs.topic."] {
        set(format!("{topics}replication.factor"), "1");
    }
    for storage in ["offset", "status", "config"] {
        set(format!("{storage}.storage.replication.factor"), "1");
    }
    // Its own clients take what is meant for a group's member for themselves.
    for (name, value) in consumer.iter().filter(|(name, _)| !of_a_group(name)) {
        set(format!("{source}.consumer.{name}"), value);
    }
    for (name, value) in &producer {
        set(format!("{DESTINATION}.producer.{name}"), value);
    }
    all
}

fn of_a_group(name: &str) -> bool {
    matches!(name, "session.timeout.ms" | "heartbeat.interval.ms" | "client.id")
}
