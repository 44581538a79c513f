//! The end of the terminal's report: each promise in a row, and the whole in one line.

use super::{
    PromiseReport, Report, ScenarioOutcome,
    exit::ExitCode,
    text::{
        Palette, Tone, columns, counted, duration, grouped, left, printable, right, wrap,
        wrap_facts,
    },
};
use crate::verdict::Verdict;

/// What the run as a whole lacks, one sentence each.
pub(super) fn gaps(report: &Report) -> Vec<String> {
    let mut gaps = Vec::new();
    if let Some(failure) = &report.environment_failure {
        gaps.push(format!("The environment failed: {failure}"));
    }
    if !report.complete {
        gaps.push("It was cut short: what follows is not all that was selected.".to_owned());
    }
    if report.promises.iter().all(|promise| promise.scenarios.is_empty()) {
        gaps.push("Nothing was judged: no scenario was selected.".to_owned());
    }
    for promise in &report.promises {
        let skipped = count(promise, |one| one.verdict().is_none());
        if promise.asked_for && skipped > 0 && skipped == promise.scenarios.len() as u64 {
            gaps.push(format!(
                "Nothing was judged of “{}”: every scenario was skipped.",
                promise.promise
            ));
        }
    }
    gaps
}

/// Each promise with its verdict and how much it rests on.
pub(super) fn table(report: &Report, palette: Palette, width: usize) -> String {
    let rows: Vec<Row> = report.promises.iter().filter_map(row).collect();
    if rows.is_empty() {
        return String::new();
    }
    let titles = ["verdict", "judged", "skipped", "records"].map(str::to_owned);
    let figures = || rows.iter().map(|row| &row.figures).chain([&titles]);
    let widths: [usize; 4] =
        std::array::from_fn(|column| figures().map(|row| columns(&row[column])).max().unwrap_or(0));
    let taken = 2 + widths.iter().map(|width| width + 2).sum::<usize>();
    let longest = rows.iter().map(|row| columns(&row.promise)).max().unwrap_or(0);
    let names = longest.max(columns("promise")).min(width.saturating_sub(taken).max(24));

    let line = |figures: &[String; 4], tone: Tone| {
        let verdict = palette.paint(tone, &left(&figures[0], widths[0]));
        let numbers = (1..4).map(|column| format!("  {}", right(&figures[column], widths[column])));
        format!("  {verdict}{}\n", numbers.collect::<String>())
    };
    let head = format!("  {}{}", left("promise", names), line(&titles, Tone::Quiet));
    let mut out = palette.paint(Tone::Quiet, head.trim_end()) + "\n";
    for row in &rows {
        // A long promise goes on below itself, so that the figures stay in their columns.
        let name = wrap(names, "", &row.promise);
        let mut parts = name.lines();
        let symbol = palette.paint(row.tone, row.symbol);
        let first = left(parts.next().unwrap_or(""), names);
        out += &format!("{symbol} {first}{}", line(&row.figures, row.tone));
        out.extend(parts.map(|part| format!("  {part}\n")));
    }
    out
}

/// The verdict of the whole run.
pub(super) fn closing(report: &Report, palette: Palette, width: usize) -> String {
    let selected = report.promises.iter().filter_map(PromiseReport::verdict);
    let all = selected.clone().count() as u64;
    let with = |verdict| selected.clone().filter(|one| *one == verdict).count();
    let (tone, symbol, words) = match ExitCode::of(report) {
        ExitCode::Holds if all == 1 => (Tone::Good, "✓", "the promise holds".to_owned()),
        ExitCode::Holds => (Tone::Good, "✓", format!("all {all} promises hold")),
        ExitCode::Violated => {
            let words =
                format!("VIOLATED: {} of {}", with(Verdict::Violated), counted(all, "promise"));
            (Tone::Bad, "✗", words)
        }
        ExitCode::Environment => (Tone::Doubt, "?", "the environment failed".to_owned()),
        ExitCode::Inconclusive | ExitCode::Usage if all == 0 => {
            (Tone::Doubt, "?", "inconclusive: nothing was judged".to_owned())
        }
        ExitCode::Inconclusive | ExitCode::Usage if with(Verdict::Inconclusive) == 0 => {
            (Tone::Doubt, "?", "inconclusive: cut short".to_owned())
        }
        ExitCode::Inconclusive | ExitCode::Usage => {
            let doubtful = with(Verdict::Inconclusive);
            (Tone::Doubt, "?", format!("inconclusive: {doubtful} of {}", counted(all, "promise")))
        }
    };
    let facts = [
        palette.paint(tone, &words),
        format!("{} on {} clusters", printable(&report.subject), printable(&report.clusters)),
        format!("seed {}", report.seed),
        duration(report.duration_ms),
        printable(&report.folder),
    ];
    wrap_facts(width, &format!("{} ", palette.paint(tone, symbol)), &facts)
}

struct Row {
    promise: String,
    symbol: &'static str,
    tone: Tone,
    figures: [String; 4],
}

/// `None`: nothing of the promise was selected.
fn row(promise: &PromiseReport) -> Option<Row> {
    if promise.scenarios.is_empty() {
        return None;
    }
    let (symbol, tone, verdict) = match promise.verdict() {
        Some(Verdict::Holds) => ("✓", Tone::Good, "holds"),
        Some(Verdict::Violated) => ("✗", Tone::Bad, "VIOLATED"),
        Some(Verdict::Inconclusive) => ("?", Tone::Doubt, "inconclusive"),
        None => ("–", Tone::Quiet, "not judged"),
    };
    let skipped = count(promise, |one| matches!(one, ScenarioOutcome::Skipped { .. }));
    let judged = count(promise, |one| matches!(one, ScenarioOutcome::Judged { .. }));
    let records = promise.scenarios.iter().map(|one| match &one.outcome {
        ScenarioOutcome::Judged { judgement, .. } => judgement.judged.source_records,
        _ => 0,
    });
    Some(Row {
        promise: printable(&promise.promise),
        symbol,
        tone,
        figures: [
            verdict.to_owned(),
            grouped(judged),
            grouped(skipped),
            grouped(records.fold(0, u64::saturating_add)),
        ],
    })
}

fn count(promise: &PromiseReport, wanted: impl Fn(&ScenarioOutcome) -> bool) -> u64 {
    promise.scenarios.iter().filter(|one| wanted(&one.outcome)).count() as u64
}
