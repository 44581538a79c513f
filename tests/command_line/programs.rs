//! Programs in the place of a mirror, and what is said of them.

use super::place::{BEFORE, PROGRAM, Place, SMALL, Said};
use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};
use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Read},
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream, process::CommandExt},
    },
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// A command in the place of a mirror, and what is said of it.
fn judged_as_violated(feature: &str, command: &str, words: &[&str]) {
    let place = Place::with(feature);
    let said = place.spec(&["--subject", "command", "--command", command]);
    said.ended(1, words);
    assert_eq!(place.report()["verdict"], "violated");
}

#[test]
fn a_subject_that_fails_is_violated_with_its_status() {
    judged_as_violated(SMALL, "false", &["exit status: 1"]);
}

#[test]
fn a_subject_that_ends_unasked_is_violated_though_it_says_success() {
    judged_as_violated(SMALL, "true", &["exit status: 0"]);
}

#[test]
fn a_subject_that_does_not_exist_is_violated_or_the_environments() {
    judged_as_violated(SMALL, "/no/such/mirror", &["/no/such/mirror"]);
}

#[test]
fn a_subject_that_does_nothing_is_violated() {
    judged_as_violated(BEFORE, "sleep 1000", &["stalled", "200 source records without a copy"]);
}

#[test]
fn a_subject_that_copies_half_of_the_records_is_violated() {
    let feature = "Feature: Half
  Scenario: both topics arrive
    Given the topic first with 1 partition on the source and 2 on the destination
    And the topic second with 1 partition on the source and 2 on the destination
    And 200 records over 10 keys are produced to first
    And 200 records over 10 keys are produced to second
    When the mirror is started
    And the mirror has caught up
    Then every record of the source is on the destination
";
    let command = format!(
        "'{PROGRAM}' mirror --consumer.config {{consumer_config}} \
         --producer.config {{producer_config}} --whitelist first --offset.commit.interval.ms 200"
    );
    judged_as_violated(feature, &command, &["stalled", "200 source records without a copy"]);
}

#[test]
fn a_program_is_not_asked_to_stop_before_it_listens() {
    // It takes a while to say what SIGTERM shall do.
    let command = "sleep 0.5; trap 'exit 7' TERM; while true; do sleep 0.05; done";
    let (mut supervisor, _harness) = supervised(command);
    killpg(Pid::from_raw(supervisor.id() as i32), Signal::SIGTERM).unwrap();
    assert_eq!(supervisor.wait().unwrap().code(), Some(7));
}

/// A shell's command below a supervisor of ours, which has said that it listens. Its output ends with
/// the last process that can write to it.
fn supervised(command: &str) -> (Child, UnixStream) {
    let (mut harness, other_end) = UnixStream::pair().unwrap();
    let supervisor = Command::new(PROGRAM)
        .args(["supervise", "--", "sh", "-c", command])
        .stdin(OwnedFd::from(other_end))
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap();
    harness.read_exact(&mut [0]).unwrap();
    (supervisor, harness)
}

#[test]
fn what_a_program_leaves_behind_ends_with_it() {
    let started = Instant::now();
    // One that it still owns, one that nobody owns, and one that has left its group.
    let command = "sleep 60 & (sleep 60 &); setsid sleep 60 & sleep 0.2; exit 3";
    let (supervisor, _harness) = supervised(command);
    assert_eq!(supervisor.wait_with_output().unwrap().status.code(), Some(3));
    assert!(started.elapsed() < Duration::from_secs(30), "something wrote on");
}

#[test]
fn what_a_launcher_started_is_waited_for_when_both_are_asked_to_stop() {
    // The launcher says nothing of signals: it is gone at once.
    let command =
        "(trap 'sleep 1; echo committed; exit' TERM; while true; do sleep 0.05; done) & wait";
    let (mut supervisor, _harness) = supervised(command);
    let group = Pid::from_raw(supervisor.id() as i32);
    killpg(group, Signal::SIGTERM).unwrap();
    assert_eq!(supervisor.wait().unwrap().code(), Some(143));
    assert!(killpg(group, Signal::SIGKILL).is_err(), "somebody is left");
    let mut written = String::new();
    supervisor.stdout.take().unwrap().read_to_string(&mut written).unwrap();
    assert_eq!(written, "committed\n");
}

/// Whatever a record can carry, and every question that a mirror can fail.
const DENSE: &str = "Feature: Dense
  Scenario: it is all there, once, in order and unchanged
    Given the topic orders with 3 partitions on the source and 8 on the destination
    And the mirror is running
    When 2000 records of the mix \"everything\" are produced to orders
    And the mirror has caught up
    Then every record of the source is on the destination
    And no record is repeated
    And every key's records are in the order of the source
    And every copy equals its record in key, value, headers and timestamp
";

/// A program of somebody's, with one defect that counts and offsets do not show.
fn program_is_caught(fault: &str, anomaly: &str) {
    let place = Place::with(DENSE);
    let command = format!(
        "{PROGRAM} bad-mirror --fault {fault} --seed 7 --consumer.config {{consumer_config}} \
         --producer.config {{producer_config}} --whitelist {{topics}} \
         --offset.commit.interval.ms 200"
    );
    let said = place.spec(&["--subject", "command", "--command", &command]);
    said.ended(1, &["VIOLATED", anomaly]);
}

#[test]
fn a_program_that_loses_one_record_and_repeats_another_is_caught() {
    program_is_caught("loses-one-repeats-one", "lost ×1");
}

#[test]
fn a_program_that_swaps_two_records_of_a_key_is_caught() {
    program_is_caught("swaps-two", "reordered ×1");
}

#[test]
fn a_program_that_empties_null_values_is_caught() {
    program_is_caught("empties-null-value", "corrupted");
}

/// What `small` and another feature come to, of which the mirror's defect breaks the other's promise.
fn small_beside(small: &str, other: &str, fault: &str) -> [Value; 2] {
    let place = Place::with(small);
    place.file(&format!("features/{other}.feature"), &SMALL.replace("Small", "Another promise"));
    place
        .spec(&["small", "--subject", "bad", "--fault", fault, "--seed", "5"])
        .ended(1, &["✗ Another promise", "features/small.feature:2", "unasked"]);
    let report = place.report();
    let of = |promise: &str| {
        let mut promises = report["promises"].as_array().unwrap().iter();
        promises.find(|one| one["promise"] == promise).unwrap()["verdict"].clone()
    };
    ["Small", "Another promise"].map(of)
}

#[test]
fn what_no_step_asked_about_is_held_against_the_promise_that_it_breaks() {
    assert_eq!(small_beside(SMALL, "fidelity", "restamps"), ["holds", "violated"]);
    // Without a feature that promises it, there is no other one to accuse.
    let alone = Place::with(SMALL);
    let said = alone.spec(&["--subject", "bad", "--fault", "restamps", "--seed", "5"]);
    said.ended(1, &["✗ Small", "corrupted"]);
}

/// The order of what is not there is nobody's to judge.
#[test]
fn a_promise_does_not_hold_over_records_that_were_not_copied() {
    let ordered = SMALL.replace("200 records", "2000 records").replace(
        "every record of the source is on the destination",
        "every key's records are in the order of the source",
    );
    for fault in ["loses-one", "hangs"] {
        let found = small_beside(&ordered, "completeness", fault);
        assert_eq!(found, ["inconclusive", "violated"], "{fault}");
    }
}

/// What the harness stopped is not the mirror's to copy.
#[test]
fn a_mirror_that_the_scenario_stopped_is_not_accused() {
    let stopped = SMALL.replace("to orders\n", "to orders\n    And the mirror is stopped\n");
    Place::with(&stopped).spec(&[]).ended(3, &["of a subject that it has stopped"]);
}

/// With one partition on both sides and nothing there before, raw offsets are right by chance.
#[test]
fn offsets_that_coincide_show_nothing() {
    let place = Place::with(
        "Feature: Offsets
  Scenario: by chance they are the same
    Given the topic orders with 1 partition on the source and 1 on the destination
    And the mirror is running
    When 500 records over 10 keys are produced to orders
    And the mirror has caught up
    And an application has read 50 percent of orders on the source
    And the application goes on at the destination with its source offsets
    Then it skips records or reads them twice, exactly as the placements say
",
    );
    place.spec(&[]).ended(3, &["skipped and repeated nothing"]);
}

#[test]
fn a_contract_is_read_and_an_unknown_clause_is_named() {
    let place = Place::with(SMALL);
    let command = format!(
        "{PROGRAM} bad-mirror --fault none --consumer.config {{consumer_config}} \
         --producer.config {{producer_config}} --whitelist {{topics}} \
         --offset.commit.interval.ms 200"
    );
    let spec = |file: &str| {
        place.spec(&["--subject", "command", "--command", &command, "--contract", file])
    };
    let bad = place.file("bad.toml", "order = \"key\"\nexactly-one = true\n");
    spec(&bad).refused(&["bad.toml", "line 2", "exactly-one"]);
    let prefix = place.file("prefix.toml", "order = \"key\"\ntopic-prefix = \"a b/\"\n");
    spec(&prefix).refused(&[
        "prefix.toml",
        "line 2",
        "topic-prefix",
        "\"a b/\"",
        "'.', '_' and '-'",
    ]);
    let offsets = place.file("offsets.toml", "offsets = \"translated\"\n");
    spec(&offsets).refused(&["offsets.toml", "line 1", "{ translated = { max-rewind = 0 } }"]);
    spec("none.toml").refused(&["none.toml", "No such file"]);
    place.spec(&["--contract", &bad]).refused(&["--contract", "--subject command"]);
    // It hashes keys, which is not what this contract says.
    spec(&place.file("good.toml", "partitioning = \"preserve\"\n")).ended(1, &["misplaced"]);
    spec(&place.file("any.toml", "partitioning = \"any\"\n")).ended(0, &["holds"]);
}

#[test]
fn the_self_test_tells_a_bad_mirror_from_a_sound_one() {
    let place = Place::with(SMALL);
    let selftest = |arguments: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command.arg("selftest").args(arguments);
        place.run(command)
    };
    selftest(&["flips-a-bit", "small-load"])
        .ended(0, &["corrupted ×1", "1 of 1 bad", "1 of 1 sound"]);
    selftest(&["keeps-old-count"]).ended(3, &["needs containers"]);
    selftest(&["no-such-mirror"]).refused(&["no-such-mirror", "--list"]);
    selftest(&["--list"]).ended(0, &["loses-one", "keeps-old-count", "containers"]);
}

#[test]
fn a_self_test_that_is_cut_short_says_how_much_of_it_was_tried() {
    let place = Place::with(SMALL);
    let mut selftest = Command::new(PROGRAM)
        .args(["selftest", "small-load", "throttled", "keeps-old-count", "--jobs", "1"])
        .current_dir(place.0.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(selftest.stderr.take().unwrap()).lines();
    assert!(told.any(|line| line.unwrap().contains("small-load: holds")));
    kill(Pid::from_raw(selftest.id() as i32), Signal::SIGINT).unwrap();
    // Whoever says something else meanwhile shall not wait for a reader.
    told.for_each(drop);
    let said = Said::of(selftest.wait_with_output().unwrap());
    said.ended(3, &["cut short: 1 of 2 mirrors were tried", "1 of 1 sound"]);
}

#[test]
fn a_configuration_that_skips_records_is_violated_and_names_them() {
    // As in life: the mirror runs, and more is produced.
    let running =
        "And the mirror is running\n    When 200 records over 10 keys are produced to orders";
    let place = Place::with(&BEFORE.replace("When the mirror is started", running));
    let file = place.file("consumer.properties", "auto.offset.reset=latest\n");
    place.spec(&["--consumer.config", &file]).ended(1, &["lost", "orders[0]@0"]);
    let judgement = place.report()["promises"][0]["scenarios"][0]["outcome"]["judged"]["judgement"]
        ["violations"][0]
        .clone();
    assert_eq!((&judgement["anomaly"], &judgement["count"]), (&"lost".into(), &200.into()));
}
