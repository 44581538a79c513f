//! The group: who reads what, and what is committed when.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    thread::sleep,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use rdkafka::{
    consumer::Consumer,
    types::{RDKafkaApiKey, RDKafkaRespErr},
};

use crate::{
    copying::sorted,
    support::{TOPIC, committed, consumer_at, consumer_with, ends, produce, read, varied, world},
};

#[test]
fn streams_share_topics_of_one_partition() {
    let world = world(1, 1);
    let topics = ["one.a", "one.b", "one.c", "one.d"];
    for topic in topics {
        world.source.create_topic(topic, 1, 1).unwrap();
        world.destination.create_topic(topic, 1, 1).unwrap();
        produce(&world.source, topic, &varied(10));
    }
    let mut mirror = world.mirror_of(&["--include=one.*", "--num.streams=2"]);
    for stream in 0..2 {
        mirror.wait_for_log(&format!("stream {stream} reads one."));
    }
    let log = mirror.log();
    mirror.stop();
    for stream in 0..2 {
        let reads = format!("stream {stream} reads one.");
        let last = log.lines().rfind(|line| line.contains(&reads)).unwrap();
        assert_eq!(last.matches("[0]@").count(), 2, "{last}");
    }
    assert!(log.contains("partition.assignment.strategy=roundrobin,range"), "{log}");
}

#[test]
fn a_kill_before_the_first_commit_loses_nothing_where_the_end_is_the_start() {
    let world = world(1, 1).consumer("auto.offset.reset=latest");
    produce(&world.source, TOPIC, &varied(10));
    let never = ["--offset.commit.interval.ms=600000"];
    let mut killed = world.mirror(&never);
    killed.wait_for_log("stream 0 reads testtopic[0]@10");
    world.destination.broker_down(1).unwrap();
    let records = varied(60);
    produce(&world.source, TOPIC, &records[..50]);
    sleep(Duration::from_millis(500));
    killed.signal(Signal::SIGKILL);
    killed.end();
    world.destination.broker_up(1).unwrap();
    produce(&world.source, TOPIC, &records[50..]);
    let mut mirror = world.mirror(&never);
    let copied = world.wait_for(60, &mut mirror);
    mirror.stop();
    let mut copied = sorted(&copied);
    copied.dedup();
    assert_eq!(copied, sorted(&records), "each record since the first start");
}

#[test]
fn it_commits_as_often_as_it_is_told() {
    let committed_after = |interval: &str| {
        let world = world(1, 1);
        produce(&world.source, TOPIC, &varied(10));
        let mut mirror = world.mirror(&["--offset.commit.interval.ms", interval]);
        world.wait_for(10, &mut mirror);
        sleep(Duration::from_secs(3));
        let committed = world.committed(1)[&0];
        mirror.stop();
        assert_eq!(world.committed(1)[&0], 10, "the last commit is that of the stop");
        committed
    };
    assert_eq!(committed_after("300"), 10);
    assert_eq!(committed_after("60000"), 0, "only where it began");
}

/// Looks at the committed positions until `stop`, and fails if one goes back; how often one moved.
fn watch(servers: &str, partitions: i32, stop: &AtomicBool) -> usize {
    let (mut moves, mut last) = (0, BTreeMap::new());
    let client = consumer_at(servers);
    while !stop.load(Ordering::Relaxed) {
        let committed = committed(&client, partitions);
        for (partition, before) in &last {
            let now = committed.get(partition).copied().unwrap_or(-1);
            assert!(now >= *before, "partition {partition} went back from {before} to {now}");
        }
        moves += usize::from(committed != last);
        last = committed;
        sleep(Duration::from_millis(5));
    }
    moves
}

#[test]
fn no_commit_goes_back_while_members_come_go_and_freeze() {
    // Slow, so that there is something to commit all the time.
    let world = world(4, 1)
        .consumer("heartbeat.interval.ms=200")
        .producer("batch.size=1000\nmax.in.flight.requests.per.connection=1");
    world.destination.broker_round_trip_time(1, Duration::from_millis(10)).unwrap();
    let arguments = ["--offset.commit.interval.ms=20"];
    let records = varied(4000);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (servers, stopped) = (world.source.bootstrap_servers(), &stop);
        let moves = scope.spawn(move || watch(&servers, 4, stopped));
        let mut one = world.mirror(&arguments);
        produce(&world.source, TOPIC, &records[..1000]);
        world.wait_for(1000, &mut one);
        let mut two = world.mirror(&arguments);
        produce(&world.source, TOPIC, &records[1000..2000]);
        two.wait_for_log("stream 0 reads testtopic");
        one.signal(Signal::SIGSTOP);
        produce(&world.source, TOPIC, &records[2000..3000]);
        // Beyond the session's 4 s: the other has all partitions then.
        sleep(Duration::from_secs(6));
        one.signal(Signal::SIGCONT);
        produce(&world.source, TOPIC, &records[3000..]);
        world.wait_for(4000, &mut two);
        one.stop();
        world.wait_for_commits(&two);
        two.stop();
        stop.store(true, Ordering::Relaxed);
        assert!(moves.join().unwrap() > 5, "too few commits to show anything");
    });
    let mut copied = sorted(&read(&world.destination, TOPIC));
    copied.dedup();
    assert_eq!(copied, sorted(&records));
    assert_eq!(world.committed(4), ends(&world.source, TOPIC));
}

#[test]
fn what_a_frozen_mirror_had_copied_is_committed_at_its_stop_though_its_group_has_expelled_it() {
    let world = world(1, 1);
    let records = varied(100);
    produce(&world.source, TOPIC, &records);
    let mut mirror = world.mirror(&["--offset.commit.interval.ms=600000"]);
    assert_eq!(sorted(&world.wait_for(100, &mut mirror)), sorted(&records));
    mirror.signal(Signal::SIGSTOP);
    // Longer than its session.
    sleep(Duration::from_secs(6));
    mirror.signal(Signal::SIGTERM);
    mirror.signal(Signal::SIGCONT);
    let (code, log) = mirror.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("the last commit is there all the same"), "{log}");
    assert_eq!(world.committed(1), ends(&world.source, TOPIC), "{log}");
}

/// Nobody can have read on, so the next start copies again what is not committed.
#[test]
fn a_stop_while_the_source_is_away_for_longer_than_the_session_is_not_said_to_be_clean() {
    let world = world(1, 1);
    produce(&world.source, TOPIC, &varied(10));
    let mut mirror = world.mirror(&["--offset.commit.interval.ms=600000"]);
    world.wait_for(10, &mut mirror);
    world.source.broker_down(1).unwrap();
    mirror.wait_for_log("gave back 1 partitions");
    mirror.signal(Signal::SIGTERM);
    let (code, log) = mirror.end();
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("the source did not take the last commit"), "{log}");
    assert!(!log.contains("others read our partitions"), "{log}");
}

#[test]
fn streams_that_end_as_their_group_rebalances_commit_what_they_copied() {
    // Whether one ends in the middle of a rebalance is a matter of chance.
    for _ in 0..5 {
        let world = world(4, 2);
        produce(&world.source, TOPIC, &varied(1000));
        let (code, log) = world.mirror(&["--once", "--num.streams=4"]).end();
        assert_eq!(code, Some(0), "{log}");
        assert_eq!(world.committed(4), ends(&world.source, TOPIC), "{log}");
    }
}

/// What the destination refuses is of nobody's partition by then.
#[test]
fn a_stop_that_its_group_does_not_wait_for_is_not_failed_by_what_others_copy() {
    let world = world(1, 1).consumer("heartbeat.interval.ms=200");
    let records = varied(11);
    produce(&world.source, TOPIC, &records[..10]);
    let mut mirror = world.mirror(&["--offset.commit.interval.ms=600000"]);
    world.wait_for(10, &mut mirror);
    world.destination.broker_round_trip_time(1, Duration::from_secs(5)).unwrap();
    let refusal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    world.destination.request_errors(RDKafkaApiKey::Produce, &[refusal]);
    produce(&world.source, TOPIC, &records[10..]);
    sleep(Duration::from_millis(500));
    // First it hears of another that joins, then that the group did not wait.
    let mut answers = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION; 7];
    answers[..3].fill(RDKafkaRespErr::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS);
    world.source.request_errors(RDKafkaApiKey::OffsetCommit, &answers);
    mirror.signal(Signal::SIGTERM);
    mirror.wait_for_log("a commit failed and is tried again");
    let other = consumer_at(&world.source.bootstrap_servers());
    other.subscribe(&[TOPIC]).unwrap();
    mirror.wait_for_log("the group has gone on without us");
    mirror.wait_for_log("gave back 1 partitions");
    drop(other);
    let (code, log) = mirror.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("the last commit is there all the same"), "{log}");
    assert_eq!(world.committed(1)[&0], 10, "the eleventh has no copy: {log}");
}

/// A copy that comes late would lie behind the new owner's, and a key's last value could be an old one for good.
#[test]
fn what_a_cooperative_group_gives_to_others_is_not_sent_once_the_destination_answers_again() {
    // The mock now and then expels who drains, and then it is nothing that the group gives.
    let is_shown = (0..3).any(|_| gives_to_others_while_the_destination_is_away());
    assert!(is_shown, "it was expelled each time");
}

/// False if the mirror was expelled.
fn gives_to_others_while_the_destination_is_away() -> bool {
    let cooperative = "cooperative-sticky";
    let strategy = format!("partition.assignment.strategy={cooperative}");
    let world = world(2, 1).consumer(&strategy).consumer("heartbeat.interval.ms=200");
    let mut mirror = world.mirror(&["--offset.commit.interval.ms=100", "--metrics=127.0.0.1:0"]);
    mirror.wait_for_log("stream 0 reads testtopic[0]@0 testtopic[1]@0");
    world.destination.broker_down(1).unwrap();
    let records = varied(200);
    produce(&world.source, TOPIC, &records);
    mirror.wait_for_metrics(&["mirror_records_in_flight 200"]);
    let other = consumer_with(&world.source.bootstrap_servers(), cooperative);
    other.subscribe(&[TOPIC]).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while other.assignment().unwrap().count() == 0 {
        assert!(Instant::now() < deadline, "nothing is given to the other\n{}", mirror.log());
        drop(other.poll(Duration::from_millis(50)));
    }
    mirror.wait_for_log("stream 0 gave back");
    let kept = 1 - other.assignment().unwrap().elements()[0].partition();
    world.destination.broker_up(1).unwrap();
    let end = ends(&world.source, TOPIC)[&kept];
    while world.committed(2).get(&kept) != Some(&end) {
        assert!(Instant::now() < deadline, "not all is committed\n{}", mirror.log());
        sleep(Duration::from_millis(20));
    }
    // Reports of what else was sent may come later.
    sleep(Duration::from_secs(1));
    let of_kept = read(&world.source, TOPIC).into_iter().filter(|r| r.partition == kept);
    let of_kept: Vec<_> = of_kept.map(|record| record.moved()).collect();
    let is_expelled = mirror.log().contains("was expelled from the group");
    assert!(is_expelled || read(&world.destination, TOPIC) == of_kept, "{}", mirror.log());
    mirror.stop();
    !is_expelled
}
