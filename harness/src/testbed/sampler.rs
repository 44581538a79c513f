//! Watching the subject's committed positions while it works.

use crate::{
    cluster::ClusterError,
    observe::progress::{Progress, Watched},
};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

/// A thread that samples progress; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Sampler {
    progress: Arc<Mutex<Progress>>,
    watched: Arc<Mutex<Vec<Watched>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Sampler {
    /// Samples every `interval` from now on.
    pub(super) fn start(progress: Progress, watched: Vec<Watched>, interval: Duration) -> Sampler {
        let progress = Arc::new(Mutex::new(progress));
        let watched = Arc::new(Mutex::new(watched));
        let stop = Arc::new(AtomicBool::new(false));
        let (shared, topics, stopped) = (progress.clone(), watched.clone(), stop.clone());
        let runtime = tokio::runtime::Handle::current();
        let thread = std::thread::spawn(move || {
            let _runtime = runtime.enter();
            while !stopped.load(Ordering::Relaxed) {
                let topics = lock(&topics).clone();
                // A cluster that is away for a while is seen by those who wait for it.
                drop(lock(&shared).glance(&topics));
                std::thread::park_timeout(interval);
            }
        });
        Sampler { progress, watched, stop, thread: Some(thread) }
    }

    /// Replaces the topics that are looked at.
    pub(super) fn watch(&self, watched: Vec<Watched>) {
        *lock(&self.watched) = watched;
    }

    /// Calls `read` with the progress, on a thread that may block.
    pub(super) async fn with<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Progress, &[Watched]) -> Result<T, ClusterError> + Send + 'static,
    ) -> Result<T, ClusterError> {
        let (progress, watched) = (self.progress.clone(), self.watched.clone());
        super::blocking(move || {
            let topics = lock(&watched).clone();
            read(&mut lock(&progress), &topics)
        })
        .await
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It only fails if it panicked, and then there is nothing left to end.
            drop(thread.join());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
