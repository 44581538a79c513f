//! Stored plans and random ones: `replay` and `fuzz`.

use super::place::{PROGRAM, Place, SMALL, Said};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// A plan in which all records are copied while the mirror runs.
fn plan(records: u32) -> String {
    let workload = judge::plan::Workload { records, keys: 10, ..Default::default() };
    let workload = serde_json::to_string(&workload).unwrap();
    format!(
        r#"{{"version": 1, "seed": 7, "actions": [
            {{"create-topic": {{"side": "source", "topic": "orders", "partitions": 1}}}},
            {{"create-topic": {{"side": "destination", "topic": "orders", "partitions": 2}}}},
            {{"produce": {{"topic": "orders", "workload": {workload}}}}},
            {{"start-subject": {{"commit_interval_ms": 100, "streams": 1, "preserve": false}}}},
            "finish"]}}"#
    )
}

/// Calls a command of the program.
fn call(place: &Place, words: &[&str]) -> Said {
    place.run(command(words))
}

/// The same, with many plans at once.
fn call_alone(place: &Place, words: &[&str]) -> Said {
    place.run_alone(command(words))
}

fn command(words: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(words);
    command
}

#[test]
fn a_stored_plan_is_performed_again() {
    let place = Place::with(SMALL);
    place.file("plan.json", &plan(200));
    let said = call(&place, &["replay", "plan.json", "--times", "2", "--report", "report"]);
    said.ended(0, &["holds", "seed 7", "400"]);
    assert_eq!(place.report()["verdict"], "holds");
    let judged =
        &place.report()["promises"][0]["scenarios"][1]["outcome"]["judged"]["judgement"]["judged"];
    assert_eq!(judged["source_records"], 200);
}

#[test]
fn a_mirror_that_is_stopped_in_the_middle_of_a_rebalance_ends() {
    let place = Place::with(SMALL);
    // The second stream joins while the first copies already: whoever stops then has a rebalance
    // that nobody has answered. Not every time, hence several.
    let streams = plan(200).replace("\"streams\": 1", "\"streams\": 2");
    let start = streams.find("{\"start-subject\"").unwrap();
    let (before, started) = streams.split_at(start);
    let again = started.replace("\"finish\"]}", "");
    let stopped = r#"{"await-records": {"topic": "orders", "records": 5}}, "stop-subject","#;
    place.file("plan.json", &format!("{before}{again}{stopped}{started}"));
    let said = call_alone(&place, &["replay", "plan.json", "--times", "8", "--report", "report"]);
    said.ended(0, &["holds"]);
}

/// Its mirror would copy all there is, and would stop well.
#[test]
fn a_launcher_that_ends_before_its_mirror_has_ended_by_itself() {
    let place = Place::with(SMALL);
    let launcher =
        format!("'{PROGRAM}' mirror \"$@\" --offset.commit.interval.ms 200 &\nsleep 2\n");
    place.file("launch.sh", &launcher);
    let copied = r#"{"await-records": {"topic": "orders", "records": 200}}, {"wait": {"seconds": 3}}, "finish""#;
    place.file("plan.json", &plan(200).replace("\"finish\"", copied));
    let line = format!(
        "sh '{}' --consumer.config {{consumer_config}} --producer.config {{producer_config}} \
         --whitelist {{topics}}",
        place.path("launch.sh").display()
    );
    let words = ["replay", "plan.json", "--report", "report", "--subject", "command", "--command"];
    let said = call(&place, &[&words[..], &[&line]].concat());
    said.ended(1, &["ended by itself (exit status: 0)", "left processes behind"]);
}

#[test]
fn a_repeat_long_after_a_freeze_is_found() {
    let place = Place::with(SMALL);
    let check = |wait: &str, status, words: &[&str]| {
        let stored = plan(2_000);
        let (before, produced) = stored.split_at(stored.find("{\"produce\"").unwrap());
        let (produce, start) = produced.split_at(produced.find("{\"start-subject\"").unwrap());
        let start = start.replace("\"finish\"]}", "");
        let frozen = r#""await-ready", "freeze-subject", {"thaw-subject": {"after_ms": 100}}"#;
        let steps = format!("{before}{start}{frozen}, {wait}{produce}\"finish\"]}}");
        place.file("plan.json", &steps);
        let bad = ["replay", "plan.json", "--subject", "bad", "--fault", "repeats-one"];
        call(&place, &bad).ended(status, words);
    };
    check("", 0, &["holds"]);
    check(r#"{"wait": {"seconds": 9}}, "#, 1, &["rewound ×1"]);
}

#[test]
fn a_plan_of_a_scenario_is_performed_again() {
    let place = Place::with(SMALL);
    place.spec(&["--seed", "7"]).ended(0, &[]);
    let stored = "report/scenarios/small-2/plan.json";
    call(&place, &["replay", stored, "--report", "again"]).ended(0, &["200"]);
}

#[test]
fn a_plan_that_cannot_be_used_is_refused_with_the_way_out() {
    let place = Place::with(SMALL);
    let check = |text: &str, words: &[&str]| {
        place.file("plan.json", text);
        let said = call(&place, &["replay", "plan.json"]);
        said.refused(&[&["plan.json"], words].concat());
    };
    let good = plan(200);
    check(&good.replace(r#""version": 1"#, r#""version": 9"#), &["version 9", "knows 1", "newer"]);
    for version in ["\"1\"", "1.5", "-1", "null"] {
        let text = good.replace("\"version\": 1", &format!("\"version\": {version}"));
        check(&text, &[&format!("version is {version}, and must be a whole number"), "knows 1"]);
    }
    check("not a plan", &["line 1", "plan.json"]);
    check("{}", &["no version", "mirrorproof spec", "plan.json"]);
    check(&good.replace("\"finish\"", "\"finnish\""), &["finnish", "finish", "line 6"]);
    check(&good.replace("\"seed\"", "\"sead\""), &["sead", "seed", "line 1"]);
    let late = r#""finish", "kill-subject"]"#;
    check(&good.replace(r#""finish"]"#, late), &["behind finish", "KillSubject"]);
    let grows =
        r#"{"grow-topic": {"side": "source", "topic": "orders", "partitions": 2}}, "finish""#;
    check(&good.replace("\"finish\"", grows), &["more partitions", "--clusters containers"]);
    let finish = good.matches("\"finish\"").count();
    assert_eq!(finish, 1, "{good}");
    let stops = r#""stop-subject", "finish""#;
    check(&good.replace("\"finish\"", stops), &["subject", "not started again"]);
    check(&good.replace("\"finish\"", "\"await-load\""), &["no finish"]);
    check(
        &good.replace(r#""partitions": 1"#, r#""partitions": 0"#),
        &["0 partitions", "1 to 1000"],
    );
    check(&good.replace("\"orders\"", "\"a b\""), &["\"a b\"", "no topic can be called"]);
    call(&place, &["replay", "none.json"]).refused(&["none.json", "No such file", "plan.json"]);
    assert!(!place.path("runs").exists(), "nothing was started, so nothing is left");
}

#[test]
fn random_plans_hold_and_leave_nothing_behind() {
    let place = Place::with(SMALL);
    let said = call(&place, &["fuzz", "--seed", "7", "--runs", "3", "--report", "report"]);
    said.ended(0, &["seed 7", "plans        3 in", "holds        3"]);
    assert!(said.stderr.starts_with("mirrorproof: seed 7"), "{said:#?}");
    assert_eq!(fs::read_dir(place.path("report")).unwrap().count(), 0);
    let calm =
        call(&place, &["fuzz", "--calm", "--seed", "7", "--runs", "3", "--report", "report"]);
    calm.ended(0, &["disturbed    0 stopped", "holds        3"]);
}

#[test]
fn no_process_of_random_plans_outlives_their_run() {
    for signal in [Signal::SIGINT, Signal::SIGKILL] {
        let place = Place::with(SMALL);
        let here = place.0.path().canonicalize().unwrap();
        let mut run = command(&["fuzz", "--seed", "7", "--for", "3m", "--report", "report"])
            .current_dir(&here)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        until("a worker and a mirror", || {
            let running = running(&here);
            ["perform", "mirror"].iter().all(|name| running.iter().any(|one| one == name))
        });
        kill(Pid::from_raw(run.id() as i32), signal).unwrap();
        let status = run.wait().unwrap();
        assert!(matches!(status.code(), None | Some(3)), "{signal}: {status}");
        until("nothing that runs", || running(&here).is_empty());
    }
}

/// The subcommands of this program that run somewhere below a folder.
fn running(folder: &Path) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let below = processes.filter(|process| {
        fs::read_link(process.join("cwd")).is_ok_and(|place| place.starts_with(folder))
    });
    let named = below.filter_map(|process| {
        let line = fs::read_to_string(process.join("cmdline")).ok()?;
        line.split('\0').nth(1).map(str::to_owned)
    });
    named.collect()
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "waited for {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_bad_mirror_is_found_by_random_plans_and_its_plan_is_made_small() {
    let place = Place::with(SMALL);
    let bad = ["--subject", "bad", "--fault", "drops-headers"];
    let words = ["fuzz", "--seed", "7", "--shrink", "20s", "--report", "report"];
    let said = call_alone(&place, &[&words[..], &bad].concat());
    said.ended(1, &["corrupted", "made smaller", "mirrorproof replay", "--fault drops-headers"]);
    let smallest = smallest(&place).1;
    let again = ["replay", smallest.as_str()];
    call(&place, &[&again[..], &bad].concat()).ended(1, &["corrupted"]);
    call(&place, &again).ended(0, &["holds"]);
}

#[test]
fn a_position_that_runs_ahead_is_found_by_random_plans_and_made_small() {
    let place = Place::with(SMALL);
    let words = ["fuzz", "--seed", "7", "--for", "3m", "--shrink", "15s", "--report", "report"];
    let bad = ["--subject", "bad", "--fault", "commits-highest"];
    call_alone(&place, &[&words[..], &bad].concat()).ended(1, &["commit-ahead"]);
    let (actions, plan) = smallest(&place);
    assert!(actions < 10, "{actions} actions in {plan}");
}

/// The smallest plan that was stored: how many actions it has, and its file.
fn smallest(place: &Place) -> (usize, String) {
    let stored = fs::read_dir(place.path("report")).unwrap().map(|entry| entry.unwrap().path());
    let sizes = stored.map(|folder| {
        let file = folder.join("plan.json");
        let plan: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        (plan["actions"].as_array().unwrap().len(), file.display().to_string())
    });
    sizes.min().unwrap()
}

#[test]
fn the_words_of_fuzz_and_replay_are_checked_first() {
    let place = Place::with(SMALL);
    let check = |words: &[&str], said: &[&str]| call(&place, words).refused(said);
    check(&["fuzz", "--for", "10"], &["--for", "10m"]);
    check(&["fuzz", "--runs", "0"], &["--runs"]);
    check(&["fuzz", "--for", "0s"], &["--for", "no time", "1s"]);
    check(&["selftest", "--list", "loses-one"], &["--list"]);
    check(&["fuzz", "--runs", "3", "--for", "10m"], &["--runs", "--for"]);
    check(&["fuzz", "--subject", "bad"], &["--fault"]);
    check(&["fuzz", "--subject", "bad", "--fault", "none-such"], &["none-such", "selftest --list"]);
    check(&["fuzz", "--fault", "loses-one"], &["--subject bad"]);
    check(&["fuzz", "--subject", "mirrormaker1"], &["--clusters containers"]);
    check(&["replay"], &["PLAN.json"]);
}
