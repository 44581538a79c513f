//! Records that the source lost before they were copied: never passed over in silence, and no false alarms.

use std::time::Duration;

use nix::sys::signal::Signal;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use crate::{
    support::{Mirror, Record, TOPIC, World, ends, produce, read, varied, world},
    wire,
};

/// Copies what there is, and ends.
fn copy(world: &World) {
    let mirror = world.mirror(&[]);
    world.wait_for_commits(&mirror);
    mirror.stop();
}

/// Records that `varied(from)` does not begin with.
fn others(from: usize, to: usize) -> Vec<Record> {
    varied(to)[from..].to_vec()
}

/// Goes on although records are lost, until so many lie on the destination.
fn go_on(world: &World, records: usize, lost_ranges: u64) {
    let arguments = ["--on-data-loss", "continue", "--metrics", "127.0.0.1:0"];
    let mut mirror = world.mirror(&arguments);
    assert_eq!(world.wait_for(records, &mut mirror).len(), records);
    mirror.wait_for_metrics(&[&format!("mirror_lost_ranges_total {lost_ranges}")]);
    world.wait_for_commits(&mirror);
    mirror.stop();
}

#[test]
fn a_topic_made_anew_with_more_records_is_read_from_its_first() {
    let mut world = world(1, 1);
    produce(&world.source, TOPIC, &varied(50));
    copy(&world);
    world.replace_source(1);
    produce(&world.source, TOPIC, &others(100, 180));
    let words = [TOPIC, "[0]", "offsets 0 to 49 hold other records", "--on-data-loss continue"];
    world.mirror(&[]).fails(1, &words);
    world.mirror(&[]).fails(1, &words);
    assert_eq!(world.committed(1)[&0], 50, "nothing is committed over the loss");
    go_on(&world, 50 + 80, 1);
    // From now on it is the log that was read.
    copy(&world);
    assert_eq!(read(&world.destination, TOPIC).len(), 50 + 80);
}

#[test]
fn a_log_truncated_and_written_again_is_read_behind_what_is_the_same() {
    let mut world = world(1, 1);
    produce(&world.source, TOPIC, &varied(20));
    copy(&world);
    produce(&world.source, TOPIC, &others(20, 50));
    copy(&world);
    world.replace_source(1);
    produce(&world.source, TOPIC, &varied(30));
    produce(&world.source, TOPIC, &others(100, 150));
    world.mirror(&[]).fails(1, &[TOPIC, "[0]", "offsets 20 to 49 hold other records"]);
    go_on(&world, 50 + 60, 1);
}

#[test]
fn once_copies_a_topic_made_anew_from_its_first_record() {
    let mut world = world(1, 1);
    produce(&world.source, TOPIC, &varied(50));
    world.mirror(&["--once"]).ends_well();
    world.replace_source(1);
    produce(&world.source, TOPIC, &others(100, 180));
    world.mirror(&["--once"]).fails(1, &[TOPIC, "[0]", "offsets 0 to 49 hold other records"]);
    world.mirror(&["--once", "--on-data-loss", "continue"]).ends_well();
    assert_eq!(read(&world.destination, TOPIC).len(), 50 + 80);
    assert_eq!(world.committed(1)[&0], 80);
}

#[test]
fn once_does_not_take_a_position_beyond_a_log_made_anew_for_its_end() {
    let mut world = world(1, 1);
    produce(&world.source, TOPIC, &varied(50));
    world.mirror(&["--once"]).ends_well();
    world.replace_source(1);
    produce(&world.source, TOPIC, &others(100, 120));
    let lost = [TOPIC, "[0]", "from offset 50, but the log ends at 20"];
    world.mirror(&["--once"]).fails(1, &lost);
    world.mirror(&["--once", "--on-data-loss", "continue"]).ends_well();
    assert_eq!(read(&world.destination, TOPIC).len(), 50 + 20);
    assert_eq!(world.committed(1)[&0], 20);
}

#[test]
fn a_topic_with_fewer_partitions_is_named_with_those_that_are_gone() {
    let mut world = world(4, 4).consumer("metadata.max.age.ms=100");
    produce(&world.source, TOPIC, &varied(50));
    let mut mirror = world.mirror(&["--offset.commit.interval.ms=100"]);
    world.wait_for(50, &mut mirror);
    // The first look tells how many there are, and the next commit notes it.
    std::thread::sleep(Duration::from_millis(500));
    produce(&world.source, TOPIC, &varied(50));
    world.wait_for(100, &mut mirror);
    world.wait_for_commits(&mirror);
    mirror.stop();
    world.replace_source(2);
    produce(&world.source, TOPIC, &varied(200));
    let words =
        ["testtopic [2]: the topic", "testtopic [3]: the topic", "made anew with 2 partitions"];
    world.mirror(&[]).fails(1, &words);
}

#[test]
fn positions_that_an_operator_has_set_are_nobody_s_loss() {
    let mut world = world(1, 1);
    produce(&world.source, TOPIC, &varied(50));
    copy(&world);
    world.replace_source(1);
    produce(&world.source, TOPIC, &others(100, 180));
    world.commit(0, 60);
    let mut mirror = world.mirror(&[]);
    assert_eq!(world.wait_for(50 + 20, &mut mirror).len(), 70);
    world.wait_for_commits(&mirror);
    mirror.stop();
}

/// A mirror that has copied ten records, and was frozen while the source deleted more.
fn outrun(world: &World, arguments: &[&str]) -> Mirror {
    let mirror = mirror_at_the_end(world, arguments);
    outrun_while_frozen(world, &mirror);
    mirror
}

/// A mirror that has copied ten records.
fn mirror_at_the_end(world: &World, arguments: &[&str]) -> Mirror {
    produce(&world.source, TOPIC, &varied(10));
    let arguments = [arguments, &["--metrics", "127.0.0.1:0"]].concat();
    let mirror = world.mirror(&arguments);
    world.wait_for_the_end(&mirror);
    mirror
}

/// The source deletes what the mirror was to read next.
fn outrun_while_frozen(world: &World, mirror: &Mirror) {
    mirror.signal(Signal::SIGSTOP);
    produce_more_than_is_kept(world);
    mirror.signal(Signal::SIGCONT);
}

fn produce_more_than_is_kept(world: &World) {
    // The mock keeps 5 MiB of a partition.
    let large = Record { value: Some(vec![b'x'; 200_000]), ..varied(3).remove(2) };
    produce(&world.source, TOPIC, &vec![large; 40]);
}

#[test]
fn what_is_deleted_ahead_of_a_running_mirror_is_named() {
    let words = [TOPIC, "[0]: offsets 10 to", "are deleted, the log begins at"];
    outrun(&world(1, 1), &[]).fails(1, &words);
}

#[test]
fn what_is_deleted_is_named_although_the_leader_has_just_moved() {
    let world = world(1, 1);
    let moved = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION;
    let mirror = mirror_at_the_end(&world, &[]);
    world.source.request_errors(RDKafkaApiKey::ListOffsets, &[moved; 4]);
    outrun_while_frozen(&world, &mirror);
    mirror.fails(1, &[TOPIC, "[0]: offsets 10 to", "are deleted, the log begins at"]);
}

#[test]
fn what_is_deleted_ahead_of_a_running_mirror_can_be_passed_over() {
    let world = world(1, 1);
    let mut mirror = outrun(&world, &["--on-data-loss", "continue"]);
    mirror.wait_for_metrics(&["mirror_lost_ranges_total 1"]);
    world.wait_for_the_end(&mirror);
    mirror.stop();
}

/// Fifteen records are read, of which five do not come through, as what lies behind them is deleted.
fn lost_while_the_destination_is_away(world: &World, in_flight: &str) {
    produce(&world.source, TOPIC, &varied(10));
    let arguments = ["--on-data-loss", "continue", "--metrics", "127.0.0.1:0"];
    let mut mirror = world.mirror(&arguments);
    world.wait_for_the_end(&mirror);
    world.destination.broker_down(1).unwrap();
    produce(&world.source, TOPIC, &others(10, 15));
    mirror.wait_for_metrics(&[in_flight]);
    // One that is held is read by then, and reading is not paused yet.
    std::thread::sleep(Duration::from_millis(500));
    outrun_while_frozen(world, &mirror);
    mirror.wait_for_log("once the destination answers");
    world.destination.broker_up(1).unwrap();
    mirror.wait_for_metrics(&["mirror_lost_ranges_total 1"]);
    mirror.wait_for_log("[0]: offsets 15 to");
    world.wait_for_the_end(&mirror);
    mirror.stop();
    let copied = read(&world.destination, TOPIC);
    assert!(copied.len() > 15 && copied[..15] == varied(15), "{} copied", copied.len());
}

#[test]
fn what_is_lost_while_the_destination_is_away_is_passed_over_when_it_is_back() {
    lost_while_the_destination_is_away(&world(1, 1), "mirror_records_in_flight 5");
}

/// Four records are in the queue, and one waits for room.
#[test]
fn a_record_that_finds_no_room_is_not_passed_over_with_what_is_deleted_behind_it() {
    let world = world(1, 1).producer("queue.buffering.max.messages=4\nlinger.ms=0");
    lost_while_the_destination_is_away(&world, "mirror_records_in_flight 4");
}

#[test]
fn a_topic_deleted_during_once_ends_it_with_its_name() {
    let world = world(1, 1)
        .consumer("metadata.max.age.ms=300")
        .producer("queue.buffering.max.messages=4\nlinger.ms=0");
    world.destination.broker_round_trip_time(1, std::time::Duration::from_millis(100)).unwrap();
    produce(&world.source, TOPIC, &varied(2000));
    let delete = |error| world.source.topic_error(TOPIC, error).unwrap();
    let mut mirror = world.mirror(&["--once"]);
    world.wait_for(20, &mut mirror);
    delete(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    mirror
        .fails(1, &["testtopic [0]: the topic was deleted before offsets", "to 1999 were copied"]);

    delete(RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR);
    let mut mirror = world.mirror(&["--once", "--json", "--on-data-loss", "continue"]);
    let held = ends(&world.destination, TOPIC)[&0] as usize;
    world.wait_for(held + 20, &mut mirror);
    delete(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    mirror.ends_well();
}

#[test]
fn with_latest_only_what_was_there_at_the_first_start_begins_at_its_end() {
    let world = world(1, 1).consumer("auto.offset.reset=latest\nmetadata.max.age.ms=300");
    produce(&world.source, TOPIC, &varied(50));
    let arguments = ["--whitelist", "testtopic.*", "--num.streams", "2"];
    let create = |topic: &str, records| {
        world.source.create_topic(topic, 2, 1).unwrap();
        world.destination.create_topic(topic, 2, 1).unwrap();
        produce(&world.source, topic, &varied(records));
    };
    let wait = |topic: &str, records: i64, log: &dyn Fn() -> String| {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while ends(&world.destination, topic).values().sum::<i64>() < records {
            assert!(std::time::Instant::now() < deadline, "{topic}\n{}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    let mut mirror = world.mirror_of(&arguments);
    mirror.wait_for_log("testtopic[0]@50");
    create("testtopic-running", 20);
    wait("testtopic-running", 20, &|| mirror.log());
    mirror.signal(Signal::SIGKILL);
    let (_, former) = mirror.end();
    create("testtopic-stopped", 30);
    let mirror = world.mirror_of(&arguments);
    wait("testtopic-stopped", 30, &|| format!("{former}\n\n{}", mirror.log()));
    mirror.stop();
    assert_eq!(ends(&world.destination, TOPIC)[&0], 0, "what was there before is not wanted");
}

#[test]
fn with_latest_the_group_begins_before_a_stream_has_joined_it() {
    let world = world(1, 1).consumer("auto.offset.reset=latest");
    produce(&world.source, TOPIC, &varied(50));
    let mut mirror = world.mirror(&[]);
    mirror.wait_for_log("mirroring testtopic");
    mirror.signal(Signal::SIGKILL);
    let (_, former) = mirror.end();
    assert!(!former.contains("stream 0 reads"), "killed too late: {former}");
    produce(&world.source, TOPIC, &others(50, 60));
    let mirror = world.mirror(&[]);
    world.wait_for_the_end(&mirror);
    mirror.stop();
    assert_eq!(ends(&world.destination, TOPIC)[&0], 10, "{former}");
}

/// In a cooperative group a partition can stay ours though a commit of ours is refused, and one that is out of range is not
/// read again by itself.
#[test]
fn what_is_deleted_is_passed_over_although_the_group_refuses_a_commit_meanwhile() {
    let world = world(1, 1)
        .consumer("partition.assignment.strategy=cooperative-sticky\nheartbeat.interval.ms=200");
    produce(&world.source, TOPIC, &varied(10));
    let arguments = ["--on-data-loss=continue", "--offset.commit.interval.ms=600000"];
    let arguments = [&arguments[..], &["--metrics=127.0.0.1:0"]].concat();
    let mut mirror = world.mirror(&arguments);
    world.wait_for(10, &mut mirror);
    // Longer than the group takes to rebalance.
    world.destination.broker_round_trip_time(1, Duration::from_secs(8)).unwrap();
    produce(&world.source, TOPIC, &others(10, 11));
    mirror.wait_for_metrics(&["mirror_records_in_flight 1"]);
    let rebalances = RDKafkaRespErr::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS;
    let refused = RDKafkaRespErr::RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION;
    world.source.request_errors(RDKafkaApiKey::OffsetCommit, &[refused]);
    mirror.signal(Signal::SIGSTOP);
    world.source.request_errors(RDKafkaApiKey::Heartbeat, &[rebalances]);
    produce_more_than_is_kept(&world);
    mirror.signal(Signal::SIGCONT);
    mirror.wait_for_log("a commit failed and is tried again: IllegalGeneration");
    mirror.wait_for_metrics(&["mirror_lost_ranges_total 1"]);
    world.destination.broker_round_trip_time(1, Duration::ZERO).unwrap();
    let lag = "mirror_lag_records{topic=\"testtopic\",partition=\"0\"} 0";
    mirror.wait_for_metrics(&["mirror_records_in_flight 0", lag]);
    mirror.signal(Signal::SIGTERM);
    let (code, log) = mirror.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("gave back 1"), "it shows nothing: {log}");
    assert_eq!(world.committed(1)[&0], world.source_end(), "{log}");
}

/// A source that has deleted all else begins behind them, which is no loss.
#[test]
fn markers_of_transactions_are_passed_by_the_commit() {
    let world = world(1, 1);
    produce(&world.source, TOPIC, &varied(10));
    wire::produce(&world.source, &wire::marker());
    let arguments = ["--offset.commit.interval.ms=100"];
    let mut mirror = world.mirror(&arguments);
    world.wait_for_the_end(&mirror);
    assert_eq!(world.committed(1)[&0], 11);
    produce(&world.source, TOPIC, &varied(5));
    world.wait_for(15, &mut mirror);
    mirror.stop();
    assert_eq!(world.committed(1)[&0], 16);
    // What lies behind the position is a marker, and nothing else.
    wire::produce(&world.source, &wire::marker());
    let mirror = world.mirror(&arguments);
    world.wait_for_the_end(&mirror);
    mirror.stop();
    assert_eq!(read(&world.destination, TOPIC).len(), 15);
}

#[test]
fn a_marker_behind_a_record_that_has_no_copy_is_not_passed() {
    let world = world(1, 1);
    produce(&world.source, TOPIC, &varied(10));
    let mut mirror = world.mirror(&["--offset.commit.interval.ms=100", "--metrics=127.0.0.1:0"]);
    world.wait_for_the_end(&mirror);
    world.destination.broker_down(1).unwrap();
    produce(&world.source, TOPIC, &varied(1));
    wire::produce(&world.source, &wire::marker());
    mirror.wait_for_metrics(&["mirror_records_in_flight 1"]);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(world.committed(1)[&0], 10);
    world.destination.broker_up(1).unwrap();
    world.wait_for_the_end(&mirror);
    assert_eq!(world.committed(1)[&0], 12);
    mirror.stop();
}
