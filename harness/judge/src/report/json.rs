//! The report for programs. [`SCHEMA`] describes every field; a field is never renamed or given
//! another meaning without a new `schema_version`.
//!
//! Verdicts that the report only implies are written out, so that
//! `jq .verdict report.json` needs no knowledge of how they follow from each other.

use super::{PromiseReport, Report, ScenarioOutcome, ScenarioReport, exit::ExitCode};
use crate::verdict::Verdict;
use serde::Serialize;

/// JSON Schema (draft 2020-12) of what [`render`] writes.
pub const SCHEMA: &str = include_str!("report.schema.json");

/// The report as JSON, indented, with a newline at its end.
pub fn render(report: &Report) -> String {
    let document = Document {
        schema_version: report.schema_version,
        program_version: &report.program_version,
        verdict: report.verdict(),
        exit_code: ExitCode::of(report).code(),
        complete: report.complete,
        environment_failure: report.environment_failure.as_deref(),
        seed: report.seed,
        clusters: &report.clusters,
        subject: &report.subject,
        started_unix: report.started_unix,
        duration_ms: report.duration_ms,
        folder: &report.folder,
        promises: report.promises.iter().map(Promise::from).collect(),
    };
    let json = serde_json::to_string_pretty(&document);
    json.expect("plain data with text for keys is always JSON") + "\n"
}

#[derive(Serialize)]
struct Document<'a> {
    schema_version: u32,
    program_version: &'a str,
    verdict: Verdict,
    exit_code: u8,
    complete: bool,
    environment_failure: Option<&'a str>,
    seed: u64,
    clusters: &'a str,
    subject: &'a str,
    started_unix: u64,
    duration_ms: u64,
    folder: &'a str,
    promises: Vec<Promise<'a>>,
}

#[derive(Serialize)]
struct Promise<'a> {
    promise: &'a str,
    file: &'a str,
    asked_for: bool,
    verdict: Option<Verdict>,
    scenarios: Vec<Scenario<'a>>,
}

impl<'a> From<&'a PromiseReport> for Promise<'a> {
    fn from(promise: &'a PromiseReport) -> Self {
        Promise {
            promise: &promise.promise,
            file: &promise.file,
            asked_for: promise.asked_for,
            verdict: promise.verdict(),
            scenarios: promise.scenarios.iter().map(Scenario::from).collect(),
        }
    }
}

#[derive(Serialize)]
struct Scenario<'a> {
    name: &'a str,
    file: &'a str,
    line: usize,
    tags: &'a [String],
    verdict: Option<Verdict>,
    duration_ms: u64,
    outcome: &'a ScenarioOutcome,
    repeat: &'a str,
    logs: &'a [String],
}

impl<'a> From<&'a ScenarioReport> for Scenario<'a> {
    fn from(scenario: &'a ScenarioReport) -> Self {
        Scenario {
            name: &scenario.name,
            file: &scenario.file,
            line: scenario.line,
            tags: &scenario.tags,
            verdict: scenario.outcome.verdict(),
            duration_ms: scenario.duration_ms,
            outcome: &scenario.outcome,
            repeat: &scenario.repeat,
            logs: &scenario.logs,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        history::EventKind,
        report::sample,
        verdict::{Anomaly, Circumstance},
    };
    use serde_json::Value;

    fn schema() -> Value {
        serde_json::from_str(SCHEMA).unwrap()
    }

    fn check(report: &Report) {
        let json: Value = serde_json::from_str(&render(report)).unwrap();
        let validator = jsonschema::draft202012::new(&schema()).unwrap();
        let errors: Vec<_> = validator
            .iter_errors(&json)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }

    #[test]
    fn the_sample_is_its_golden_file_and_begins_with_the_version() {
        let json = render(&sample::everything());
        assert!(json.starts_with("{\n  \"schema_version\": 1,\n"));
        sample::golden("report.json", &json);
    }

    #[test]
    fn reports_are_what_the_schema_says() {
        jsonschema::draft202012::meta::validate(&schema()).unwrap();
        for report in [sample::everything(), sample::of(vec![]), sample::odd()] {
            check(&report);
        }
    }

    #[test]
    fn the_schema_knows_every_anomaly_and_circumstance() {
        let events = [
            EventKind::Stop,
            EventKind::Kill,
            EventKind::Rebalance,
            EventKind::Freeze,
            EventKind::ProduceFault,
        ];
        let circumstances = [
            Circumstance::Plain,
            Circumstance::BeforeReadiness,
            Circumstance::PossibleZombie,
            Circumstance::Superseded,
            Circumstance::Announced,
            Circumstance::Aborted,
        ];
        for circumstance in circumstances.into_iter().chain(events.map(Circumstance::Explained)) {
            check(&sample::of(vec![sample::tolerates(Anomaly::Lost, circumstance)]));
        }
        for anomaly in Anomaly::ALL {
            check(&sample::of(vec![sample::tolerates(anomaly, Circumstance::Plain)]));
        }
    }

    #[test]
    fn what_is_written_can_be_read_back() {
        for report in [sample::everything(), sample::odd()] {
            assert_eq!(serde_json::from_str::<Report>(&render(&report)).unwrap(), report);
        }
    }

    /// `additionalProperties: false` makes the schema complete, this makes it worth reading.
    #[test]
    fn the_schema_describes_every_field_and_allows_no_other() {
        fn walk(path: &str, node: &Value, fields: &mut usize) {
            if let Some(properties) = node.get("properties").and_then(Value::as_object) {
                assert_eq!(node.get("additionalProperties"), Some(&Value::Bool(false)), "{path}");
                for (name, property) in properties {
                    *fields += 1;
                    let text = property.get("description").and_then(Value::as_str).unwrap_or("");
                    assert!(text.ends_with('.'), "{path}/{name} has no description");
                }
            }
            match node {
                Value::Object(entries) => {
                    for (name, entry) in entries {
                        walk(&format!("{path}/{name}"), entry, fields);
                    }
                }
                Value::Array(entries) => {
                    for entry in entries {
                        walk(path, entry, fields);
                    }
                }
                _ => {}
            }
        }
        let mut fields = 0;
        walk("", &schema(), &mut fields);
        assert!(fields > 40, "only {fields} fields were seen");
    }
}
