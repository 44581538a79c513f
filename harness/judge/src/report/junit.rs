//! The report for CI servers: a promise is a test suite, a scenario a test case.
//!
//! ```xml
//! <testsuite name="Records of one key stay in order" tests="2" failures="1" …>
//!   <properties><property name="seed" value="7"/>…</properties>
//!   <testcase name="…" classname="features/ordering.feature" file="features/ordering.feature" line="12">
//!     <failure message="reordered ×3">the evidence, as on the terminal</failure>
//!   </testcase>
//! </testsuite>
//! ```
//!
//! A CI server knows nothing of exit codes, so what makes a run inconclusive as a whole is an
//! error of its own: a promise of which nothing was judged must not look green.

use super::{
    PromiseReport, Report, ScenarioOutcome, ScenarioReport, evidence, summary,
    text::{Palette, printable, printable_lines},
};
use crate::verdict::{Findings, Judgement, Verdict};
use quick_junit::{NonSuccessKind, Property, TestCase, TestCaseStatus, TestSuite};
use std::time::Duration;

/// Evidence is wrapped to what a CI server's page shows without scrolling.
const WIDTH: usize = 120;

/// The report as JUnit's XML.
pub fn render(report: &Report) -> String {
    let mut document = quick_junit::Report::new("mirrorproof");
    document.set_time(Duration::from_millis(report.duration_ms));
    let promises = report.promises.iter().filter(|promise| !promise.scenarios.is_empty());
    document.add_test_suites(promises.map(|promise| suite(report, promise)));
    document.add_test_suites(whole_run(report));
    document.to_string().expect("text is written as UTF-8 to memory")
}

fn suite(report: &Report, promise: &PromiseReport) -> TestSuite {
    let mut suite = TestSuite::new(printable(&promise.promise));
    let milliseconds = promise.scenarios.iter().map(|one| one.duration_ms);
    suite.set_time(Duration::from_millis(milliseconds.fold(0, u64::saturating_add)));
    suite.add_properties(properties(report));
    suite.add_test_cases(promise.scenarios.iter().map(|one| case(report, promise, one)));
    suite
}

fn case(report: &Report, promise: &PromiseReport, scenario: &ScenarioReport) -> TestCase {
    // CI servers follow a test through time by its name, so the line, which moves, is only added
    // where the name alone does not tell two scenarios apart.
    let namesakes = promise.scenarios.iter().filter(|other| other.name == scenario.name).count();
    let name = match namesakes {
        0 | 1 => printable(&scenario.name),
        _ => format!("{} (line {})", printable(&scenario.name), scenario.line),
    };
    let mut case = TestCase::new(name, status(report, scenario));
    // A case that shows another promise broken beside its own is another case.
    let unasked = if scenario.file == promise.file { "" } else { " (unasked)" };
    case.set_classname(format!("{}{unasked}", printable(&scenario.file)));
    case.set_time(Duration::from_millis(scenario.duration_ms));
    case.extra.insert("file".into(), printable(&scenario.file).into());
    case.extra.insert("line".into(), scenario.line.to_string().into());
    case
}

fn status(report: &Report, scenario: &ScenarioReport) -> TestCaseStatus {
    let (kind, message, text) = match &scenario.outcome {
        ScenarioOutcome::Judged { judgement, failed_step } => {
            let kind = match judgement.verdict {
                Verdict::Holds => return TestCaseStatus::success(),
                Verdict::Violated => NonSuccessKind::Failure,
                Verdict::Inconclusive => NonSuccessKind::Error,
            };
            let mut text = evidence::findings(&judgement.violations, Palette::PLAIN, WIDTH);
            text.extend(judgement.doubts.iter().map(|doubt| lines("in doubt: ", doubt)));
            text.extend(failed_step.iter().map(|step| lines("failed: ", step)));
            (kind, headline(judgement, failed_step.as_deref()), text)
        }
        ScenarioOutcome::Inconclusive { reason } => {
            (NonSuccessKind::Error, format!("inconclusive: {reason}"), lines("", reason))
        }
        ScenarioOutcome::Broken { reason } => {
            (NonSuccessKind::Error, format!("environment: {reason}"), lines("", reason))
        }
        ScenarioOutcome::Skipped { reason } => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(printable(reason));
            return status;
        }
    };
    let mut description = format!("{}\n{text}", evidence::location(scenario));
    for log in &scenario.logs {
        description += &lines("output: ", &format!("{}/{log}", report.folder));
    }
    description += &lines("repeat: ", &scenario.repeat);
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(printable(&message));
    status.set_description(description);
    status
}

/// `lost ×3, reordered ×1`: what a list of failures shows of each.
fn headline(judgement: &Judgement, failed_step: Option<&str>) -> String {
    let Findings(findings) = &judgement.violations;
    let mut parts: Vec<String> =
        findings.iter().map(|finding| format!("{} ×{}", finding.anomaly, finding.count)).collect();
    if parts.is_empty() {
        parts.extend(judgement.doubts.iter().take(1).cloned());
        parts.extend(failed_step.map(|step| format!("failed: {step}")));
    }
    if parts.is_empty() { judgement.verdict.to_string() } else { parts.join(", ") }
}

/// What the run as a whole lacks, as a suite with one error.
fn whole_run(report: &Report) -> Option<TestSuite> {
    let gaps = summary::gaps(report);
    let first = gaps.first()?;
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status.set_message(printable(first));
    status.set_description(gaps.iter().map(|gap| lines("", gap)).collect::<String>());
    let mut suite = TestSuite::new("The run as a whole");
    suite.add_properties(properties(report));
    suite.add_test_case(TestCase::new("everything selected was judged", status));
    Some(suite)
}

fn properties(report: &Report) -> Vec<Property> {
    let property = |name: &str, value: &str| Property::new(name, printable(value));
    vec![
        property("seed", &report.seed.to_string()),
        property("clusters", &report.clusters),
        property("subject", &report.subject),
        property("version", &report.program_version),
        property("folder", &report.folder),
    ]
}

fn lines(label: &str, text: &str) -> String {
    printable_lines(text).map(|line| format!("{label}{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{exit::ExitCode, sample};

    #[test]
    fn the_sample_is_its_golden_file() {
        sample::golden("junit.xml", &render(&sample::everything()));
    }

    #[test]
    fn a_run_that_holds_has_nothing_red_and_any_other_has() {
        for outcomes in [
            vec![sample::holds(1)],
            vec![sample::holds(1), sample::skipped("no ACLs")],
            vec![sample::skipped("no ACLs")],
            vec![sample::violated()],
            vec![sample::inconclusive()],
            vec![sample::doubtful()],
            vec![sample::broken()],
            vec![],
        ] {
            let report = sample::of(outcomes);
            let xml = render(&report);
            let red = xml.contains("<failure") || xml.contains("<error");
            assert_eq!(red, ExitCode::of(&report) != ExitCode::Holds, "{xml}");
        }
    }

    #[test]
    fn no_two_cases_have_the_same_class_and_name() {
        let mut report = sample::everything();
        let seen = report.promises[1].scenarios[1].clone();
        assert_eq!(seen.name, report.promises.last().unwrap().scenarios[0].name, "seen by it, too");
        report.promises[1].scenarios.push(ScenarioReport { line: 99, ..seen });
        let xml = render(&report);
        let report = quick_junit::Report::deserialize_from_str(&xml).unwrap();
        let cases = report.test_suites.iter().flat_map(|suite| &suite.test_cases);
        let mut names: Vec<_> =
            cases.map(|case| (case.classname.clone(), case.name.clone())).collect();
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all, "{xml}");
    }

    #[test]
    fn odd_data_is_still_xml() {
        let xml = render(&sample::odd());
        let allowed =
            |c| matches!(c, '\n' | ' '..='\u{7e}' | '\u{a0}'..='\u{fffd}' | '\u{10000}'..);
        assert!(xml.chars().all(allowed), "{xml:?}");
        quick_junit::Report::deserialize_from_str(&xml).unwrap();
    }
}
