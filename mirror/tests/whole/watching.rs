//! What an operator sees of a running mirror: progress, metrics, readiness, the log's format.

use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use serde_json::Value;

use crate::support::{TOPIC, produce, varied, world};

#[test]
fn progress_tells_what_is_copied_and_what_is_left() {
    let world = world(2, 1);
    let mut mirror = world.mirror(&["--progress-interval=1"]);
    mirror.wait_for_log("stream 0 reads");
    world.destination.broker_down(1).unwrap();
    produce(&world.source, TOPIC, &varied(100));
    mirror.wait_for_log("lag=\"testtopic 100\" in_flight=100");
    world.destination.broker_up(1).unwrap();
    world.wait_for(100, &mut mirror);
    mirror.wait_for_log("lag=\"testtopic 0\" in_flight=0 read_again=0");
    let log = mirror.log();
    mirror.stop();
    let rates: Vec<u64> = log
        .lines()
        .filter_map(|line| {
            line.split_once("records_per_second=")?.1.split(' ').next()?.parse().ok()
        })
        .collect();
    let sum: u64 = rates.iter().sum();
    assert!((90..=110).contains(&sum), "{rates:?} in\n{log}");
}

#[test]
fn the_lag_grows_while_the_destination_takes_nothing() {
    let world = world(1, 1).producer("queue.buffering.max.messages=10");
    let mut mirror = world.mirror(&["--progress-interval=1"]);
    mirror.wait_for_log("stream 0 reads");
    world.destination.broker_down(1).unwrap();
    produce(&world.source, TOPIC, &varied(50));
    mirror.wait_for_log("the destination takes nothing, waiting");
    produce(&world.source, TOPIC, &varied(100));
    mirror.wait_for_log("lag=\"testtopic 150\" in_flight=10");
    world.destination.broker_up(1).unwrap();
    world.wait_for(150, &mut mirror);
    mirror.wait_for_log("lag=\"testtopic 0\"");
    mirror.stop();
}

#[test]
fn what_a_rebalance_makes_it_read_again_is_told() {
    let world = world(2, 1);
    produce(&world.source, TOPIC, &varied(100));
    let refusal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_COMMIT_OFFSET_SIZE;
    world.source.request_errors(RDKafkaApiKey::OffsetCommit, &[refusal; 100]);
    let mut mirror = world.mirror(&["--metrics=127.0.0.1:0", "--progress-interval=1"]);
    world.wait_for(100, &mut mirror);
    let other = world.mirror(&[]);
    mirror.wait_for_log("the commit before a rebalance failed");
    let log = || mirror.log();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    let again = |log: &str| {
        log.lines().any(|line| line.contains("read_again=") && !line.contains("read_again=0"))
    };
    while !again(&log()) {
        assert!(std::time::Instant::now() < deadline, "{}", log());
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let (_, metrics) = mirror.get("/metrics");
    assert!(metrics.contains("\nmirror_rebalances_total 2\n"), "{metrics}");
    assert!(!metrics.contains("\nmirror_commits_failed_total 0\n"), "{metrics}");
    drop(other);
}

#[test]
fn metrics_and_readiness_are_served() {
    let world = world(2, 1).consumer("statistics.interval.ms=100");
    produce(&world.source, TOPIC, &varied(100));
    let mut mirror = world.mirror(&["--metrics=127.0.0.1:0", "--offset.commit.interval.ms=50"]);
    // The mock's group takes three seconds to form.
    let (status, text) = mirror.get("/ready");
    assert_eq!((status, text.contains("no assignment")), (503, true), "{text}");
    assert_eq!(mirror.get("/").0, 404);
    world.wait_for(100, &mut mirror);
    assert_eq!(mirror.get("/ready"), (200, "ready\n".to_owned()));
    mirror.wait_for_metrics(&[
        "# TYPE mirror_records_copied_total counter",
        "mirror_records_copied_total 100",
        "mirror_records_in_flight 0",
        "mirror_records_dropped_total 0",
        "mirror_commits_failed_total 0",
        "mirror_lost_ranges_total 0",
        "mirror_rebalances_total 1",
        "mirror_lag_records{topic=\"testtopic\",partition=\"0\"} 0",
        "mirror_lag_records{topic=\"testtopic\",partition=\"1\"} 0",
    ]);
    let (_, text) = mirror.get("/metrics");
    for counter in ["mirror_bytes_copied_total", "mirror_commits_total"] {
        let value = text.lines().find_map(|line| line.strip_prefix(counter)).unwrap();
        assert_ne!(value, " 0", "{counter} in\n{text}");
    }
    mirror.stop();
}

#[test]
fn metrics_count_what_is_lost() {
    let world = world(1, 1);
    produce(&world.source, TOPIC, &varied(10));
    world.commit(0, 70);
    let refusal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_RECORD;
    world.destination.request_errors(RDKafkaApiKey::Produce, &[refusal]);
    let accept = ["--on-data-loss=continue", "--abort.on.send.failure=false"];
    let mut mirror = world.mirror(&[&accept[..], &["--metrics=127.0.0.1:0"]].concat());
    mirror.wait_for_metrics(&[
        "mirror_lost_ranges_total 1",
        "mirror_records_dropped_total 10",
        "mirror_records_copied_total 0",
    ]);
    mirror.stop();
}

#[test]
fn an_address_that_cannot_be_listened_at_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let words = ["listen at", &address, "--metrics", "free port"];
    world(1, 1).mirror(&["--metrics", &address]).fails(2, &words);
    world(1, 1).mirror(&["--metrics=9404"]).fails(2, &["listen at 9404", "--metrics 127.0.0.1:"]);
}

#[test]
fn the_log_can_be_json() {
    let world = world(1, 1);
    let mut mirror = world.mirror(&["--once", "--log-format=json"]);
    let (code, log) = mirror.end();
    assert_eq!(code, Some(0), "{log}");
    let lines: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let has = |message: &str| lines.iter().any(|line| line["message"].as_str() == Some(message));
    assert!(has("stopped: 0 records copied and committed"), "{log}");
    assert!(lines.iter().all(|line| line["level"].is_string() && line["timestamp"].is_string()));
}
