//! Collects what became of each scenario, and keeps the report files current.

use super::{Found, Report, Spec, milliseconds, outcome::Outcome, skip_reason};
use crate::selection::short_name;
use cucumber::gherkin::{Feature, Scenario};
use judge::{
    plan::SubjectOptions,
    report::{PromiseReport, ScenarioOutcome, ScenarioReport, json, junit},
};
use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Instant, SystemTime},
};

/// A scenario's place: its feature's file and its line, which no other has.
type Place = (String, usize);

/// What a scenario needs to begin.
pub(super) struct Start {
    /// Its name in logs and folders.
    pub(super) name: String,
    /// Counts the scenarios of the run.
    pub(super) number: usize,
    /// Its own seed.
    pub(super) seed: u64,
    /// Its tags.
    pub(super) tags: Vec<String>,
}

struct Entry {
    number: usize,
    tags: Vec<String>,
    begun: Option<Instant>,
    outcome: Option<Outcome>,
    duration_ms: u64,
    logs: Vec<String>,
    name: String,
}

pub(super) struct Collector {
    entries: Mutex<BTreeMap<Place, Entry>>,
    started: Instant,
    started_at: SystemTime,
    stopped: AtomicBool,
}

impl Collector {
    pub(super) fn new(spec: &Spec, selected: &[Found<'_>]) -> Collector {
        let subject = &spec.settings.subject;
        let contract = subject.contract(&SubjectOptions::default(), false);
        let entries = selected.iter().enumerate().map(|(number, found)| {
            let skipped = skip_reason(&found.tags, spec.backend, subject.kind.name(), &contract);
            let entry = Entry {
                number,
                tags: found.tags.clone(),
                begun: None,
                outcome: skipped.map(|reason| ScenarioOutcome::Skipped { reason }.into()),
                duration_ms: 0,
                logs: Vec::new(),
                name: found.scenario.name.clone(),
            };
            (place(found.feature, found.scenario), entry)
        });
        Collector {
            entries: Mutex::new(entries.collect()),
            started: Instant::now(),
            started_at: SystemTime::now(),
            stopped: AtomicBool::new(false),
        }
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<Place, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many scenarios are still to be run.
    pub(super) fn open(&self) -> u64 {
        self.entries().values().filter(|entry| entry.outcome.is_none()).count() as u64
    }

    /// Whether a scenario is selected, not skipped, and not yet run.
    pub(super) fn is_open(&self, feature: &Feature, scenario: &Scenario) -> bool {
        let entries = self.entries();
        entries.get(&place(feature, scenario)).is_some_and(|entry| entry.outcome.is_none())
    }

    /// Whether a promise was violated already.
    pub(super) fn stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    pub(super) fn start(
        &self,
        run_seed: u64,
        feature: &Feature,
        scenario: &Scenario,
    ) -> Option<Start> {
        let mut entries = self.entries();
        let entry = entries.get_mut(&place(feature, scenario))?;
        entry.begun = Some(Instant::now());
        Some(Start {
            name: format!("{}-{}", short_name(feature), scenario.position.line),
            number: entry.number,
            seed: seed_of(run_seed, feature, scenario),
            tags: entry.tags.clone(),
        })
    }

    /// Records an outcome and writes the report files; returns the scenario's reports.
    pub(super) fn record(
        &self,
        spec: &Spec,
        feature: &Feature,
        scenario: &Scenario,
        outcome: Outcome,
        logs: Vec<String>,
    ) -> Vec<ScenarioReport> {
        let at = place(feature, scenario);
        {
            let mut entries = self.entries();
            let Some(entry) = entries.get_mut(&at) else { return Vec::new() };
            if outcome.is_violated() {
                self.stopped.store(true, Ordering::Relaxed);
            }
            entry.duration_ms = entry.begun.map(milliseconds).unwrap_or_default();
            entry.outcome = Some(outcome);
            entry.logs = logs;
        }
        self.write(spec, false);
        let entries = self.entries();
        let reports = entries.get(&at).map(|entry| reports(spec, &at, entry));
        reports.into_iter().flatten().map(|(_, report)| report).collect()
    }

    /// The whole report, with its files written for the last time.
    pub(super) fn finish(&self, spec: &Spec) -> Report {
        self.write(spec, true)
    }

    fn write(&self, spec: &Spec, complete: bool) -> Report {
        let report = self.report(spec, complete);
        spec.settings.run_dir.write("report.json", &json::render(&report));
        spec.settings.run_dir.write("junit.xml", &junit::render(&report));
        report
    }

    fn report(&self, spec: &Spec, complete: bool) -> Report {
        let entries = self.entries();
        let all: Vec<_> = entries.iter().flat_map(|(at, entry)| reports(spec, at, entry)).collect();
        let promises = spec.features.iter().map(|feature| PromiseReport {
            promise: feature.name.clone(),
            file: file(feature),
            asked_for: !spec.selection.is_everything(),
            scenarios: all
                .iter()
                .filter(|(promise, _)| *promise == file(feature))
                .map(|(_, report)| report.clone())
                .collect(),
        });
        let since_epoch = self.started_at.duration_since(SystemTime::UNIX_EPOCH);
        Report {
            schema_version: Report::SCHEMA_VERSION,
            program_version: env!("CARGO_PKG_VERSION").into(),
            seed: spec.settings.seed,
            clusters: spec.backend.name().into(),
            subject: spec.settings.subject.kind.name().into(),
            started_unix: since_epoch.unwrap_or_default().as_secs(),
            duration_ms: milliseconds(self.started),
            complete: complete && entries.values().all(|entry| entry.outcome.is_some()),
            environment_failure: spec.settings.run_dir.failure().map(str::to_owned),
            folder: spec.settings.run_dir.path().display().to_string(),
            promises: promises.collect(),
        }
    }
}

/// A scenario's report for each promise that it says something of, with the promise's file.
fn reports(spec: &Spec, at: &Place, entry: &Entry) -> Vec<(String, ScenarioReport)> {
    let Some(outcome) = &entry.outcome else { return Vec::new() };
    let name = regex::escape(&entry.name).replace('\'', r"'\''");
    let of = |outcome: &ScenarioOutcome| ScenarioReport {
        name: entry.name.clone(),
        file: at.0.clone(),
        line: at.1,
        tags: entry.tags.clone(),
        duration_ms: entry.duration_ms,
        outcome: outcome.clone(),
        repeat: format!("{} --seed {} --name '^{name}$'", spec.repeat, spec.settings.seed),
        logs: entry.logs.clone(),
    };
    let besides = outcome.besides.iter().map(|(promise, outcome)| (promise.clone(), of(outcome)));
    std::iter::once((at.0.clone(), of(&outcome.own))).chain(besides).collect()
}

/// A feature's file, as it is shown.
pub(super) fn file(feature: &Feature) -> String {
    feature.path.as_deref().map(|path| path.display().to_string()).unwrap_or_default()
}

fn place(feature: &Feature, scenario: &Scenario) -> Place {
    (file(feature), scenario.position.line)
}

/// A scenario's own seed: of the run's seed and its place, so that a selection does not change it.
pub(super) fn seed_of(run: u64, feature: &Feature, scenario: &Scenario) -> u64 {
    // FNV-1a: stable across platforms and versions, which the standard hasher is not.
    let text = format!("{}:{}", short_name(feature), scenario.name);
    text.bytes().fold(run ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
