//! The report that a person reads at the end of a run: evidence first, the whole last, so that the
//! answer is where the cursor stops.
//!
//! Without colour it says the same. A run in which everything holds is a table and one line.

use super::{
    PromiseReport, Report, ScenarioOutcome, ScenarioReport, evidence, summary,
    text::{Palette, Tone, duration, grouped, printable, printable_lines, wrap},
};
use crate::verdict::Verdict;
use std::collections::BTreeMap;

/// How to render.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Whether to use colours: a terminal, and no `NO_COLOR`.
    pub color: bool,
    /// Columns to wrap prose to. Paths, commands and records are never broken.
    pub width: usize,
    /// Whether to name the scenarios that hold, too.
    pub verbose: bool,
}

/// The report as text.
pub fn render(report: &Report, options: Options) -> String {
    let Options { color, width, verbose } = options;
    let palette = Palette { color };
    let page = Page { report, palette, width };
    let sections = [
        page.violated(),
        page.inconclusive(),
        page.skipped(),
        if verbose { page.held() } else { String::new() },
        page.tolerated(),
        summary::table(report, palette, width),
        summary::closing(report, palette, width),
    ];
    sections.into_iter().filter(|section| !section.is_empty()).collect::<Vec<_>>().join("\n")
}

struct Page<'a> {
    report: &'a Report,
    palette: Palette,
    width: usize,
}

impl Page<'_> {
    /// The evidence against each promise that is violated.
    fn violated(&self) -> String {
        let mut promises = Vec::new();
        for promise in &self.report.promises {
            let scenarios = self.with_verdict(promise, Verdict::Violated);
            if !scenarios.is_empty() {
                promises.push(self.title(Tone::Bad, "✗", &promise.promise) + &scenarios);
            }
        }
        promises.join("\n")
    }

    /// What could not be told, and why; what the run as a whole lacks comes first.
    fn inconclusive(&self) -> String {
        let mut parts = Vec::new();
        let gaps = summary::gaps(self.report);
        if !gaps.is_empty() {
            let gaps = gaps.iter().map(|gap| wrap(self.width, "  ", &printable(gap)));
            parts.push(self.title(Tone::Doubt, "?", "This run") + &gaps.collect::<String>());
        }
        for promise in &self.report.promises {
            let scenarios = self.with_verdict(promise, Verdict::Inconclusive);
            if !scenarios.is_empty() {
                parts.push(self.title(Tone::Doubt, "?", &promise.promise) + &scenarios);
            }
        }
        parts.join("\n")
    }

    /// Every scenario that was not run, by reason.
    fn skipped(&self) -> String {
        let mut reasons: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for scenario in self.scenarios() {
            if let ScenarioOutcome::Skipped { reason } = &scenario.outcome {
                reasons.entry(reason).or_default().push(self.heading(scenario));
            }
        }
        let mut out = String::new();
        for (reason, scenarios) in reasons {
            let title = format!("skipped ×{}: {reason}", grouped(scenarios.len() as u64));
            out += &self.title(Tone::Strong, "–", &title);
            out.extend(scenarios);
        }
        out
    }

    /// The scenarios that hold, for those who want to see them all.
    fn held(&self) -> String {
        let mut out = String::new();
        for scenario in self.scenarios() {
            if scenario.outcome.verdict() == Some(Verdict::Holds) {
                out += self.heading(scenario).trim_end();
                out += &self.quiet(&format!("  {}\n", duration(scenario.duration_ms)));
            }
        }
        if out.is_empty() { out } else { self.title(Tone::Good, "✓", "Held") + &out }
    }

    /// What was seen and is part of the contract: one line for equal findings of all scenarios.
    fn tolerated(&self) -> String {
        let mut kinds = BTreeMap::new();
        for scenario in self.scenarios() {
            let ScenarioOutcome::Judged { judgement, .. } = &scenario.outcome else { continue };
            for one in &judgement.tolerated {
                let kind = (one.finding.anomaly, one.finding.circumstance, &one.reason);
                let (_, count, scenarios) = kinds.entry(kind).or_insert((one, 0_u64, 0_u64));
                *count = count.saturating_add(one.finding.count);
                *scenarios += 1;
            }
        }
        let mut out = String::new();
        for (one, count, scenarios) in kinds.into_values() {
            let spread =
                if scenarios > 1 { format!(", in {scenarios} scenarios") } else { String::new() };
            let text = format!("{}{spread}", evidence::tolerated(one, count));
            out += &wrap(self.width, &format!("{} ", self.quiet("tolerated:")), &text);
        }
        out
    }

    fn scenarios(&self) -> impl Iterator<Item = &ScenarioReport> {
        self.report.promises.iter().flat_map(|promise| &promise.scenarios)
    }

    /// The promise's scenarios of one verdict, a blank line between them.
    fn with_verdict(&self, promise: &PromiseReport, verdict: Verdict) -> String {
        let wanted = promise.scenarios.iter().filter(|one| one.outcome.verdict() == Some(verdict));
        wanted.map(|one| self.scenario(promise, one)).collect::<Vec<_>>().join("\n")
    }

    /// A scenario with everything that tells why it is not well.
    fn scenario(&self, promise: &PromiseReport, scenario: &ScenarioReport) -> String {
        let mut out = self.heading(scenario);
        if scenario.file != promise.file {
            out += &self.labelled("unasked", "seen by a scenario of another promise");
        }
        match &scenario.outcome {
            ScenarioOutcome::Judged { judgement, failed_step } => {
                let findings = evidence::findings(&judgement.violations, self.palette, self.width);
                if !findings.is_empty() {
                    out += &format!("{findings}\n");
                }
                for doubt in &judgement.doubts {
                    out += &self.labelled("in doubt", doubt);
                }
                if let Some(step) = failed_step {
                    out += &self.labelled("failed", step);
                }
            }
            ScenarioOutcome::Inconclusive { reason } => out += &self.labelled("because", reason),
            ScenarioOutcome::Broken { reason } => out += &self.labelled("environment", reason),
            ScenarioOutcome::Skipped { reason } => out += &self.labelled("skipped", reason),
        }
        for log in &scenario.logs {
            // A path is never wrapped, whatever spaces it has.
            let path = printable(&format!("{}/{log}", self.report.folder));
            out += &format!("    {}{path}\n", self.quiet(&format!("{:<11}  ", "output")));
        }
        if !scenario.repeat.is_empty() {
            out += &self.labelled("repeat", &scenario.repeat);
        }
        out
    }

    fn heading(&self, scenario: &ScenarioReport) -> String {
        let place = self.quiet(&evidence::location(scenario));
        format!("  {place}  {}\n", printable(&scenario.name))
    }

    fn title(&self, tone: Tone, symbol: &str, text: &str) -> String {
        let symbol = format!("{} ", self.palette.paint(tone, symbol));
        wrap(self.width, &symbol, &self.palette.paint(Tone::Strong, &printable(text)))
    }

    /// `    repeat       mirrorproof …`, further lines below the first.
    fn labelled(&self, label: &str, text: &str) -> String {
        let mut first = format!("    {}", self.quiet(&format!("{label:<11}  ")));
        let mut out = String::new();
        for line in printable_lines(text) {
            out += &wrap(self.width, &first, &line);
            first = " ".repeat(17);
        }
        out
    }

    fn quiet(&self, text: &str) -> String {
        self.palette.paint(Tone::Quiet, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    const PLAIN: Options = Options { color: false, width: 100, verbose: false };

    #[test]
    fn the_sample_reads_as_its_golden_file() {
        sample::golden("terminal.txt", &render(&sample::everything(), PLAIN));
    }

    #[test]
    fn a_run_in_which_all_holds_is_a_table_and_a_line() {
        let report = sample::of(vec![sample::holds(2_000), sample::holds(500)]);
        sample::golden("terminal-holds.txt", &render(&report, PLAIN));
    }

    #[test]
    fn verbose_names_what_holds() {
        let options = Options { verbose: true, ..PLAIN };
        assert!(!render(&sample::everything(), PLAIN).contains("a stop and a start lose nothing"));
        assert!(render(&sample::everything(), options).contains("a stop and a start lose nothing"));
    }

    #[test]
    fn colour_adds_nothing_but_colour() {
        let report = sample::everything();
        let coloured = render(&report, Options { color: true, ..PLAIN });
        sample::golden("terminal-color.txt", &coloured);
        let mut plain = coloured;
        for code in ["1;31", "32", "33", "1", "2", "0"] {
            plain = plain.replace(&format!("\x1b[{code}m"), "");
        }
        assert_eq!(plain, render(&report, PLAIN));
    }

    #[test]
    fn paths_stay_on_one_line() {
        let mut report = sample::everything();
        report.folder = format!("/home/a user/{}", "some folder/".repeat(20));
        for width in [0, 40, 100] {
            let text = render(&report, Options { width, ..PLAIN });
            let whole = text.lines().filter(|line| line.contains(&report.folder)).count();
            assert_eq!(whole, text.matches("/home/a user/").count(), "{text}");
            assert!(text.lines().last().is_some_and(|line| line.ends_with(&report.folder)));
        }
    }

    #[test]
    fn every_skipped_scenario_is_named_with_its_reason() {
        let text = render(&sample::everything(), PLAIN);
        let page = Page { report: &sample::everything(), palette: Palette::PLAIN, width: 100 };
        for scenario in page.scenarios() {
            if let ScenarioOutcome::Skipped { reason } = &scenario.outcome {
                assert!(text.contains(reason) && text.contains(&scenario.name));
                assert!(text.contains(&format!("{}:{}", scenario.file, scenario.line)));
            }
        }
    }

    #[test]
    fn odd_data_neither_panics_nor_reaches_the_terminal() {
        for report in [sample::of(vec![]), sample::odd()] {
            for width in [0, 1, 40, 80, 10_000] {
                let text = render(&report, Options { color: false, width, verbose: true });
                assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
            }
        }
    }
}
