//! Headers whose names are not UTF-8: to a broker they are bytes, and there are clients that write them.

use serde_json::Value;

use crate::{
    support::{TOPIC, World, ends, produce, varied, world},
    wire,
};

/// Ten records of a client, one with the name `n\xe9` (Latin-1), and ten more.
fn filled() -> (World, Vec<u8>) {
    // The odd one has no checksum.
    let world = world(1, 1).consumer("check.crcs=false");
    let odd = wire::header(b"n\xe9", b"v\xff");
    produce(&world.source, TOPIC, &varied(10));
    wire::produce(&world.source, b"odd", &odd);
    produce(&world.source, TOPIC, &varied(10));
    (world, odd)
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn a_header_whose_name_is_not_utf8_is_copied_as_it_is() {
    let (world, odd) = filled();
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
fn once_names_a_record_whose_header_it_cannot_sum_up_and_commits_nothing_beyond() {
    let (world, odd) = filled();
    let mut mirror = world.mirror(&["--once", "--json"]);
    let (code, log) = mirror.end();
    assert_eq!(code, Some(1), "{log}");
    let way_out = "not UTF-8, of which --once can make no digest; copy it without --once";
    assert!(log.contains("testtopic [0] at offset 10") && log.contains(way_out), "{log}");
    assert!(!log.contains("panicked"), "{log}");
    let report: Value = serde_json::from_str(&mirror.output()).unwrap();
    assert_eq!(report["complete"], false);
    let committed = world.committed(1)[&0];
    assert!(committed <= 10, "{committed}");
    let there = ends(&world.destination, TOPIC)[&0];
    assert!(!holds(&wire::fetch(&world.destination, there), &odd));
    // The way out.
    let goes_on = world.mirror(&[]);
    world.wait_for_commits(&goes_on);
    goes_on.stop();
    assert!(holds(&wire::fetch(&world.destination, 21), &odd));
}
