//! `mirrorproof selftest`: every bad mirror must be caught and named, and no sound one accused.
//!
//! Each case is a mirror and a dense scenario. A bad mirror passes the test if the anomaly that its
//! defect is known by was found, and nothing beyond what that entails. Cases in which the mirror is
//! sound (the same plans and seeds, without a defect) and odd but lawful ones must hold.

mod plans;
mod table;

use crate::{
    promise::broken_by,
    trial::{Outcome, Trial, perform},
    world::Failure,
};
use futures::{StreamExt, stream};
use harness::{
    cluster::{Backend, pool::Pool},
    run_dir::RunDir,
    subject::{
        Kind, Spec,
        bad::{Awkward, Fault, Force, SOUND},
        properties::Properties,
    },
    testbed::Settings,
};
use judge::{
    contract::{Contract, Offsets},
    plan::Plan,
    verdict::{Anomaly, Judgement, Verdict},
};
use std::{path::PathBuf, sync::Arc};

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

/// Whom a case is about.
#[derive(Clone, Copy, Debug)]
enum Suspect {
    /// It must be caught.
    Bad(&'static Fault),
    /// It must hold.
    Sound,
}

/// A mirror and a scenario.
#[derive(Clone, Debug)]
struct Case {
    name: String,
    does: String,
    suspect: Suspect,
    kind: Kind,
    consumer: Properties,
    contract: Option<Contract>,
    plan: Plan,
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
    /// It could not be told.
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
    let rows = cases(test, test.seed).into_iter().enumerate().map(|(number, case)| async move {
        let row = rounds(test, pool, number, case).await;
        note(&row);
        row
    });
    stream::iter(rows).buffered(jobs).collect().await
}

/// The names of all cases.
pub fn names(test: &SelfTest) -> Vec<String> {
    cases(test, test.seed).into_iter().map(|case| case.name).collect()
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
    if let Suspect::Bad(fault) = case.suspect
        && !fault.shows_on(test.backend)
    {
        return row;
    }
    let mut times = Vec::new();
    for round in 0..test.rounds {
        let seed = test.seed.wrapping_add(u64::from(round) * 1_000_003);
        let case = match cases(test, seed).into_iter().find(|other| other.name == case.name) {
            Some(case) if round > 0 => case,
            _ => case.clone(),
        };
        let number = number + 1_000 * round as usize;
        let (shown, seconds) = match trial(test, pool, &case, number).await {
            Ok(trial) => (shown(&case, &trial.outcome), trial.seconds),
            Err(reason) => (Shown::Broken(reason), 0.0),
        };
        times.push(seconds);
        row.rounds += 1;
        row.passed += u32::from(shown.is_right());
        // The first that went wrong is shown, else the last.
        if row.shown.is_right() {
            row.shown = shown;
        }
    }
    times.sort_by(f64::total_cmp);
    row.seconds = times.get(times.len() / 2).copied().unwrap_or_default();
    row
}

async fn trial(test: &SelfTest, pool: &Pool, case: &Case, number: usize) -> Result<Trial, String> {
    let folder = test.folder.join(format!("{number:04}-{}", case.name));
    let run_dir = RunDir::create(&folder).map_err(|error| format!("failed to {error}"))?;
    let subject = Spec {
        kind: case.kind.clone(),
        executable: test.executable.clone(),
        consumer: case.consumer.clone(),
        producer: Properties::new(),
        contract: case.contract.clone(),
    };
    let settings = Arc::new(Settings { subject, seed: case.plan.seed, run_dir });
    Ok(perform(pool, &settings, "plan", number, &case.plan).await)
}

/// All cases, in the order of the table.
fn cases(test: &SelfTest, seed: u64) -> Vec<Case> {
    let bad = Fault::ALL.iter().map(|fault| Case {
        name: fault.name.into(),
        does: fault.does.into(),
        suspect: Suspect::Bad(fault),
        kind: Kind::Bad { fault: fault.name.into(), seed },
        consumer: Properties::new(),
        contract: contract_for(fault.forced_by),
        plan: plans::plan(fault.forced_by, seed),
    });
    let sound = |name: &str, does: &str, kind: Kind, plan: Plan| Case {
        name: name.into(),
        does: does.into(),
        suspect: Suspect::Sound,
        kind,
        consumer: Properties::new(),
        contract: None,
        plan,
    };
    let small = || Kind::Bad { fault: SOUND.into(), seed };
    // The scenarios of the bad mirrors, without a defect.
    let forces = Force::ALL.into_iter().filter(|force| plans::runs_on(*force, test.backend));
    let controls = forces.flat_map(|force| {
        let name = plans::name(force);
        let plan = plans::plan(force, seed);
        let does = format!("is ours, and sound: {name}");
        let ours = sound(&format!("ours-{name}"), &does, Kind::Mirror, plan.clone());
        let does = format!("has no defect: {name}");
        let small = Case {
            contract: contract_for(force),
            ..sound(&format!("small-{name}"), &does, small(), plan)
        };
        // Ours translates no positions and creates no topics, and its contract does not say so.
        let both = match force {
            Force::Settings => vec![],
            Force::Failover => vec![small],
            Force::Load
            | Force::Restart
            | Force::Kill
            | Force::Growth
            | Force::Aborts
            | Force::Outrun => vec![ours, small],
        };
        both.into_iter()
    });
    let able = |awkward: &&Awkward| plans::runs_on(awkward.forced_by, test.backend);
    let awkward = Awkward::ALL.iter().filter(able).map(|awkward| Case {
        contract: Some(Contract { idempotent: true, ..parse(awkward.contract) }),
        ..sound(
            awkward.name,
            awkward.does,
            Kind::Bad { fault: awkward.name.into(), seed },
            plans::plan(awkward.forced_by, seed),
        )
    });
    let lives = [
        (
            "restarted",
            "is stopped by SIGTERM and started again ten times",
            plans::restarted_ten_times(seed),
        ),
        (
            "joined",
            "is joined by a second instance, which leaves again",
            plans::joined_and_left(seed),
        ),
        ("keeps-partitions", "keeps partition numbers", plans::partitions_kept(seed)),
    ]
    .map(|(name, does, plan)| sound(name, does, Kind::Mirror, plan));
    let mm1 = (test.backend == Backend::Containers).then(|| Case {
        consumer: [("auto.offset.reset".to_owned(), "earliest".to_owned())].into(),
        ..sound(
            "mirrormaker1",
            "is MirrorMaker 1 with auto.offset.reset=earliest",
            Kind::MirrorMaker1,
            plans::plan(Force::Load, seed),
        )
    });
    let all = bad.chain(controls).chain(awkward).chain(lives).chain(mm1);
    all.filter(|case| test.only.is_empty() || test.only.contains(&case.name)).collect()
}

/// What the mirrors of a force promise beyond what ours does.
fn contract_for(force: Force) -> Option<Contract> {
    let promised = Contract { idempotent: true, ..Contract::default() };
    match force {
        Force::Failover => {
            Some(Contract { offsets: Offsets::Translated { max_rewind: 0 }, ..promised })
        }
        Force::Settings => {
            Some(Contract { copied_configs: vec!["max.message.bytes".into()], ..promised })
        }
        Force::Load
        | Force::Restart
        | Force::Kill
        | Force::Growth
        | Force::Aborts
        | Force::Outrun => None,
    }
}

fn parse(contract: &str) -> Contract {
    toml::from_str(contract).expect("the contracts of awkward mirrors are ours, and tested")
}

/// Whether a case went as it should.
fn shown(case: &Case, outcome: &Outcome) -> Shown {
    let judgement = match outcome {
        Outcome::Judged(judgement) => judgement,
        Outcome::Failed(Failure::Broken(reason)) => return Shown::Broken(reason.clone()),
        Outcome::Failed(Failure::Inconclusive(reason)) => {
            return Shown::Wrong(format!("inconclusive: {reason}"));
        }
        Outcome::Failed(Failure::NotRun) => return Shown::Broken("it was not run".into()),
    };
    match case.suspect {
        Suspect::Bad(fault) => caught(fault, judgement),
        Suspect::Sound => match judgement.verdict {
            Verdict::Holds => Shown::Holds { records: judgement.judged.source_records },
            Verdict::Violated => Shown::Wrong(format!("accused of {}", found(judgement))),
            Verdict::Inconclusive => {
                Shown::Wrong(format!("inconclusive: {}", judgement.doubts.join("; ")))
            }
        },
    }
}

fn caught(fault: &Fault, judgement: &Judgement) -> Shown {
    let counts = counts(judgement);
    let named = counts.iter().find(|(anomaly, _)| *anomaly == fault.found_as);
    let strange = counts
        .iter()
        .any(|(anomaly, _)| *anomaly != fault.found_as && !fault.entails.contains(anomaly));
    match (judgement.verdict, named) {
        (Verdict::Violated, Some(named)) if !strange => Shown::Caught {
            found: *named,
            entailed: counts.iter().filter(|one| *one != named).copied().collect(),
        },
        (Verdict::Violated, _) => {
            let (found, expected) = (found(judgement), fault.found_as);
            Shown::Wrong(format!("found as {found}, which is not {expected}"))
        }
        (Verdict::Holds, _) => Shown::Wrong("no promise caught it".into()),
        (Verdict::Inconclusive, _) => {
            Shown::Wrong(format!("inconclusive: {}", judgement.doubts.join("; ")))
        }
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
            Shown::Wrong(_) | Shown::Broken(_) => false,
        }
    }

    /// The promise that caught it.
    pub fn promise(&self) -> &'static str {
        match self {
            Shown::Caught { found, .. } => broken_by(found.0),
            Shown::Holds { .. } | Shown::NeedsContainers | Shown::Wrong(_) | Shown::Broken(_) => {
                "–"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contracts_of_awkward_mirrors_can_be_read() {
        for awkward in Awkward::ALL {
            parse(awkward.contract);
        }
    }

    #[test]
    fn names_are_unique() {
        let test = SelfTest {
            backend: Backend::Containers,
            seed: 1,
            rounds: 1,
            only: Vec::new(),
            executable: PathBuf::new(),
            folder: PathBuf::new(),
            jobs: None,
        };
        let mut all = names(&test);
        all.sort();
        let count = all.len();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
