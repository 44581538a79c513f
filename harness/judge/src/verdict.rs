//! From findings to a verdict: which of them the contract tolerates, and what remains.
//!
//! Detection (`check`) names what it saw and under which circumstance; policy lives here alone.

mod guarantees;
mod malformed;
mod reading;

pub use reading::judge;

use crate::history::EventKind;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Everything that can go wrong: a closed set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Anomaly {
    /// A record of the source has no copy.
    Lost,
    /// A further copy that no event precedes.
    Duplicated,
    /// A first copy lies behind the first copy of a later record.
    Reordered,
    /// A further copy that an event precedes.
    Rewound,
    /// A key's last copy is not its latest delivered one.
    Stale,
    /// A copy is not in the partition that the contract says.
    Misplaced,
    /// A copy differs in key, value, headers or timestamp.
    Corrupted,
    /// A record that nobody produced.
    Phantom,
    /// A record is visible that should not be: failed, aborted, or of a topic not selected.
    Leaked,
    /// The subject neither delivers nor commits any more, or ended by itself.
    Stalled,
    /// A position was committed while a record below it was not on the destination.
    CommitAhead,
    /// Everything is delivered, and yet the position is not committed.
    CommitBehind,
    /// A record of the subject lies on the source, behind everything that was produced there.
    Looped,
    /// A consumer that goes on at its translated position does not get a record that it has not read.
    TranslationSkips,
    /// A consumer that goes on at its translated position gets more again than the contract says.
    TranslationRewinds,
    /// A topic setting that the contract keeps equal differs between the two sides.
    ConfigDrift,
    /// A consumer that resumed by raw offsets did not skip and repeat what the placements say.
    OffsetsMispredicted,
    /// A consumer that resumed by raw offsets skipped and repeated nothing: the scenario shows
    /// nothing.
    OffsetsCoincide,
    /// An acknowledged record is not on the source.
    LostAtSource,
    /// Records expired on one side before they could be judged.
    Expired,
}

impl Anomaly {
    /// All anomalies, in the order in which they are reported.
    pub const ALL: [Anomaly; 20] = [
        Anomaly::Lost,
        Anomaly::Duplicated,
        Anomaly::Reordered,
        Anomaly::Rewound,
        Anomaly::Stale,
        Anomaly::Misplaced,
        Anomaly::Corrupted,
        Anomaly::Phantom,
        Anomaly::Leaked,
        Anomaly::Stalled,
        Anomaly::CommitAhead,
        Anomaly::CommitBehind,
        Anomaly::Looped,
        Anomaly::TranslationSkips,
        Anomaly::TranslationRewinds,
        Anomaly::ConfigDrift,
        Anomaly::OffsetsMispredicted,
        Anomaly::OffsetsCoincide,
        Anomaly::LostAtSource,
        Anomaly::Expired,
    ];

    /// The name in reports, as in the JSON.
    pub fn name(self) -> &'static str {
        match self {
            Anomaly::Lost => "lost",
            Anomaly::Duplicated => "duplicated",
            Anomaly::Reordered => "reordered",
            Anomaly::Rewound => "rewound",
            Anomaly::Stale => "stale",
            Anomaly::Misplaced => "misplaced",
            Anomaly::Corrupted => "corrupted",
            Anomaly::Phantom => "phantom",
            Anomaly::Leaked => "leaked",
            Anomaly::Stalled => "stalled",
            Anomaly::CommitAhead => "commit-ahead",
            Anomaly::CommitBehind => "commit-behind",
            Anomaly::Looped => "looped",
            Anomaly::TranslationSkips => "translation-skips",
            Anomaly::TranslationRewinds => "translation-rewinds",
            Anomaly::ConfigDrift => "config-drift",
            Anomaly::OffsetsMispredicted => "offsets-mispredicted",
            Anomaly::OffsetsCoincide => "offsets-coincide",
            Anomaly::LostAtSource => "lost-at-source",
            Anomaly::Expired => "expired",
        }
    }

    /// Whether the finding means that the scenario could not be judged, not that the subject broke
    /// a promise.
    pub fn is_inconclusive(self) -> bool {
        matches!(self, Anomaly::LostAtSource | Anomaly::Expired | Anomaly::OffsetsCoincide)
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// Under which circumstance an anomaly was seen: what a contract may refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Circumstance {
    /// Nothing excuses it.
    Plain,
    /// The record lies before the source's end offsets at the subject's first readiness.
    BeforeReadiness,
    /// A repeat that the event explains: beyond the end offset when the event began, and not below
    /// the position committed by then.
    Explained(EventKind),
    /// A stale value that a zombie may have written: a freeze or a rebalance precedes it.
    PossibleZombie,
    /// On a compacted topic, a record that a later one of its key superseded.
    Superseded,
    /// The record was deleted on the source before it could be read, and the subject said so.
    Announced,
    /// The record is of an aborted transaction.
    Aborted,
}

/// Where something lies, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Topic name on that side.
    pub topic: String,
    /// Partition.
    pub partition: u32,
    /// Offset.
    pub offset: i64,
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}[{}]@{}", self.topic, self.partition, self.offset)
    }
}

/// One instance of an anomaly, with what a person needs to see it with their own eyes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The key, printable; `None` where the key is null or no key is involved.
    pub key: Option<String>,
    /// Where the record lies on the source.
    pub source: Option<Place>,
    /// Where the copy lies (or for reordered: the copy that comes too late).
    pub destination: Option<Place>,
    /// What is wrong, in one sentence fragment: `value differs: 5 bytes became 4`.
    pub detail: String,
    /// Records before and after it, one a line, as they lie.
    pub neighbours: Vec<String>,
    /// How the key's sequence differs between the two sides, as a unified diff.
    pub diff: Option<String>,
}

/// How often an anomaly was seen under one circumstance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What went wrong.
    pub anomaly: Anomaly,
    /// Under which circumstance.
    pub circumstance: Circumstance,
    /// How often, exactly.
    pub count: u64,
    /// The first and the last instances: at most [`Finding::EVIDENCE`].
    pub evidence: Vec<Evidence>,
    /// Whether there were more instances than evidence.
    pub capped: bool,
}

impl Finding {
    /// At most so many instances are kept: the first half and the last half.
    pub const EVIDENCE: usize = 6;
}

/// What the checkers found, by anomaly and circumstance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Findings(pub Vec<Finding>);

impl Findings {
    /// How often `anomaly` was seen, under any circumstance.
    pub fn count(&self, anomaly: Anomaly) -> u64 {
        self.0.iter().filter(|finding| finding.anomaly == anomaly).map(|f| f.count).sum()
    }
}

/// How much was judged: a pass means nothing without it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// Data records on the source, of selected topics.
    pub source_records: u64,
    /// Records at or beyond the baseline on the destination, of selected topics.
    pub destination_records: u64,
    /// Copies beyond the first, tolerated or not.
    pub repeats: u64,
    /// Distinct keys on the source, null not counted.
    pub keys: u64,
    /// Records with a null key on the source.
    pub null_keys: u64,
    /// Non-empty pairs of source and destination partition.
    pub partition_pairs: u64,
    /// Source records whose absence the contract would excuse.
    pub excusable: u64,
}

/// The outcome of a scenario or promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The promise was kept wherever it was looked at.
    Holds,
    /// It could not be told.
    Inconclusive,
    /// It was broken, and there is evidence.
    Violated,
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Verdict::Holds => "holds",
            Verdict::Inconclusive => "inconclusive",
            Verdict::Violated => "violated",
        })
    }
}

/// A judged history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// The outcome.
    pub verdict: Verdict,
    /// What the contract does not tolerate.
    pub violations: Findings,
    /// What it does tolerate, with the reason.
    pub tolerated: Vec<Tolerated>,
    /// Why it could not be told, if so.
    pub doubts: Vec<String>,
    /// How much was judged.
    pub judged: Judged,
}

impl Judgement {
    /// The verdict that follows from what is not tolerated and what is in doubt.
    fn verdict_of(violations: &Findings, doubts: &[String]) -> Verdict {
        let violated = violations.0.iter().any(|finding| !finding.anomaly.is_inconclusive());
        match (violated, doubts.is_empty()) {
            (true, _) => Verdict::Violated,
            (false, false) => Verdict::Inconclusive,
            (false, true) => Verdict::Holds,
        }
    }

    /// Takes the violations by these anomalies out, into a judgement of their own over the same records. `None` if
    /// there is none. What leaves the truth in doubt stays, and so do the doubts.
    pub fn split_off(&mut self, anomalies: impl Fn(Anomaly) -> bool) -> Option<Judgement> {
        let taken =
            |finding: &Finding| !finding.anomaly.is_inconclusive() && anomalies(finding.anomaly);
        let (taken, left) = std::mem::take(&mut self.violations.0).into_iter().partition(taken);
        let (violations, doubts) = (Findings(taken), Vec::new());
        self.violations = Findings(left);
        self.verdict = Judgement::verdict_of(&self.violations, &self.doubts);
        let verdict = Judgement::verdict_of(&violations, &doubts);
        let judged = self.judged.clone();
        let split = Judgement { verdict, violations, tolerated: Vec::new(), doubts, judged };
        (verdict == Verdict::Violated).then_some(split)
    }

    /// Adds a reason why it could not be told. What is proven stays proven.
    pub fn doubt(&mut self, reason: String) {
        self.doubts.push(reason);
        self.verdict = Judgement::verdict_of(&self.violations, &self.doubts);
    }

    /// Whether `anomaly` was found, and the contract tolerates it: whoever asks for its absence does not get what
    /// the contract promises.
    pub fn tolerates(&self, anomaly: Anomaly) -> bool {
        self.tolerated.iter().any(|tolerated| tolerated.finding.anomaly == anomaly)
    }

    /// The same, under one circumstance.
    pub fn tolerates_under(&self, anomaly: Anomaly, circumstance: Circumstance) -> bool {
        let finding =
            |tolerated: &Tolerated| (tolerated.finding.anomaly, tolerated.finding.circumstance);
        self.tolerated.iter().any(|tolerated| finding(tolerated) == (anomaly, circumstance))
    }
}

/// A finding that the contract tolerates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tolerated {
    /// What was found.
    pub finding: Finding,
    /// By which clause it is tolerated.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(anomalies: &[Anomaly], doubts: &[&str]) -> Judgement {
        let finding = |&anomaly| Finding {
            anomaly,
            circumstance: Circumstance::Plain,
            count: 1,
            evidence: Vec::new(),
            capped: false,
        };
        let violations = Findings(anomalies.iter().map(finding).collect());
        let doubts: Vec<String> = doubts.iter().map(|&doubt| doubt.to_owned()).collect();
        let verdict = Judgement::verdict_of(&violations, &doubts);
        Judgement { verdict, violations, tolerated: Vec::new(), doubts, judged: Judged::default() }
    }

    #[test]
    fn what_is_split_off_leaves_the_verdict_of_the_rest() {
        let is_corrupted = |anomaly| anomaly == Anomaly::Corrupted;
        let check = |mut judgement: Judgement, split: bool, left: Verdict| {
            let taken = judgement.split_off(is_corrupted);
            assert_eq!(taken, split.then(|| found(&[Anomaly::Corrupted], &[])));
            assert_eq!(
                (judgement.verdict, judgement.violations.count(Anomaly::Corrupted)),
                (left, 0)
            );
        };
        check(found(&[], &[]), false, Verdict::Holds);
        check(found(&[Anomaly::Corrupted], &[]), true, Verdict::Holds);
        check(found(&[Anomaly::Corrupted], &["cut short"]), true, Verdict::Inconclusive);
        check(found(&[Anomaly::Lost, Anomaly::Corrupted], &[]), true, Verdict::Violated);
        check(found(&[Anomaly::Lost], &[]), false, Verdict::Violated);
    }

    #[test]
    fn a_doubt_makes_no_pass_and_hides_no_violation() {
        let verdict = |mut judgement: Judgement| {
            judgement.doubt("cut short".into());
            judgement.verdict
        };
        assert_eq!(verdict(found(&[], &[])), Verdict::Inconclusive);
        assert_eq!(verdict(found(&[Anomaly::Lost], &[])), Verdict::Violated);
    }

    #[test]
    fn what_leaves_the_truth_in_doubt_is_not_split_off() {
        let mut judgement = found(&[Anomaly::Expired], &["expired"]);
        assert_eq!(judgement.split_off(|_| true), None);
        assert_eq!(judgement, found(&[Anomaly::Expired], &["expired"]));
    }
}
