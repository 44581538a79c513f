//! The questions: one promise each.

use crate::world::{Step, World};
use cucumber::then;
use judge::{
    contract::{Contract, Isolation, Partitioning, Progress, Start, Timestamps},
    verdict::{Anomaly, Circumstance},
};

#[then("every record of the source is on the destination")]
async fn complete(world: &mut World) -> Step {
    world.ask(&[Anomaly::Lost, Anomaly::Stalled, Anomaly::CommitBehind])?;
    // A mirror that begins at the end of the log does as it says, and still not what was asked for.
    if !world.judgement()?.tolerates_under(Anomaly::Lost, Circumstance::BeforeReadiness) {
        return Ok(());
    }
    world.promised("start = \"earliest\"", |contract| contract.start == Start::Earliest)
}

#[then("no record is repeated")]
async fn nothing_repeated(world: &mut World) -> Step {
    world.ask(&[Anomaly::Duplicated, Anomaly::Rewound])?;
    let repeats = world.judgement()?.judged.repeats;
    // A repeat that a restart explains is within the contract, and still not what was asked for.
    if repeats == 0 { Ok(()) } else { Err(format!("{repeats} records are repeated")) }
}

#[then("records are repeated only where an event explains it")]
async fn repeats_explained(world: &mut World) -> Step {
    world.ask(&[Anomaly::Duplicated, Anomaly::Rewound])
}

#[then("every key's records are in the order of the source")]
async fn ordered(world: &mut World) -> Step {
    world.ask(&[Anomaly::Reordered, Anomaly::Stale])
}

#[then("every record is in the partition where Java's producers put its key")]
async fn placed_by_key(world: &mut World) -> Step {
    world.ask(&[Anomaly::Misplaced])?;
    let is_promised = |contract: &Contract| contract.partitioning == Partitioning::Murmur2;
    world.promised("partitioning = \"murmur2\"", is_promised)
}

#[then("every record is in the partition it had on the source")]
async fn placed_by_number(world: &mut World) -> Step {
    world.ask(&[Anomaly::Misplaced])?;
    let is_promised = |contract: &Contract| contract.partitioning == Partitioning::Preserve;
    world.promised("partitioning = \"preserve\"", is_promised)
}

#[then("every copy equals its record in key, value, headers and timestamp")]
async fn faithful(world: &mut World) -> Step {
    world.ask(&[Anomaly::Corrupted])?;
    let is_promised = |contract: &Contract| contract.timestamps == Timestamps::Kept;
    world.promised("timestamps = \"kept\"", is_promised)
}

#[then("nothing is there that was not produced")]
async fn nothing_added(world: &mut World) -> Step {
    world.ask(&[Anomaly::Phantom, Anomaly::Leaked, Anomaly::Looped])?;
    // The source may have forgotten what was aborted and copied all the same: the finding is what counts.
    if !world.judgement()?.tolerates(Anomaly::Leaked) {
        return Ok(());
    }
    let is_promised = |contract: &Contract| contract.isolation == Isolation::ReadCommitted;
    world.promised("isolation = \"read-committed\"", is_promised)
}

#[then("no position was committed ahead of its records")]
async fn not_committed_ahead(world: &mut World) -> Step {
    world.ask(&[Anomaly::CommitAhead])?;
    let is_promised = |contract: &Contract| contract.progress != Progress::Unknown;
    world.promised("where progress is kept", is_promised)?;
    let testbed = world.testbed()?;
    let history = testbed.history();
    let mut seen = history.commits.iter().map(|sample| &sample.committed);
    if seen.any(|committed| !committed.is_empty()) {
        return Ok(());
    }
    world.doubt("the mirror was never seen to commit a position".into())
}

#[then(expr = "at least {int} records were judged")]
async fn judged(world: &mut World, records: u64) -> Step {
    let judged = world.judgement()?.judged;
    if judged.source_records >= records {
        return Ok(());
    }
    world.doubt(format!("only {} records were judged", judged.source_records))
}

#[then(expr = "at least {int} records over {int} keys were judged, in every reachable pair of \
            partitions")]
async fn judged_everywhere(world: &mut World, records: u64, keys: u64) -> Step {
    let judged = world.judgement()?.judged;
    let reachable = world.testbed.as_ref().map_or(0, |testbed| testbed.reachable_pairs());
    let enough = judged.source_records >= records
        && judged.keys >= keys
        && judged.partition_pairs >= reachable;
    if enough {
        return Ok(());
    }
    world.doubt(format!(
        "only {} records over {} keys in {} of {reachable} pairs of partitions were judged",
        judged.source_records, judged.keys, judged.partition_pairs
    ))
}
