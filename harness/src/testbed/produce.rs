//! Writing to the source: at once, or at a pace while the plan goes on.

use super::{Testbed, TestbedError, blocking};
use crate::{
    cluster::ClusterError,
    workload::{
        generate::{self, Generated},
        pace::Pace,
        produce::Transactions,
    },
};
use judge::{
    history::{Outcome, Produced, RecordId, TopicIndex},
    plan::Workload,
};
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};
use tokio::task::JoinHandle;

/// Records that are being written while the plan goes on. It ends when this is dropped.
pub(super) struct Load {
    written: Written,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Vec<(RecordId, Outcome)>, ClusterError>>,
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// What is written by one step.
struct Written {
    topic: TopicIndex,
    /// A record without a readable id is in the truth, but cannot be looked up in the log.
    named: BTreeSet<RecordId>,
}

impl Testbed {
    /// Writes records, and waits until it is known what became of each.
    pub(super) async fn produce(
        &mut self,
        topic: &str,
        workload: &Workload,
    ) -> Result<(), TestbedError> {
        let (written, name, records) = self.generate(topic, workload)?;
        let (producers, transactions) = (self.producers.clone(), Transactions::of(workload));
        let log = blocking(move || producers.produce(&name, &records, transactions, Pace::AtOnce))
            .await?;
        self.note_produced(&written, log);
        Ok(())
    }

    /// Begins to write records at a pace.
    pub(super) fn begin_load(
        &mut self,
        topic: &str,
        workload: &Workload,
        records_per_second: u32,
    ) -> Result<(), TestbedError> {
        if records_per_second == 0 {
            return Err(TestbedError::Plan("a load of 0 records a second never ends".into()));
        }
        let (written, name, records) = self.generate(topic, workload)?;
        let (producers, transactions) = (self.producers.clone(), Transactions::of(workload));
        let stop = Arc::new(AtomicBool::new(false));
        let pace = Pace::Even { records_per_second, stop: stop.clone() };
        let thread = tokio::task::spawn_blocking(move || {
            producers.produce(&name, &records, transactions, pace)
        });
        self.loads.push(Load { written, stop, thread });
        Ok(())
    }

    /// Waits until everything is written that was begun.
    pub(super) async fn await_load(&mut self) -> Result<(), TestbedError> {
        for mut load in std::mem::take(&mut self.loads) {
            let log = match (&mut load.thread).await {
                Ok(log) => log?,
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            };
            self.note_produced(&load.written, log);
        }
        Ok(())
    }

    fn generate(
        &mut self,
        topic: &str,
        workload: &Workload,
    ) -> Result<(Written, String, Vec<Generated>), TestbedError> {
        let index = self.topic(topic)?;
        let name = self.history.topics[usize::from(index)].source.clone();
        let partitions = self.source_partitions(index);
        // Each produce step has a seed, and so a run, of its own: ids never collide.
        let seed = self.next_record_seed;
        self.next_record_seed = seed.wrapping_add(1);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        let records = generate::generate(workload, seed, seed, partitions, now);
        let named =
            records.iter().filter(|record| record.carries_id()).map(|record| record.id).collect();
        self.aborted |= workload.aborted_transactions > 0;
        Ok((Written { topic: index, named }, name, records))
    }

    fn note_produced(&mut self, written: &Written, log: Vec<(RecordId, Outcome)>) {
        let acknowledged = log.iter().filter(|(_, told)| *told == Outcome::Acknowledged).count();
        self.log(&format!("{acknowledged} of {} records acknowledged", log.len()));
        let written_now = log.iter().filter(|(_, told)| *told != Outcome::Failed).count();
        *self.history.written.entry(written.topic).or_default() += written_now as u64;
        // What comes behind an end has not been waited for.
        self.history.completion = None;
        let named = log.into_iter().filter(|(id, _)| written.named.contains(id));
        let topic = written.topic;
        self.history.produced.extend(named.map(|(id, outcome)| Produced { topic, id, outcome }));
    }
}
