//! One plan performed on leased clusters and judged: what the self test, the random plans and
//! `replay` share. It knows no feature.

use crate::{run::limits, world::Failure};
use harness::{
    cluster::pool::{Needs, Pool},
    testbed::{Settings, Testbed},
};
use judge::{
    plan::{Action, Plan},
    verdict::Judgement,
};
use std::{panic::AssertUnwindSafe, sync::Arc, time::Instant};

/// What became of a plan.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It was performed to its end and judged.
    Judged(Box<Judgement>),
    /// It was not.
    Failed(Failure),
}

/// A plan that was performed.
#[derive(Clone, Debug)]
pub struct Trial {
    /// What became of it.
    pub outcome: Outcome,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// Performs a plan on a pair of the pool. `number` is its own within the run and `name` its folder.
pub async fn perform(
    pool: &Pool,
    settings: &Arc<Settings>,
    name: &str,
    number: usize,
    plan: &Plan,
) -> Trial {
    let started = Instant::now();
    let outcome = match judged(pool, settings, name, number, plan).await {
        Ok(judgement) => Outcome::Judged(Box::new(judgement)),
        Err(failure) => Outcome::Failed(failure),
    };
    Trial { outcome, seconds: started.elapsed().as_secs_f64() }
}

async fn judged(
    pool: &Pool,
    settings: &Arc<Settings>,
    name: &str,
    number: usize,
    plan: &Plan,
) -> Result<Judgement, Failure> {
    let lease = pool
        .lease(&needs(plan))
        .await
        .map_err(|error| Failure::Broken(format!("failed to {error}")))?;
    let prefix = lease.prefix(number);
    let limits = limits(pool.backend());
    let mut testbed = Testbed::new(settings.clone(), name, plan.seed, prefix, limits, lease.pair());
    let mut performed = Ok(());
    for action in &plan.actions {
        performed = testbed.apply(action.clone()).await;
        if performed.is_err() {
            break;
        }
    }
    let finished = testbed.history().completion.is_some();
    let judgement = std::panic::catch_unwind(AssertUnwindSafe(|| testbed.judge()));
    if let Err(error) = testbed.close().await {
        // What was found is worth more than a topic that is left behind.
        settings.run_dir.log(name, &format!("while closing: {error}"));
    }
    performed?;
    if !finished {
        return Err(Failure::Inconclusive("the plan never waits for the end of the run".into()));
    }
    judgement.map_err(|_| Failure::Inconclusive("the judge crashed".into()))
}

/// Which clusters a plan takes.
fn needs(plan: &Plan) -> Needs {
    let disturbs = plan.actions.iter().any(|action| matches!(action, Action::KillBroker { .. }));
    Needs { exclusive: disturbs, disturbs, ..Needs::default() }
}
