//! What the commands share that run on clusters: which, and where they write.

use crate::run::progress::Progress;
use harness::cluster::{Backend, ClusterError, containers::RunLabel, pool::Pool};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// The backend of that name.
pub(super) fn backend(name: &str) -> Result<Backend, String> {
    Backend::ALL.into_iter().find(|backend| backend.name() == name).ok_or_else(|| {
        let all = Backend::ALL.map(Backend::name).join(", ");
        format!("no clusters are called {name:?}; --clusters takes one of {all}")
    })
}

/// The clusters of a run.
pub(super) async fn pool(backend: Backend, progress: &Progress) -> Result<Pool, ClusterError> {
    match backend {
        Backend::Embedded => Ok(Pool::embedded()),
        Backend::Containers => {
            let run = RunLabel::held(&format!("{:08x}", rand::random::<u32>()))?;
            let progress = progress.clone();
            Pool::containers(run, Arc::new(move |text| progress.note(text))).await
        }
    }
}

/// Where a run writes if nobody says otherwise.
pub(super) fn default_folder(seed: u64) -> PathBuf {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    PathBuf::from("runs").join(format!("{}-{seed}", now.unwrap_or_default().as_secs()))
}

/// The folder that a run writes to, which is made: the user's, or one of its own.
pub(super) fn run_folder(report: Option<&Path>, seed: u64) -> Result<PathBuf, String> {
    let folder = report.map_or_else(|| default_folder(seed), Path::to_owned);
    std::fs::create_dir_all(&folder)
        .and_then(|()| folder.canonicalize())
        .map_err(|error| format!("failed to use the folder {}: {error}", folder.display()))
}
