//! The exit code of a run: a promise to scripts, so each has a number that never changes.

use super::{Report, ScenarioOutcome};
use crate::verdict::Verdict;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ExitCode {
    /// Every selected promise holds.
    Holds = 0,
    /// Some promise is violated.
    Violated = 1,
    /// Wrong usage or configuration, found before anything started: never the outcome of a report.
    Usage = 2,
    /// It could not be told, or nothing was judged, or the run was cut short.
    Inconclusive = 3,
    /// The environment failed: no Docker, no cluster.
    Environment = 4,
}

/// The exit code after a second Ctrl-C, as shells have it (128 + SIGINT): the program ends at once, and
/// there is no report of which it could be the outcome.
pub const ABANDONED: u8 = 130;

impl ExitCode {
    /// The code of a report. A proven violation is never hidden by a failing environment, and a
    /// failing environment explains what could not be told.
    pub fn of(report: &Report) -> ExitCode {
        let scenarios = || report.promises.iter().flat_map(|promise| &promise.scenarios);
        let broken = scenarios().any(|one| matches!(one.outcome, ScenarioOutcome::Broken { .. }));
        match report.verdict() {
            Verdict::Violated => ExitCode::Violated,
            _ if broken || report.environment_failure.is_some() => ExitCode::Environment,
            Verdict::Holds if report.complete => ExitCode::Holds,
            Verdict::Holds | Verdict::Inconclusive => ExitCode::Inconclusive,
        }
    }

    /// The number that the operating system gets.
    pub fn code(self) -> u8 {
        self as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn check(outcomes: Vec<ScenarioOutcome>, expected: ExitCode) {
        let report = sample::of(outcomes);
        assert_eq!(ExitCode::of(&report), expected, "{report:#?}");
    }

    #[test]
    fn the_numbers_are_those_of_the_documentation() {
        let all = [
            ExitCode::Holds,
            ExitCode::Violated,
            ExitCode::Usage,
            ExitCode::Inconclusive,
            ExitCode::Environment,
        ];
        assert_eq!(all.map(ExitCode::code), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_kept_promise_is_0_even_beside_a_skipped_scenario() {
        check(vec![sample::holds(10)], ExitCode::Holds);
        check(vec![sample::holds(10), sample::skipped("no transactions")], ExitCode::Holds);
    }

    #[test]
    fn a_violation_is_1_whatever_else_failed() {
        check(vec![sample::violated()], ExitCode::Violated);
        check(vec![sample::holds(1), sample::broken(), sample::violated()], ExitCode::Violated);
        let mut report = sample::of(vec![sample::violated()]);
        report.environment_failure = Some("no Docker".into());
        report.complete = false;
        assert_eq!(ExitCode::of(&report), ExitCode::Violated);
    }

    #[test]
    fn what_could_not_be_told_is_3() {
        check(vec![sample::holds(1), sample::inconclusive()], ExitCode::Inconclusive);
        check(vec![sample::doubtful()], ExitCode::Inconclusive);
    }

    #[test]
    fn nothing_judged_is_3() {
        check(vec![], ExitCode::Inconclusive);
        check(vec![sample::skipped("no transactions")], ExitCode::Inconclusive);
    }

    #[test]
    fn a_promise_of_which_nothing_was_judged_is_3_beside_one_that_holds() {
        let mut report = sample::of(vec![sample::holds(1)]);
        report.promises.extend(sample::of(vec![sample::skipped("no ACLs")]).promises);
        assert_eq!(ExitCode::of(&report), ExitCode::Inconclusive);
    }

    #[test]
    fn a_run_cut_short_is_3() {
        let mut report = sample::of(vec![sample::holds(1)]);
        report.complete = false;
        assert_eq!(ExitCode::of(&report), ExitCode::Inconclusive);
    }

    #[test]
    fn a_failing_environment_is_4() {
        check(
            vec![sample::holds(1), sample::inconclusive(), sample::broken()],
            ExitCode::Environment,
        );
        let mut report = sample::of(vec![]);
        report.environment_failure = Some("no Docker".into());
        assert_eq!(ExitCode::of(&report), ExitCode::Environment);
    }
}
