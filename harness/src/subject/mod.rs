//! The mirror under test, as a process or a container with a life: started, asked to stop, killed.
//!
//! A subject is known by its contract and its command line. It is always a process of its own: the
//! harness never calls the mirror's engine.

pub mod process;
pub mod properties;

use judge::{
    contract::{Contract, Delivery, Partitioning, Progress, Start},
    plan::SubjectOptions,
};
use nix::sys::signal::Signal;
use process::{Process, STOP_LIMIT};
use properties::Properties;
use std::{
    io,
    path::{Path, PathBuf},
};

/// Which mirror.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Our own.
    Mirror,
    /// A program of the user's: a command line with `{consumer_config}`, `{producer_config}` and
    /// `{topics}`.
    Command(String),
}

impl Kind {
    /// The names on the command line.
    pub const NAMES: [&str; 3] = ["mirror", "mirrormaker1", "command"];

    /// The name in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Mirror => "mirror",
            Kind::Command(_) => "command",
        }
    }
}

/// What went wrong with a subject before it could be judged.
#[derive(Debug, thiserror::Error)]
pub enum SubjectError {
    /// It could not be started at all.
    #[error("start {program}: {source}")]
    Start {
        /// What should have been started.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// A properties file could not be used.
    #[error("use the properties file {}: {reason}", path.display())]
    Properties {
        /// Which file.
        path: PathBuf,
        /// What was wrong with it.
        reason: String,
    },
    /// The user's command cannot be split into words.
    #[error("read the command {command:?}: {reason}; quote it as a shell would")]
    Command {
        /// As it was given.
        command: String,
        /// What was wrong with it.
        reason: String,
    },
}

/// What is tested, and with which properties of the user's.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Which mirror.
    pub kind: Kind,
    /// This program, which is also the mirror and the supervisor.
    pub executable: PathBuf,
    /// The user's consumer properties, laid on top of the harness's.
    pub consumer: Properties,
    /// The user's producer properties, laid on top of the harness's.
    pub producer: Properties,
}

impl Spec {
    /// What the subject declares, started with `options`. It never follows from the user's
    /// properties: a bad configuration must not excuse itself.
    pub fn contract(&self, options: &SubjectOptions) -> Contract {
        match &self.kind {
            Kind::Mirror => Contract {
                partitioning: if options.preserve {
                    Partitioning::Preserve
                } else {
                    Partitioning::Murmur2
                },
                delivery: Delivery::AtLeastOnce,
                idempotent: true,
                start: Start::Earliest,
                progress: Progress::Group,
                commit_interval_ms: options.commit_interval_ms.unwrap_or(5_000),
                ..Contract::default()
            },
            Kind::Command(_) => Contract::default(),
        }
    }

    /// The command line of the subject, and the files that it reads.
    fn command_line(&self, launch: &Launch<'_>) -> Result<Vec<String>, SubjectError> {
        let path = |name: &str| launch.folder.join(name).display().to_string();
        let consumer = path(CONSUMER_FILE);
        let producer = path(PRODUCER_FILE);
        match &self.kind {
            Kind::Mirror => {
                let mut line = vec![self.executable.display().to_string(), "mirror".into()];
                line.extend(mirrormaker_arguments(launch, &consumer, &producer));
                if launch.options.preserve {
                    line.extend(["--partitioning".into(), "preserve".into()]);
                }
                Ok(line)
            }
            Kind::Command(template) => words(template)?
                .into_iter()
                .map(|word| {
                    Ok(word
                        .replace("{consumer_config}", &consumer)
                        .replace("{producer_config}", &producer)
                        .replace("{topics}", launch.topics))
                })
                .collect(),
        }
    }
}

/// Splits a command line as a shell would.
pub fn words(command: &str) -> Result<Vec<String>, SubjectError> {
    let failed =
        |reason: &str| SubjectError::Command { command: command.to_owned(), reason: reason.into() };
    let words = shlex::split(command).ok_or_else(|| failed("a quote is not closed"))?;
    if words.is_empty() { Err(failed("it is empty")) } else { Ok(words) }
}

/// Name of the consumer's properties file in the scenario's folder.
const CONSUMER_FILE: &str = "consumer.properties";
/// Name of the producer's properties file in the scenario's folder.
const PRODUCER_FILE: &str = "producer.properties";

/// MirrorMaker 1's command line, which ours takes too.
fn mirrormaker_arguments(launch: &Launch<'_>, consumer: &str, producer: &str) -> Vec<String> {
    let mut arguments: Vec<String> = [
        "--consumer.config",
        consumer,
        "--producer.config",
        producer,
        "--whitelist",
        launch.topics,
        "--num.streams",
        &launch.options.streams.to_string(),
    ]
    .map(str::to_owned)
    .into();
    if let Some(interval) = launch.options.commit_interval_ms {
        arguments.push("--offset.commit.interval.ms".into());
        arguments.push(interval.to_string());
    }
    arguments
}

/// One start of a subject.
#[derive(Debug)]
pub struct Launch<'a> {
    /// Where its files and its output go.
    pub folder: &'a Path,
    /// Counts the starts within a scenario, from 1.
    pub incarnation: u32,
    /// Which topics, as MirrorMaker's `--whitelist` takes them.
    pub topics: &'a str,
    /// How it is started.
    pub options: &'a SubjectOptions,
    /// The harness's consumer properties.
    pub consumer: Properties,
    /// The harness's producer properties.
    pub producer: Properties,
}

/// A subject that was started.
#[derive(Debug)]
pub struct Running {
    process: Process,
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
    pub fn start(spec: &Spec, mut launch: Launch<'_>) -> Result<(Running, Vec<String>), SubjectError> {
        let mut ignored = properties::overlay(&mut launch.consumer, &spec.consumer);
        ignored.extend(properties::overlay(&mut launch.producer, &spec.producer));
        properties::write(&launch.folder.join(CONSUMER_FILE), &launch.consumer)?;
        properties::write(&launch.folder.join(PRODUCER_FILE), &launch.producer)?;
        let line = spec.command_line(&launch)?;
        let output = launch.folder.join(format!("subject-{}.log", launch.incarnation));
        let process =
            Process::start(&spec.executable, &line[0], &line[1..], launch.folder, &output)?;
        Ok((Running { process }, ignored))
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<Ended> {
        self.process.ended().map(|status| ended(status, false))
    }

    /// Asks it to stop by SIGTERM, and kills it if it does not.
    pub async fn stop(&mut self) -> Ended {
        self.process.signal(Signal::SIGTERM);
        match self.process.wait(STOP_LIMIT).await {
            Some(status) => ended(status, false),
            None => self.kill().await.forced(),
        }
    }

    /// Kills it by SIGKILL.
    pub async fn kill(&mut self) -> Ended {
        match self.process.kill().await {
            Some(status) => ended(status, false),
            None => Ended { status: "still there after SIGKILL".into(), code: None, forced: false },
        }
    }

    /// The end of what it wrote.
    pub fn output_tail(&self) -> String {
        output_tail(self.process.output())
    }
}

impl Ended {
    fn forced(self) -> Ended {
        Ended { forced: true, ..self }
    }
}

fn ended(status: std::process::ExitStatus, forced: bool) -> Ended {
    Ended { status: status.to_string(), code: status.code(), forced }
}

/// The last lines of a log, for evidence.
fn output_tail(path: &Path) -> String {
    const LINES: usize = 12;
    let text = std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let text = text.unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}
