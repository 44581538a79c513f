//! `mirrorproof selftest`: every bad mirror must be caught and named, and no sound one accused.
//!
//! Each case is a mirror and a dense scenario. A bad mirror passes the test if the anomaly that its
//! defect is known by was found, and nothing beyond what that entails. Cases in which the mirror is
//! sound (the same plans and seeds, without a defect) and odd but lawful ones must hold.

mod cases;
mod plans;
mod table;

use crate::{
    promise::broken_by,
    trial::{Outcome, Trial, perform},
    world::Failure,
};
use cases::{Case, Suspect, cases};
use futures::{StreamExt, stream};
use harness::{
    cluster::{Backend, pool::Pool},
    subject::{
        Spec,
        bad::{Fault, Times},
        properties::Properties,
    },
};
use judge::verdict::{Anomaly, Judgement, Verdict};
use std::path::PathBuf;

pub use cases::contract_of;
pub use table::{list, render};

/// What the self test is about.
#[derive(Debug)]
pub struct SelfTest {
    /// Where.
    pub backend: Backend,
    /// Picks victims and records.
    pub seed: u64,
    /// How often, each time with another seed.
    pub rounds: u32,
    /// Names of cases; none: all.
    pub only: Vec<String>,
    /// This program, which is also every mirror.
    pub executable: PathBuf,
    /// Where everything is written down.
    pub folder: PathBuf,
    /// How many cases run at once.
    pub jobs: Option<usize>,
}

/// What a case showed.
#[derive(Clone, Debug)]
pub enum Shown {
    /// A bad mirror, caught: how often, and what came with it.
    Caught {
        /// As what, and how often.
        found: (Anomaly, u64),
        /// What the defect entails.
        entailed: Vec<(Anomaly, u64)>,
    },
    /// A sound mirror holds, with so many records.
    Holds {
        /// How many records were judged.
        records: u64,
    },
    /// The backend cannot show the defect.
    NeedsContainers,
    /// The self test failed.
    Wrong(String),
    /// It could not be told: a machine that is too slow proves nothing against anybody.
    Doubtful(String),
    /// The environment failed.
    Broken(String),
}

/// A row of the table: all rounds of a case.
#[derive(Clone, Debug)]
pub struct Row {
    /// The fault's name, or the sound mirror's.
    pub name: String,
    /// What the mirror does.
    pub does: String,
    /// Whether it must be caught.
    pub bad: bool,
    /// What the rounds showed: the worst of them.
    pub shown: Shown,
    /// In how many rounds it went as it should.
    pub passed: u32,
    /// In how many it was tried.
    pub rounds: u32,
    /// How long a round took, in seconds: the median.
    pub seconds: f64,
}

/// Runs all cases; `note` is told of each that ends.
pub async fn run(test: &SelfTest, pool: &Pool, note: impl Fn(&Row)) -> Vec<Row> {
    let jobs = test.jobs.unwrap_or(match test.backend {
        Backend::Embedded => 10,
        Backend::Containers => 3,
    });
    let note = &note;
    let rows = selected(test, test.seed).into_iter().enumerate().map(|(number, case)| async move {
        let row = rounds(test, pool, number, case).await;
        note(&row);
        row
    });
    stream::iter(rows).buffered(jobs).collect().await
}

/// The names of all cases.
pub fn names(test: &SelfTest) -> Vec<String> {
    selected(test, test.seed).into_iter().map(|case| case.name).collect()
}

fn selected(test: &SelfTest, seed: u64) -> Vec<Case> {
    let all = cases(seed).into_iter();
    all.filter(|case| test.only.is_empty() || test.only.contains(&case.name)).collect()
}

/// Tries a case as often as is asked for, each time with another seed.
async fn rounds(test: &SelfTest, pool: &Pool, number: usize, case: Case) -> Row {
    let mut row = Row {
        name: case.name.clone(),
        does: case.does.clone(),
        bad: matches!(case.suspect, Suspect::Bad(_)),
        shown: Shown::NeedsContainers,
        passed: 0,
        rounds: 0,
        seconds: 0.0,
    };
    if !case.shows_on(test.backend) {
        return row;
    }
    let mut times = Vec::new();
    for round in 0..test.rounds {
        let seed = test.seed.wrapping_add(u64::from(round) * 1_000_003);
        let case = match selected(test, seed).into_iter().find(|other| other.name == case.name) {
            Some(case) if round > 0 => case,
            _ => case.clone(),
        };
        let number = number + 1_000 * round as usize;
        let trial = trial(test, pool, &case, number).await;
        let shown = shown(&case, &trial.outcome);
        times.push(trial.seconds);
        row.rounds += 1;
        row.passed += u32::from(shown.is_right());
        row.shown = worse(row.shown, shown);
    }
    times.sort_by(f64::total_cmp);
    row.seconds = times.get(times.len() / 2).copied().unwrap_or_default();
    row
}

/// The worse of two rounds: what is proven is not hidden by what could not be told. Of equals the first, but of
/// right ones the last.
fn worse(before: Shown, shown: Shown) -> Shown {
    let rank = |shown: &Shown| match shown {
        Shown::Caught { .. } | Shown::Holds { .. } | Shown::NeedsContainers => 0,
        Shown::Doubtful(_) => 1,
        Shown::Broken(_) => 2,
        Shown::Wrong(_) => 3,
    };
    if rank(&before) > 0 && rank(&before) >= rank(&shown) { before } else { shown }
}

async fn trial(test: &SelfTest, pool: &Pool, case: &Case, number: usize) -> Trial {
    let folder = test.folder.join(format!("{number:04}-{}", case.name));
    let subject = Spec {
        kind: case.kind.clone(),
        executable: test.executable.clone(),
        consumer: case.consumer.clone(),
        producer: Properties::new(),
        contract: case.contract.clone(),
    };
    perform(pool, subject, &folder, number, &case.plan, &mut ()).await
}

/// Whether a case went as it should.
fn shown(case: &Case, outcome: &Outcome) -> Shown {
    let judgement = match outcome {
        Outcome::Judged(judgement) => judgement,
        Outcome::Failed(Failure::Broken(reason)) => return Shown::Broken(reason.clone()),
        Outcome::Failed(Failure::Inconclusive(reason)) => {
            return Shown::Doubtful(reason.clone());
        }
        Outcome::Failed(Failure::NotRun) => return Shown::Broken("it was not run".into()),
    };
    match case.suspect {
        Suspect::Bad(fault) => caught(fault, judgement),
        Suspect::Sound => match judgement.verdict {
            Verdict::Holds => Shown::Holds { records: judgement.judged.source_records },
            Verdict::Violated => Shown::Wrong(format!("accused of {}", found(judgement))),
            Verdict::Inconclusive => Shown::Doubtful(judgement.doubts.join("; ")),
        },
    }
}

fn caught(fault: &Fault, judgement: &Judgement) -> Shown {
    let counts = counts(judgement);
    let named = counts.iter().find(|(anomaly, _)| *anomaly == fault.found_as);
    let strange = counts
        .iter()
        .any(|(anomaly, _)| *anomaly != fault.found_as && !fault.entails.contains(anomaly));
    let miscounted = named.is_some_and(|(_, count)| match fault.times {
        Times::Exactly(times) => *count != times,
        Times::With(times, other) => [*count, judgement.violations.count(other)] != [times, times],
        Times::Many => false,
    });
    match (judgement.verdict, named) {
        (Verdict::Violated, Some(_)) if miscounted => {
            Shown::Wrong(format!("found as {}, and not {:?}", found(judgement), fault.times))
        }
        (Verdict::Violated, Some(named)) if !strange => Shown::Caught {
            found: *named,
            entailed: counts.iter().filter(|one| *one != named).copied().collect(),
        },
        (Verdict::Violated, _) => {
            let (found, expected) = (found(judgement), fault.found_as);
            Shown::Wrong(format!("found as {found}, which is not {expected}"))
        }
        (Verdict::Holds, _) => Shown::Wrong("no promise caught it".into()),
        (Verdict::Inconclusive, _) => Shown::Doubtful(judgement.doubts.join("; ")),
    }
}

/// How often each anomaly was found that the contract does not tolerate.
fn counts(judgement: &Judgement) -> Vec<(Anomaly, u64)> {
    let findings = &judgement.violations;
    let all = Anomaly::ALL.into_iter().map(|anomaly| (anomaly, findings.count(anomaly)));
    all.filter(|(_, count)| *count > 0).collect()
}

fn found(judgement: &Judgement) -> String {
    let counts = counts(judgement).into_iter();
    counts.map(|(anomaly, count)| format!("{anomaly} ×{count}")).collect::<Vec<_>>().join(", ")
}

impl Shown {
    /// Whether that is what should be seen.
    pub fn is_right(&self) -> bool {
        match self {
            Shown::Caught { .. } | Shown::Holds { .. } | Shown::NeedsContainers => true,
            Shown::Wrong(_) | Shown::Doubtful(_) | Shown::Broken(_) => false,
        }
    }

    /// The promise that caught it.
    pub fn promise(&self) -> &'static str {
        match self {
            Shown::Caught { found, .. } => broken_by(found.0),
            Shown::Holds { .. }
            | Shown::NeedsContainers
            | Shown::Wrong(_)
            | Shown::Doubtful(_)
            | Shown::Broken(_) => "–",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_round_is_shown() {
        let wrong = |text: &str| Shown::Wrong(text.into());
        let doubtful = || Shown::Doubtful("slow".into());
        let holds = |records| Shown::Holds { records };
        let shown = |rounds: Vec<Shown>| {
            let worst = rounds.into_iter().fold(Shown::NeedsContainers, worse);
            format!("{worst:?}")
        };
        let is = |shown: Shown| format!("{shown:?}");
        assert_eq!(shown(vec![holds(1), holds(2)]), is(holds(2)));
        assert_eq!(shown(vec![doubtful(), wrong("missed"), holds(1)]), is(wrong("missed")));
        assert_eq!(shown(vec![wrong("first"), doubtful(), wrong("later")]), is(wrong("first")));
        let broken = || Shown::Broken("no engine".into());
        assert_eq!(shown(vec![doubtful(), broken(), holds(1)]), is(broken()));
    }
}
