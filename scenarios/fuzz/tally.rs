//! What a run of random plans came to: counts, and how they are told.

use crate::trial::Outcome;
use judge::{report::exit::ExitCode, verdict::Verdict};
use std::{collections::BTreeMap, fmt::Write as _};

/// Counts over all plans that were performed.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// How many were performed.
    pub plans: u64,
    /// How many of them stopped or killed the subject before their end.
    pub disturbed: u64,
    /// How many hold.
    pub holds: u64,
    /// How many are violated.
    pub violated: u64,
    /// Why how many could not be told.
    pub inconclusive: BTreeMap<String, u64>,
    /// How often the environment failed, and why.
    pub broken: BTreeMap<String, u64>,
    /// Records of the source that were judged.
    pub records: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
}

impl Tally {
    pub(super) fn add(&mut self, disturbed: bool, outcome: &Outcome) {
        self.plans += 1;
        self.disturbed += u64::from(disturbed);
        if let Outcome::Judged(judgement) = outcome {
            self.records += judgement.judged.source_records;
        }
        match outcome.verdict() {
            Some(Verdict::Holds) => self.holds += 1,
            Some(Verdict::Violated) => self.violated += 1,
            Some(Verdict::Inconclusive) => {
                *self.inconclusive.entry(outcome.reason()).or_default() += 1;
            }
            None => *self.broken.entry(outcome.reason()).or_default() += 1,
        }
    }

    /// The program's exit code.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            _ if self.violated > 0 => ExitCode::Violated,
            _ if !self.broken.is_empty() => ExitCode::Environment,
            _ if !self.inconclusive.is_empty() || self.holds == 0 => ExitCode::Inconclusive,
            _ => ExitCode::Holds,
        }
    }

    /// The program's exit code if more plans were asked for than were performed.
    pub fn exit_code_if_cut_short(&self) -> ExitCode {
        match self.exit_code() {
            ExitCode::Holds => ExitCode::Inconclusive,
            code => code,
        }
    }

    /// One line for while it works.
    pub fn line(&self) -> String {
        format!(
            "{} plans, {:.1} a second, {} violated, {} inconclusive",
            self.plans,
            self.rate(),
            self.violated,
            self.inconclusive.values().sum::<u64>()
        )
    }

    /// All of it.
    pub fn render(&self) -> String {
        let mut out = String::new();
        let mut row = |name: &str, text: String| {
            let _ = writeln!(out, "{name:13}{text}");
        };
        row(
            "plans",
            format!("{} in {:.1} s, {:.1} a second", self.plans, self.seconds, self.rate()),
        );
        row("disturbed", format!("{} stopped or killed the mirror", self.disturbed));
        row("records", format!("{} judged", self.records));
        row("holds", self.holds.to_string());
        row("violated", self.violated.to_string());
        for (name, reasons) in [("inconclusive", &self.inconclusive), ("failed", &self.broken)] {
            row(name, reasons.values().sum::<u64>().to_string());
            for (reason, count) in reasons {
                row("", format!("{count} × {reason}"));
            }
        }
        out
    }

    fn rate(&self) -> f64 {
        self.plans as f64 / self.seconds.max(0.001)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Failure;
    use judge::verdict::{Findings, Judged, Judgement};

    fn judged(verdict: Verdict) -> Outcome {
        Outcome::Judged(Box::new(Judgement {
            verdict,
            violations: Findings::default(),
            tolerated: Vec::new(),
            doubts: vec!["the truth is in doubt".into()],
            judged: Judged { source_records: 10, ..Judged::default() },
        }))
    }

    fn check(outcomes: &[Outcome], code: ExitCode) -> Tally {
        let mut tally = Tally { seconds: 2.0, ..Tally::default() };
        outcomes.iter().for_each(|outcome| tally.add(true, outcome));
        assert_eq!(tally.exit_code(), code, "{tally:?}");
        tally
    }

    #[test]
    fn nothing_judged_is_never_a_pass() {
        check(&[], ExitCode::Inconclusive);
        check(&[judged(Verdict::Holds), judged(Verdict::Inconclusive)], ExitCode::Inconclusive);
        check(&[judged(Verdict::Holds)], ExitCode::Holds);
    }

    #[test]
    fn a_violation_is_not_hidden_by_a_failing_environment() {
        let broken = Outcome::Failed(Failure::Broken("no Docker".into()));
        check(&[judged(Verdict::Holds), broken.clone()], ExitCode::Environment);
        check(&[broken, judged(Verdict::Violated)], ExitCode::Violated);
    }

    #[test]
    fn what_was_found_before_it_was_cut_short_counts() {
        let cut_short = |outcomes: &[Outcome]| {
            let mut tally = Tally::default();
            outcomes.iter().for_each(|outcome| tally.add(true, outcome));
            tally.exit_code_if_cut_short()
        };
        let (holds, violated) = (judged(Verdict::Holds), judged(Verdict::Violated));
        assert_eq!(cut_short(&[holds.clone(), violated]), ExitCode::Violated);
        assert_eq!(cut_short(&[holds]), ExitCode::Inconclusive);
        assert_eq!(cut_short(&[]), ExitCode::Inconclusive);
    }

    #[test]
    fn reasons_are_told_with_how_often() {
        let doubt = judged(Verdict::Inconclusive);
        let tally = check(&[judged(Verdict::Holds), doubt.clone(), doubt], ExitCode::Inconclusive);
        let text = tally.render();
        assert!(text.contains("2 × the truth is in doubt"), "{text}");
        assert!(text.contains("3 in 2.0 s, 1.5 a second") && text.contains("30 judged"), "{text}");
    }
}
