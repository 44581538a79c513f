//! Who uses which clusters: scenarios lease pairs, and give them back.

use super::{Backend, ClusterError, Pair};

/// Where leases come from.
#[derive(Debug)]
pub struct Pool {
    backend: Backend,
}

/// A pair in use by one scenario.
#[derive(Debug)]
pub struct Lease {
    pair: Pair,
    shared: bool,
}

impl Pool {
    /// A pool of pairs of mock clusters.
    pub fn embedded() -> Pool {
        Pool { backend: Backend::Embedded }
    }

    /// Leases a pair that a scenario with these tags can use.
    pub async fn lease(&self, _tags: &[String]) -> Result<Lease, ClusterError> {
        match self.backend {
            Backend::Embedded => Ok(Lease { pair: Pair::embedded()?, shared: false }),
            Backend::Containers => {
                Err(ClusterError::Start { reason: "containers are not built in yet".into() })
            }
        }
    }

    /// Ends all clusters that are kept.
    pub async fn close(&self) {}
}

impl Lease {
    /// The clusters.
    pub fn pair(&self) -> Pair {
        self.pair.clone()
    }

    /// What makes a scenario's names its own on this pair: nothing on a pair of its own.
    pub fn prefix(&self, number: usize) -> String {
        if self.shared { format!("s{number}-") } else { String::new() }
    }
}
