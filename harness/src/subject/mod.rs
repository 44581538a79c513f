//! The mirror under test, as a process or a container with a life: started, asked to stop, killed.
//!
//! A subject is known by its contract and its command line. It is always a process of its own: the
//! harness never calls the mirror's engine.

pub mod bad;
mod mirrormaker2;
pub mod process;
pub mod properties;
mod running;

use crate::cluster::containers::{self, EngineError};
pub use containers::Usage;
use judge::{
    contract::{Contract, Delivery, OrderScope, Partitioning, Progress, Start},
    plan::SubjectOptions,
};
use properties::Properties;
pub use running::{Ended, Running};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

/// Which mirror.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// Our own.
    Mirror,
    /// Kafka's MirrorMaker 1, in a container on the destination's side.
    MirrorMaker1,
    /// Kafka's MirrorMaker 2 as a process of its own, in a container on the destination's side.
    MirrorMaker2,
    /// A program of the user's: a command line with `{consumer_config}`, `{producer_config}` and
    /// `{topics}`.
    Command(String),
    /// A small mirror with a defect, or an unusual one (`bad`).
    Bad {
        /// Which.
        fault: String,
        /// Picks its victim.
        seed: u64,
    },
}

impl Kind {
    /// The names on the command line.
    pub const NAMES: [&str; 4] = ["mirror", "mirrormaker1", "mirrormaker2", "command"];

    /// The name in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Mirror => "mirror",
            Kind::MirrorMaker1 => "mirrormaker1",
            Kind::MirrorMaker2 => "mirrormaker2",
            Kind::Command(_) => "command",
            Kind::Bad { .. } => "bad",
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
    /// Its container.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// It runs in a container, and there are none.
    #[error("start {subject}: it runs in a container; use --clusters containers")]
    NeedsContainers {
        /// Which subject.
        subject: &'static str,
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
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    /// Which mirror.
    pub kind: Kind,
    /// This program, which is also the mirror and the supervisor.
    pub executable: PathBuf,
    /// The user's consumer properties, laid on top of the harness's.
    pub consumer: Properties,
    /// The user's producer properties, laid on top of the harness's.
    pub producer: Properties,
    /// The user's contract, instead of the built-in one.
    pub contract: Option<Contract>,
}

impl Spec {
    /// What the subject declares, started with `options`. It never follows from the user's
    /// properties: a bad configuration must not excuse itself. `old_consumer`: the source is of a
    /// version whose MirrorMaker takes `zookeeper.connect`.
    pub fn contract(&self, options: &SubjectOptions, old_consumer: bool) -> Contract {
        if let Some(contract) = &self.contract {
            return contract.clone();
        }
        match &self.kind {
            Kind::Mirror | Kind::Bad { .. } => Contract {
                partitioning: if options.preserve {
                    Partitioning::Preserve
                } else {
                    Partitioning::Murmur2
                },
                delivery: if options.exactly_once {
                    Delivery::ExactlyOnce
                } else {
                    Delivery::AtLeastOnce
                },
                fenced: options.exactly_once,
                idempotent: true,
                commit_interval_ms: options.commit_interval_ms.unwrap_or(5_000),
                ..Contract::default()
            },
            // mirrormaker.md: it starts at the latest offset, commits every minute, and a JVM that
            // was asked to stop ends with 128 + SIGTERM. The old consumer of the article keeps its
            // positions in ZooKeeper.
            Kind::MirrorMaker1 => Contract {
                start: Start::Latest,
                progress: if options.as_in_the_article && old_consumer {
                    Progress::ZooKeeper
                } else {
                    Progress::Group
                },
                commit_interval_ms: options.commit_interval_ms.unwrap_or(60_000),
                graceful_exit_codes: vec![0, 143],
                ..Contract::default()
            },
            // mirrormaker.md: it keeps partitions, begins at the earliest offset, and keeps its
            // positions in a topic of the destination.
            Kind::MirrorMaker2 => Contract {
                partitioning: Partitioning::Preserve,
                order: OrderScope::Partition,
                progress: Progress::Unknown,
                commit_interval_ms: options.commit_interval_ms.unwrap_or(60_000),
                graceful_exit_codes: vec![0, 143],
                ..Contract::default()
            },
            Kind::Command(_) => Contract::default(),
        }
    }

    /// Whether it runs in a container on the destination's side.
    pub fn in_container(&self, options: &SubjectOptions) -> bool {
        match self.kind {
            Kind::MirrorMaker1 | Kind::MirrorMaker2 => true,
            Kind::Mirror => options.as_in_the_article,
            Kind::Command(_) | Kind::Bad { .. } => false,
        }
    }

    /// The command line of the subject, which finds its files in `folder`.
    fn command_line(&self, launch: &Launch<'_>, folder: &str) -> Result<Vec<String>, SubjectError> {
        let consumer = format!("{folder}/{CONSUMER_FILE}");
        let producer = format!("{folder}/{PRODUCER_FILE}");
        let arguments = || mirrormaker_arguments(launch, &consumer, &producer);
        match &self.kind {
            Kind::Mirror => {
                let program = if launch.pair.is_some() {
                    PROGRAM_IN_CONTAINER.to_owned()
                } else {
                    self.executable.display().to_string()
                };
                let mut line = vec![program, "mirror".into()];
                line.extend(arguments());
                if launch.options.preserve {
                    line.extend(["--partitioning".into(), "preserve".into()]);
                }
                if launch.options.exactly_once {
                    line.push("--exactly-once".into());
                }
                if launch.options.accepts_loss {
                    line.extend(["--on-data-loss".into(), "continue".into()]);
                }
                Ok(line)
            }
            Kind::MirrorMaker1 => {
                let program = ["kafka-run-class.sh", "kafka.tools.MirrorMaker"].map(str::to_owned);
                Ok(program.into_iter().chain(arguments()).collect())
            }
            Kind::MirrorMaker2 => {
                let program = ["connect-mirror-maker.sh".to_owned()];
                let file = format!("{folder}/{}", mirrormaker2::FILE);
                Ok(program.into_iter().chain([file]).collect())
            }
            Kind::Bad { fault, seed } => {
                let mut line = vec![self.executable.display().to_string(), "bad-mirror".into()];
                line.extend(["--fault".into(), fault.clone(), "--seed".into(), seed.to_string()]);
                line.extend(arguments());
                if launch.options.preserve {
                    line.extend(["--partitioning".into(), "preserve".into()]);
                }
                if let Some(group) = launch.application {
                    line.extend(["--sync-group".into(), group.to_owned()]);
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

/// Where a container finds the properties files.
const FOLDER_IN_CONTAINER: &str = "/opt/mirrorproof";
/// Where a container finds this program.
pub const PROGRAM_IN_CONTAINER: &str = "/opt/mirrorproof/mirrorproof";

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
    if let Some(interval) = launch.options.commit_interval_ms
        && !launch.options.as_in_the_article
    {
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
    /// The group of the application whose positions it carries over, if its contract says so.
    pub application: Option<&'a str>,
    /// The containers that it runs beside, if it runs in one.
    pub pair: Option<&'a containers::Pair>,
    /// Its environment in a container, beyond the image's.
    pub environment: BTreeMap<String, String>,
}
