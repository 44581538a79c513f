//! The invariants of the design that the compiler does not keep.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use cucumber::{
    World as _,
    codegen::{Regex, StepConstructor, WorldInventory, inventory},
};
use harness::subject::bad::Fault;
use judge::verdict::Anomaly;
use mirrorproof::{
    catalogue,
    promise::{PROMISES, broken_by},
    selection::{scenarios, short_name},
    world::World,
};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Everything that a member needs to run, by name.
fn dependencies(member: &str) -> BTreeSet<String> {
    let mut tree = Command::new(env!("CARGO"));
    tree.args(["tree", "--offline", "--locked", "--edges", "normal", "--prefix", "none"]);
    tree.args(["--format", "{p}", "--package", member]).current_dir(root());
    let output = tree.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| Some(line.split_whitespace().next()?.to_owned())).collect()
}

fn needs_none_of(member: &str, others: &[&str]) {
    let needed = dependencies(member);
    assert!(needed.contains(member) && needed.len() > 2, "{needed:?}");
    for other in others {
        assert!(!needed.contains(*other), "{member} needs {other}");
    }
}

/// All files below a folder with this ending, relative to the root, in order.
fn files(folder: &str, ending: &str) -> Vec<String> {
    fn walk(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, ending, found);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(folder), ending, &mut found);
    found.sort();
    found.iter().map(|path| path.strip_prefix(root()).unwrap().display().to_string()).collect()
}

fn sources() -> Vec<String> {
    ["mirror", "harness", "scenarios", "tests"].iter().flat_map(|one| files(one, ".rs")).collect()
}

fn text(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap()
}

#[test]
fn the_judge_needs_no_kafka_no_runtime_no_containers_and_no_randomness() {
    let outside = ["rdkafka", "rdkafka-sys", "tokio", "testcontainers", "bollard", "nix", "rand"];
    needs_none_of("judge", &outside);
}

#[test]
fn the_mirror_needs_no_other_member() {
    needs_none_of("mirror", &["harness", "judge", "mirrorproof", "cucumber", "testcontainers"]);
}

#[test]
fn kafkas_client_is_used_at_the_rim_alone() {
    const RIM: [&str; 9] = [
        "harness/src/bench/",
        "harness/src/cluster/",
        "harness/src/observe/",
        "harness/src/subject/bad",
        // The application's own consumer, of the offset promise.
        "harness/src/testbed/offsets.rs",
        "harness/src/workload/produce.rs",
        "mirror/",
        // Records that a broker refuses: without keys, or old.
        "tests/refused/",
        // A mirror that died, and what it has left open.
        "tests/transactions/",
    ];
    for file in sources() {
        // This file must name it to look for it.
        let uses = file != "tests/tidy.rs" && text(&file).contains("rdkafka::");
        let allowed = RIM.iter().any(|folder| file.starts_with(folder));
        assert!(!uses || allowed, "{file} uses Kafka's client");
    }
}

/// The patterns of one kind of step.
fn patterns<S: inventory::Collect + StepConstructor<World>>() -> Vec<Regex> {
    inventory::iter::<S>.into_iter().map(|step| (step.inner().1)()).collect()
}

#[test]
fn every_step_is_used_by_a_feature() {
    let features = catalogue::embedded().unwrap();
    let used: Vec<String> = scenarios(&features)
        .iter()
        .flat_map(|found| {
            let background = found.feature.background.iter().flat_map(|one| &one.steps);
            background.chain(&found.scenario.steps).map(|step| step.value.clone())
        })
        .collect();
    let mut all = patterns::<<World as WorldInventory>::Given>();
    all.extend(patterns::<<World as WorldInventory>::When>());
    all.extend(patterns::<<World as WorldInventory>::Then>());
    assert!(all.len() > 20, "only {} patterns were found", all.len());
    let unused: Vec<&str> = all
        .iter()
        .filter(|pattern| !used.iter().any(|step| pattern.is_match(step)))
        .map(Regex::as_str)
        .collect();
    assert!(unused.is_empty(), "steps that no feature uses: {unused:#?}");
    drop(World::collection());
}

#[test]
fn no_two_scenarios_have_one_name() {
    let features = catalogue::embedded().unwrap();
    let mut seen = BTreeSet::new();
    for found in scenarios(&features) {
        let name = format!("{}::{}", short_name(found.feature), found.scenario.name);
        assert!(seen.insert(name.clone()), "two scenarios are called {name}");
    }
}

#[test]
fn versions_of_kafka_stand_in_one_place() {
    let versions: Vec<String> = text("docker/versions.env")
        .lines()
        .filter(|line| line.starts_with("KAFKA_"))
        .filter_map(|line| Some(line.split_once('=')?.1.to_owned()))
        .collect();
    assert!(versions.len() >= 2, "{versions:?}");
    let places = sources().into_iter().chain(files("docker", "")).chain(files(".ci", ""));
    for file in places.filter(|file| file != "docker/versions.env") {
        let Ok(text) = fs::read_to_string(root().join(&file)) else { continue };
        // Documentation may give one as an example, and tests know what they pass.
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            for version in &versions {
                assert!(!line.contains(version.as_str()), "{file} says {version}: {line}");
            }
        }
    }
}

#[test]
fn no_file_holds_two_things() {
    const LINES: usize = 400;
    for file in sources().iter().filter(|file| !file.contains("/tests/")) {
        let lines = text(file).lines().take_while(|line| *line != "#[cfg(test)]").count();
        assert!(lines <= LINES, "{file} has {lines} lines without its tests: cut it in two");
    }
}

#[test]
fn every_module_says_what_it_is_for() {
    // The tests of a module in a file of their own are what the module says.
    for file in sources().iter().filter(|file| !file.ends_with("/tests.rs")) {
        assert!(text(file).starts_with("//!"), "{file} does not begin with //!");
    }
}

/// The commands of the README's code blocks are run by CI or by a test, word for word.
#[test]
fn every_command_of_the_readme_is_run() {
    let Ok(readme) = fs::read_to_string(root().join("README.md")) else { return };
    let runs: String = std::iter::once(".ci/run".to_owned())
        .chain(files("tests", ".rs"))
        .map(|file| text(&file))
        .collect();
    let mut inside = false;
    for line in readme.lines() {
        if let Some(language) = line.strip_prefix("```") {
            inside = !inside && matches!(language, "sh" | "bash" | "console");
        } else if inside {
            let command = line.trim_start_matches("$ ").split(" #").next().unwrap_or(line).trim();
            let known = command.is_empty() || command.starts_with('#') || runs.contains(command);
            assert!(known, "README.md shows {command:?}, which neither .ci/run nor a test runs");
        }
    }
}

/// What a mirror can do wrong is shown by one that does it; the rest is the clusters' or the trial's.
#[test]
fn every_anomaly_that_a_mirror_can_cause_has_a_bad_mirror() {
    let shown = Fault::ALL.iter().map(|fault| fault.found_as);
    let others = [
        Anomaly::OffsetsMispredicted,
        Anomaly::OffsetsCoincide,
        Anomaly::LostAtSource,
        Anomaly::Expired,
    ];
    let all: BTreeSet<Anomaly> = shown.chain(others).collect();
    assert_eq!(all, BTreeSet::from(Anomaly::ALL));
}

#[test]
fn the_readme_shows_every_bad_mirror_and_how_it_is_caught() {
    let Ok(readme) = fs::read_to_string(root().join("README.md")) else { return };
    for fault in Fault::ALL {
        let promise = broken_by(fault.found_as);
        let row = format!("| {} | {} | {promise} | {} |", fault.name, fault.does, fault.found_as);
        assert!(readme.contains(&row), "README.md lacks the row\n{row}");
    }
}

#[test]
fn every_promise_is_a_feature() {
    let features = catalogue::embedded().unwrap();
    let names: BTreeSet<String> = features.iter().map(short_name).collect();
    for (promise, _) in PROMISES {
        assert!(names.contains(promise), "no feature is called {promise}");
    }
}
