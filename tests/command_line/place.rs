//! A place for one call of the program: its features, its files, its report, and what it said.

use serde_json::Value;
use std::{
    fs,
    path::PathBuf,
    process::{Command, Output, Stdio},
    sync::{PoisonError, RwLock},
};
use tempfile::TempDir;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_mirrorproof");

/// Copied while the mirror runs.
pub(crate) const SMALL: &str = "Feature: Small
  Scenario: all of it arrives
    Given the topic orders with 1 partition on the source and 2 on the destination
    And the mirror is running
    When 200 records over 10 keys are produced to orders
    And the mirror has caught up
    Then every record of the source is on the destination
";

/// Produced before the mirror, whose readiness is not awaited.
pub(crate) const BEFORE: &str = "Feature: Before
  Scenario: what was there arrives
    Given the topic orders with 1 partition on the source and 2 on the destination
    And 200 records over 10 keys are produced to orders
    When the mirror is started
    And the mirror has caught up
    Then every record of the source is on the destination
";

/// Who has the processors: many calls, or one that needs them all.
static MACHINE: RwLock<()> = RwLock::new(());

/// A folder for one call: its features, its files, its report.
pub(crate) struct Place(pub(crate) TempDir);

impl Place {
    /// A place whose features are this one.
    pub(crate) fn with(feature: &str) -> Place {
        let place = Place(tempfile::tempdir().unwrap());
        fs::create_dir(place.path("features")).unwrap();
        place.file("features/small.feature", feature);
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        fs::write(self.path(name), text).unwrap();
        self.path(name).display().to_string()
    }

    /// Calls the program here; the features are this place's, unless the arguments name others.
    pub(crate) fn spec(&self, arguments: &[&str]) -> Said {
        let mut command = Command::new(PROGRAM);
        command.arg("spec").args(arguments).args(["--report", "report"]);
        if !arguments.contains(&"--features") {
            command.args(["--features", "features"]);
        }
        self.run(command)
    }

    pub(crate) fn run(&self, command: Command) -> Said {
        let _shared = MACHINE.read().unwrap_or_else(PoisonError::into_inner);
        self.output(command)
    }

    /// The same, while no other test runs the program: a dozen plans at once leave nothing to anybody else.
    pub(crate) fn run_alone(&self, command: Command) -> Said {
        let _alone = MACHINE.write().unwrap_or_else(PoisonError::into_inner);
        self.output(command)
    }

    fn output(&self, mut command: Command) -> Said {
        command.current_dir(self.0.path()).stdin(Stdio::null());
        Said::of(command.output().unwrap())
    }

    pub(crate) fn report(&self) -> Value {
        serde_json::from_str(&fs::read_to_string(self.path("report/report.json")).unwrap()).unwrap()
    }
}

/// What a call said, and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Said {
    pub(crate) fn of(output: Output) -> Said {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Said {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Refused before anything started, with an error that says all of this.
    pub(crate) fn refused(&self, words: &[&str]) {
        self.ended(2, words);
        assert_eq!(self.stdout, "", "results are for standard output, errors are not: {self:#?}");
    }

    /// Ended with this exit code, having said all of this; never by a panic.
    pub(crate) fn ended(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:#?}");
        assert!(!self.stderr.contains("panicked"), "{self:#?}");
        for word in words {
            let said = self.stderr.contains(word) || self.stdout.contains(word);
            assert!(said, "nothing says {word:?}: {self:#?}");
        }
    }
}
