//! The promises on real Kafka in containers, ten random plans on leased pairs, our mirror with TLS and SASL, what it does about
//! transactions at a log's end and about records that are refused, and what is told of repeats after a fault.
//! Without a Docker engine nothing is run, and it says so; `MIRRORPROOF_REQUIRE_CONTAINERS=1` makes that a failure.
#![expect(clippy::print_stdout, reason = "it prints as cargo's own tests do")]

mod faults {
    pub(crate) mod repeated;
}
mod refused {
    pub(crate) mod alone;
}
mod secured {
    pub(crate) mod cases;
    pub(crate) mod certificates;
    pub(crate) mod ground;
    pub(crate) mod logins;
    pub(crate) mod runs;
}
mod support {
    pub(crate) mod mirroring;
    pub(crate) mod shim;
}
mod transactions {
    pub(crate) mod at_the_end;
    pub(crate) mod begun;
    pub(crate) mod left_open;
}

use futures::{StreamExt, stream};
use harness::{
    cluster::{
        Backend, Pair,
        containers::{Engine, RunLabel},
        pool::Needs,
    },
    subject::{Kind, Spec},
    testbed::Settings,
};
use judge::verdict::Verdict;
use libtest_mimic::{Completion, Trial};
use mirrorproof::{fuzz::Space, trial::Stage};
use std::{
    path::Path,
    process::ExitCode,
    sync::{Arc, LazyLock},
};
use support::shim::{Call, pool, runtime};
use tokio::runtime::Runtime;

const PLANS: usize = 10;
/// How many plans run at once: each has a mirror and a reader of its own.
const AT_ONCE: usize = 3;

fn main() -> ExitCode {
    let call = Call::new();
    let trials = match engine() {
        Ok(()) => {
            let scenarios = call.scenarios(Backend::Containers).into_iter();
            scenarios
                .chain(random_plans(&call))
                .chain(secured(&call))
                .chain([left_open(&call), at_the_end(&call), refused(&call)])
                .chain([false, true].map(|idempotent| repeated(&call, idempotent)))
                .collect()
        }
        Err(reason) => {
            println!("skipped: no Docker engine ({reason})");
            if std::env::var("MIRRORPROOF_REQUIRE_CONTAINERS").is_ok_and(|value| value == "1") {
                vec![Trial::test("a Docker engine answers", move || Err(reason.into()))]
            } else {
                Vec::new()
            }
        }
    };
    call.finish(trials)
}

/// Whether an engine answers.
fn engine() -> Result<(), String> {
    let run = RunLabel::detached("probe").map_err(|error| error.to_string())?;
    runtime().block_on(Engine::connect(run)).map(drop).map_err(|error| error.to_string())
}

/// One trial a plan; the plans are the same in every run, and share one pair of clusters.
fn random_plans(call: &Call) -> Vec<Trial> {
    let settings = call.settings("plans");
    let outcomes = Arc::new(LazyLock::new(move || perform_all(settings)));
    (0..PLANS)
        .map(|number| {
            let outcomes = outcomes.clone();
            let outcome = move || match &**outcomes {
                Ok(outcomes) => outcomes[number].clone().map_err(Into::into),
                Err(reason) => Err(reason.into()),
            };
            let name = format!("plans::random plan {number}");
            Trial::ignorable_test(name, move || outcome().map(|()| Completion::Completed))
        })
        .collect()
}

/// Runs of our mirror over listeners with TLS and SASL.
fn secured(call: &Call) -> Vec<Trial> {
    let folder = call.settings("secured").run_dir.path().to_owned();
    let run = format!("{:08x}", call.seed.wrapping_add(2) as u32);
    secured::runs::trials(runtime(), folder, run)
}

/// A transaction that a dead mirror left open hides what others commit.
fn left_open(call: &Call) -> Trial {
    let name = "transactions::one that a dead mirror left open is ended";
    on_its_own(call, name, "left-open", 3, transactions::left_open::is_ended)
}

/// What lies at the end of a log and is no record.
fn at_the_end(call: &Call) -> Trial {
    let name = "transactions::a run ends behind a marker, and before an open transaction";
    on_its_own(call, name, "at-the-end", 7, transactions::at_the_end::it_ends)
}

fn refused(call: &Call) -> Trial {
    let name = "refused::a record that is refused is alone, and nothing overtakes it";
    on_its_own(call, name, "refused", 4, refused::alone::it_is)
}

/// What a mirror copies again after a fault of the destination.
fn repeated(call: &Call, idempotent: bool) -> Trial {
    let kind = if idempotent { "with" } else { "without" };
    let name = format!("faults::what one {kind} idempotence repeats when the destination is back");
    let settings = call.settings(&format!("repeated-{kind}"));
    let seed = call.seed.wrapping_add(5 + u64::from(idempotent));
    Trial::test(name, move || {
        let line = faults::repeated::subject(env!("CARGO_BIN_EXE_mirrorproof"));
        let subject = Spec {
            kind: Kind::Command(line),
            contract: Some(faults::repeated::contract(idempotent)),
            ..settings.subject.clone()
        };
        let folder = settings.run_dir.path().to_owned();
        runtime().block_on(async {
            let stage = Stage::new(pool(Backend::Containers, seed).await?, subject, folder);
            let outcome = faults::repeated::is_as_promised(&stage, idempotent).await;
            stage.pool.close().await?;
            Ok(outcome?)
        })
    })
}

/// A test on clusters of its own, numbered for their sake.
fn on_its_own(
    call: &Call,
    name: &'static str,
    folder: &str,
    number: u64,
    test: fn(&Runtime, &Pair, &Path) -> Result<(), String>,
) -> Trial {
    let folder = call.settings(folder).run_dir.path().to_owned();
    let seed = call.seed.wrapping_add(number);
    Trial::test(name, move || {
        let pool = runtime().block_on(pool(Backend::Containers, seed))?;
        let lease = runtime().block_on(pool.lease(&Needs::default()))?;
        let outcome = test(runtime(), &lease.pair(), &folder);
        drop(lease);
        let closed = runtime().block_on(pool.close());
        outcome?;
        Ok(closed?)
    })
}

type Outcome = Result<(), String>;

/// Seed of the plans, whatever the run's is.
const SEED: u64 = 1;

/// All plans, or why there were no clusters for them.
fn perform_all(settings: Arc<Settings>) -> Result<Vec<Outcome>, String> {
    let space = Space::of(Backend::Containers, &settings.subject);
    runtime().block_on(async {
        let pool = pool(Backend::Containers, settings.seed.wrapping_add(1))
            .await
            .map_err(|error| format!("failed to {error}"))?;
        let folder = settings.run_dir.path().to_owned();
        let stage = Stage::new(pool, settings.subject.clone(), folder);
        let perform = async |number: usize| {
            let plan = space.plan(SEED, number as u64);
            let folder = stage.folder.join(format!("plan-{number}"));
            let trial = stage.perform(&folder, number, &plan).await;
            match trial.outcome.verdict() {
                Some(Verdict::Holds) => Ok(()),
                _ => Err(format!("{:#?}\nsee {}", trial.outcome, folder.display())),
            }
        };
        let outcomes = stream::iter(0..PLANS).map(perform).buffered(AT_ONCE).collect().await;
        stage.pool.close().await.map_err(|error| format!("failed to {error}"))?;
        Ok(outcomes)
    })
}
