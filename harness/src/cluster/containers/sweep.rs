//! Taking away what was started, found by label alone: the one sure way, whatever else went wrong.

use super::{
    Engine, EngineError,
    engine::{is_gone, labelled},
    node,
    owner::{LABEL, OWNER_LABEL, Owner, RUN_LABEL},
};
use bollard::{
    Docker,
    query_parameters::{
        ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder,
        RemoveVolumeOptionsBuilder,
    },
};
use futures::future::try_join_all;
use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

/// A guard's drop must end, even when the engine does not answer.
const DROP_DEADLINE: Duration = Duration::from_secs(30);

/// Whose containers a sweep takes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Of runs whose process has ended without cleaning up: always safe.
    Abandoned,
    /// The same, and what was started to outlive its process: what `mirrorproof down` means.
    Detached,
    /// Everything of this program, even while its owner works with it.
    All,
}

impl Scope {
    fn includes(self, owner: Owner) -> bool {
        match (self, owner) {
            (Scope::All, _) | (_, Owner::Gone) | (Scope::Detached, Owner::Detached) => true,
            (Scope::Abandoned, Owner::Detached)
            | (Scope::Abandoned | Scope::Detached, Owner::Alive) => false,
        }
    }
}

/// What a sweep took away, by name, and which runs it left alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// Removed containers.
    pub containers: BTreeSet<String>,
    /// Removed networks.
    pub networks: BTreeSet<String>,
    /// Removed volumes.
    pub volumes: BTreeSet<String>,
    /// Runs that were left alone.
    pub kept_runs: BTreeSet<String>,
}

impl Engine {
    /// Removes everything of this run.
    pub async fn remove_run(&self) -> Result<SweepReport, EngineError> {
        let labels = [(LABEL, "1"), (RUN_LABEL, self.run.run())];
        remove_where(&self.docker, &labels, |_| true).await
    }

    /// Removes what other runs left behind.
    pub async fn sweep(&self, scope: Scope) -> Result<SweepReport, EngineError> {
        let includes = |owner: Option<&str>| scope.includes(Owner::of(owner));
        remove_where(&self.docker, &[(LABEL, "1")], includes).await
    }
}

/// Removes what carries all of the labels and whose owner is included: containers first, because
/// they hold the networks.
pub(super) async fn remove_where(
    docker: &Docker,
    labels: &[(&str, &str)],
    includes: impl Fn(Option<&str>) -> bool,
) -> Result<SweepReport, EngineError> {
    let filters = labelled(labels);
    let mut report = SweepReport::default();
    let mut chosen = |labels: Option<&HashMap<String, String>>| {
        let label = |key: &str| labels.and_then(|labels| labels.get(key)).map(String::as_str);
        let included = includes(label(OWNER_LABEL));
        if !included {
            report.kept_runs.extend(label(RUN_LABEL).map(String::from));
        }
        included
    };
    let containers: Vec<String> = containers(docker, &filters)
        .await?
        .into_iter()
        .filter(|(_, labels)| chosen(labels.as_ref()))
        .map(|(name, _)| name)
        .collect();
    let networks = ListNetworksOptionsBuilder::new().filters(&filters).build();
    let networks = docker.list_networks(Some(networks)).await;
    let networks: Vec<String> = networks
        .map_err(EngineError::request("list networks"))?
        .into_iter()
        .filter(|network| chosen(network.labels.as_ref()))
        .filter_map(|network| network.name)
        .collect();
    let volumes = ListVolumesOptionsBuilder::new().filters(&filters).build();
    let volumes = docker.list_volumes(Some(volumes)).await;
    let volumes: Vec<String> = volumes
        .map_err(EngineError::request("list volumes"))?
        .volumes
        .unwrap_or_default()
        .into_iter()
        .filter(|volume| chosen(Some(&volume.labels)))
        .map(|volume| volume.name)
        .collect();
    try_join_all(containers.iter().map(|name| node::remove(docker, name))).await?;
    try_join_all(networks.iter().map(|name| remove_network(docker, name))).await?;
    try_join_all(volumes.iter().map(|name| remove_volume(docker, name))).await?;
    report.containers = containers.into_iter().collect();
    report.networks = networks.into_iter().collect();
    report.volumes = volumes.into_iter().collect();
    Ok(report)
}

type Labels = Option<HashMap<String, String>>;

async fn containers(
    docker: &Docker,
    filters: &HashMap<String, Vec<String>>,
) -> Result<Vec<(String, Labels)>, EngineError> {
    let options = ListContainersOptionsBuilder::new().all(true).filters(filters).build();
    let found = docker.list_containers(Some(options)).await;
    let found = found.map_err(EngineError::request("list containers"))?;
    Ok(found
        .into_iter()
        .filter_map(|container| {
            // The engine writes names with a leading slash.
            let name = container.names.unwrap_or_default().into_iter().next();
            let name = name.map(|name| name.trim_start_matches('/').to_owned()).or(container.id)?;
            Some((name, container.labels))
        })
        .collect())
}

async fn remove_network(docker: &Docker, name: &str) -> Result<(), EngineError> {
    match docker.remove_network(name).await {
        Err(error) if !is_gone(&error) => {
            Err(EngineError::request(format!("remove the network {name}"))(error))
        }
        _ => Ok(()),
    }
}

async fn remove_volume(docker: &Docker, name: &str) -> Result<(), EngineError> {
    let options = RemoveVolumeOptionsBuilder::new().force(true).build();
    match docker.remove_volume(name, Some(options)).await {
        Err(error) if !is_gone(&error) => {
            Err(EngineError::request(format!("remove the volume {name}"))(error))
        }
        _ => Ok(()),
    }
}

/// Removes, when it is dropped, everything that carries its label.
#[derive(Debug)]
pub(super) struct Guard {
    docker: Docker,
    label: Option<(&'static str, String)>,
}

impl Guard {
    pub(super) fn new(docker: &Docker, key: &'static str, value: &str) -> Guard {
        Guard { docker: docker.clone(), label: Some((key, value.to_owned())) }
    }

    /// Removes it now, without blocking a thread.
    pub(super) async fn remove(mut self) -> Result<(), EngineError> {
        match self.label.take() {
            Some((key, value)) => {
                remove_where(&self.docker, &[(LABEL, "1"), (key, &value)], |_| true).await?;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Leaves everything in place.
    pub(super) fn disarm(mut self) {
        self.label = None;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Some((key, value)) = self.label.take() else { return };
        if let Err(reason) = remove_blocking(key, &value) {
            tracing::warn!(reason, value, "not removed; `mirrorproof down` will");
        }
    }
}

/// A drop cannot await, and the runtime it happens in may be the one that it would hold up: it uses
/// a thread and a connection of its own.
fn remove_blocking(key: &'static str, value: &str) -> Result<(), String> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|error| error.to_string())?;
            runtime.block_on(async {
                let docker = Docker::connect_with_defaults().map_err(|e| e.to_string())?;
                remove_labelled(&docker, key, value).await
            })
        });
        thread.join().unwrap_or_else(|_| Err("the removing thread panicked".into()))
    })
}

async fn remove_labelled(docker: &Docker, key: &str, value: &str) -> Result<(), String> {
    let labels = [(LABEL, "1"), (key, value)];
    match tokio::time::timeout(DROP_DEADLINE, remove_where(docker, &labels, |_| true)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", DROP_DEADLINE.as_secs())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_all_takes_what_is_in_use() {
        let includes = |scope: Scope| {
            [Owner::Gone, Owner::Detached, Owner::Alive].map(|owner| scope.includes(owner))
        };
        assert_eq!(includes(Scope::Abandoned), [true, false, false]);
        assert_eq!(includes(Scope::Detached), [true, true, false]);
        assert_eq!(includes(Scope::All), [true, true, true]);
    }
}
