//! Headers whose names are not UTF-8: to a broker they are bytes, and there are clients that write them.

use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use serde_json::Value;

use crate::{
    support::{TOPIC, World, ends, produce, varied, world},
    wire,
};

/// So many records of a client, one with the name `n\xe9` (Latin-1), and ten more.
fn filled(before: usize) -> (World, Vec<u8>) {
    let world = world(1, 1);
    let odd = wire::header(b"n\xe9", b"v\xff");
    produce(&world.source, TOPIC, &varied(before));
    wire::produce(&world.source, &wire::batch(b"odd", &odd, 1_500_000_000_000));
    produce(&world.source, TOPIC, &varied(10));
    (world, odd)
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn a_header_whose_name_is_not_utf8_is_copied_as_it_is() {
    let (world, odd) = filled(10);
    assert!(holds(&wire::fetch(&world.source, 21), &odd), "the source has it");
    let mirror = world.mirror(&[]);
    world.wait_for_commits(&mirror);
    assert_eq!(world.committed(1)[&0], 21);
    let copied = wire::fetch(&world.destination, 21);
    assert!(holds(&copied, &odd), "{}", mirror.log());
    assert!(!mirror.log().contains("panicked"), "{}", mirror.log());
    mirror.stop();
}

#[test]
fn a_record_with_such_a_header_can_be_refused_and_dropped() {
    let (world, _) = filled(0);
    let refusal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_RECORD;
    // Each batch of several is refused for the sake of one, and then each record by itself.
    world.destination.request_errors(RDKafkaApiKey::Produce, &[refusal; 100]);
    let mut mirror = world.mirror(&["--abort.on.send.failure=false"]);
    mirror.wait_for_log("dropped the record testtopic [0] at offset 0, about 1");
    world.wait_for_commits(&mirror);
    assert!(!mirror.log().contains("panicked"), "{}", mirror.log());
    mirror.stop();
}

#[test]
fn once_names_a_record_whose_header_it_cannot_sum_up_and_commits_nothing_beyond() {
    // It is the first, so that nothing before it keeps a commit from passing it.
    let (world, odd) = filled(0);
    let mut mirror = world.mirror(&["--once", "--json"]);
    let (code, log) = mirror.end();
    assert_eq!(code, Some(1), "{log}");
    let way_out = "not UTF-8, of which --once can make no digest; copy it without --once";
    assert!(log.contains("testtopic [0] at offset 0") && log.contains(way_out), "{log}");
    assert!(!log.contains("panicked"), "{log}");
    let report: Value = serde_json::from_str(&mirror.output()).unwrap();
    assert_eq!(report["complete"], false);
    assert_eq!(world.committed(1)[&0], 0);
    assert_eq!(ends(&world.destination, TOPIC)[&0], 0);
    // The way out.
    let goes_on = world.mirror(&[]);
    world.wait_for_commits(&goes_on);
    goes_on.stop();
    assert!(holds(&wire::fetch(&world.destination, 11), &odd));
}
