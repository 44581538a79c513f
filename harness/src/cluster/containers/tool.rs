//! A process in a container of Kafka's image on the destination's side: Kafka's own mirrors, or a
//! program of this machine that is mounted into it.
//!
//! The command is the container's first process, so a signal reaches it and nobody else, and its
//! exit code is the container's. (As first process it ignores signals that it has no handler for,
//! except KILL and STOP; JVMs and our own mirror have theirs.)

use super::{EngineError, Node, Pair, command, engine::is_gone, node, sweep::Guard};
use bollard::{
    Docker,
    errors::Error,
    models::NetworkConnectRequest,
    query_parameters::{
        KillContainerOptionsBuilder, LogsOptionsBuilder, WaitContainerOptionsBuilder,
    },
};
use futures::StreamExt;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
    time::Duration,
};
use testcontainers::{GenericImage, ImageExt, core::Mount, runners::AsyncRunner};
use tokio::{io::AsyncWriteExt, task::JoinHandle};

const TOOL_LABEL: &str = "mirrorproof.tool";
const START_DEADLINE: Duration = Duration::from_secs(60);
/// The log's end follows the process's end at once; more than this is an engine that hangs.
const LOG_DEADLINE: Duration = Duration::from_secs(10);

/// What to run.
#[derive(Clone, Debug)]
pub struct ToolSpec {
    /// Part of the container's name: lower-case letters, digits and `-`.
    pub name: String,
    /// The program, found on the image's path, and its arguments.
    pub command: Vec<String>,
    /// Its environment, beyond the image's.
    pub environment: BTreeMap<String, String>,
    /// Files to lay into the container, by absolute path.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Files of this machine to show in the container, read-only: its path there, by ours.
    pub mounts: BTreeMap<PathBuf, String>,
    /// Whether it can reach the source.
    pub reach: Reach,
    /// Where its output goes, as it comes.
    pub log: PathBuf,
}

/// Which networks a tool is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The destination's and the source's: as through a gateway.
    Both,
    /// The destination's alone.
    DestinationOnly,
}

/// What can be sent to a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Ask it to end.
    Terminate,
    /// Ctrl-C.
    Interrupt,
    /// End it at once.
    Kill,
    /// Freeze it.
    Stop,
    /// Let it go on.
    Continue,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Signal::Terminate => "SIGTERM",
            Signal::Interrupt => "SIGINT",
            Signal::Kill => "SIGKILL",
            Signal::Stop => "SIGSTOP",
            Signal::Continue => "SIGCONT",
        }
    }
}

/// A tool that was started. Dropping it ends and removes it.
#[derive(Debug)]
pub struct Tool {
    pub(super) docker: Docker,
    container: String,
    log: PathBuf,
    logging: Option<JoinHandle<std::io::Result<()>>>,
    guard: Guard,
}

impl Pair {
    /// Starts a tool on the destination's side, in a container of the destination's image.
    pub async fn start_tool(&self, spec: ToolSpec) -> Result<Tool, EngineError> {
        let docker = self.destination.docker.clone();
        let number = self.tools.fetch_add(1, Ordering::Relaxed) + 1;
        let container = format!("{}-{}-{number}", self.name, spec.name);
        let log = tokio::fs::File::create(&spec.log).await.map_err(EngineError::file(&spec.log))?;
        let guard = Guard::new(&docker, TOOL_LABEL, &container);
        let refused = |error: testcontainers::TestcontainersError| node::with_causes(&error);
        let request = self.request(&spec, &container)?;
        match request.start().await.map_err(refused) {
            // As for nodes: the guard owns it.
            Ok(started) => std::mem::forget(started),
            Err(reason) => {
                let log = command::log_tail(&docker, &container).await;
                return Err(EngineError::Start { container, reason, log });
            }
        }
        if spec.reach == Reach::Both {
            let operation = format!("connect {container} to the source's network");
            let request =
                NetworkConnectRequest { container: container.clone(), ..Default::default() };
            let connected = docker.connect_network(self.source.network(), request).await;
            connected.map_err(EngineError::request(operation))?;
        }
        let logging = tokio::spawn(follow(docker.clone(), container.clone(), log));
        Ok(Tool { docker, container, log: spec.log, logging: Some(logging), guard })
    }

    fn request(
        &self,
        spec: &ToolSpec,
        container: &str,
    ) -> Result<testcontainers::ContainerRequest<GenericImage>, EngineError> {
        let command = std::iter::once("run").chain(spec.command.iter().map(String::as_str));
        let mut request = GenericImage::new(&self.image.repository, &self.image.tag)
            .with_cmd(command)
            .with_container_name(container)
            .with_network(self.destination.network())
            .with_labels(&self.labels)
            .with_label(TOOL_LABEL, container)
            .with_startup_timeout(START_DEADLINE)
            // Nothing in it listens for this machine.
            .with_host_config_modifier(|config| config.publish_all_ports = Some(false));
        if spec.reach == Reach::Both {
            // It joins the source's network a moment after it has started, and waits for that.
            let nodes = self.source.nodes();
            let hosts: Result<Vec<&str>, _> =
                nodes.into_iter().map(|node: Node| self.source.container(node)).collect();
            request = request.with_env_var("AWAIT_HOSTS", hosts?.join(","));
        }
        for (key, value) in &spec.environment {
            request = request.with_env_var(key, value);
        }
        for (path, bytes) in &spec.files {
            request = request.with_copy_to(path.clone(), bytes.clone());
        }
        for (here, there) in &spec.mounts {
            let here = here.display().to_string();
            request = request.with_mount(
                Mount::bind_mount(here, there)
                    .with_access_mode(testcontainers::core::AccessMode::ReadOnly),
            );
        }
        Ok(request)
    }
}

impl Tool {
    /// The container's name, which is its host name in its networks.
    pub fn container(&self) -> &str {
        &self.container
    }

    /// The file that its output goes to.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Sends a signal. Returns false if the process has ended already.
    pub async fn signal(&self, signal: Signal) -> Result<bool, EngineError> {
        let options = KillContainerOptionsBuilder::new().signal(signal.name()).build();
        match self.docker.kill_container(&self.container, Some(options)).await {
            Ok(()) => Ok(true),
            Err(error) if is_gone(&error) => Ok(false),
            Err(error) => {
                let operation = format!("send {} to {}", signal.name(), self.container);
                Err(EngineError::request(operation)(error))
            }
        }
    }

    /// Its exit code, or none while it runs.
    pub async fn exited(&self) -> Result<Option<i64>, EngineError> {
        let state = self.docker.inspect_container(&self.container, None).await;
        let state = state.map_err(EngineError::request(format!("inspect {}", self.container)))?;
        let state = state.state.unwrap_or_default();
        Ok(state.exit_code.filter(|_| state.running == Some(false)))
    }

    /// Waits for its end and for the end of its log; the caller sets the deadline.
    pub async fn wait(&mut self) -> Result<i64, EngineError> {
        let options = WaitContainerOptionsBuilder::new().condition("not-running").build();
        let mut ends = self.docker.wait_container(&self.container, Some(options));
        let code = match ends.next().await {
            Some(Ok(end)) => end.status_code,
            // The client calls every code but 0 an error.
            Some(Err(Error::DockerContainerWaitError { code, .. })) => code,
            Some(Err(error)) => {
                return Err(EngineError::request(format!("wait for {}", self.container))(error));
            }
            None => self.exited().await?.unwrap_or_default(),
        };
        if let Some(logging) = self.logging.take() {
            match tokio::time::timeout(LOG_DEADLINE, logging).await {
                Ok(Ok(written)) => written.map_err(EngineError::file(&self.log))?,
                Ok(Err(_)) | Err(_) => tracing::warn!(log = %self.log.display(), "incomplete"),
            }
        }
        Ok(code)
    }

    /// Ends it at once, if it runs, and removes it.
    pub async fn remove(self) -> Result<(), EngineError> {
        self.guard.remove().await
    }
}

/// Writes the container's output to a file until it ends.
async fn follow(
    docker: Docker,
    container: String,
    mut file: tokio::fs::File,
) -> std::io::Result<()> {
    let options = LogsOptionsBuilder::new().follow(true).stdout(true).stderr(true).build();
    let mut pieces = docker.logs(&container, Some(options));
    while let Some(Ok(piece)) = pieces.next().await {
        file.write_all(&piece.into_bytes()).await?;
        // Readers of the run's folder look at it while it grows.
        file.flush().await?;
    }
    Ok(())
}
