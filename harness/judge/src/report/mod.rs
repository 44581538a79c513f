//! What a run found, as one value, and one pure renderer a format.

mod evidence;
pub mod exit;
pub mod json;
pub mod junit;
#[cfg(test)]
mod sample;
mod summary;
pub mod terminal;
mod text;

use crate::verdict::{Judgement, Verdict};
use serde::{Deserialize, Serialize};

/// A whole run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Version of the JSON: [`Report::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Version of the program.
    pub program_version: String,
    /// Seed of every random choice.
    pub seed: u64,
    /// Which clusters: `embedded` or `containers`.
    pub clusters: String,
    /// Which subject.
    pub subject: String,
    /// When the run started: seconds since 1970.
    pub started_unix: u64,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// Whether the run went through all that was selected. False while it works, and for ever if
    /// it was cut short.
    pub complete: bool,
    /// What made the environment fail, if it did.
    pub environment_failure: Option<String>,
    /// Where the subject's output and the other files are.
    pub folder: String,
    /// The promises, in the order of their features.
    pub promises: Vec<PromiseReport>,
}

impl Report {
    /// Counts up when a reader of the old JSON would misread the new one.
    pub const SCHEMA_VERSION: u32 = 1;

    /// The verdict over all promises; a run that judged nothing is inconclusive.
    pub fn verdict(&self) -> Verdict {
        self.promises
            .iter()
            .filter_map(PromiseReport::verdict)
            .max()
            .unwrap_or(Verdict::Inconclusive)
    }
}

/// One feature: one promise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromiseReport {
    /// The feature's name: the promise in words.
    pub promise: String,
    /// The feature's file.
    pub file: String,
    /// Whether the user selected by name or tag, and so asked for this promise in particular.
    pub asked_for: bool,
    /// Its scenarios that were selected, in the order of the file; and those of other promises that saw this one
    /// broken, though they had not asked.
    pub scenarios: Vec<ScenarioReport>,
}

impl PromiseReport {
    /// The verdict over the scenarios that were judged. `None`: nothing of it was selected, or in a
    /// run of everything these clusters cannot show it. A promise that was asked for and of which
    /// every scenario was skipped is inconclusive, never held.
    pub fn verdict(&self) -> Option<Verdict> {
        let judged = self.scenarios.iter().filter_map(|scenario| scenario.outcome.verdict()).max();
        let unanswered = self.asked_for && !self.scenarios.is_empty();
        judged.or(unanswered.then_some(Verdict::Inconclusive))
    }
}

/// One scenario (one row of an outline).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScenarioReport {
    /// Its name, with the row's values.
    pub name: String,
    /// The file it stands in: its promise's, or of another promise if it saw this one broken.
    pub file: String,
    /// The line of the scenario (or of the outline's row) in that file.
    pub line: usize,
    /// Its tags, the feature's and rule's included.
    pub tags: Vec<String>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// What became of it.
    pub outcome: ScenarioOutcome,
    /// The command that repeats it.
    pub repeat: String,
    /// Files with the subject's output, relative to the report's folder.
    pub logs: Vec<String>,
}

/// What became of a scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScenarioOutcome {
    /// It ran and was judged.
    Judged {
        /// The judgement.
        judgement: Judgement,
        /// The step at which the promise failed, as `features/ordering.feature:12: Then …`.
        failed_step: Option<String>,
    },
    /// It could not be judged: a wait ran out, a checker failed, it asked nothing.
    Inconclusive {
        /// Why.
        reason: String,
    },
    /// The environment failed: no container, no cluster.
    Broken {
        /// Why.
        reason: String,
    },
    /// It was not run.
    Skipped {
        /// Why.
        reason: String,
    },
}

impl ScenarioOutcome {
    /// The verdict; `None` for a skipped scenario.
    pub fn verdict(&self) -> Option<Verdict> {
        match self {
            ScenarioOutcome::Judged { judgement, .. } => Some(judgement.verdict),
            ScenarioOutcome::Inconclusive { .. } | ScenarioOutcome::Broken { .. } => {
                Some(Verdict::Inconclusive)
            }
            ScenarioOutcome::Skipped { .. } => None,
        }
    }
}
