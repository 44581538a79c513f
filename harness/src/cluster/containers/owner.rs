//! Whose containers these are, and whether that owner still lives.
//!
//! Every container and network carries the label of its run and the path of a lock file that the
//! run's process holds. The operating system releases the lock however that process ends, so what
//! a killed run left behind is told apart from what a living one still uses, without a daemon.

use super::EngineError;
use std::{
    collections::HashMap,
    fs::{File, TryLockError},
    path::{Path, PathBuf},
};

/// On everything that this program makes: `mirrorproof=1`.
pub const LABEL: &str = "mirrorproof";
/// The run's id.
pub const RUN_LABEL: &str = "mirrorproof.run";
/// The path of the owner's lock file, or [`DETACHED`].
pub const OWNER_LABEL: &str = "mirrorproof.owner";
/// The pair of clusters within the run.
pub(super) const PAIR_LABEL: &str = "mirrorproof.pair";
/// The owner of what is meant to outlive its process (`mirrorproof up`).
pub const DETACHED: &str = "detached";

/// A run and its owner; what it labels belongs to this process for as long as this value lives.
#[derive(Debug)]
pub struct RunLabel {
    run: String,
    lock: Option<Lock>,
}

#[derive(Debug)]
struct Lock {
    path: PathBuf,
    // Held open: closing it releases the lock.
    _file: File,
}

impl RunLabel {
    /// A run of this process. Its id becomes part of host names: short, lower-case.
    pub fn held(run: &str) -> Result<RunLabel, EngineError> {
        check(run)?;
        let folder = std::env::temp_dir().join("mirrorproof");
        std::fs::create_dir_all(&folder).map_err(EngineError::file(&folder))?;
        let path = folder.join(format!("{run}.lock"));
        let file = File::create(&path).map_err(EngineError::file(&path))?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => {
                EngineError::Unsupported(format!("the run {run} belongs to another process"))
            }
            TryLockError::Error(source) => EngineError::File { path: path.clone(), source },
        })?;
        Ok(RunLabel { run: run.into(), lock: Some(Lock { path, _file: file }) })
    }

    /// A run that outlives this process.
    pub fn detached(run: &str) -> Result<RunLabel, EngineError> {
        check(run)?;
        Ok(RunLabel { run: run.into(), lock: None })
    }

    /// The run's id.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// The owner, as the label says it.
    pub fn owner(&self) -> String {
        match &self.lock {
            Some(lock) => lock.path.display().to_string(),
            None => DETACHED.into(),
        }
    }

    /// The labels of everything that this run makes.
    pub(super) fn labels(&self) -> HashMap<String, String> {
        [(LABEL, "1".into()), (RUN_LABEL, self.run.clone()), (OWNER_LABEL, self.owner())]
            .map(|(key, value)| (key.to_owned(), value))
            .into()
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A file that stays is harmless (nobody holds it), so a failure to remove it is too.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// What is known of an owner, from the label alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// Its process runs.
    Alive,
    /// It meant to leave these behind.
    Detached,
    /// Its process has ended.
    Gone,
}

impl Owner {
    pub(super) fn of(label: Option<&str>) -> Owner {
        match label {
            Some(DETACHED) => Owner::Detached,
            Some(path) => match File::open(Path::new(path)).map(|file| file.try_lock()) {
                // Locked only for the moment: dropping the file releases it.
                Ok(Ok(())) => Owner::Gone,
                Ok(Err(_)) => Owner::Alive,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Owner::Gone,
                // Not ours to read: another user's, and better left alone.
                Err(_) => Owner::Alive,
            },
            None => Owner::Gone,
        }
    }
}

fn check(run: &str) -> Result<(), EngineError> {
    // A host name is at most 63 characters, of which ours take up to 30.
    let fits = (1..=24).contains(&run.len());
    let plain = run.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if fits && plain {
        return Ok(());
    }
    Err(EngineError::Unsupported(format!(
        "`{run}` cannot be part of a host name: use 1 to 24 of a-z, 0-9 and -"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_lives_as_long_as_its_label() {
        let label = RunLabel::held(&format!("test-{}", std::process::id())).unwrap();
        let owner = label.owner();
        assert_eq!(Owner::of(Some(&owner)), Owner::Alive);
        assert!(RunLabel::held(label.run()).is_err(), "one owner at a time");
        drop(label);
        assert_eq!(Owner::of(Some(&owner)), Owner::Gone);
        assert_eq!(Owner::of(Some(DETACHED)), Owner::Detached);
        assert_eq!(Owner::of(None), Owner::Gone);
    }

    #[test]
    fn a_run_must_fit_a_host_name() {
        for run in ["", "Upper", "under_score", "much-too-long-for-a-host-name"] {
            assert!(RunLabel::detached(run).is_err(), "{run}");
        }
    }
}
