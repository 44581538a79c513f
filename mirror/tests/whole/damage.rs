//! Batches that were damaged on the source: none is copied as if it were sound.

use crate::{
    support::{TOPIC, World, ends, produce, read, varied, world},
    wire,
};

/// Ten records, one in a batch whose checksum is wrong, and ten more.
fn damaged() -> World {
    with(&wire::damaged(odd()))
}

fn odd() -> Vec<u8> {
    wire::batch(b"odd", &[], 1_500_000_000_000)
}

/// Ten records, this batch, and ten more.
fn with(batch: &[u8]) -> World {
    let world = world(1, 1);
    produce(&world.source, TOPIC, &varied(10));
    wire::produce(&world.source, batch);
    produce(&world.source, TOPIC, &varied(10));
    world
}

#[test]
fn a_batch_with_a_wrong_checksum_ends_the_mirror_and_nothing_from_it_on_is_copied() {
    for arguments in [&[][..], &["--once"], &["--strict-mm1"]] {
        let world = damaged();
        // MirrorMaker would begin at the end.
        world.commit(0, 0);
        let words = [
            "a batch of records on the source is damaged",
            "at or behind testtopic [0] at offset 10",
            "kafka-dump-log.sh",
            "check.crcs=false in consumer.properties copies",
        ];
        world.mirror(arguments).fails(1, &words);
        assert!(world.committed(1)[&0] <= 10, "{:?}", world.committed(1));
        assert!(ends(&world.destination, TOPIC)[&0] <= 10, "what lies behind it was copied");
    }
}

#[test]
fn a_batch_that_cannot_be_decompressed_ends_the_mirror() {
    const GZIP: u8 = 1;
    const NONE_THAT_THERE_IS: u8 = 5;
    for codec in [GZIP, NONE_THAT_THERE_IS] {
        let world = with(&wire::badly_compressed(odd(), codec));
        let words = ["a batch of records on the source is damaged", "testtopic [0] at offset 10"];
        world.mirror(&[]).fails(1, &words);
        assert!(ends(&world.destination, TOPIC)[&0] <= 10, "what lies behind it was copied");
    }
}

#[test]
fn a_batch_with_a_wrong_checksum_is_copied_by_who_does_not_look_at_it() {
    let world = damaged().consumer("check.crcs=false");
    let log = world.mirror(&["--once"]).end().1;
    assert!(log.contains("21 records copied"), "{log}");
    let copied = read(&world.destination, TOPIC);
    assert!(copied.iter().any(|record| record.value.as_deref() == Some(b"odd")));
}
