//! The interpreter of a plan: performs each action on a leased pair of clusters, and writes down
//! what happened as a history.
//!
//! It decides nothing about promises. A subject that misbehaves is not an error here: it is what
//! the history will show.

mod end;
mod freeze;
mod instances;
mod launch;
mod offsets;
mod produce;
mod recreation;
mod retention;
mod sampler;
mod shell;
mod strays;
mod subject;
mod topics;
mod translation;

use crate::{
    cluster::{
        ClusterError, Pair,
        client::{Isolation, Reader, blocking},
    },
    observe::{
        completion::Limits,
        progress::{Progress, Store, Watched},
        read::ReadError,
        tail::Tail,
    },
    run_dir::RunDir,
    subject::{Running, Spec, SubjectError, Usage},
    workload::produce::Producers,
};
use judge::{
    contract::{self, Contract},
    history::{Completion, Gap, History, Positions, SourceRecord, TopicIndex, TopicPartition},
    plan::{Action, Plan, Side, SubjectOptions},
    verdict::Judgement,
};
pub use launch::session_timeout_ms;
use produce::Load;
use sampler::Sampler;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

/// What all scenarios of a run share.
#[derive(Debug)]
pub struct Settings {
    /// What is tested.
    pub subject: Spec,
    /// Seed of every random choice; each scenario derives its own from it.
    pub seed: u64,
    /// Where everything is written down.
    pub run_dir: RunDir,
}

/// What ended a scenario before it could be judged.
#[derive(Debug, thiserror::Error)]
pub enum TestbedError {
    /// The environment failed.
    #[error("failed to {0}")]
    Cluster(#[from] ClusterError),
    /// A read did not come to its end.
    #[error("failed to {0}")]
    Read(#[from] ReadError),
    /// The subject could not be started.
    #[error("failed to {0}")]
    Subject(#[from] SubjectError),
    /// A wait ran out: nothing can be told.
    #[error("waited {seconds} s for {awaited}; last seen: {seen}")]
    Deadline {
        /// For what.
        awaited: String,
        /// For how long.
        seconds: u64,
        /// What was seen last.
        seen: String,
    },
    /// The plan asks for something that cannot be.
    #[error("the plan is wrong: {0}")]
    Plan(String),
}

/// One scenario's clusters, topics, subject and history.
pub struct Testbed {
    settings: Arc<Settings>,
    /// The scenario's name in logs and in the run folder.
    name: String,
    folder: PathBuf,
    seed: u64,
    /// What makes topic and group names the scenario's own.
    prefix: String,
    limits: Limits,
    /// Clients come before the clusters that they talk to: fields are dropped in this order.
    subject: Option<Running>,
    /// Since when the subject is frozen, if it is.
    frozen: Option<Instant>,
    /// Further instances of the subject, in the order of their start.
    others: Vec<Running>,
    tail: Option<Tail>,
    sampler: Option<Sampler>,
    /// Who writes to the source.
    producers: Arc<Producers>,
    /// Who reads a side at the end.
    readers: BTreeMap<(Side, Isolation), Reader>,
    /// The topics of each side before the subject's first start.
    there_before: BTreeMap<Side, BTreeSet<String>>,
    /// What is being written while the plan goes on.
    loads: Vec<Load>,
    /// What the subject is asked to mirror, as `--whitelist` takes it.
    pattern: Option<String>,
    options: SubjectOptions,
    /// How often the subject was started.
    incarnation: u32,
    /// Topics that the subject is asked for since a later start, whose readiness has not been seen.
    asked_later: BTreeSet<TopicIndex>,
    /// Whether the subject began to copy in a life in which nobody waited for it to be ready.
    began_unseen: bool,
    /// How the subject ended by itself, if it did.
    exited: Option<(String, String)>,
    next_sentinel: u64,
    next_record_seed: u64,
    actions: Vec<Action>,
    history: History,
    /// Where the truth begins, in partitions that were trimmed.
    trimmed: Positions,
    /// What retention took ahead of the subject, and from where to where, until the subject has said
    /// so.
    gone: Vec<SourceRecord>,
    outrun: BTreeMap<TopicPartition, Gap>,
    /// Whether transactions were aborted, so that there is something only a reader of uncommitted
    /// records sees.
    aborted: bool,
    /// Whether the source may hold records that no producer of ours wrote, or one twice.
    others_write: bool,
    /// Brokers of the destination that were killed and are not back.
    down: BTreeSet<u8>,
    /// What the last command in a container wrote to its standard output.
    shell_output: String,
    /// The application's consumer of the offset promise: its group.
    application: String,
    pair: Pair,
}

impl Testbed {
    /// Sets up a scenario on a leased pair. `prefix` makes names unique where the pair is shared.
    pub fn new(
        settings: Arc<Settings>,
        name: &str,
        seed: u64,
        prefix: String,
        limits: Limits,
        pair: Pair,
    ) -> Testbed {
        let folder = settings.run_dir.scenario(name);
        let history = History { run: seed, ..History::default() };
        Testbed {
            name: name.to_owned(),
            folder,
            seed,
            application: format!("{prefix}application"),
            prefix,
            limits,
            subject: None,
            frozen: None,
            others: Vec::new(),
            tail: None,
            sampler: None,
            producers: Arc::new(Producers::to(pair.source.bootstrap())),
            readers: BTreeMap::new(),
            there_before: BTreeMap::new(),
            loads: Vec::new(),
            pattern: None,
            options: SubjectOptions::default(),
            incarnation: 0,
            asked_later: BTreeSet::new(),
            began_unseen: false,
            exited: None,
            next_sentinel: 0,
            next_record_seed: seed,
            actions: Vec::new(),
            history,
            trimmed: Positions::new(),
            gone: Vec::new(),
            outrun: BTreeMap::new(),
            aborted: false,
            others_write: false,
            down: BTreeSet::new(),
            shell_output: String::new(),
            pair,
            settings,
        }
    }

    /// Performs one action.
    pub async fn apply(&mut self, action: Action) -> Result<(), TestbedError> {
        self.log(&format!("{action:?}"));
        self.actions.push(action.clone());
        if !self.loads.is_empty() && needs_rest(&action) {
            let reason = format!("while records are being written there can be no {action:?}");
            return Err(TestbedError::Plan(reason));
        }
        match action {
            Action::CreateTopic { side, topic, partitions } => {
                self.create_topic(side, &topic, partitions).await
            }
            Action::ConfigureTopic { side, topic, settings } => {
                self.configure_topic(side, &topic, &settings).await
            }
            Action::AdoptTopic { topic } => self.adopt_topic(&topic).await,
            Action::Shell { side, command, input } => self.shell(side, &command, &input).await,
            Action::Select { pattern, topics } => self.select(&pattern, &topics),
            Action::Produce { topic, workload } => self.produce(&topic, &workload).await,
            Action::BeginLoad { topic, workload, records_per_second } => {
                self.begin_load(&topic, &workload, records_per_second)
            }
            Action::AwaitLoad => self.await_load().await,
            Action::Prefill { topic, records_per_partition } => {
                self.prefill(&topic, records_per_partition).await
            }
            Action::StartSubject(options) => self.start_subject(options).await,
            Action::AwaitReady => self.await_ready().await,
            Action::StopSubject => self.stop_subject().await,
            Action::KillSubject => self.kill_subject().await,
            Action::FreezeSubject => self.freeze_subject().await,
            Action::ThawSubject { after_ms } => {
                self.thaw_subject(Duration::from_millis(after_ms)).await
            }
            Action::AddInstance(options) => self.add_instance(options).await,
            Action::RemoveInstance => self.remove_instance().await,
            Action::GrowTopic { side, topic, partitions } => {
                self.grow_topic(side, &topic, partitions).await
            }
            Action::Outrun { topic } => self.outrun(&topic).await,
            Action::RecreateTopic { topic, partitions } => {
                self.recreate_topic(&topic, partitions).await
            }
            Action::SkipGap { topic } => self.skip_gap(&topic).await,
            Action::KillBroker { side, broker } => self.kill_broker(side, broker).await,
            Action::StartBroker { side, broker } => self.start_broker(side, broker).await,
            Action::KillCluster { side } => self.kill_cluster(side).await,
            Action::StartCluster { side } => self.start_cluster(side).await,
            Action::Wait { seconds } => {
                tokio::time::sleep(Duration::from_secs(seconds.into())).await;
                Ok(())
            }
            Action::AwaitExit { saying } => self.await_exit(&saying).await,
            Action::AwaitRecords { topic, records } => self.await_records(&topic, records).await,
            Action::TrimSource { topic } => self.trim_source(&topic).await,
            Action::ConsumeOnSource { topic, percent } => {
                self.consume_on_source(&topic, percent).await
            }
            Action::AwaitTranslation { topic } => self.await_translation(&topic).await,
            Action::Finish => self.finish().await,
            Action::ResumeOnDestination { topic } => self.resume_on_destination(&topic).await,
        }
    }

    /// What the subject declares, as it was started last.
    pub fn contract(&self) -> Contract {
        let old_consumer =
            self.pair.source.containers().is_ok_and(|cluster| cluster.version().has_old_consumer());
        self.settings.subject.contract(&self.options, old_consumer)
    }

    /// Judges what has been observed.
    pub fn judge(&self) -> Judgement {
        judge::judge(&self.history, &self.contract())
    }

    /// What has been observed.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// What has been done so far, to be stored and repeated.
    pub fn plan(&self) -> Plan {
        Plan { version: Plan::VERSION, seed: self.seed, actions: self.actions.clone() }
    }

    /// How often the subject was started, and what it uses of the machine; `None` if it does not run.
    pub async fn usage(&self) -> Option<(u32, Usage)> {
        let usage = self.subject.as_ref()?.usage().await.ok()?;
        Some((self.incarnation, usage))
    }

    /// Logs of the subject, relative to the run folder.
    pub fn logs(&self) -> Vec<String> {
        let relative =
            self.folder.strip_prefix(self.settings.run_dir.path()).unwrap_or(&self.folder);
        (1..=self.incarnation)
            .map(|start| relative.join(format!("subject-{start}.log")).display().to_string())
            .collect()
    }

    /// Ends the subject, deletes the scenario's topics, and keeps the plan.
    pub async fn close(mut self) -> Result<(), TestbedError> {
        if let Ok(plan) = serde_json::to_string_pretty(&self.plan()) {
            let folder = self.folder.strip_prefix(self.settings.run_dir.path());
            let name = folder.unwrap_or(&self.folder).join("plan.json");
            self.settings.run_dir.write(&name.display().to_string(), &plan);
        }
        for subject in self.subject.take().into_iter().chain(std::mem::take(&mut self.others)) {
            subject.kill().await;
        }
        // Their clients take up to a tenth of a second each to end.
        let followers = (self.tail.take(), self.sampler.take(), std::mem::take(&mut self.readers));
        let producers = self.producers.clone();
        blocking(move || {
            drop(followers);
            producers.close();
            Ok::<_, TestbedError>(())
        })
        .await?;
        for topic in &self.history.topics {
            // Whoever made them: the subject may have.
            self.pair.source.delete_topic(&topic.source).await?;
            self.pair.destination.delete_topic(&topic.destination).await?;
        }
        for group in [self.group(), self.application.clone()] {
            self.pair.source.delete_group(&group).await?;
            self.pair.destination.delete_group(&group).await?;
        }
        Ok(())
    }

    fn finished(&self) -> Option<&Completion> {
        self.history.completion.as_ref()
    }

    fn log(&self, text: &str) {
        self.settings.run_dir.log(&self.name, text);
    }

    fn watched(&self) -> Vec<Watched> {
        self.watched_if(|topic| topic.selected)
    }

    fn watched_if(&self, wanted: impl Fn(&judge::history::Topic) -> bool) -> Vec<Watched> {
        let topics = self.history.topics.iter().enumerate();
        topics
            .filter(|(_, topic)| wanted(topic))
            .map(|(index, topic)| Watched {
                index: index as TopicIndex,
                source: topic.source.clone(),
                destination: topic.destination.clone(),
            })
            .collect()
    }

    fn group(&self) -> String {
        format!("{}mirrorgroup", self.prefix)
    }

    fn store(&self) -> Store {
        match self.contract().progress {
            contract::Progress::Group => Store::Group(self.group()),
            contract::Progress::ZooKeeper => match self.pair.source.containers() {
                Ok(cluster) => {
                    Store::ZooKeeper { connect: cluster.zookeeper(), group: self.group() }
                }
                Err(_) => Store::Unknown,
            },
            contract::Progress::Unknown => Store::Unknown,
        }
    }

    fn new_progress(&self) -> Result<Progress, ClusterError> {
        Progress::new(self.store(), &self.pair)
    }
}

/// Whether it asks what the source holds, which must not change meanwhile.
fn needs_rest(action: &Action) -> bool {
    matches!(
        action,
        Action::GrowTopic { .. }
            | Action::Outrun { .. }
            | Action::RecreateTopic { .. }
            | Action::SkipGap { .. }
            | Action::TrimSource { .. }
            | Action::ConsumeOnSource { .. }
    )
}

impl std::fmt::Debug for Testbed {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Testbed").field("name", &self.name).finish_non_exhaustive()
    }
}
