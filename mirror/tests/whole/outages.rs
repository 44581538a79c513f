//! What is away for a while: a topic, the whole destination, the right to read.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use crate::{
    copying::sorted,
    support::{Record, TOPIC, World, produce, read, varied, world},
};

const UNKNOWN: RDKafkaRespErr = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
const FINE: RDKafkaRespErr = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;

/// A mirror that looks at the destination's topics once a second.
fn looks_often() -> World {
    world(1, 1).producer("metadata.max.age.ms=1000\ntopic.metadata.refresh.interval.ms=1000")
}

/// The destination says that there is no such topic, and the mirror, which knew it, has looked since.
fn take_topic_away(world: &World) {
    sleep(Duration::from_secs(3));
    world.destination.topic_error(TOPIC, UNKNOWN).unwrap();
    sleep(Duration::from_secs(2));
}

#[test]
fn a_topic_that_is_away_for_a_moment_is_waited_for() {
    let world = looks_often();
    let records = varied(30);
    produce(&world.source, TOPIC, &records[..10]);
    let mut mirror = world.mirror(&["--metrics=127.0.0.1:0"]);
    world.wait_for(10, &mut mirror);
    take_topic_away(&world);
    produce(&world.source, TOPIC, &records[10..20]);
    mirror.wait_for_log("the destination has no topic testtopic now, which was there");
    produce(&world.source, TOPIC, &records[20..]);
    sleep(Duration::from_secs(5));
    world.destination.topic_error(TOPIC, FINE).unwrap();
    let copied = world.wait_for(30, &mut mirror);
    world.wait_for_commits(&mirror);
    mirror.wait_for_metrics(&["mirror_records_in_flight 0", "mirror_records_copied_total 30"]);
    mirror.stop();
    let moved: Vec<_> = copied.iter().map(|record| record.moved()).collect();
    assert_eq!(moved, sorted(&records), "each once, in the order of the source");
}

#[test]
fn what_a_topic_that_was_away_gave_back_is_sent_before_the_end() {
    let world = looks_often();
    let records = varied(20);
    produce(&world.source, TOPIC, &records[..10]);
    let mut mirror = world.mirror(&[]);
    world.wait_for(10, &mut mirror);
    take_topic_away(&world);
    produce(&world.source, TOPIC, &records[10..]);
    mirror.wait_for_log("the destination has no topic testtopic now, which was there");
    mirror.signal(Signal::SIGTERM);
    sleep(Duration::from_secs(2));
    world.destination.topic_error(TOPIC, FINE).unwrap();
    mirror.ends_well();
    let moved: Vec<_> = read(&world.destination, TOPIC).iter().map(Record::moved).collect();
    assert_eq!(moved, sorted(&records), "each once, in the order of the source");
    assert_eq!(world.committed(1)[&0], 20);
}

#[test]
fn once_outlives_a_destination_that_is_away_when_all_is_read() {
    let world = world(1, 1);
    let records = varied(10);
    produce(&world.source, TOPIC, &records);
    world.destination.broker_round_trip_time(1, Duration::from_millis(1200)).unwrap();
    let mut mirror = world.mirror(&["--once", "--metrics=127.0.0.1:0"]);
    mirror.wait_for_metrics(&["mirror_records_in_flight 10"]);
    world.destination.broker_down(1).unwrap();
    // For longer than a stop would wait for it.
    sleep(Duration::from_secs(33));
    assert!(!mirror.log().contains("finishing"), "it has had its answer\n{}", mirror.log());
    world.destination.broker_round_trip_time(1, Duration::ZERO).unwrap();
    world.destination.broker_up(1).unwrap();
    mirror.ends_well();
    let mut copied = sorted(&read(&world.destination, TOPIC));
    // A mock takes a record again whose answer was cut off.
    copied.dedup();
    assert_eq!(copied, sorted(&records));
    assert_eq!(world.committed(1)[&0], 10);
}

#[test]
fn a_destination_that_answers_nothing_is_told_of() {
    let world = world(1, 1);
    produce(&world.source, TOPIC, &varied(10));
    let mut mirror = world.mirror(&[]);
    world.wait_for(10, &mut mirror);
    world.destination.broker_round_trip_time(1, Duration::from_secs(14)).unwrap();
    produce(&world.source, TOPIC, &varied(10));
    mirror.wait_for_log("acknowledged nothing for 10 s, and 10 records wait for it");
    mirror.wait_for_log("the destination acknowledges again, after 1");
    world.destination.broker_round_trip_time(1, Duration::ZERO).unwrap();
    mirror.stop();
}

#[test]
fn a_start_waits_for_an_answer_that_takes_a_while() {
    let world = world(1, 1);
    produce(&world.source, TOPIC, &varied(10));
    let slow = Duration::from_millis(1200);
    world.destination.broker_round_trip_time(1, slow).unwrap();
    let mut mirror = world.mirror(&[]);
    // It gives up after 10 s.
    sleep(Duration::from_secs(12));
    world.destination.broker_round_trip_time(1, Duration::ZERO).unwrap();
    world.wait_for(10, &mut mirror);
    mirror.stop();
}

#[test]
fn a_start_in_vain_that_is_stopped_ends_well() {
    let world = world(1, 1);
    world.destination.broker_down(1).unwrap();
    let mirror = world.mirror(&[]);
    // It gives up after 10 s, and is in its last attempt by then.
    sleep(Duration::from_millis(8500));
    mirror.stop();
}

#[test]
fn a_topic_that_does_not_come_back_is_named() {
    let world = looks_often();
    produce(&world.source, TOPIC, &varied(10));
    let mut mirror = world.mirror(&[]);
    world.wait_for(10, &mut mirror);
    world.wait_for_commits(&mirror);
    take_topic_away(&world);
    produce(&world.source, TOPIC, &varied(10));
    mirror.fails(1, &["waiting for it, 30 s at most", "the destination has no such topic"]);
    assert_eq!(world.committed(1)[&0], 10, "nothing is committed that has no copy");
}

#[test]
fn a_session_that_the_brokers_do_not_take_is_told_with_the_way_out() {
    let world = world(1, 1);
    let refusal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT;
    world.source.request_errors(RDKafkaApiKey::JoinGroup, &[refusal; 100]);
    world.mirror(&[]).fails(1, &["session.timeout.ms", "group.min.session.timeout.ms (6000"]);
}

#[test]
fn a_refusal_to_tell_positions_ends_at_once() {
    let world = world(1, 1);
    let refusal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED;
    world.source.request_errors(RDKafkaApiKey::OffsetFetch, &[refusal; 100]);
    let started = Instant::now();
    world.mirror(&[]).fails(1, &["read the source", "GroupAuthorizationFailed"]);
    assert!(started.elapsed() < Duration::from_secs(20), "told after {:?}", started.elapsed());
}

#[test]
fn a_destination_that_is_away_for_long_does_not_cost_the_place_in_the_group() {
    // Room for ten records: it holds the eleventh, and would not poll until there is room again.
    let world = world(1, 1)
        .consumer("max.poll.interval.ms=7000")
        .producer("queue.buffering.max.messages=10");
    let mut mirror = world.mirror(&["--metrics=127.0.0.1:0"]);
    mirror.wait_for_log("stream 0 reads");
    world.destination.broker_down(1).unwrap();
    produce(&world.source, TOPIC, &varied(50));
    mirror.wait_for_log("the destination takes nothing, waiting");
    sleep(Duration::from_secs(9));
    world.destination.broker_up(1).unwrap();
    assert_eq!(world.wait_for(50, &mut mirror).len(), 50);
    world.wait_for_commits(&mirror);
    mirror.wait_for_metrics(&["mirror_rebalances_total 1", "mirror_records_read_again_total 0"]);
    let log = mirror.log();
    mirror.stop();
    assert!(!log.contains("gave back 1"), "{log}");
}
