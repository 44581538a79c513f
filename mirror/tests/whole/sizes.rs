//! Records and batches that the destination, or the producer, does not take.

use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use crate::support::{Record, TOPIC, World, ends, produce, varied, world};

const TOO_LARGE: RDKafkaRespErr = RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
const FINE: RDKafkaRespErr = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;

/// Ten small records, one of this size, and ten more.
fn one_large_among_small(bytes: usize) -> Vec<Record> {
    let large = Record { value: Some(vec![b'x'; bytes]), ..varied(1)[0].clone() };
    [varied(10), vec![large], varied(10)].concat()
}

/// Two batches of small records, and a batch for the large one between them, which is refused.
fn refuses_the_large_one() -> World {
    let world = world(1, 1).producer("batch.size=2000\nlinger.ms=500");
    produce(&world.source, TOPIC, &one_large_among_small(5000));
    world.destination.request_errors(RDKafkaApiKey::Produce, &[FINE, TOO_LARGE]);
    world
}

#[test]
fn a_record_that_is_too_large_is_named_and_not_passed() {
    let world = refuses_the_large_one();
    let words = [
        "testtopic [0] at offset 10",
        "about 50",
        "larger than the destination takes",
        "raise max.message.bytes of testtopic",
        "--abort.on.send.failure",
    ];
    world.mirror(&[]).fails(1, &words);
    assert!(world.committed(1)[&0] <= 10, "committed beyond it: {:?}", world.committed(1));
}

#[test]
fn only_the_record_that_is_too_large_is_dropped() {
    let world = refuses_the_large_one();
    let mut mirror = world.mirror(&["--abort.on.send.failure=false"]);
    let copied = world.wait_for(20, &mut mirror);
    assert!(copied.iter().all(|record| record.value.as_ref().is_none_or(|v| v.len() < 100)));
    world.wait_for_commits(&mirror);
    mirror.signal(nix::sys::signal::Signal::SIGTERM);
    let (code, log) = mirror.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("dropped the record testtopic [0] at offset 10, about 50"), "{log}");
    assert!(log.contains("20 records copied and committed, 1 dropped"), "{log}");
    assert_eq!(world.committed(1), ends(&world.source, TOPIC));
}

#[test]
fn a_batch_that_is_too_large_drops_no_record_that_is_not() {
    let world = world(1, 1);
    produce(&world.source, TOPIC, &varied(10));
    world.destination.request_errors(RDKafkaApiKey::Produce, &[TOO_LARGE]);
    let words = ["a batch with the record", "no record in it is larger than batch.size=1000000"];
    world.mirror(&["--abort.on.send.failure=false"]).fails(1, &words);
    assert_eq!(world.committed(1)[&0], 0);
}

#[test]
fn a_record_that_never_finds_room_in_the_producer_is_not_waited_for() {
    for lines in
        ["queue.buffering.max.kbytes=100", "buffer.memory=102400\nmax.request.size=2097152"]
    {
        let world = world(1, 1).producer(lines);
        produce(&world.source, TOPIC, &one_large_among_small(200_000));
        let words = ["testtopic [0] at offset 10", "about 2000", "buffer.memory"];
        world.mirror(&[]).fails(1, &words);
        assert!(world.committed(1)[&0] <= 10, "committed beyond it: {:?}", world.committed(1));
    }
}

#[test]
fn too_little_memory_is_refused_and_enough_is_shared() {
    let world = world(1, 1);
    let words = ["--memory 30", "2 streams need at least 56 MB", "--num.streams"];
    world.mirror(&["--memory=30", "--num.streams=2"]).fails(2, &words);
    produce(&world.source, TOPIC, &varied(10));
    let mut mirror = world.mirror(&["--memory=56", "--num.streams=2"]);
    world.wait_for(10, &mut mirror);
    let log = mirror.log();
    mirror.stop();
    assert!(log.contains("queue.buffering.max.kbytes=2730 (--memory 56 over 2 streams)"), "{log}");
}
