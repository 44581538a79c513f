//! The program as its users call it: what it says, what it leaves behind, and its exit codes.
//!
//! Each test runs the real binary on a folder of features of its own, with one small scenario.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod support {
    pub(crate) mod silent_engine;
}

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use std::{
    fs,
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};
use support::silent_engine::silent_engine;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_mirrorproof");

/// Copied while the mirror runs.
const SMALL: &str = "Feature: Small
  Scenario: all of it arrives
    Given the topic orders with 1 partition on the source and 2 on the destination
    And the mirror is running
    When 200 records over 10 keys are produced to orders
    And the mirror has caught up
    Then every record of the source is on the destination
";

/// Produced before the mirror, whose readiness is not awaited.
const BEFORE: &str = "Feature: Before
  Scenario: what was there arrives
    Given the topic orders with 1 partition on the source and 2 on the destination
    And 200 records over 10 keys are produced to orders
    When the mirror is started
    And the mirror has caught up
    Then every record of the source is on the destination
";

/// A folder for one call: its features, its files, its report.
struct Place(TempDir);

impl Place {
    /// A place whose features are this one.
    fn with(feature: &str) -> Place {
        let place = Place(tempfile::tempdir().unwrap());
        fs::create_dir(place.path("features")).unwrap();
        place.file("features/small.feature", feature);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, text: &str) -> String {
        fs::write(self.path(name), text).unwrap();
        self.path(name).display().to_string()
    }

    /// Calls the program here; the features are this place's, unless the arguments name others.
    fn spec(&self, arguments: &[&str]) -> Said {
        let mut command = Command::new(PROGRAM);
        command.arg("spec").args(arguments).args(["--report", "report"]);
        if !arguments.contains(&"--features") {
            command.args(["--features", "features"]);
        }
        self.run(command)
    }

    fn run(&self, mut command: Command) -> Said {
        command.current_dir(self.0.path()).stdin(Stdio::null());
        Said::of(command.output().unwrap())
    }

    fn report(&self) -> Value {
        serde_json::from_str(&fs::read_to_string(self.path("report/report.json")).unwrap()).unwrap()
    }
}

/// What a call said, and how it ended.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Said {
    fn of(output: Output) -> Said {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Said {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Refused before anything started, with an error that says all of this.
    fn refused(&self, words: &[&str]) {
        self.ended(2, words);
        assert_eq!(self.stdout, "", "results are for standard output, errors are not: {self:#?}");
    }

    /// Ended with this exit code, having said all of this; never by a panic.
    fn ended(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:#?}");
        assert!(!self.stderr.contains("panicked"), "{self:#?}");
        for word in words {
            let said = self.stderr.contains(word) || self.stdout.contains(word);
            assert!(said, "nothing says {word:?}: {self:#?}");
        }
    }
}

#[test]
fn unknown_names_are_refused_with_the_nearest_or_all_that_exist() {
    let place = Place::with(SMALL);
    let check = |arguments: &[&str], words: &[&str]| place.spec(arguments).refused(words);
    check(
        &["--subject", "mirrormaker9"],
        &["mirrormaker9", "--subject", "mirrormaker1", "command"],
    );
    check(&["--clusters", "cloud"], &["cloud", "--clusters", "embedded", "containers"]);
    check(&["smal"], &["feature", "\"smal\"", "\"small\""]);
    check(&["--name", "("], &["--name", "regex"]);
    check(&["--seed", "one"], &["--seed", "one"]);
    check(&["--subject", "command"], &["--command"]);
    check(&["--command", "true"], &["--command", "--subject command"]);
    check(&["--subject", "command", "--command", "say 'it"], &["say 'it", "quote"]);
    check(&["--bogus"], &["--bogus"]);
    assert!(!place.path("report").exists(), "nothing was started, so nothing is left");
}

#[test]
fn an_unknown_tag_is_refused_with_the_nearest() {
    let place = Place::with(&SMALL.replace("  Scenario", "  @smoke\n  Scenario"));
    place.spec(&["--tags", "@smokee"]).refused(&["tag", "\"smokee\"", "\"smoke\""]);
    place.spec(&["--tags", "@smoke and"]).refused(&["--tags", "@smoke and"]);
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let place = Place::with(SMALL);
    let missing = ["--consumer.config", "no-such.properties"];
    place.spec(&missing).refused(&["no-such.properties", "No such file"]);
    place.spec(&["--producer.config", "features"]).refused(&["features", "directory"]);
    place.spec(&["--features", "nowhere"]).refused(&["nowhere", "No such file"]);
    fs::create_dir(place.path("empty")).unwrap();
    place.spec(&["--features", "empty"]).refused(&["empty", ".feature"]);
}

#[test]
fn a_feature_that_cannot_be_used_is_named_with_its_line() {
    let check = |feature: &str, words: &[&str]| Place::with(feature).spec(&[]).refused(words);
    let torn = format!("{SMALL}    Gibberish\n");
    check(&torn, &["small.feature:8", "not Gherkin", "\"Gibberish\"", "a step (Given, When"]);
    let undefined = SMALL.replace("the mirror has caught up", "the mirror has cought up");
    check(&undefined, &["small.feature:6", "cought", "the nearest", "the mirror has caught up"]);
    let misspelt = SMALL.replace("Given the topic", "Gievn the topic");
    check(&misspelt, &["small.feature:3", "Gievn the topic", "no step", "begin it with Given"]);
}

#[test]
fn a_report_that_has_no_place_is_refused() {
    let place = Place::with(SMALL);
    place.file("report", "a file is in the way");
    place.spec(&[]).refused(&["report", "--report"]);
}

#[test]
fn a_promise_that_is_kept_is_0_with_reports_that_programs_can_read() {
    let place = Place::with(SMALL);
    let said = place.spec(&["--seed", "7"]);
    said.ended(0, &["seed 7", "Small", "200"]);
    let report = place.report();
    let schema = serde_json::from_str(judge::report::json::SCHEMA).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(&report).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    assert_eq!((&report["verdict"], &report["exit_code"]), (&"holds".into(), &0.into()));
    let judged = &report["promises"][0]["scenarios"][0]["outcome"]["judged"]["judgement"]["judged"];
    assert_eq!(judged["source_records"], 200);
    let junit = fs::read_to_string(place.path("report/junit.xml")).unwrap();
    let junit = quick_junit::Report::deserialize_from_str(&junit).unwrap();
    assert_eq!((junit.tests, junit.failures, junit.errors), (1, 0, 0));
    assert!(place.path("report/events.log").exists());
    let log = fs::read_to_string(place.path("report/scenarios/small-2/subject-1.log")).unwrap();
    assert!(log.contains("mirroring"), "{log}");
}

#[test]
fn a_selection_that_judges_nothing_is_3() {
    let place = Place::with(&SMALL.replace("  Scenario", "  @containers\n  Scenario"));
    place.spec(&[]).ended(3, &["--clusters containers"]);
    place.spec(&["--name", "^nothing is called so$"]).ended(3, &[]);
    assert_eq!(place.report()["verdict"], "inconclusive");
}

#[test]
fn without_a_docker_engine_containers_are_4() {
    let place = Place::with(SMALL);
    let mut command = Command::new(PROGRAM);
    command.args(["spec", "--features", "features", "--report", "report"]);
    command.args(["--clusters", "containers"]).env("DOCKER_HOST", "unix:///nonexistent.sock");
    place.run(command).ended(4, &["/nonexistent.sock"]);
}

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

#[test]
fn a_users_passwords_are_written_nowhere() {
    let secret = "open-sesame-4711";
    let place = Place::with(SMALL);
    let properties = format!(
        "bootstrap.servers=production.example:9092\nsecurity.protocol=SASL_SSL\n\
         sasl.jaas.config=x required username=\"u\" password=\"{secret}\";\n\
         sasl.password={secret}\nssl.key.password={secret}\nssl.keystore.password={secret}\n"
    );
    let file = place.file("user.properties", &properties);
    let said = place.spec(&["--consumer.config", &file, "--producer.config", &file]);
    // The harness's own address and security stay: it neither reaches production nor fails.
    said.ended(0, &[]);
    assert!(!format!("{said:?}").contains(secret), "{said:#?}");
    let mut files = 0;
    walk(&place.path("report"), &mut |path| {
        files += 1;
        let text = String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
        assert!(!text.contains(secret), "{}", path.display());
    });
    assert!(files >= 5, "only {files} files were looked at");
    let events = fs::read_to_string(place.path("report/events.log")).unwrap();
    assert!(events.contains("sasl.password"), "what is ignored is named: {events}");
}

fn walk(folder: &Path, visit: &mut dyn FnMut(&Path)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { walk(&path, visit) } else { visit(&path) }
    }
}

#[test]
fn a_run_folder_that_is_full_is_4_and_said() {
    // Names so long that the reports outgrow the limit, and the mirror's own output does not.
    let long = "very ".repeat(1_000);
    let feature = SMALL.replace("all of it", &format!("all of it, {long}"));
    let again = feature.split_once("  Scenario").unwrap().1;
    let twice = format!("{feature}\n  Scenario{}", again.replace("all of it,", "and once more,"));
    let place = Place::with(&twice);
    let mut command = Command::new("sh");
    // In blocks of 512 bytes.
    let line = "ulimit -f 32; exec \"$0\" spec --features features --report report";
    command.args(["-c", line, PROGRAM]);
    place.run(command).ended(4, &["report.json", "File too large", "--report"]);
}

#[test]
fn a_subject_whose_output_meets_a_limit_is_not_blamed() {
    let place = Place::with(SMALL);
    // More than the limit before the mirror starts, so that its own lines find no room either.
    let talk = format!(
        "sh -c 'head -c 100000 /dev/zero | tr \"\\0\" x; exec \"{PROGRAM}\" mirror --whitelist \"$0\" \
         --consumer.config {{consumer_config}} --producer.config {{producer_config}} \
         --offset.commit.interval.ms 200' {{topics}}"
    );
    let mut command = Command::new("sh");
    // In blocks of 512 bytes.
    let line = "ulimit -f 32; exec \"$0\" spec --features features --report report \"$@\"";
    command.args(["-c", line, PROGRAM, "--subject", "command", "--command", &talk]);
    place.run(command).ended(0, &["cut off", "subject-1.log", "File too large"]);
    let log = fs::read(place.path("report/scenarios/small-2/subject-1.log")).unwrap();
    assert_eq!(log.len(), 32 * 512);
}

#[test]
fn a_second_ctrl_c_ends_at_once_with_130() {
    let place = Place::with(SMALL);
    let silent = silent_engine(UnixListener::bind(place.path("engine")).unwrap());
    let mut child = Command::new(PROGRAM)
        .args(["spec", "--features", "features", "--report", "report"])
        .args(["--clusters", "containers"])
        .env("DOCKER_HOST", format!("unix://{}", place.path("engine").display()))
        .current_dir(place.0.path())
        .stdout(Stdio::null())
        .stderr(fs::File::create(place.path("stderr")).unwrap())
        .spawn()
        .unwrap();
    let interrupt = || kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
    let asked = silent.recv_timeout(Duration::from_secs(30)).unwrap();
    interrupt();
    let said = || fs::read_to_string(place.path("stderr")).unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while !said().contains("a second Ctrl-C ends at once") {
        assert!(Instant::now() < deadline, "{asked}: {}", said());
        thread::sleep(Duration::from_millis(10));
    }
    interrupt();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{}", said());
    assert!(said().contains("`mirrorproof down` removes what is left"), "{}", said());
}

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

/// Calls a command of the program in an empty place.
fn call(place: &Place, words: &[&str]) -> Said {
    let mut command = Command::new(PROGRAM);
    command.args(words);
    place.run(command)
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
    check("not a plan", &["line 1", "plan.json"]);
    check("{}", &["no version", "mirrorproof spec", "plan.json"]);
    check(&good.replace("\"finish\"", "\"finnish\""), &["finnish", "finish", "line 6"]);
    check(&good.replace("\"seed\"", "\"sead\""), &["sead", "seed", "line 1"]);
    let grows =
        r#"{"grow-topic": {"side": "source", "topic": "orders", "partitions": 2}}, "finish""#;
    check(&good.replace("\"finish\"", grows), &["more partitions", "--clusters containers"]);
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
}

#[test]
fn a_bad_mirror_is_found_by_random_plans_and_its_plan_is_made_small() {
    let place = Place::with(SMALL);
    let bad = ["--subject", "bad", "--fault", "drops-headers"];
    let words = ["fuzz", "--seed", "7", "--shrink", "20s", "--report", "report"];
    let said = call(&place, &[&words[..], &bad].concat());
    said.ended(1, &["corrupted", "made smaller", "mirrorproof replay", "--fault drops-headers"]);
    let stored = fs::read_dir(place.path("report")).unwrap().map(|entry| entry.unwrap().path());
    let smallest = stored.map(|folder| folder.join("plan.json")).min_by_key(|file| {
        let plan: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        plan["actions"].as_array().unwrap().len()
    });
    let smallest = smallest.unwrap().display().to_string();
    let again = ["replay", smallest.as_str()];
    call(&place, &[&again[..], &bad].concat()).ended(1, &["corrupted"]);
    call(&place, &again).ended(0, &["holds"]);
}

#[test]
fn the_words_of_fuzz_and_replay_are_checked_first() {
    let place = Place::with(SMALL);
    let check = |words: &[&str], said: &[&str]| call(&place, words).refused(said);
    check(&["fuzz", "--for", "10"], &["--for", "10m"]);
    check(&["fuzz", "--runs", "0"], &["--runs"]);
    check(&["fuzz", "--runs", "3", "--for", "10m"], &["--runs", "--for"]);
    check(&["fuzz", "--subject", "bad"], &["--fault"]);
    check(&["fuzz", "--subject", "bad", "--fault", "none-such"], &["none-such", "selftest --list"]);
    check(&["fuzz", "--fault", "loses-one"], &["--subject bad"]);
    check(&["fuzz", "--subject", "mirrormaker1"], &["--clusters containers"]);
    check(&["replay"], &["PLAN.json"]);
}
