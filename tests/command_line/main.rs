//! The program as its users call it: what it says, what it leaves behind, and its exit codes.
//!
//! Each test runs the real binary on a folder of features of its own, with one small scenario.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod bench;
mod contracts;
mod lives;
mod place;
mod plans;
mod programs;
#[path = "../support"]
mod support {
    pub(crate) mod silent_engine;
}

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use place::{PROGRAM, Place, SMALL};
use std::{
    fs,
    os::unix::net::UnixListener,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use support::silent_engine::silent_engine;

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

#[test]
fn a_command_s_passwords_are_not_in_its_report() {
    let secret = "open-sesame-4711";
    let place = Place::with(SMALL);
    let command = format!("true --sasl.password={secret} --topics {{topics}}");
    let said = place.spec(&["--subject", "command", "--command", &command]);
    said.ended(1, &["--sasl.password=********"]);
    assert!(!format!("{said:?}").contains(secret), "{said:#?}");
    walk(&place.path("report"), &mut |path| {
        let text = String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
        assert!(!text.contains(secret), "{}", path.display());
    });
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
