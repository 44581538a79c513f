//! Who uses which clusters: scenarios lease pairs, and give them back.
//!
//! A pair of mock clusters is made for each scenario. Pairs of containers are kept: scenarios share
//! one by names of their own, unless they need it for themselves; one that a fault disturbed is
//! removed and made anew.

use super::{
    Backend, ClusterError, Pair,
    containers::{self, Engine, KafkaVersion, RunLabel, Topology},
};
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::{Mutex, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

/// Tells what takes a while.
pub type Note = Arc<dyn Fn(&str) + Send + Sync>;

/// Where leases come from.
pub struct Pool {
    kind: PoolKind,
    note: Note,
}

enum PoolKind {
    Embedded,
    Containers { engine: Box<Engine>, slots: Mutex<BTreeMap<Topology, Slot>> },
}

/// The pair of one topology, which is made when it is first leased.
type Slot = Arc<RwLock<Option<Pair>>>;

/// What a scenario asks of its clusters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Which containers, where the backend is containers.
    pub topology: Topology,
    /// Nobody else may use the pair meanwhile: names are fixed, or a fault is injected.
    pub exclusive: bool,
    /// The pair is not used again.
    pub disturbs: bool,
}

impl Needs {
    /// What a scenario says by its tags.
    pub fn of(tags: &[String]) -> Needs {
        let has = |tag: &str| tags.iter().any(|other| other == tag);
        let topology = match (has("kafka-1.1"), has("three-brokers")) {
            (true, _) => Topology::walkthrough(),
            (false, _) if has("two-brokers") => Topology { brokers: 2, ..Topology::default() },
            (false, true) => Topology {
                version: KafkaVersion::scenarios(),
                zookeepers: 3,
                brokers: 3,
                ..Topology::default()
            },
            (false, false) => {
                Topology { auto_create_topics: has("auto-create"), ..Topology::default() }
            }
        };
        Needs {
            topology,
            exclusive: has("exclusive") || has("disturbs"),
            disturbs: has("disturbs"),
        }
    }
}

/// A pair in use by one scenario. Giving it back is dropping it.
pub struct Lease {
    pair: Pair,
    hold: Hold,
}

enum Hold {
    /// The scenario's own.
    Own,
    Shared {
        _guard: OwnedRwLockReadGuard<Option<Pair>>,
    },
    Exclusive {
        guard: OwnedRwLockWriteGuard<Option<Pair>>,
        disturbs: bool,
    },
}

impl Pool {
    /// A pool of pairs of mock clusters.
    pub fn embedded() -> Pool {
        Pool { kind: PoolKind::Embedded, note: Arc::new(|_| {}) }
    }

    /// A pool of pairs of containers, all labelled with `run`.
    pub async fn containers(run: RunLabel, note: Note) -> Result<Pool, ClusterError> {
        let engine = Box::new(Engine::connect(run).await?);
        // What runs that were killed left behind takes memory that this one needs.
        engine.sweep(containers::Scope::Abandoned).await?;
        Ok(Pool { kind: PoolKind::Containers { engine, slots: Mutex::default() }, note })
    }

    /// Which backend it is of.
    pub fn backend(&self) -> Backend {
        match self.kind {
            PoolKind::Embedded => Backend::Embedded,
            PoolKind::Containers { .. } => Backend::Containers,
        }
    }

    /// Leases a pair.
    pub async fn lease(&self, needs: &Needs) -> Result<Lease, ClusterError> {
        let PoolKind::Containers { engine, slots } = &self.kind else {
            return Ok(Lease { pair: Pair::embedded()?, hold: Hold::Own });
        };
        let slot = slots.lock().await.entry(needs.topology.clone()).or_default().clone();
        loop {
            if !needs.exclusive {
                let guard = slot.clone().read_owned().await;
                if let Some(pair) = guard.clone() {
                    return Ok(Lease { pair, hold: Hold::Shared { _guard: guard } });
                }
            }
            let mut guard = slot.clone().write_owned().await;
            let pair = match guard.clone() {
                Some(pair) => pair,
                None => {
                    let note = self.note.clone();
                    let topology = &needs.topology;
                    let pair =
                        engine.start_pair(topology, topology, &move |text| note(text)).await?;
                    guard.insert(Pair::in_containers(Arc::new(pair))).clone()
                }
            };
            if needs.exclusive {
                return Ok(Lease {
                    pair,
                    hold: Hold::Exclusive { guard, disturbs: needs.disturbs },
                });
            }
        }
    }

    /// Removes everything of this run. Leases must have been given back.
    pub async fn close(&self) -> Result<(), ClusterError> {
        let PoolKind::Containers { engine, slots } = &self.kind else { return Ok(()) };
        engine.remove_run().await?;
        slots.lock().await.clear();
        Ok(())
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Pool").field("backend", &self.backend()).finish_non_exhaustive()
    }
}

impl Lease {
    /// The clusters.
    pub fn pair(&self) -> Pair {
        self.pair.clone()
    }

    /// What makes a scenario's names its own on this pair: nothing where nobody shares it.
    pub fn prefix(&self, number: usize) -> String {
        match self.hold {
            Hold::Own | Hold::Exclusive { .. } => String::new(),
            Hold::Shared { .. } => format!("s{number}-"),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Hold::Exclusive { guard, disturbs: true } = &mut self.hold {
            // The next lease makes a new one.
            **guard = None;
        }
    }
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Lease").field("pair", &self.pair).finish_non_exhaustive()
    }
}
