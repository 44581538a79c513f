//! What arrives: everything, unchanged, in order, once unless something happened.

use std::{collections::BTreeMap, time::Duration};

use nix::sys::signal::Signal;

use crate::support::{Record, TOPIC, ends, produce, read, varied, world};

/// Each key's records, in order; those without a key have no order.
fn by_key(records: &[Record]) -> BTreeMap<Vec<u8>, Vec<Record>> {
    let mut keys: BTreeMap<Vec<u8>, Vec<Record>> = BTreeMap::new();
    for record in records {
        if let Some(key) = &record.key {
            keys.entry(key.clone()).or_default().push(record.moved());
        }
    }
    keys
}

pub(crate) fn sorted(records: &[Record]) -> Vec<Record> {
    let mut records: Vec<Record> = records.iter().map(Record::moved).collect();
    records.sort_by_key(|record| record.timestamp);
    records
}

#[test]
fn records_arrive_unchanged_and_in_their_keys_order_and_a_restart_repeats_nothing() {
    let world = world(3, 8);
    let records = varied(2000);
    produce(&world.source, TOPIC, &records);
    let mut mirror = world.mirror(&["--num.streams", "1"]);
    let copied = world.wait_for(2000, &mut mirror);
    assert_eq!(sorted(&copied), sorted(&records));
    assert_eq!(by_key(&copied), by_key(&records));
    let log = mirror.log();
    mirror.stop();
    assert!(log.contains("auto.offset.reset=earliest"), "{log}");
    assert_eq!(world.committed(3), ends(&world.source, TOPIC));

    let mut again = world.mirror(&[]);
    again.wait_for_log("stream 0 reads");
    produce(&world.source, TOPIC, &varied(10));
    let copied = world.wait_for(2010, &mut again);
    again.stop();
    assert_eq!(copied.len(), 2010);
    assert_eq!(world.committed(3), ends(&world.source, TOPIC));
}

#[test]
fn strict_mm1_copies_what_comes_later_and_commits_every_minute() {
    let world = world(1, 1);
    let records = varied(20);
    let (earlier, later) = records.split_at(12);
    produce(&world.source, TOPIC, earlier);
    let mut mirror = world.mirror(&["--strict-mm1"]);
    mirror.wait_for_log("stream 0 reads");
    produce(&world.source, TOPIC, later);
    let copied = world.wait_for(later.len(), &mut mirror);
    assert_eq!(copied, later, "{}", mirror.log());
    mirror.wait_for_log("commits every 60000 ms");
    mirror.wait_for_log("isolation.level=read_uncommitted (MirrorMaker's)");
    mirror.stop();
    assert_eq!(sorted(&read(&world.destination, TOPIC)), sorted(later));
    assert_eq!(world.committed(1), ends(&world.source, TOPIC));
}

#[test]
fn a_killed_mirror_loses_nothing() {
    let world = world(3, 8).consumer("partition.assignment.strategy=roundrobin");
    let records = varied(30_000);
    produce(&world.source, TOPIC, &records);
    let mut killed = world.mirror(&["--num.streams", "2", "--offset.commit.interval.ms", "5"]);
    world.wait_for(3000, &mut killed);
    killed.signal(Signal::SIGKILL);
    killed.end();
    let mut mirror = world.mirror(&[]);
    // Repeats are allowed after a kill, so a count does not tell the end; the commits do.
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while world.committed(3) != ends(&world.source, TOPIC) {
        assert!(std::time::Instant::now() < deadline, "{}", mirror.log());
        world.wait_for(3000, &mut mirror);
        std::thread::sleep(Duration::from_millis(100));
    }
    mirror.stop();
    let mut copied = sorted(&read(&world.destination, TOPIC));
    copied.dedup();
    assert_eq!(copied, sorted(&records));
}

#[test]
fn partitions_can_be_preserved() {
    let world = world(3, 4);
    produce(&world.source, TOPIC, &varied(300));
    let mut mirror = world.mirror(&["--partitioning", "preserve"]);
    let copied = world.wait_for(300, &mut mirror);
    mirror.stop();
    assert_eq!(copied, read(&world.source, TOPIC), "the same records in the same places");
}

#[test]
fn a_topic_made_later_is_found_and_internal_ones_are_left_alone() {
    let world = world(1, 1).consumer("metadata.max.age.ms=300");
    let mut mirror = world.mirror_of(&["--include=new.*|__.*"]);
    mirror.wait_for_log("no topic of the source matches \"new.*|__.*\" yet");
    world.source.create_topic("__share_group_state", 1, 1).unwrap();
    world.source.create_topic("newcomer", 2, 1).unwrap();
    world.destination.create_topic("newcomer", 2, 1).unwrap();
    let records = varied(20);
    produce(&world.source, "newcomer", &records);
    mirror.wait_for_log("mirroring newcomer");
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while ends(&world.destination, "newcomer").values().sum::<i64>() < 20 {
        assert!(std::time::Instant::now() < deadline, "{}", mirror.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    let log = mirror.log();
    mirror.stop();
    assert!(!log.contains("mirroring __"), "{log}");
    assert_eq!(sorted(&read(&world.destination, "newcomer")), sorted(&records));
}

#[test]
fn a_topic_that_the_destination_creates_when_asked_for_is_copied() {
    let world = world(1, 1);
    world.source.create_topic("newcomer", 2, 1).unwrap();
    let records = varied(20);
    produce(&world.source, "newcomer", &records);
    let (code, log) = world.mirror_of(&["--include=newcomer", "--once"]).end();
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(sorted(&read(&world.destination, "newcomer")), sorted(&records));
}
