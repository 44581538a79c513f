//! What the user's own settings give up of the mirror's promises: said once, at the start.
//!
//! Whoever overrides a setting that a promise rests on may do so, as with MirrorMaker (C3 to C5 of its contract), and is told.

use super::setting::{Origin, Settings};

/// Java's default of `retries`, and librdkafka's.
const FOR_EVER: &str = "2147483647";

/// The promises that the user's producer settings give up, each with the setting.
pub(super) fn of_producer(producer: &Settings) -> Vec<String> {
    let number = |name| producer.get(name).and_then(|value| value.parse::<u64>().ok());
    let in_flight = number("max.in.flight.requests.per.connection").unwrap_or(1);
    let is_idempotent = producer.get("enable.idempotence") == Some("true");
    let keeps_keys_together = |partitioner: &str| {
        partitioner.starts_with("murmur2")
            || partitioner.starts_with("consistent")
            || partitioner.starts_with("fnv1a")
    };
    said(producer, |name, value| match (name, value) {
        ("acks", "0" | "1") => Some("records are lost when a broker dies: data loss is possible"),
        ("partitioner", partitioner) if !keeps_keys_together(partitioner) => {
            Some("records of a key go to several partitions: their order is not kept")
        }
        ("max.in.flight.requests.per.connection", _) if in_flight > 1 && !is_idempotent => {
            Some("a retry may put a record behind later ones: reordering is possible")
        }
        ("retries", "0") => {
            Some("a passing failure ends the mirror, or drops records: data loss is possible")
        }
        ("retries", value) if value != FOR_EVER => Some(
            "a failure that outlasts them ends the mirror, or drops records: data loss is possible",
        ),
        ("message.timeout.ms", value) if value != "0" => {
            Some("a destination that is away for longer ends the mirror, or drops records")
        }
        ("enable.gapless.guarantee", "false") => Some(
            "what lies behind a refused record may be sent before the mirror ends: reordering is possible",
        ),
        _ => None,
    })
}

/// The promises that the user's consumer settings give up, each with the setting.
pub(super) fn of_consumer(consumer: &Settings) -> Vec<String> {
    said(consumer, |name, value| match (name, value) {
        ("check.crcs", "false") => {
            Some("a batch that was damaged on the source is copied as if it were sound")
        }
        ("auto.offset.reset", "latest" | "largest") => {
            Some("a group without positions copies only what comes after its first start")
        }
        _ => None,
    })
}

/// The user's own settings that give something up, each with what.
fn said(settings: &Settings, risk: impl Fn(&str, &str) -> Option<&'static str>) -> Vec<String> {
    let users = settings.effective();
    let users = users.filter(|one| matches!(one.origin, Origin::User | Origin::Mapped));
    let said = users.filter_map(|one| {
        Some(format!("{}={}: {}", one.written, one.value, risk(&one.name, &one.value)?))
    });
    said.collect()
}

/// That the positions of the user's MirrorMaker are likely to lie where the mirror does not look. MirrorMaker's consumer of
/// `zookeeper.connect`, up to 1.1, kept them in ZooKeeper unless `offsets.storage` was kafka.
pub(super) fn of_positions(consumer: &Settings) -> Option<String> {
    let storage = consumer.all().iter().find(|one| one.name == "offsets.storage");
    let is_old = consumer.written("bootstrap.servers") == "zookeeper.connect";
    let cause = match storage {
        Some(storage) if storage.value.eq_ignore_ascii_case("kafka") => return None,
        Some(storage) => format!("offsets.storage={}", storage.value),
        None if is_old => "zookeeper.connect without bootstrap.servers".to_owned(),
        None => return None,
    };
    let group = consumer.get("group.id").unwrap_or_default();
    let reset = consumer.get("auto.offset.reset").unwrap_or_default();
    Some(format!(
        "{cause}: MirrorMaker up to 1.1 kept its positions in ZooKeeper then, and the mirror knows those in Kafka alone; where group \
         {group} has none there, it begins at auto.offset.reset={reset}. To go on where MirrorMaker was, let it run once more with \
         offsets.storage=kafka and dual.commit.enabled=true before the mirror's first start, or set the group's offsets with \
         kafka-consumer-groups.sh --reset-offsets to what lies in ZooKeeper at /consumers/{group}/offsets"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::setting::Setting;

    /// What is said of these settings of the user, with what the mirror adds.
    fn said(entries: &[(&str, &str)]) -> String {
        let mut settings = Settings::default();
        for (name, value) in entries {
            settings.set(Setting::new(name, value, Origin::User, ""));
        }
        crate::config::defaults::producer(&mut settings, false);
        of_producer(&settings).join("\n")
    }

    #[test]
    fn what_gives_up_a_promise_is_said() {
        for (entries, word) in [
            (&[("acks", "1")][..], "data loss"),
            (&[("acks", "0")], "data loss"),
            (&[("partitioner", "random")], "order"),
            (&[("max.in.flight.requests.per.connection", "100")], "reordering"),
            (
                &[("enable.idempotence", "false"), ("max.in.flight.requests.per.connection", "5")],
                "reordering",
            ),
            (&[("retries", "0")], "a passing failure"),
            (&[("retries", "3")], "a failure that outlasts them"),
            (&[("message.timeout.ms", "5000")], "is away for longer"),
            (&[("enable.gapless.guarantee", "false")], "behind a refused record"),
        ] {
            assert!(said(entries).contains(word), "{entries:?}: {:?}", said(entries));
        }
    }

    #[test]
    fn what_a_consumer_gives_up_is_said() {
        let said = |name: &str, value: &str, origin| {
            let mut settings = Settings::default();
            settings.set(Setting::new(name, value, origin, ""));
            of_consumer(&settings).join("\n")
        };
        assert!(said("check.crcs", "false", Origin::User).contains("damaged"));
        assert!(said("auto.offset.reset", "latest", Origin::User).contains("after its first"));
        assert_eq!(said("auto.offset.reset", "latest", Origin::Default), "");
        assert_eq!(said("auto.offset.reset", "earliest", Origin::User), "");
        assert_eq!(said("check.crcs", "true", Origin::User), "");
    }

    #[test]
    fn positions_in_zookeeper_are_told_of() {
        let said = |servers: &str, storage: Option<&str>| {
            let mut settings = Settings::default();
            settings.set(Setting::new("group.id", "g", Origin::User, ""));
            let servers =
                Setting::new("bootstrap.servers", "a:1", Origin::Mapped, "").written_as(servers);
            settings.set(servers);
            if let Some(storage) = storage {
                settings.set(Setting::new("offsets.storage", storage, Origin::Ignored, ""));
            }
            of_positions(&settings)
        };
        let alone = said("zookeeper.connect", None).unwrap();
        assert!(alone.starts_with("zookeeper.connect without bootstrap.servers: "), "{alone}");
        assert!(alone.contains("dual.commit.enabled=true"), "{alone}");
        assert!(alone.contains("/consumers/g/offsets"), "{alone}");
        let stored = said("bootstrap.servers", Some("zookeeper")).unwrap();
        assert!(stored.starts_with("offsets.storage=zookeeper: "), "{stored}");
        assert_eq!(said("bootstrap.servers", None), None);
        assert_eq!(said("zookeeper.connect", Some("kafka")), None);
    }

    #[test]
    fn what_gives_up_nothing_is_passed_over() {
        for entries in [
            &[][..],
            &[("acks", "all")],
            &[("enable.idempotence", "false")],
            &[("partitioner", "murmur2")],
            &[("max.in.flight.requests.per.connection", "5")],
            &[("message.timeout.ms", "0")],
            &[("retries", "2147483647")],
        ] {
            assert_eq!(said(entries), "", "{entries:?}");
        }
    }
}
