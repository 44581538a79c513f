//! A run of our mirror as a user has it: a program with two properties files, an exit code and a log.

use harness::{
    cluster::{Cluster, Pair, client::Isolation},
    observe::read::read_topic,
};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

/// A run that lasts longer is ended, and has failed.
const DEADLINE: Duration = Duration::from_secs(90);
const LOOK: Duration = Duration::from_millis(50);

/// A mirror that runs.
pub(crate) struct Running {
    child: Child,
    began: Instant,
    log: PathBuf,
    report: PathBuf,
}

/// How a run of the mirror ended.
pub(crate) struct Ended {
    /// `None` if it had to be killed.
    pub(crate) code: Option<i32>,
    pub(crate) output: String,
    pub(crate) report: String,
    pub(crate) took: Duration,
}

impl Running {
    /// Starts one with these properties. What it writes is kept in files beside them, in a folder that is made.
    pub(crate) fn start(
        folder: &Path,
        arguments: &[&str],
        consumer: &str,
        producer: &str,
        log_level: &str,
    ) -> Result<Running, String> {
        fs::create_dir_all(folder).map_err(text_of)?;
        let file = |name: &str| folder.join(name);
        let create = |name| File::create(file(name)).map_err(text_of);
        fs::write(file("consumer.properties"), consumer).map_err(text_of)?;
        fs::write(file("producer.properties"), producer).map_err(text_of)?;
        let child = Command::new(env!("CARGO_BIN_EXE_mirrorproof"))
            .arg("mirror")
            .args(arguments)
            .arg("--consumer.config")
            .arg(file("consumer.properties"))
            .arg("--producer.config")
            .arg(file("producer.properties"))
            .env("RUST_LOG", log_level)
            .stdout(create("report.json")?)
            .stderr(create("mirror.log")?)
            .spawn()
            .map_err(text_of)?;
        let (log, report) = (file("mirror.log"), file("report.json"));
        Ok(Running { child, began: Instant::now(), log, report })
    }

    /// Starts one between these clusters. `producer` are its properties besides the address.
    pub(crate) fn between(
        pair: &Pair,
        group: &str,
        folder: &Path,
        arguments: &[&str],
        producer: &str,
    ) -> Result<Running, String> {
        let consumer = format!("bootstrap.servers={}\ngroup.id={group}\n", pair.source.bootstrap());
        let producer = format!("bootstrap.servers={}\n{producer}", pair.destination.bootstrap());
        Running::start(folder, arguments, &consumer, &producer, "info")
    }

    /// Waits until the log has these words; `false` if it ends before, or that takes half of all the time it has.
    pub(crate) fn comes_to(&mut self, words: &str) -> Result<bool, String> {
        while !lossy(&self.log)?.contains(words) {
            let has_ended = self.child.try_wait().map_err(text_of)?.is_some();
            if has_ended || self.began.elapsed() > DEADLINE / 2 {
                return Ok(false);
            }
            thread::sleep(LOOK);
        }
        Ok(true)
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> Result<Ended, String> {
        let code = loop {
            if let Some(status) = self.child.try_wait().map_err(text_of)? {
                break status.code();
            }
            if self.began.elapsed() > DEADLINE {
                // Its log is what explains it.
                break None;
            }
            thread::sleep(LOOK);
        };
        let took = self.began.elapsed();
        Ok(Ended { code, output: lossy(&self.log)?, report: lossy(&self.report)?, took })
    }
}

/// One that still runs ends with its test.
impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended has no need of either.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Everything of each record of a topic but its place, in an order of their own.
pub(crate) fn contents(cluster: &Cluster, topic: &str) -> Result<Vec<String>, String> {
    let read = read_topic(cluster.bootstrap(), topic, Isolation::ReadCommitted, DEADLINE);
    let read = read.map_err(|error| format!("failed to {error}"))?;
    let mut all: Vec<String> = read
        .records
        .iter()
        .map(|(_, _, content)| format!("{content:?} {}", content.digest()))
        .collect();
    all.sort();
    Ok(all)
}

fn text_of(error: std::io::Error) -> String {
    error.to_string()
}

fn lossy(path: &Path) -> Result<String, String> {
    Ok(String::from_utf8_lossy(&fs::read(path).map_err(text_of)?).into_owned())
}
