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
    let users = producer.effective();
    let users = users.filter(|one| matches!(one.origin, Origin::User | Origin::Mapped));
    let risk = |name: &str, value: &str| match (name, value) {
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
        _ => None,
    };
    users
        .filter_map(|one| {
            Some(format!("{}={}: {}", one.written, one.value, risk(&one.name, &one.value)?))
        })
        .collect()
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
        ] {
            assert!(said(entries).contains(word), "{entries:?}: {:?}", said(entries));
        }
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
