//! Mirrors that are wrong on purpose: how mirrorproof shows that it would notice.
//!
//! Each is the same small mirror (`engine`, which with no defect keeps its contract) with one
//! defect, in a file of its own under `faults`. Those under `awkward` are unusual and right. A
//! defect is known to the mirror's own process alone: scenario, contract and checkers never learn
//! its name, and a seed picks its victim.

mod awkward;
mod client;
mod creation;
mod defect;
mod engine;
mod faults;
mod filter;
mod progress;
mod record;
mod returning;
mod translation;

use super::properties::{self, Properties};
use crate::cluster::Backend;
use client::{EngineError, tell};
use defect::{Defect, Sound};
use engine::Engine;
use judge::verdict::Anomaly;
use std::{
    path::Path,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::signal::unix::{SignalKind, signal};

pub use awkward::Awkward;

/// What makes a defect show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Force {
    /// Many and varied records.
    Load,
    /// A stop and another start.
    Restart,
    /// A kill under load and another start.
    Kill,
    /// New partitions on the destination.
    Growth,
    /// Aborted transactions on the source.
    Aborts,
    /// Retention that is ahead of a stopped mirror.
    Outrun,
    /// An application whose positions are carried over.
    Failover,
    /// A topic with settings of its own, that the destination lacks.
    Settings,
}

impl Force {
    /// All of them.
    pub const ALL: [Force; 8] = [
        Force::Load,
        Force::Restart,
        Force::Kill,
        Force::Growth,
        Force::Aborts,
        Force::Outrun,
        Force::Failover,
        Force::Settings,
    ];
}

/// Where a defect can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    /// On every backend.
    Everywhere,
    /// Where brokers are real: the mock has neither transactions nor growth nor retention.
    RealBrokers,
}

/// How often a defect shows in one scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// So often, and no more: anything else would be a false alarm beside it.
    Exactly(u64),
    /// So often, and another anomaly beside it as often: counts are equal.
    With(u64, Anomaly),
    /// As often as there are records that it spoils.
    Many,
}

/// A defect.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// Its name on the command line.
    pub name: &'static str,
    /// What the mirror does, completing "a mirror that …".
    pub does: &'static str,
    /// What makes it show.
    pub forced_by: Force,
    /// Where it can be seen.
    pub shows: Shows,
    /// As what it must be found.
    pub found_as: Anomaly,
    /// How often it must be found.
    pub times: Times,
    /// What that may entail, by the definitions of the anomalies.
    pub entails: &'static [Anomaly],
    defect: fn(u64) -> Box<dyn Defect>,
}

impl Fault {
    /// All of them.
    pub const ALL: &'static [Fault] = &faults::ALL;

    /// Whether a backend can show it.
    pub fn shows_on(&self, backend: Backend) -> bool {
        match self.shows {
            Shows::Everywhere => true,
            Shows::RealBrokers => backend == Backend::Containers,
        }
    }
}

/// The name of the mirror without a defect.
pub const SOUND: &str = "none";

/// How a small mirror is started.
#[derive(Debug)]
pub struct Options {
    /// A fault's name, an awkward mirror's, or [`SOUND`].
    pub fault: String,
    /// Picks the victim.
    pub seed: u64,
    /// For the source.
    pub consumer: Properties,
    /// For the destination.
    pub producer: Properties,
    /// Which topics, as MirrorMaker's `--whitelist` takes them.
    pub topics: String,
    /// How often positions are committed.
    pub commit_interval: Duration,
    /// Whether partition numbers are kept.
    pub preserve: bool,
    /// The application whose positions are carried over to the destination.
    pub sync_group: Option<String>,
}

impl Options {
    /// Reads the properties files.
    pub fn read(consumer: &Path, producer: &Path) -> Result<[Properties; 2], String> {
        let read = |path| properties::read(path).map_err(|error| format!("failed to {error}"));
        Ok([read(consumer)?, read(producer)?])
    }
}

/// The defect of that name.
fn defect(name: &str, seed: u64) -> Option<Box<dyn Defect>> {
    if name == SOUND {
        return Some(Box::new(Sound));
    }
    let fault = Fault::ALL.iter().find(|fault| fault.name == name);
    let awkward = Awkward::ALL.iter().find(|awkward| awkward.name == name);
    fault.map(|fault| (fault.defect)(seed)).or_else(|| awkward.map(|one| (one.defect)(seed)))
}

/// Mirrors until SIGTERM or SIGINT. Exit codes: 0 after a graceful stop, 1 if it cannot go on, 2
/// for an unknown name.
pub fn run(options: &Options) -> ExitCode {
    let Some(defect) = defect(&options.fault, options.seed) else {
        tell(&format!("no fault is called {:?}; selftest --list names them", options.fault));
        return ExitCode::from(2);
    };
    match mirror(options, defect) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&format!("failed to {error}"));
            ExitCode::FAILURE
        }
    }
}

fn mirror(options: &Options, defect: Box<dyn Defect>) -> Result<(), EngineError> {
    let stop = Arc::new(AtomicBool::new(false));
    let _signals = stop_on_signals(&stop);
    Engine::new(options, defect)?.run(&stop)
}

/// Sets `stop` at the first signal. A mirror that cannot hear signals is killed in the end.
fn stop_on_signals(stop: &Arc<AtomicBool>) -> Option<tokio::runtime::Runtime> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_io().build().ok()?;
    let stop = stop.clone();
    runtime.spawn(async move {
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate()).ok()?, signal(SignalKind::interrupt()).ok()?);
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.store(true, Ordering::Relaxed);
        Some(())
    });
    Some(runtime)
}
