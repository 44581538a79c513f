//! What became of a scenario: of the promise that it is of, and of others that it saw broken.

use super::collector::file;
use crate::{
    promise::broken_by,
    selection::short_name,
    world::{Failure, World},
};
use cucumber::{
    World as _,
    event::ScenarioFinished,
    gherkin::{Feature, Scenario, Step},
};
use judge::{
    report::ScenarioOutcome,
    verdict::{Anomaly, Judgement, Verdict},
};
use std::{collections::BTreeMap, panic::AssertUnwindSafe};

/// What became of a scenario.
#[derive(Clone)]
pub(super) struct Outcome {
    /// What it says of its own promise.
    pub(super) own: ScenarioOutcome,
    /// Violations that no step asked about, by the file of the promise that they break.
    pub(super) besides: BTreeMap<String, ScenarioOutcome>,
}

impl From<ScenarioOutcome> for Outcome {
    fn from(own: ScenarioOutcome) -> Outcome {
        Outcome { own, besides: BTreeMap::new() }
    }
}

impl Outcome {
    /// Whether some promise is violated, its own or another.
    pub(super) fn is_violated(&self) -> bool {
        self.own.verdict() == Some(Verdict::Violated) || !self.besides.is_empty()
    }
}

/// What became of a scenario of one of `features`.
pub(super) fn of(
    features: &[Feature],
    feature: &Feature,
    scenario: &Scenario,
    finished: &ScenarioFinished,
    world: &mut World,
) -> Outcome {
    if matches!(world.failure, Some(Failure::NotRun)) {
        let reason = "an earlier promise was violated: run on with --keep-going".into();
        return ScenarioOutcome::Skipped { reason }.into();
    }
    let failed = failed_step(feature, scenario, finished);
    let finished_run = world.testbed.as_ref().filter(|bed| bed.history().completion.is_some());
    // A checker that crashes is our bug, never a promise kept.
    let judged =
        finished_run.map(|testbed| std::panic::catch_unwind(AssertUnwindSafe(|| testbed.judge())));
    let mut besides = BTreeMap::new();
    let judged = judged.map(|judged| {
        let mut judgement = judged.ok()?;
        // A mirror that fails before or at a question fails the promise, whatever is found of it.
        let denied = failed.is_some() && world.failure.is_none();
        if world.questions > 0 && !denied {
            besides = unasked(&mut judgement, features, &short_name(feature));
            leave_open(&mut judgement, &besides);
        }
        Some(judgement)
    });
    let own = own(judged, failed, world);
    Outcome { own, besides }
}

/// Takes the violations out of a judgement that break another promise than that of the feature `own`: every
/// question was answered yes, so they are not what the scenario is about. Where none of the features is of
/// such a promise they stay.
fn unasked(
    judgement: &mut Judgement,
    features: &[Feature],
    own: &str,
) -> BTreeMap<String, ScenarioOutcome> {
    let others = features.iter().filter(|feature| short_name(feature) != own);
    let parts = others.filter_map(|feature| {
        let name = short_name(feature);
        let judgement = judgement.split_off(|anomaly| broken_by(anomaly) == name)?;
        Some((file(feature), ScenarioOutcome::Judged { judgement, failed_step: None }))
    });
    parts.collect()
}

/// What was not copied shows nothing: a promise that was kept by the copies may have been broken by those that are missing.
fn leave_open(judgement: &mut Judgement, besides: &BTreeMap<String, ScenarioOutcome>) {
    let broken = besides.values().filter_map(|outcome| match outcome {
        ScenarioOutcome::Judged { judgement, .. } => Some(judgement),
        _ => None,
    });
    let count = |anomaly| broken.clone().map(|one| one.violations.count(anomaly)).sum::<u64>();
    let (lost, records) = (count(Anomaly::Lost), judgement.judged.source_records);
    if lost > 0 {
        judgement.doubt(format!("{lost} of {records} records have no copy that could be judged"));
    } else if count(Anomaly::Stalled) > 0 {
        judgement.doubt("the mirror stopped copying".into());
    }
}

/// What a scenario says of its own promise. `judged`: `None` if it did not come so far, and `Some(None)` if the
/// judge crashed.
fn own(
    judged: Option<Option<Judgement>>,
    failed: Option<(String, String)>,
    world: &mut World,
) -> ScenarioOutcome {
    let proven = matches!(&judged, Some(Some(found)) if found.verdict == Verdict::Violated);
    match world.failure.take() {
        // What was proven by then stays proven.
        _ if proven => {}
        Some(Failure::Broken(reason)) => return ScenarioOutcome::Broken { reason },
        Some(Failure::Inconclusive(reason)) => return ScenarioOutcome::Inconclusive { reason },
        Some(Failure::NotRun) | None => {}
    }
    let judgement = match judged {
        Some(Some(judgement)) => judgement,
        Some(None) => {
            return ScenarioOutcome::Inconclusive { reason: "the judge crashed".into() };
        }
        None => {
            let reason = failed.map_or_else(|| "it asked nothing".into(), |step| step.1);
            return ScenarioOutcome::Inconclusive { reason };
        }
    };
    if world.questions == 0 && !proven {
        return ScenarioOutcome::Inconclusive { reason: "it asked nothing".into() };
    }
    let judgement = match &failed {
        Some((_, said)) => denied(judgement, said),
        None => judgement,
    };
    let failed_step = failed.map(|(step, _)| step);
    ScenarioOutcome::Judged { judgement, failed_step }
}

/// A question was answered no although the contract tolerates what was found: the promise asked for
/// more than the contract, such as no repeat at all. An answer for which there is no evidence is a
/// doubt, and accuses nobody.
fn denied(mut judgement: Judgement, said: &str) -> Judgement {
    if judgement.verdict == Verdict::Violated {
        return judgement;
    }
    let (repeats, tolerated): (Vec<_>, Vec<_>) = std::mem::take(&mut judgement.tolerated)
        .into_iter()
        .partition(|one| matches!(one.finding.anomaly, Anomaly::Duplicated | Anomaly::Rewound));
    judgement.tolerated = tolerated;
    if repeats.is_empty() {
        judgement.doubt(said.to_owned());
    } else {
        judgement.verdict = Verdict::Violated;
        judgement.violations.0.extend(repeats.into_iter().map(|one| one.finding));
    }
    judgement
}

/// The step that failed, as `features/ordering.feature:12: Then …: 3 reordered`, and what it said.
fn failed_step(
    feature: &Feature,
    scenario: &Scenario,
    finished: &ScenarioFinished,
) -> Option<(String, String)> {
    let ScenarioFinished::StepFailed(_, location, error) = finished else { return None };
    let text = error.to_string();
    let said = text.rsplit("Captured output: ").next().unwrap_or(&text).to_owned();
    let file = feature.path.as_deref().map(|path| path.display().to_string()).unwrap_or_default();
    // Cucumber tells which function failed; the step is the last that this function performs.
    let patterns = World::collection();
    let performed_by =
        |step: &&Step| patterns.find(step).ok().flatten().is_some_and(|found| found.2 == *location);
    let (line, step) = scenario.steps.iter().rfind(performed_by).map_or_else(
        || (scenario.position.line, String::new()),
        |step| (step.position.line, format!("{}{}: ", step.keyword, step.value)),
    );
    Some((format!("{file}:{line}: {step}{said}"), said))
}
