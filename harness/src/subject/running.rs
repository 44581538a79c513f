//! A subject that was started: a process or a container, with a life and an end.

use super::{
    CONSUMER_FILE, FOLDER_IN_CONTAINER, Kind, Launch, PRODUCER_FILE, PROGRAM_IN_CONTAINER, Spec,
    SubjectError, mirrormaker2,
    process::{Process, STOP_LIMIT},
    properties,
};
use crate::cluster::containers::{self, Reach, Tool, ToolSpec, Usage};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// So often it is waited for while it is at work.
const MOST_STOP_LIMITS: u32 = 4;

/// A subject that was started.
#[derive(Debug)]
pub enum Running {
    /// A process on this machine.
    Process(Process),
    /// A container on the destination's side.
    Container(Tool),
}

/// How a subject ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// As the system says it: `exit status: 1`.
    pub status: String,
    /// Its exit code, if it was not killed.
    pub code: Option<i32>,
    /// Whether it had to be killed because it did not stop when asked.
    pub forced: bool,
}

impl Running {
    /// Starts a subject. Returns it with the user's properties that were ignored.
    pub async fn start(
        spec: &Spec,
        mut launch: Launch<'_>,
    ) -> Result<(Running, Vec<String>), SubjectError> {
        let mut ignored = properties::overlay(&mut launch.consumer, &spec.consumer);
        ignored.extend(properties::overlay(&mut launch.producer, &spec.producer));
        let files = [(CONSUMER_FILE, &launch.consumer), (PRODUCER_FILE, &launch.producer)];
        for (name, properties) in files {
            properties::write(&launch.folder.join(name), properties)?;
        }
        if spec.kind == Kind::MirrorMaker2 {
            let all = mirrormaker2::properties(
                launch.consumer.clone(),
                launch.producer.clone(),
                launch.topics,
                launch.options,
            );
            properties::write(&launch.folder.join(mirrormaker2::FILE), &all)?;
        }
        let log = launch.folder.join(format!("subject-{}.log", launch.incarnation));
        let running = match launch.pair {
            Some(pair) => Running::Container(start_in_container(spec, &launch, pair, log).await?),
            None if spec.in_container(launch.options) => {
                return Err(SubjectError::NeedsContainers { subject: spec.kind.name() });
            }
            None => {
                let line = spec.command_line(&launch, &launch.folder.display().to_string())?;
                Running::Process(Process::start(&spec.executable, &line, launch.folder, &log)?)
            }
        };
        Ok((running, ignored))
    }

    /// How it ended, if it has.
    pub async fn ended(&mut self) -> Option<Ended> {
        match self {
            Running::Process(process) => process.ended().await.map(ended),
            Running::Container(tool) => tool.exited().await.ok().flatten().map(exited),
        }
    }

    /// What it uses of the machine.
    pub async fn usage(&self) -> Result<Usage, SubjectError> {
        match self {
            Running::Process(process) => Ok(process.usage().unwrap_or_default()),
            Running::Container(tool) => Ok(tool.usage().await?),
        }
    }

    /// Asks it to stop by SIGTERM, and kills it if it does not within [`STOP_LIMIT`], or within a few of them while it is
    /// at work: what is in flight is finished first, and a destination may be slow. Returns the end of its output, too.
    pub async fn stop(mut self, is_at_work: impl Fn() -> bool) -> (Ended, String) {
        match &mut self {
            Running::Process(process) => process.ask_to_stop(),
            // If the engine does not take it, the wait runs out and the kill follows.
            Running::Container(tool) => drop(tool.signal(containers::Signal::Terminate).await),
        }
        let mut status = self.wait().await;
        for _ in 1..MOST_STOP_LIMITS {
            if status.is_some() || !is_at_work() {
                break;
            }
            status = self.wait().await;
        }
        match status {
            Some(status) => self.gone(status).await,
            None => {
                let (ended, output) = self.kill().await;
                (Ended { forced: true, ..ended }, output)
            }
        }
    }

    /// How it has ended; `None` if it has not within [`STOP_LIMIT`].
    async fn wait(&mut self) -> Option<Ended> {
        match self {
            Running::Process(process) => process.wait(STOP_LIMIT).await.map(ended),
            Running::Container(tool) => exit_of(tool).await,
        }
    }

    /// Freezes it by SIGSTOP.
    pub async fn freeze(&self) -> Result<(), SubjectError> {
        match self {
            Running::Process(process) => process.freeze(),
            Running::Container(tool) => drop(tool.signal(containers::Signal::Stop).await?),
        }
        Ok(())
    }

    /// Lets it go on by SIGCONT.
    pub async fn thaw(&self) -> Result<(), SubjectError> {
        match self {
            Running::Process(process) => process.thaw(),
            Running::Container(tool) => drop(tool.signal(containers::Signal::Continue).await?),
        }
        Ok(())
    }

    /// Kills it by SIGKILL. Returns the end of its output, too.
    pub async fn kill(mut self) -> (Ended, String) {
        let status = match &mut self {
            Running::Process(process) => process.kill().await.map(ended),
            Running::Container(tool) => {
                drop(tool.signal(containers::Signal::Kill).await);
                exit_of(tool).await
            }
        };
        let survived =
            || Ended { status: "still there after SIGKILL".into(), code: None, forced: false };
        let status = status.unwrap_or_else(survived);
        self.gone(status).await
    }

    /// Takes away what is left of it.
    async fn gone(self, ended: Ended) -> (Ended, String) {
        let output = self.output_tail();
        if let Running::Container(tool) = self {
            // What cannot be removed now is removed with the run.
            drop(tool.remove().await);
        }
        (ended, output)
    }

    /// The end of what it wrote.
    pub fn output_tail(&self) -> String {
        match self {
            Running::Process(process) => output_tail(process.output()),
            Running::Container(tool) => output_tail(tool.log()),
        }
    }
}

async fn start_in_container(
    spec: &Spec,
    launch: &Launch<'_>,
    pair: &containers::Pair,
    log: PathBuf,
) -> Result<Tool, SubjectError> {
    let command = spec.command_line(launch, FOLDER_IN_CONTAINER)?;
    let mut mounts = BTreeMap::new();
    if spec.kind == Kind::Mirror {
        mounts.insert(spec.executable.clone(), PROGRAM_IN_CONTAINER.to_owned());
    }
    let file = |name: &str| {
        let path = launch.folder.join(name);
        let bytes = std::fs::read(&path)
            .map_err(|error| SubjectError::Properties { path, reason: error.to_string() })?;
        Ok::<_, SubjectError>((format!("{FOLDER_IN_CONTAINER}/{name}"), bytes))
    };
    let mut files = BTreeMap::from([file(CONSUMER_FILE)?, file(PRODUCER_FILE)?]);
    if spec.kind == Kind::MirrorMaker2 {
        files.extend([file(mirrormaker2::FILE)?]);
    }
    Ok(pair
        .start_tool(ToolSpec {
            name: spec.kind.name().into(),
            command,
            environment: launch.environment.clone(),
            files,
            mounts,
            reach: Reach::Both,
            log,
        })
        .await?)
}

fn ended(status: std::process::ExitStatus) -> Ended {
    Ended { status: status.to_string(), code: status.code(), forced: false }
}

/// How a container has ended; `None` if it has not within [`STOP_LIMIT`].
async fn exit_of(tool: &mut Tool) -> Option<Ended> {
    let code = tokio::time::timeout(STOP_LIMIT, tool.wait()).await;
    code.ok().and_then(Result::ok).map(exited)
}

fn exited(code: i64) -> Ended {
    let status = format!("exit status: {code}");
    Ended { status, code: i32::try_from(code).ok(), forced: false }
}

/// The last lines of a log, for evidence.
fn output_tail(path: &Path) -> String {
    const LINES: usize = 12;
    let text = std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let text = text.unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}
