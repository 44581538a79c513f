//! Timestamps that librdkafka cannot write: what becomes of them is told.

use serde_json::Value;

use crate::{
    support::{TOPIC, World, produce, read, varied, world},
    wire,
};

/// How a record without a timestamp is stored.
const NO_TIME: i64 = -1;

/// Two records, two of this time (the second has a header and goes another way through the producer), and two more.
fn filled(time: i64) -> World {
    let world = world(1, 1);
    produce(&world.source, TOPIC, &varied(2));
    for header in [Vec::new(), wire::header(b"n", b"v")] {
        wire::produce(&world.source, &wire::batch(b"odd", &header, time));
    }
    produce(&world.source, TOPIC, &varied(2));
    world
}

/// The log and the report of a run with `--once`, and the times of the odd records on the destination.
fn copied(world: &World) -> (String, Value, Vec<i64>) {
    let mut mirror = world.mirror(&["--once", "--json"]);
    let (code, log) = mirror.end();
    assert_eq!(code, Some(0), "{log}");
    let report: Value = serde_json::from_str(&mirror.output()).unwrap();
    let all = read(&world.destination, TOPIC);
    let odd = all.iter().filter(|record| record.value.as_deref() == Some(b"odd"));
    (log, report["partitions"][0].clone(), odd.map(|record| record.timestamp).collect())
}

#[test]
fn the_beginning_of_1970_becomes_1_and_is_told() {
    let first = filled(0);
    let (log, report, times) = copied(&first);
    assert_eq!(times, [1, 1]);
    let words =
        "testtopic [0] at offset 2: its timestamp is 0, which librdkafka cannot write: it gets 1";
    assert_eq!(
        (log.contains(words), log.matches("its timestamp is 0").count()),
        (true, 1),
        "{log}"
    );
    assert_eq!(report["changed"], 2, "{report}");
    assert_ne!(report["source"]["digest"], report["destination"]["digest"]);
    // The digest is of what is there: that of its copy.
    let brokers = first.destination.bootstrap_servers();
    let next = world(1, 1).consumer(&format!("bootstrap.servers={brokers}"));
    let (_, of_copy, _) = copied(&next);
    assert_eq!(of_copy["source"]["digest"], report["destination"]["digest"]);
    assert_eq!(
        (&of_copy["changed"], &of_copy["source"]),
        (&Value::from(0), &of_copy["destination"])
    );
}

#[test]
fn a_record_without_a_time_gets_that_of_its_copying_and_is_told() {
    let (log, report, times) = copied(&filled(NO_TIME));
    assert!(times.len() == 2 && times.iter().all(|time| *time > 1_500_000_000_000), "{times:?}");
    let words = "testtopic [0] at offset 2: it has no timestamp, and gets the time of its copying";
    assert_eq!(
        (log.contains(words), log.matches("it has no timestamp").count()),
        (true, 1),
        "{log}"
    );
    assert_eq!(report["changed"], 2, "{report}");
    assert_ne!(report["source"]["digest"], report["destination"]["digest"]);
}

#[test]
fn metrics_count_what_is_stamped_anew() {
    let world = filled(0);
    let mut mirror = world.mirror(&["--metrics=127.0.0.1:0"]);
    mirror.wait_for_metrics(&["mirror_records_restamped_total 2", "mirror_records_copied_total 6"]);
    mirror.stop();
}
