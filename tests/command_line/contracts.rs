//! Promises that only some mirrors make: judged where a contract makes them, skipped or doubted where not.

use super::place::{PROGRAM, Place, SMALL, Said};
use std::process::Command;

/// What is said of the scenario of the program's own features that is called so.
fn own_scenario(feature: &str, name: &str, subject: &[&str]) -> Said {
    let place = Place::with(SMALL);
    let mut command = Command::new(PROGRAM);
    command.args(["spec", feature, "--name", name, "--seed", "7", "--report", "report"]);
    command.args(subject);
    place.run(command)
}

const TRANSLATES: &str = "^a mirror that translates offsets";

#[test]
fn an_application_that_goes_on_at_translated_offsets_is_judged() {
    let said = own_scenario("offsets", TRANSLATES, &["--subject", "bad", "--fault", "translates"]);
    said.ended(0, &["✓ Offsets are not interchangeable  holds", "2,000"]);
}

/// A program of somebody's that translates offsets in this way, and promises to do it well.
fn translated_by(fault: &str, max_rewind: u32) -> Said {
    let place = Place::with(SMALL);
    let contract = format!(
        "idempotent = true\noffsets = {{ translated = {{ max-rewind = {max_rewind} }} }}\n"
    );
    let contract = place.file("contract.toml", &contract);
    let line = format!(
        "{PROGRAM} bad-mirror --fault {fault} --seed 7 --sync-group application --consumer.config \
         {{consumer_config}} --producer.config {{producer_config}} --whitelist {{topics}} \
         --offset.commit.interval.ms 200"
    );
    let subject = ["--subject", "command", "--command", &line, "--contract", &contract];
    own_scenario("offsets", TRANSLATES, &subject)
}

#[test]
fn offsets_that_are_translated_badly_are_violated() {
    let question = "an application that goes on there skips nothing";
    translated_by("translates", 0).ended(0, &["holds"]);
    translated_by("translates-past-unread", 0).ended(1, &["translation-skips", question]);
    translated_by("translates-to-the-start", 0).ended(1, &["translation-rewinds", question]);
    // It has read some 400 records, and a little is allowed, or all.
    translated_by("translates-to-the-start", 300).ended(1, &["translation-rewinds", question]);
    translated_by("translates-to-the-start", 1_000).ended(0, &["holds"]);
}

#[test]
fn a_mirror_that_promises_nothing_is_not_asked_and_told_why() {
    let said = own_scenario("offsets", TRANSLATES, &[]);
    said.ended(3, &["mirror promises no translated offsets: a contract says offsets"]);
    let settings = "^a mirror that copies settings";
    let said =
        own_scenario("topics", settings, &["--subject", "bad", "--fault", "copies-settings"]);
    said.ended(3, &["needs real brokers: run it with --clusters containers"]);
}

/// A user's feature without the tag: it asks all the same.
#[test]
fn a_question_about_what_is_not_promised_is_inconclusive() {
    let feature = |question: &str| {
        format!(
            "Feature: Asked
  Scenario: all the same
    Given the topic orders with 1 partition on the source and 2 on the destination
    And the mirror is running
    When 200 records over 10 keys are produced to orders
    And the mirror has caught up
    Then {question}
"
        )
    };
    let offsets =
        "an application that goes on there skips nothing, and gets no more again than is promised";
    Place::with(&feature(offsets)).spec(&[]).ended(3, &["its contract says no offsets"]);
    let settings = "the settings that the mirror promises to copy are the same on both sides";
    Place::with(&feature(settings)).spec(&[]).ended(3, &["its contract says no copied-configs"]);
    let translates = ["--subject", "bad", "--fault", "translates"];
    let asked = Place::with(&feature(offsets));
    asked.spec(&translates).ended(3, &["nobody waited for a position to be carried over"]);
}

/// What is said to a question about our own mirror, which keeps all that is asked, under another contract.
fn asked_under(contract: &str, question: &str) -> Said {
    let place =
        Place::with(&SMALL.replace("every record of the source is on the destination", question));
    let contract = place.file("contract.toml", &format!("idempotent = true\n{contract}\n"));
    let line = format!(
        "{PROGRAM} mirror --consumer.config {{consumer_config}} --producer.config {{producer_config}} \
         --whitelist {{topics}} --offset.commit.interval.ms 200"
    );
    place.spec(&["--subject", "command", "--command", &line, "--contract", &contract])
}

#[test]
fn a_question_that_the_contract_switches_off_is_inconclusive() {
    let check = |contract: &str, question: &str, status, words: &[&str]| {
        asked_under(contract, question).ended(status, words);
    };
    let by_key = "every record is in the partition where Java's producers put its key";
    check("", by_key, 0, &["holds"]);
    let any = "partitioning = \"any\"";
    check(any, by_key, 3, &["its contract does not say partitioning = \"murmur2\""]);
    // What its contract says of places is asked for all the same.
    check("partitioning = \"crc32\"", by_key, 1, &["misplaced"]);
    let by_number = "every record is in the partition it had on the source";
    check("", by_number, 3, &["its contract does not say partitioning = \"preserve\""]);
    let ahead = "no position was committed ahead of its records";
    check("", ahead, 0, &["holds"]);
    let unknown = "progress = \"unknown\"";
    check(unknown, ahead, 3, &["its contract does not say where progress is kept"]);
    let equal = "every copy equals its record in key, value, headers and timestamp";
    check("", equal, 0, &["holds"]);
    let before = "every record of the source is on the destination";
    check("start = \"latest\"", before, 0, &["holds"]);
    // No settings can be read of mock brokers: that is held against nothing but the question.
    let settings = "copied-configs = [\"cleanup.policy\"]";
    let copied = "the settings that the mirror promises to copy are the same on both sides";
    check(settings, copied, 3, &["no settings were read"]);
    check(settings, before, 0, &["holds"]);
    let restamped = "timestamps = \"restamped\"";
    check(restamped, equal, 3, &["its contract does not say timestamps = \"kept\""]);
}

/// It copies nothing of what was there before, which its contract says; and that is not what is asked.
#[test]
fn records_that_a_contract_leaves_behind_are_not_all_records() {
    let place = Place::with(&SMALL.replace(
        "    And the mirror is running\n",
        "    And 100 records over 10 keys are produced to orders\n    And the mirror is running\n",
    ));
    let contract = place.file("contract.toml", "start = \"latest\"\n");
    let line = format!(
        "{PROGRAM} bad-mirror --fault starts-at-latest --seed 7 --consumer.config {{consumer_config}} \
         --producer.config {{producer_config}} --whitelist {{topics}} --offset.commit.interval.ms 200"
    );
    let said = place.spec(&["--subject", "command", "--command", &line, "--contract", &contract]);
    said.ended(3, &["its contract does not say start = \"earliest\""]);
}
