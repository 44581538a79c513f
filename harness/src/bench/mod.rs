//! `mirrorproof bench`: mirrors side by side, over the same records on the same clusters.
//!
//! Each round lets every contender run once, so that what changes on the machine meanwhile meets all of
//! them. A copy counts only if it is the original.

mod digest;
mod fill;
mod limit;
mod outage;
mod race;
mod topics;
mod tuning;

use crate::{
    cluster::{
        self, ClusterError,
        client::blocking,
        containers::{Capacity, EngineError, Topology},
        pool::{Needs, Pool},
    },
    subject::{Kind, SubjectError},
};
use serde::Serialize;
use std::{path::PathBuf, sync::Arc};

pub use fill::Load;
pub use limit::{Limit, Took};
pub use outage::{FULL, Outage, Recovery};

/// How many partitions a broker should have at most: the general recommendation that KIP-578 quotes.
const MOST_PARTITIONS: u32 = 4_000;

/// What is compared, over what.
#[derive(Debug)]
pub struct Bench {
    /// Which mirrors, in the order of the table; ratios are against the first.
    pub subjects: Vec<Kind>,
    /// The records.
    pub load: Load,
    /// How many topics the records lie in, each as many.
    pub topics: u32,
    /// Partitions of each topic of the source.
    pub source_partitions: u32,
    /// Partitions of each topic of the destination.
    pub destination_partitions: u32,
    /// `compression.type` of every producer.
    pub compression: String,
    /// How often each runs.
    pub rounds: u32,
    /// Whether each runs with its documented tuning as well.
    pub tuned: bool,
    /// What happens in the middle of each copy; bounds are not measured then.
    pub outage: Option<Outage>,
    /// This program.
    pub executable: PathBuf,
    /// Where logs go.
    pub folder: PathBuf,
}

/// What ended a comparison.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The environment failed.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A contender could not be started.
    #[error(transparent)]
    Subject(#[from] SubjectError),
    /// A bound was not measured.
    #[error("measure {name}: it ended with {code}; see {}", log.display())]
    Limit {
        /// Which.
        name: &'static str,
        /// Its exit code.
        code: i64,
        /// What it wrote.
        log: PathBuf,
    },
    /// A folder for logs.
    #[error("use the folder {}: {source}; give another --report DIR", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Some topic would have none.
    #[error("fill {topics} topics with {records} records: take fewer --topics, or more --records")]
    TooManyTopics {
        /// How many.
        topics: u32,
        /// How many records there are.
        records: u64,
    },
    /// More than a broker should have.
    #[error(
        "keep {partitions} partitions of {topics} topics on one broker, which has {most} at most: take fewer \
         --topics, --source-partitions or --destination-partitions"
    )]
    TooManyPartitions {
        /// How many topics.
        topics: u32,
        /// How many partitions they have together.
        partitions: u32,
        /// How many a broker has at most.
        most: u32,
    },
    /// The records do not fit.
    #[error(
        "fill the source: {records} records of {size} bytes take about {needed} MiB, and a broker's \
         log has {room} MiB; take fewer or smaller ones"
    )]
    TooLarge {
        /// How many.
        records: u64,
        /// How large.
        size: usize,
        /// About how much that is.
        needed: u64,
        /// How much there is.
        room: u64,
    },
}

/// Who runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// A bound.
    Limit(Limit),
    /// A mirror.
    Subject(Kind),
}

/// One row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contender {
    /// Who.
    pub who: Who,
    /// With its documented tuning.
    pub tuned: bool,
}

impl Contender {
    /// The name in the table.
    pub fn name(&self) -> String {
        let name = match &self.who {
            Who::Limit(limit) => limit.name(),
            Who::Subject(kind) => kind.name(),
        };
        if self.tuned { format!("{name}-tuned") } else { name.to_owned() }
    }
}

/// What one run of a contender took.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// How many records lie on the destination.
    pub copied: u64,
    /// How many of them arrived in the time that was measured.
    pub timed: u64,
    /// From the first record on the destination to the last, in seconds.
    pub seconds: f64,
    /// The contender's processor time in that time, in seconds.
    pub cpu_seconds: f64,
    /// Processor time of all brokers from its start on, in seconds.
    pub broker_cpu_seconds: f64,
    /// The most anonymous memory that was seen, in bytes.
    pub memory: u64,
    /// From its start to the first record on the destination, in seconds.
    pub first_record_seconds: Option<f64>,
    /// How it came out of an outage, if there was one and it did.
    pub recovery: Option<Recovery>,
    /// Why the figures count for nothing, if so.
    pub trouble: Option<String>,
}

/// A contender and its runs.
#[derive(Clone, Debug)]
pub struct Row {
    /// Who.
    pub contender: Contender,
    /// Each run.
    pub runs: Vec<Measured>,
}

/// Where all of it takes place.
struct Ground {
    clusters: cluster::Pair,
    containers: Arc<cluster::containers::Pair>,
    /// What the source holds.
    filled: digest::Digest,
}

impl Bench {
    /// Lets everybody run. `note` is told what is under way, and `keep` sees all that is measured after each run;
    /// `rows` holds it even if this is cut short.
    pub async fn run(
        &self,
        pool: &Pool,
        rows: &mut Vec<Row>,
        note: impl Fn(&str),
        mut keep: impl FnMut(&[Row]),
    ) -> Result<(), BenchError> {
        let capacity = Capacity::Measurements;
        let topology = Topology { capacity, ..Topology::default() };
        let lease = pool.lease(&Needs { topology, exclusive: true, disturbs: true }).await?;
        let clusters = lease.pair();
        let Some(containers) = clusters.containers.clone() else {
            let backend = pool.backend();
            return Err(ClusterError::Unsupported { what: "compare speed", backend }.into());
        };
        note(&format!("filling the source with {} records", self.load.records));
        let filled = self.fill(&clusters.source).await?;
        let ground = Ground { clusters, containers, filled };
        rows.extend(self.contenders().map(|contender| Row { contender, runs: Vec::new() }));
        let mut number = 0;
        for round in 1..=self.rounds {
            for index in 0..rows.len() {
                number += 1;
                let row = &mut rows[index];
                let measured = self.race(&ground, &row.contender, number).await?;
                let said = match (&measured.trouble, &measured.recovery) {
                    (Some(trouble), _) => trouble.lines().next().unwrap_or_default().to_owned(),
                    (None, Some(_)) => "it came out of the outage".to_owned(),
                    (None, None) => {
                        format!("{:.0} records/s", measured.timed as f64 / measured.seconds)
                    }
                };
                let name = row.contender.name();
                note(&format!("round {round} of {}, {name}: {said}", self.rounds));
                row.runs.push(measured);
                keep(rows);
            }
        }
        Ok(())
    }

    /// Creates the topics of the source and fills them; what they hold then.
    async fn fill(&self, source: &cluster::Cluster) -> Result<digest::Digest, BenchError> {
        let topics = topics::names(self.topics);
        topics::with_each(&topics, |topic| source.create_topic(topic, self.source_partitions))
            .await?;
        let (bootstrap, load) = (source.bootstrap().to_owned(), self.load);
        let producer = limit::producer(&self.compression);
        let fill = move || {
            let mut filled = digest::Digest::default();
            fill::fill(&bootstrap, &topics, load, &producer, Some(&mut filled), || {})?;
            Ok::<_, ClusterError>(filled)
        };
        Ok(blocking(fill).await?)
    }

    /// The bounds first, then everybody as it comes, then everybody tuned.
    fn contenders(&self) -> impl Iterator<Item = Contender> {
        let limits = Limit::ALL.map(Who::Limit).into_iter().filter(|_| self.outage.is_none());
        let limits = limits.map(|who| Contender { who, tuned: false });
        let tunings: &[bool] = if self.tuned { &[false, true] } else { &[false] };
        let subjects = tunings.iter().flat_map(|tuned| {
            let who = |kind: &Kind| Who::Subject(kind.clone());
            self.subjects.iter().map(move |kind| Contender { who: who(kind), tuned: *tuned })
        });
        limits.chain(subjects)
    }

    /// Whether the records fit: brokers keep their logs in memory, and every topic holds some.
    pub fn fits(&self) -> Result<(), BenchError> {
        const OVERHEAD: u64 = 30;
        let Load { records, size } = self.load;
        let topics = self.topics;
        if u64::from(topics) > records {
            return Err(BenchError::TooManyTopics { topics, records });
        }
        let partitions =
            topics.saturating_mul(self.source_partitions.max(self.destination_partitions));
        if partitions > MOST_PARTITIONS {
            return Err(BenchError::TooManyPartitions {
                topics,
                partitions,
                most: MOST_PARTITIONS,
            });
        }
        let needed = records.saturating_mul(size as u64 + OVERHEAD) >> 20;
        let room = Capacity::Measurements.log_bytes() >> 20;
        if needed < room * 4 / 5 {
            return Ok(());
        }
        Err(BenchError::TooLarge { records, size, needed, room })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_before_anything_starts() {
        let check = |records, topics, partitions: (u32, u32), words: Option<&str>| {
            let bench = Bench {
                subjects: Vec::new(),
                load: Load { records, size: 100 },
                topics,
                source_partitions: partitions.0,
                destination_partitions: partitions.1,
                compression: "none".into(),
                rounds: 1,
                tuned: false,
                outage: None,
                executable: PathBuf::new(),
                folder: PathBuf::new(),
            };
            let said = bench.fits().err().map(|error| error.to_string());
            let fits = said.as_deref().map(|said| words.is_some_and(|words| said.contains(words)));
            assert_eq!(fits, words.map(|_| true), "{said:?}");
        };
        check(10_000_000, 1, (4, 8), None);
        check(2_000_000, 50, (8, 80), None);
        check(50, 50, (1, 1), None);
        check(49, 50, (1, 1), Some("50 topics with 49 records"));
        check(2_000_000, 50, (8, 81), Some("4050 partitions of 50 topics"));
        check(2_000_000, 50, (81, 8), Some("--topics"));
        check(100_000_000, 1, (8, 8), Some("take fewer or smaller ones"));
    }
}
