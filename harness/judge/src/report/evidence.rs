//! Findings as text: what was seen, how often, and where to look. The terminal and JUnit share it,
//! so that nobody has to compare two accounts of one failure.

use super::{
    ScenarioReport,
    text::{Palette, Tone, columns, counted, grouped, printable, printable_lines, wrap},
};
use crate::{
    history::EventKind,
    verdict::{Anomaly, Circumstance, Evidence, Finding, Findings, Place, Tolerated},
};

/// What an anomaly means, in one line.
pub(super) fn meaning(anomaly: Anomaly) -> &'static str {
    match anomaly {
        Anomaly::Lost => "on the source, without a copy on the destination",
        Anomaly::Duplicated => "copied again, and nothing happened that would explain it",
        Anomaly::Reordered => "copied behind a later record of the same order",
        Anomaly::Rewound => "copied again, further back than what happened explains",
        Anomaly::Stale => "an old value came last, so readers see it as the current one",
        Anomaly::Misplaced => "copied to a partition where its readers do not look for it",
        Anomaly::Corrupted => "the copy differs in key, value, headers or timestamp",
        Anomaly::Phantom => "on the destination, though nobody produced it",
        Anomaly::Leaked => "visible on the destination, though it should not be",
        Anomaly::Stalled => "the mirror stopped copying although nothing stood in its way",
        Anomaly::CommitAhead => "committed before it was copied: a restart would lose it",
        Anomaly::CommitBehind => "copied but never committed: a restart repeats it",
        Anomaly::Looped => {
            "its own output, or what nobody produced, lies on the source: it came back there"
        }
        Anomaly::TranslationSkips => {
            "a consumer that moves by the translated position never gets it"
        }
        Anomaly::TranslationRewinds => {
            "a consumer that moves by the translated position gets more again than promised"
        }
        Anomaly::ConfigDrift => "a topic setting differs between the two sides",
        Anomaly::OffsetsMispredicted => {
            "a consumer moved by raw offsets did not skip and repeat what the placements say"
        }
        Anomaly::OffsetsCoincide => "both sides happen to have equal offsets: nothing is shown",
        Anomaly::LostAtSource => "acknowledged by the source, and yet not on it",
        Anomaly::Expired => "deleted by retention before it could be judged",
    }
}

/// Under which circumstance, as the end of a sentence; empty where nothing excuses it.
pub(super) fn circumstance(circumstance: Circumstance) -> &'static str {
    match circumstance {
        Circumstance::Plain => "",
        Circumstance::BeforeReadiness => "from before the mirror was ready",
        Circumstance::Explained(EventKind::Stop) => "after a stop",
        Circumstance::Explained(EventKind::Kill) => "after a kill",
        Circumstance::Explained(EventKind::Rebalance) => "after a rebalance",
        Circumstance::Explained(EventKind::Freeze) => "after a freeze",
        Circumstance::Explained(EventKind::ProduceFault) => "after a produce fault",
        Circumstance::PossibleZombie => "possibly by a zombie",
        Circumstance::Superseded => "superseded by a later record of its key",
        Circumstance::Announced => "deleted before it could be read, as it said itself",
        Circumstance::Aborted => "of aborted transactions",
    }
}

/// `40 repeats after a kill (at least once)`, for `count` instances.
pub(super) fn tolerated(tolerated: &Tolerated, count: u64) -> String {
    let what = match tolerated.finding.anomaly {
        Anomaly::Duplicated | Anomaly::Rewound => counted(count, "repeat"),
        other => format!("{} {other}", grouped(count)),
    };
    let when = circumstance(tolerated.finding.circumstance);
    let space = if when.is_empty() { "" } else { " " };
    format!("{what}{space}{when} ({})", printable(&tolerated.reason))
}

/// `features/ordering.feature:12`.
pub(super) fn location(scenario: &ScenarioReport) -> String {
    format!("{}:{}", printable(&scenario.file), scenario.line)
}

/// All findings, each with its evidence.
pub(super) fn findings(findings: &Findings, palette: Palette, width: usize) -> String {
    findings.0.iter().map(|one| finding(one, palette, width)).collect::<Vec<_>>().join("\n")
}

fn finding(finding: &Finding, palette: Palette, width: usize) -> String {
    let tone = if finding.anomaly.is_inconclusive() { Tone::Doubt } else { Tone::Bad };
    let name = format!("{} ×{}", finding.anomaly, grouped(finding.count));
    let when = circumstance(finding.circumstance);
    let when = if when.is_empty() { String::new() } else { format!(", {when}") };
    let head = format!("    {}  ", palette.paint(tone, &name));
    let mut out = wrap(width, &head, &format!("{}{when}", meaning(finding.anomaly)));
    for (index, one) in finding.evidence.iter().enumerate() {
        out += &evidence(index + 1, one, palette, width);
    }
    if finding.capped {
        let note = format!("shown {} of {}", finding.evidence.len(), grouped(finding.count));
        out += &format!("      {}\n", palette.paint(Tone::Quiet, &note));
    }
    out
}

fn evidence(number: usize, evidence: &Evidence, palette: Palette, width: usize) -> String {
    let margin = format!("      {number}  ");
    let indent = " ".repeat(columns(&margin));
    let mut facts = Vec::new();
    if let Some(key) = &evidence.key {
        // It comes quoted, or as hexadecimal, from whoever saw its bytes.
        facts.push(format!("key {}", palette.paint(Tone::Strong, &printable(key))));
    }
    let places = [("source", &evidence.source), ("destination", &evidence.destination)];
    for (side, place) in places {
        if let Some(Place { topic, partition, offset }) = place {
            facts.push(format!("{side} {}[{partition}]@{offset}", printable(topic)));
        }
    }
    let details: Vec<String> = printable_lines(&evidence.detail).collect();
    // Without key and places the detail is all there is, so it takes their line.
    let mut out = String::new();
    let mut first = margin;
    if !facts.is_empty() {
        out += &format!("{first}{}\n", facts.join("   "));
        first = indent.clone();
    }
    for detail in &details {
        out += &wrap(width, &first, detail);
        first = indent.clone();
    }
    out += &quoted("as it lies", &evidence.neighbours.join("\n"), &indent, palette);
    out += &quoted(
        "− source  + destination",
        evidence.diff.as_deref().unwrap_or(""),
        &indent,
        palette,
    );
    out
}

/// Lines that are shown as they are: never wrapped, since columns matter in them.
fn quoted(title: &str, text: &str, indent: &str, palette: Palette) -> String {
    if text.trim().is_empty() {
        return String::new();
    }
    let bar = palette.paint(Tone::Quiet, "│");
    let mut out = format!("{indent}{}\n", palette.paint(Tone::Quiet, &format!("┌ {title}")));
    for line in printable_lines(text) {
        let tone = match line.chars().next() {
            Some('+') => Some(Tone::Good),
            Some('-') => Some(Tone::Bad),
            _ => None,
        };
        let line = tone.map_or(line.clone(), |tone| palette.paint(tone, &line));
        out += &format!("{indent}{bar} {line}\n");
    }
    out
}
