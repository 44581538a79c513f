//! `--once`: what is there is copied, nothing else, and the report says what.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use serde_json::Value;

use crate::{
    copying::sorted,
    support::{TOPIC, World, ends, produce, read, varied, world},
};

/// The report of a run of the test topic that ends well.
fn report(world: &World, arguments: &[&str]) -> Value {
    let output = world.mirror(&[&["--once", "--json"], arguments].concat()).ends_well();
    serde_json::from_str(&output).unwrap_or_else(|error| panic!("{error} in {output:?}"))
}

/// This number of each source partition.
fn numbers(report: &Value, path: &str) -> BTreeMap<i32, i64> {
    let partitions = report["partitions"].as_array().unwrap().iter();
    let number = |one: &Value| one.pointer(path).unwrap().as_i64();
    let number = |one: &Value| Some((one["partition"].as_i64().unwrap() as i32, number(one)?));
    partitions.filter_map(number).collect()
}

/// This field of each source partition.
fn fields<'r>(report: &'r Value, path: &str) -> Vec<&'r Value> {
    let partitions = report["partitions"].as_array().unwrap().iter();
    partitions.map(|one| one.pointer(path).unwrap()).collect()
}

#[test]
fn once_copies_what_is_there_and_ends() {
    let world = world(3, 2);
    let records = varied(1000);
    produce(&world.source, TOPIC, &records);
    let mut mirror = world.mirror(&["--once"]);
    let (code, log) = mirror.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("1000 records copied"), "{log}");
    let output = mirror.output();
    assert!(output.starts_with("copied 1000 records of 3 partitions"), "{output}");
    assert_eq!(output.lines().filter(|line| line.starts_with(TOPIC)).count(), 4, "{output}");
    assert_eq!(sorted(&read(&world.destination, TOPIC)), sorted(&records));
    assert_eq!(world.committed(3), ends(&world.source, TOPIC));
}

#[test]
fn once_without_a_topic_to_copy_says_so_and_ends() {
    let world = world(1, 1);
    let mut mirror = world.mirror_of(&["--include=other.*", "--once", "--json"]);
    let (code, log) = mirror.end();
    assert_eq!(code, Some(0), "{log}");
    let words = "no topic of the source matches \"other.*\": there is nothing to copy";
    assert!(log.contains(words) && log.contains("0 records copied"), "{log}");
    assert!(!log.contains("waiting"), "{log}");
    let report: Value = serde_json::from_str(&mirror.output()).unwrap();
    assert_eq!(report["complete"], true);
    assert_eq!(report["partitions"], Value::Array(Vec::new()));
}

#[test]
fn the_report_says_what_went_where() {
    let world = world(3, 2);
    produce(&world.source, TOPIC, &varied(500));
    let first = report(&world, &[]);
    assert_eq!(first["schema_version"], 1);
    assert_eq!(first["complete"], true);
    let source_ends = ends(&world.source, TOPIC);
    assert_eq!(numbers(&first, "/end_offset"), source_ends);
    assert_eq!(numbers(&first, "/destination/records"), source_ends, "each offset once");
    assert!(numbers(&first, "/first_offset").values().all(|offset| *offset == 0));
    let last = source_ends.iter().map(|(partition, end)| (*partition, end - 1)).collect();
    assert_eq!(numbers(&first, "/last_offset"), last);
    assert_eq!(fields(&first, "/source"), fields(&first, "/destination"));

    // The destination partitions of all lines together are the destination.
    let mut places: BTreeMap<i32, (i64, i64, i64)> = BTreeMap::new();
    for place in
        fields(&first, "/destination_partitions").iter().flat_map(|o| o.as_array().unwrap())
    {
        let of = |name: &str| place[name].as_i64().unwrap();
        let all = places.entry(of("partition") as i32).or_insert((0, i64::MAX, 0));
        *all = (all.0 + of("records"), all.1.min(of("first_offset")), all.2.max(of("last_offset")));
    }
    let whole = |(partition, end): (i32, i64)| (partition, (end, 0, end - 1));
    assert_eq!(places, ends(&world.destination, TOPIC).into_iter().map(whole).collect());

    // A second run has the rest, and lists what has nothing.
    produce(&world.source, TOPIC, &varied(1));
    let second = report(&world, &[]);
    assert_eq!(numbers(&second, "/end_offset"), ends(&world.source, TOPIC));
    assert_eq!(fields(&second, "/destination/records").len(), 3);
    assert_eq!(numbers(&second, "/destination/records").values().sum::<i64>(), 1);
    for (partition, offset) in numbers(&second, "/first_offset") {
        assert_eq!(offset, source_ends[&partition]);
    }
}

#[test]
fn two_runs_and_two_sides_have_the_same_digests() {
    let one = world(3, 2);
    produce(&one.source, TOPIC, &varied(500));
    // One stream: the mock expels a second one that joins late, which then copies records twice.
    let first = report(&one, &[]);
    let brokers = one.destination.bootstrap_servers();
    let other = world(1, 4).consumer(&format!("bootstrap.servers={brokers}"));
    let copy_of_copy = report(&other, &[]);
    assert_eq!(first["topics"], copy_of_copy["topics"], "whatever the numbers of partitions");
    let one = one.consumer("group.id=another").producer("batch.num.messages=3");
    let again = report(&one, &["--partitioning=key"]);
    for field in ["/source", "/destination"] {
        assert_eq!(fields(&first, field), fields(&again, field));
    }
    assert_ne!(fields(&first, "/source/digest")[0], fields(&first, "/source/digest")[1]);
}

#[test]
fn what_is_written_meanwhile_is_not_copied() {
    let world = world(1, 1);
    let records = varied(300);
    produce(&world.source, TOPIC, &records);
    let mut mirror = world.mirror(&["--once", "--json"]);
    // The mock's group takes three seconds to form, so all of it is there before the first record is read.
    mirror.wait_for_log("up to offset 300");
    produce(&world.source, TOPIC, &varied(200));
    let report: Value = serde_json::from_str(&mirror.ends_well()).unwrap();
    assert_eq!(numbers(&report, "/destination/records")[&0], 300);
    assert_eq!(sorted(&read(&world.destination, TOPIC)), sorted(&records));
    assert_eq!(world.committed(1)[&0], 300);
}

#[test]
fn a_destination_that_is_slow_gets_everything() {
    let world = world(2, 1).producer("queue.buffering.max.messages=10\nlinger.ms=0");
    world.destination.broker_round_trip_time(1, Duration::from_millis(50)).unwrap();
    let records = varied(200);
    produce(&world.source, TOPIC, &records);
    let report = report(&world, &[]);
    assert_eq!(report["complete"], true);
    assert_eq!(numbers(&report, "/destination/records"), ends(&world.source, TOPIC));
    assert_eq!(sorted(&read(&world.destination, TOPIC)), sorted(&records));
}

#[test]
fn a_killed_run_goes_on_where_its_last_commit_was() {
    let slow = world(1, 1).producer("queue.buffering.max.messages=10\nlinger.ms=0");
    slow.destination.broker_round_trip_time(1, Duration::from_millis(100)).unwrap();
    let records = varied(1000);
    produce(&slow.source, TOPIC, &records);
    let mut killed = slow.mirror(&["--once", "--offset.commit.interval.ms=20"]);
    killed.wait_for_log("stream 0 reads");
    let deadline = Instant::now() + Duration::from_secs(30);
    while slow.committed(1).get(&0).is_none_or(|offset| *offset == 0) {
        assert!(Instant::now() < deadline, "nothing is committed\n{}", killed.log());
    }
    killed.signal(Signal::SIGKILL);
    killed.end();
    assert_eq!(killed.output(), "", "a report is of a run that ended");
    let committed = slow.committed(1)[&0];
    assert!((1..1000).contains(&committed), "{committed} shows nothing");
    slow.destination.broker_round_trip_time(1, Duration::ZERO).unwrap();
    let world = slow.producer("queue.buffering.max.messages=1000");
    let report = report(&world, &[]);
    assert_eq!(report["complete"], true);
    assert_eq!(numbers(&report, "/first_offset")[&0], committed);
    assert_eq!(numbers(&report, "/destination/records")[&0], 1000 - committed);
    let mut copied = sorted(&read(&world.destination, TOPIC));
    copied.dedup();
    assert_eq!(copied, sorted(&records));
}

#[test]
fn a_run_that_is_stopped_says_that_it_is_not_done() {
    let world = world(1, 1).producer("queue.buffering.max.messages=10\nlinger.ms=0");
    world.destination.broker_round_trip_time(1, Duration::from_millis(100)).unwrap();
    produce(&world.source, TOPIC, &varied(1000));
    let mut mirror = world.mirror(&["--once", "--json"]);
    world.wait_for(10, &mut mirror);
    mirror.signal(Signal::SIGTERM);
    let (code, log) = mirror.end();
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("it was stopped before"), "{log}");
    let report: Value = serde_json::from_str(&mirror.output()).unwrap();
    assert_eq!(report["complete"], false);
    let copied = ends(&world.destination, TOPIC);
    assert_eq!(numbers(&report, "/destination/records"), copied);
    assert_eq!(world.committed(1), copied, "the next start goes on there");
}

#[test]
fn dropped_records_are_reported() {
    let world = world(1, 1);
    produce(&world.source, TOPIC, &varied(10));
    let refusal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_RECORD;
    world.destination.request_errors(RDKafkaApiKey::Produce, &[refusal]);
    let report = report(&world, &["--abort.on.send.failure=false"]);
    assert_eq!(numbers(&report, "/dropped")[&0], 10);
    assert_eq!(report["complete"], false);
    assert_eq!(numbers(&report, "/source/records")[&0], 10);
    assert_eq!(numbers(&report, "/destination/records")[&0], 0);
    assert_eq!(numbers(&report, "/last_offset").get(&0), None);
}

#[test]
fn a_run_that_fails_reports_what_it_did() {
    let world = world(1, 1);
    produce(&world.source, TOPIC, &varied(10));
    let refusals = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_RECORD; 20];
    world.destination.request_errors(RDKafkaApiKey::Produce, &refusals);
    let mut mirror = world.mirror(&["--once", "--json"]);
    assert_eq!(mirror.end().0, Some(1), "{}", mirror.log());
    let report: Value = serde_json::from_str(&mirror.output()).unwrap();
    assert_eq!(report["complete"], false);
    assert_eq!(numbers(&report, "/destination/records")[&0], 0);
}

#[test]
fn json_needs_once() {
    world(1, 1).mirror(&["--json"]).fails(2, &["--json", "add --once"]);
}

#[test]
fn processes_of_one_group_end_when_all_of_them_are_done() {
    let world = world(4, 1);
    let records = varied(400);
    produce(&world.source, TOPIC, &records);
    // Both come within the three seconds that the mock's group waits for members, so each has two partitions.
    let arguments = ["--once", "--json", "--offset.commit.interval.ms=200"];
    let mirrors = [world.mirror(&arguments), world.mirror(&arguments)];
    let reports = mirrors.map(|mirror| -> Value {
        let output = mirror.ends_well();
        serde_json::from_str(&output).unwrap()
    });
    let mut copied = sorted(&read(&world.destination, TOPIC));
    copied.dedup();
    assert_eq!(copied, sorted(&records));
    assert_eq!(world.committed(4), ends(&world.source, TOPIC));
    let elsewhere = |report| -> Vec<bool> {
        fields(report, "/elsewhere").into_iter().map(|one| one.as_bool().unwrap()).collect()
    };
    assert!(reports.iter().all(|report| report["complete"] == true));
    assert!(
        reports.iter().any(|report| elsewhere(report).contains(&true)),
        "one had everything: {reports:?}"
    );
    for (report, other) in [(&reports[0], &reports[1]), (&reports[1], &reports[0])] {
        for (partition, is_elsewhere) in (0..).zip(elsewhere(report)) {
            let [here, there] =
                [report, other].map(|report| numbers(report, "/destination/records")[&partition]);
            assert!(!is_elsewhere || there > 0 && here == 0, "{partition}: {here}, {there}");
        }
    }
}

#[test]
fn once_with_latest_and_a_new_group_says_that_it_copies_nothing() {
    let world = world(2, 1).consumer("auto.offset.reset=latest");
    produce(&world.source, TOPIC, &varied(20));
    let words = "--once copies none of it";
    let (code, log) = world.mirror(&["--once"]).end();
    assert!(code == Some(0) && log.contains(words) && log.contains("0 records copied"), "{log}");
    produce(&world.source, TOPIC, &varied(5));
    let (code, log) = world.mirror(&["--once"]).end();
    assert!(code == Some(0) && !log.contains(words) && log.contains("5 records copied"), "{log}");
}
