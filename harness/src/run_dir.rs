//! The run's folder: what happened when, and what every subject wrote.
//!
//! A write that fails does not end the experiment, it is remembered: the front door asks for it and
//! reports an environment failure, so that a full disk is never mistaken for a verdict.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Mutex, OnceLock},
    time::Instant,
};

/// The folder of one run.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    events: Mutex<File>,
    started: Instant,
    failure: OnceLock<String>,
}

/// The folder could not be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "use the run folder {}: {source}; give another one with --report DIR",
    path.display()
)]
pub struct RunDirError {
    /// Which file or folder.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl RunDir {
    /// Creates the folder and its `events.log`.
    pub fn create(path: &Path) -> Result<RunDir, RunDirError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| RunDirError { path, source }
        };
        fs::create_dir_all(path).map_err(failed(path))?;
        let path = path.canonicalize().map_err(failed(path))?;
        let log = path.join("events.log");
        let events =
            OpenOptions::new().create(true).append(true).open(&log).map_err(failed(&log))?;
        Ok(RunDir {
            path,
            events: events.into(),
            started: Instant::now(),
            failure: OnceLock::new(),
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds one line to `events.log`: seconds since the start, the scenario, what happened.
    pub fn log(&self, scenario: &str, text: &str) {
        let seconds = self.started.elapsed().as_secs_f64();
        let mut file = self.events.lock().unwrap_or_else(|lock| lock.into_inner());
        let line = format!("{seconds:9.3} {scenario}: {}\n", text.replace('\n', "\n          | "));
        if let Err(error) = file.write_all(line.as_bytes()) {
            self.remember(&self.path.join("events.log"), error);
        }
    }

    /// Writes a whole file, replacing what was there.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.path.join(name);
        if let Err(error) = fs::write(&path, text) {
            self.remember(&path, error);
        }
    }

    /// Creates a folder for one scenario.
    pub fn scenario(&self, name: &str) -> PathBuf {
        let path = self.path.join("scenarios").join(name);
        if let Err(error) = fs::create_dir_all(&path) {
            self.remember(&path, error);
        }
        path
    }

    /// The first write that failed, if any.
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    fn remember(&self, path: &Path, source: io::Error) {
        let error = RunDirError { path: path.to_owned(), source };
        // Only the first failure is told: the others follow from it.
        self.failure.get_or_init(|| error.to_string());
    }
}
