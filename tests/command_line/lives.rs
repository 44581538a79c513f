//! Mirrors of several lives, and what is told of them: any program as the subject, by a script that the plan starts
//! again and again.

use super::place::{PROGRAM, Place, SMALL, Said};
use judge::plan::{Action, Plan, Side, SubjectOptions, Workload};
use std::process::Command;

const TOPIC: &str = "orders";

/// A topic of two partitions on each side, and then this.
fn plan(actions: impl IntoIterator<Item = Action>) -> String {
    let create = |side| Action::CreateTopic { side, topic: TOPIC.into(), partitions: 2 };
    let both = [Side::Source, Side::Destination].map(create);
    let actions = both.into_iter().chain(actions).chain([Action::Finish]).collect();
    serde_json::to_string(&Plan { version: Plan::VERSION, seed: 3, actions }).unwrap()
}

fn start() -> Action {
    Action::StartSubject(SubjectOptions::default())
}

fn produce(records: u32) -> Action {
    Action::Produce { topic: TOPIC.into(), workload: workload(records) }
}

fn workload(records: u32) -> Workload {
    Workload { records, keys: 10, ..Workload::default() }
}

fn arrive(records: u64) -> Action {
    Action::AwaitRecords { topic: TOPIC.into(), records }
}

/// Judges what a script does of which `$mirror` is our mirror, and `$bad` a bad one. What it starts has the words of its command
/// line, and `$folder` is its own.
fn judged(contract: &str, script: &str, plan: &str, more: &[&str]) -> Said {
    let place = Place::with(SMALL);
    place.file("contract.toml", contract);
    place.file("plan.json", plan);
    let head = format!(
        "#!/bin/sh\nmirror='{PROGRAM} mirror'\nbad='{PROGRAM} bad-mirror --seed 1 --fault'\nfolder=$(dirname \"$2\")\n"
    );
    let script = place.file("mirror.sh", &format!("{head}{script}\n"));
    let words = "--consumer.config {consumer_config} --producer.config {producer_config} --whitelist {topics}";
    let line = format!("sh {script} {words} --offset.commit.interval.ms 200");
    let mut command = Command::new(PROGRAM);
    command.args(["replay", "plan.json", "--subject", "command", "--command", &line]);
    command.args(["--contract", "contract.toml", "--report", "report"]).args(more);
    place.run(command)
}

/// A script whose first life is this bad mirror, and the second ours.
fn first_bad(fault: &str) -> String {
    format!(
        "if [ -e $folder/second ]; then exec $mirror \"$@\"; fi\ntouch $folder/second\nexec $bad {fault} \"$@\""
    )
}

#[test]
fn what_came_back_to_the_source_before_its_producers_had_finished_is_told() {
    let wait = Action::Wait { seconds: 2 };
    let first = [start(), Action::AwaitReady, produce(600), arrive(600), wait, Action::StopSubject];
    let plan = plan(first.into_iter().chain([start(), Action::AwaitReady, produce(600)]));
    let said = judged("", &first_bad("loops"), &plan, &[]);
    said.ended(3, &["orders holds", "its producers wrote 1200"]);
}

#[test]
fn what_a_mirror_loses_in_a_life_that_nobody_awaited_is_not_excused_by_where_the_next_began() {
    let wait = |seconds| Action::Wait { seconds };
    let first = [start(), wait(2), produce(1000), arrive(990), wait(1), Action::StopSubject];
    let plan = plan(first.into_iter().chain([start(), Action::AwaitReady, produce(200)]));
    let said = judged("start = \"latest\"", &first_bad("loses-one"), &plan, &[]);
    said.ended(3, &["1 lost", "nobody waited for it to be ready in its first life"]);
}

#[test]
fn a_mirror_that_begins_at_the_end_is_not_accused_of_what_lay_before_if_nobody_awaited_it() {
    let place = Place::with(SMALL);
    let latest = place.file("latest.properties", "auto.offset.reset=latest\n");
    let plan = plan([produce(500), start(), Action::Wait { seconds: 4 }, produce(500)]);
    let more = ["--consumer.config", &latest];
    let said = judged("start = \"latest\"", "exec $mirror \"$@\"", &plan, &more);
    said.ended(3, &["500 lost", "unless the mirror began behind them"]);
}

#[test]
fn what_is_repeated_while_an_instance_takes_long_to_leave_is_explained() {
    let wait = |seconds| Action::Wait { seconds };
    let second = [Action::AddInstance(SubjectOptions::default()), wait(4), Action::RemoveInstance];
    let first = [produce(500), start(), Action::AwaitReady, arrive(500)];
    let plan = plan(first.into_iter().chain(second).chain([wait(2)]));
    // The first copies all of it again as the second joins, and as it is asked to leave.
    let script = r#"
        if [ -e $folder/first ]; then
            trap 'touch $folder/left; sleep 4; exit 0' TERM
            touch $folder/joined
            while :; do sleep 0.1; done
        fi
        touch $folder/first
        copy() { $bad never-commits "$@" & child=$!; }
        copy "$@"
        trap 'kill -TERM $child; wait $child; exit 0' TERM
        for sign in joined left; do
            while [ ! -e $folder/$sign ]; do sleep 0.1; done
            kill -TERM $child; wait $child
            copy "$@"
        done
        wait $child"#;
    judged("progress = \"unknown\"", script, &plan, &[]).ended(0, &["holds"]);
}

#[test]
fn one_that_stands_still_before_the_last_records_has_not_lost_them() {
    let plan =
        plan([start(), Action::AwaitReady, produce(500), arrive(500), Action::Wait { seconds: 4 }]);
    let script = "$mirror \"$@\" &\nchild=$!\ntrap 'kill -KILL $child; exit 0' TERM\nsleep 3\nkill -STOP $child\nsleep 100 & wait $!";
    let said = judged("", script, &plan, &[]);
    said.ended(1, &["stalled"]);
    assert!(!said.stdout.contains("a sentinel has no copy"), "{said:#?}");
}

/// A mirror of `orders` that has copied 100 records of it, and then this.
fn after_a_hundred(steps: &str, then: &str) -> Said {
    let feature = format!(
        "Feature: Later
  Scenario: later
    Given the topic orders with 2 partitions on the source and 2 on the destination
    And the mirror is running
    When 100 records over 10 keys are produced to orders
{steps}
    Then {then}
"
    );
    Place::with(&feature).spec(&[])
}

const ALL: &str = "every record of the source is on the destination";

#[test]
fn a_topic_that_came_later_and_was_not_asked_for_need_not_be_copied() {
    let later =
        "    And the topic audit is created with 1 partition on the source and 1 on the destination
    And 50 records over 10 keys are produced to audit
    And the mirror has caught up";
    after_a_hundred(later, ALL).ended(0, &["holds"]);
    after_a_hundred(later, "audit is empty on the destination").ended(0, &["holds"]);
    let again = "    And the mirror is stopped\n    And the mirror is started again\n    And the mirror has caught up";
    let later = later.replace("    And the mirror has caught up", again);
    let said = after_a_hundred(&later, "audit is empty on the destination");
    said.ended(3, &["audit holds 50 records on the destination"]);
}

#[test]
fn a_second_end_is_judged_as_a_whole() {
    let more = "    And the mirror has caught up
    And the mirror is started again
    And 50 records over 10 keys are produced to orders";
    let said = after_a_hundred(&format!("{more}\n    And the mirror has caught up"), ALL);
    said.ended(0, &["holds", "150"]);
    after_a_hundred(more, ALL).ended(3, &["the step asks before the mirror has caught up"]);
}
