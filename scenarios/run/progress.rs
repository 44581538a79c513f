//! What a person sees while a run works: a bar on a terminal, plain lines elsewhere; on standard
//! error, so that the results on standard output can be piped.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use judge::{report::ScenarioReport, verdict::Verdict};
use std::io::{IsTerminal, Write};

/// Where progress goes.
#[derive(Clone, Debug)]
pub enum Progress {
    /// A bar.
    Bar(ProgressBar),
    /// A line for each scenario.
    Lines,
    /// Nowhere: tests print their own.
    Silent,
}

impl Progress {
    /// A bar if standard error is a terminal, else lines.
    pub fn detect() -> Progress {
        if !std::io::stderr().is_terminal() {
            return Progress::Lines;
        }
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len}  {elapsed}  {msg}") {
            bar.set_style(style);
        }
        Progress::Bar(bar)
    }

    /// So many scenarios will be run.
    pub fn begin(&self, scenarios: u64) {
        if let Progress::Bar(bar) = self {
            bar.set_length(scenarios);
        }
    }

    /// Something that takes a while before the first scenario.
    pub fn note(&self, text: &str) {
        match self {
            Progress::Bar(bar) => bar.set_message(text.to_owned()),
            Progress::Lines => line(text),
            Progress::Silent => {}
        }
    }

    /// A scenario begins.
    pub fn started(&self, name: &str) {
        if let Progress::Bar(bar) = self {
            bar.set_message(name.to_owned());
        }
    }

    /// A scenario has ended. `reports`: what it says of each promise; the worst is shown.
    pub fn finished(&self, reports: &[ScenarioReport]) {
        let Some(report) = reports.iter().max_by_key(|report| report.outcome.verdict()) else {
            return;
        };
        let said = match report.outcome.verdict() {
            Some(Verdict::Holds) => "holds",
            Some(Verdict::Violated) => "VIOLATED",
            Some(Verdict::Inconclusive) => "inconclusive",
            None => "skipped",
        };
        let seconds = report.duration_ms as f64 / 1000.0;
        match self {
            Progress::Bar(bar) => {
                bar.inc(1);
                if said == "VIOLATED" {
                    bar.println(format!("{said}: {}", report.name));
                }
            }
            Progress::Lines => line(&format!("{said:12} {seconds:5.1} s  {}", report.name)),
            Progress::Silent => {}
        }
    }

    /// A mirror of the self test, or a random plan, has been tried.
    pub fn tried(&self, name: &str, said: &str, seconds: f64) {
        match self {
            Progress::Bar(bar) => {
                bar.inc(1);
                bar.set_message(name.to_owned());
            }
            Progress::Lines => line(&format!("{seconds:5.1} s  {name}: {said}")),
            Progress::Silent => {}
        }
    }

    /// Removes the bar.
    pub fn end(&self) {
        if let Progress::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

fn line(text: &str) {
    // Progress that nobody can read is no reason to stop.
    drop(writeln!(std::io::stderr(), "{text}"));
}
