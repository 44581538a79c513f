//! The connection to the container engine, and the run in whose name it is used.

use super::{EngineError, RunLabel};
use bollard::Docker;
use std::{
    collections::HashMap,
    sync::atomic::{AtomicU32, Ordering},
};
use testcontainers::core::client::docker_client_instance;

/// Where progress is told to people, a line at a time; printing is not this module's.
pub type Progress<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// The engine, used in the name of one run.
#[derive(Debug)]
pub struct Engine {
    pub(super) docker: Docker,
    pub(super) run: RunLabel,
    /// Two scenarios that need the same image build it once.
    pub(super) building: tokio::sync::Mutex<()>,
    /// Numbers the pairs and tools of the run, whose names must differ.
    serial: AtomicU32,
}

impl Engine {
    /// Connects and makes sure that an engine answers.
    pub async fn connect(run: RunLabel) -> Result<Engine, EngineError> {
        let not_running = |reason: String| EngineError::NotRunning { address: address(), reason };
        // The same client as testcontainers', so that both mean the same engine.
        let docker =
            docker_client_instance().await.map_err(|error| not_running(error.to_string()))?;
        docker.ping().await.map_err(|error| not_running(error.to_string()))?;
        Ok(Engine { docker, run, building: tokio::sync::Mutex::new(()), serial: AtomicU32::new(0) })
    }

    /// The run in whose name containers are started.
    pub fn run(&self) -> &RunLabel {
        &self.run
    }

    /// The next number for a name within this run.
    pub(super) fn next(&self) -> u32 {
        self.serial.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// Where the engine is looked for, for messages.
fn address() -> String {
    std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".into())
}

/// The filter that finds what carries all of these labels.
pub(super) fn labelled(labels: &[(&str, &str)]) -> HashMap<String, Vec<String>> {
    let labels = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    HashMap::from([("label".to_owned(), labels)])
}

/// Whether a removal failed only because somebody else was quicker.
pub(super) fn is_gone(error: &bollard::errors::Error) -> bool {
    // 404: no such thing. 409: its removal is already in progress.
    matches!(
        error,
        bollard::errors::Error::DockerResponseServerError { status_code: 404 | 409, .. }
    )
}
