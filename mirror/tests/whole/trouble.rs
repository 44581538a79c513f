//! What happens while it runs: lost records, refused records, outages, a second signal.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use crate::support::{TOPIC, ends, produce, varied, world};

#[test]
fn an_offset_out_of_range_is_loud() {
    let world = world(1, 1);
    produce(&world.source, TOPIC, &varied(50));
    world.commit(0, 70);
    let words = [TOPIC, "[0]", "offset 70", "ends at 50", "--on-data-loss continue"];
    world.mirror(&[]).fails(1, &words);
    assert_eq!(world.committed(1)[&0], 70, "nothing is committed over the loss");

    let mut going_on = world.mirror(&["--on-data-loss", "continue"]);
    let copied = world.wait_for(50, &mut going_on);
    going_on.stop();
    assert_eq!(copied.len(), 50);
    assert_eq!(world.committed(1)[&0], 50);
}

#[test]
fn a_refused_record_ends_the_mirror_and_is_not_committed() {
    let world = world(1, 1);
    produce(&world.source, TOPIC, &varied(10));
    let refusals = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_RECORD; 20];
    world.destination.request_errors(RDKafkaApiKey::Produce, &refusals);
    let words = ["send the record", TOPIC, "[0] at offset", "--abort.on.send.failure"];
    world.mirror(&[]).fails(1, &words);
    assert_eq!(world.committed(1).get(&0).copied().unwrap_or(0), 0);
}

#[test]
fn a_refused_record_can_be_dropped() {
    let world = world(1, 1);
    produce(&world.source, TOPIC, &varied(10));
    world.destination.request_errors(
        RDKafkaApiKey::Produce,
        &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_RECORD],
    );
    let mut mirror = world.mirror(&["--abort.on.send.failure=false", "--metrics=127.0.0.1:0"]);
    mirror.wait_for_log("dropped the record");
    mirror.wait_for_metrics(&["mirror_records_dropped_total 10", "mirror_send_errors_total 10"]);
    produce(&world.source, TOPIC, &varied(5));
    world.wait_for(5, &mut mirror);
    mirror.signal(Signal::SIGINT);
    let (code, log) = mirror.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("10 dropped"), "{log}");
    assert_eq!(world.committed(1), ends(&world.source, TOPIC));
}

#[test]
fn a_commit_that_failed_is_tried_again() {
    let world = world(1, 1);
    produce(&world.source, TOPIC, &varied(10));
    let refusal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_COMMIT_OFFSET_SIZE;
    world.source.request_errors(RDKafkaApiKey::OffsetCommit, &[refusal; 3]);
    let mut mirror = world.mirror(&["--offset.commit.interval.ms=500"]);
    mirror.wait_for_log("a commit failed and is tried again");
    let deadline = Instant::now() + Duration::from_secs(20);
    while world.committed(1).get(&0) != Some(&10) {
        assert!(Instant::now() < deadline, "{}", mirror.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    mirror.stop();
}

#[test]
fn a_missing_destination_topic_is_named() {
    let world = world(1, 1);
    produce(&world.source, TOPIC, &varied(10));
    let unknown = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    world.destination.topic_error(TOPIC, unknown).unwrap();
    let mut mirror = world.mirror(&[]);
    mirror.wait_for_log("stream 0 reads");
    let reads = Instant::now();
    mirror.fails(1, &["the destination has no such topic", TOPIC, "create it"]);
    assert!(reads.elapsed() < Duration::from_secs(6), "told after {:?}", reads.elapsed());
    assert_eq!(world.committed(1).get(&0).copied().unwrap_or(0), 0);
}

#[test]
fn a_destination_topic_that_comes_to_be_meanwhile_is_waited_for() {
    let world = world(1, 1);
    produce(&world.source, TOPIC, &varied(10));
    let error = |error| world.destination.topic_error(TOPIC, error).unwrap();
    error(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    let mut mirror = world.mirror(&[]);
    mirror.wait_for_log("stream 0 reads");
    std::thread::sleep(Duration::from_millis(500));
    error(RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_eq!(world.wait_for(10, &mut mirror).len(), 10);
    mirror.stop();
}

#[test]
fn a_destination_topic_whose_creation_takes_long_is_waited_for() {
    let world = world(1, 1);
    produce(&world.source, TOPIC, &varied(10));
    let error = |error| world.destination.topic_error(TOPIC, error).unwrap();
    // What Kafka answers for a topic that it creates because it was asked for.
    error(RDKafkaRespErr::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE);
    let mut mirror = world.mirror(&[]);
    mirror.wait_for_log("stream 0 reads");
    std::thread::sleep(Duration::from_secs(4));
    error(RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_eq!(world.wait_for(10, &mut mirror).len(), 10);
    mirror.stop();
}

#[test]
fn a_log_that_cannot_be_written_is_no_reason_to_stop() {
    let world = world(1, 1);
    produce(&world.source, TOPIC, &varied(10));
    let mut mirror = world.mirror_without_a_log();
    assert_eq!(world.wait_for(10, &mut mirror).len(), 10);
    mirror.signal(Signal::SIGTERM);
    assert_eq!(mirror.end().0, Some(0));
    assert_eq!(world.committed(1), ends(&world.source, TOPIC));
}

#[test]
fn an_outage_of_the_destination_is_outlived() {
    let world = world(2, 2);
    let mut mirror = world.mirror(&[]);
    mirror.wait_for_log("stream 0 reads");
    world.destination.broker_down(1).unwrap();
    produce(&world.source, TOPIC, &varied(500));
    std::thread::sleep(Duration::from_secs(2));
    world.destination.broker_up(1).unwrap();
    let copied = world.wait_for(500, &mut mirror);
    mirror.stop();
    assert_eq!(copied.len(), 500);
}

#[test]
fn a_second_signal_ends_at_once() {
    let world = world(1, 1);
    let mut mirror = world.mirror(&[]);
    mirror.wait_for_log("stream 0 reads");
    // What is in flight keeps the first signal waiting.
    world.destination.broker_down(1).unwrap();
    produce(&world.source, TOPIC, &varied(10));
    std::thread::sleep(Duration::from_millis(300));
    mirror.signal(Signal::SIGTERM);
    mirror.wait_for_log("stopping");
    // At once it would be the same request once more.
    std::thread::sleep(Duration::from_millis(500));
    mirror.signal(Signal::SIGTERM);
    let (code, log) = mirror.end();
    assert_eq!(code, Some(130), "{log}");
}

#[test]
fn a_terminal_that_is_gone_is_a_request_to_stop() {
    let world = world(1, 1);
    produce(&world.source, TOPIC, &varied(10));
    let mut mirror = world.mirror(&["--offset.commit.interval.ms=60000"]);
    world.wait_for(10, &mut mirror);
    mirror.signal(Signal::SIGHUP);
    let (code, log) = mirror.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("SIGHUP: stopping"), "{log}");
    assert_eq!(world.committed(1), ends(&world.source, TOPIC), "{log}");
}

#[test]
fn a_terminal_that_is_gone_is_no_request_under_nohup() {
    let world = world(1, 1).without_hangups();
    let mut mirror = world.mirror(&[]);
    mirror.wait_for_log("stream 0 reads");
    mirror.signal(Signal::SIGHUP);
    produce(&world.source, TOPIC, &varied(10));
    world.wait_for(10, &mut mirror);
    mirror.stop();
}

#[test]
fn a_signal_that_comes_twice_at_once_is_one_request() {
    let world = world(1, 1);
    let mut mirror = world.mirror(&[]);
    mirror.wait_for_log("stream 0 reads");
    world.destination.broker_round_trip_time(1, Duration::from_millis(1000)).unwrap();
    produce(&world.source, TOPIC, &varied(10));
    std::thread::sleep(Duration::from_millis(300));
    mirror.signal(Signal::SIGTERM);
    mirror.wait_for_log("stopping");
    mirror.signal(Signal::SIGTERM);
    let (code, log) = mirror.end();
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(world.committed(1), ends(&world.source, TOPIC), "{log}");
}

#[test]
fn a_stop_does_not_wait_for_a_record_that_found_no_room() {
    let world = world(1, 1).producer("queue.buffering.max.messages=10\nlinger.ms=0");
    world.destination.broker_round_trip_time(1, Duration::from_millis(300)).unwrap();
    produce(&world.source, TOPIC, &varied(2000));
    let mut mirror = world.mirror(&[]);
    world.wait_for(30, &mut mirror);
    let asked = Instant::now();
    mirror.signal(Signal::SIGTERM);
    let (code, log) = mirror.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(asked.elapsed() < Duration::from_secs(15), "stopped after {:?}", asked.elapsed());
    let copied = ends(&world.destination, TOPIC);
    assert!(copied[&0] < 2000, "it was stopped too late to show anything");
    assert_eq!(world.committed(1), copied);
}

#[test]
fn a_mirror_that_others_took_for_dead_does_not_write_late_copies() {
    // They take 20 s one at a time, so most of them wait in the producer. It sends some before it hears that it is expelled, on a
    // busy machine for seconds.
    const RECORDS: usize = 1000;
    let mut world = world(1, 1)
        .consumer("heartbeat.interval.ms=200")
        .producer("batch.size=1\nmax.in.flight.requests.per.connection=1");
    world.destination.broker_round_trip_time(1, Duration::from_millis(20)).unwrap();
    produce(&world.source, TOPIC, &varied(RECORDS));
    let arguments = ["--offset.commit.interval.ms", "100"];
    let mut frozen = world.mirror(&arguments);
    let before = world.wait_for(20, &mut frozen).len();
    frozen.signal(Signal::SIGSTOP);
    world.plain_producer();
    let other = world.mirror(&arguments);
    world.wait_for_commits(&other);
    frozen.signal(Signal::SIGCONT);
    frozen.wait_for_log("was expelled from the group");
    // Both go on: whoever has the partition then, its producer still works.
    produce(&world.source, TOPIC, &varied(50));
    world.wait_for_commits(&other);
    for mut mirror in [frozen, other] {
        mirror.signal(Signal::SIGTERM);
        let (code, log) = mirror.end();
        assert_eq!(code, Some(0), "{log}");
    }
    let copied = ends(&world.destination, TOPIC)[&0];
    // What was in its queue when it was frozen would come again, nearly all of it.
    let all = (RECORDS + 50) as i64;
    assert!(copied >= all, "{copied} of {all} copied");
    assert!(copied - all < (RECORDS - before) as i64 / 2, "{} came again", copied - all);
}

#[test]
fn exactly_once_is_refused_where_it_cannot_be() {
    let world = world(1, 1);
    produce(&world.source, TOPIC, &varied(10));
    // The mock makes no topics on request, so there is none that could keep the positions.
    let words = ["copy exactly once", "__mirror_positions.", "transactions on the destination"];
    world.mirror(&["--exactly-once"]).fails(1, &words);
    assert_eq!(ends(&world.destination, TOPIC).values().sum::<i64>(), 0, "nothing is copied");
}
