//! Plans that are performed by processes of their own. librdkafka's mock brokers live in the process that uses them,
//! and end it when one of their assertions fails: so does `rdkafka_mock_cgrp.c` (2.12.1) when a member sends its
//! SyncGroup again while the first waits for an answer. One plan must not take the others with it.
//!
//! A worker is this program's own hidden `perform`. It gets one order at a time as a line of JSON, answers with a
//! line, and ends when nobody can give it another. One that has died is told apart by how: an assertion of the
//! mock says nothing about the subject, and everything else is a failure of ours.

use crate::{
    trial::{self, Outcome, Trial},
    world::Failure,
};
use harness::{
    cluster::{Backend, pool::Pool},
    subject::Spec,
};
use judge::plan::Plan;
use nix::libc::SIGABRT;
use serde::{Deserialize, Serialize};
use std::{
    collections::VecDeque,
    ffi::OsString,
    io::{self, Write as _},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::mpsc,
    task::JoinHandle,
    time::timeout,
};

/// How much longer than its plan may take a worker is waited for.
const ANSWERS: Duration = Duration::from_secs(60);
/// How long a worker that says nothing more may take to end, and what it last said to arrive.
const ENDS: Duration = Duration::from_secs(10);
/// So many of its last lines are kept.
const KEPT: usize = 20;

/// A plan to be performed.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    subject: Spec,
    folder: PathBuf,
    number: usize,
    plan: Plan,
}

/// As many workers as there are plans at once.
#[derive(Debug)]
pub struct Workers {
    line: Vec<OsString>,
    idle: Mutex<Vec<Worker>>,
}

impl Workers {
    /// Workers that `executable`, this program, is.
    pub fn of(executable: &Path) -> Workers {
        Workers::by(vec![executable.into(), "perform".into()])
    }

    /// Workers that a command line is, the program first.
    pub fn by(line: Vec<OsString>) -> Workers {
        Workers { line, idle: Mutex::default() }
    }

    /// Performs a plan by one of them. Its worker ends with this future if nobody waits for it any more.
    pub async fn perform(&self, subject: Spec, folder: &Path, number: usize, plan: &Plan) -> Trial {
        let started = Instant::now();
        let (folder, plan) = (folder.to_owned(), plan.clone());
        let order = Order { subject, folder, number, plan };
        self.answer(&order).await.unwrap_or_else(|failure| {
            let seconds = started.elapsed().as_secs_f64();
            Trial { outcome: Outcome::Failed(failure), seconds }
        })
    }

    async fn answer(&self, order: &Order) -> Result<Trial, Failure> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut worker = match idle {
            Some(worker) => worker,
            None => Worker::start(&self.line).map_err(|error| {
                broken(format!("failed to start {}: {error}", self.line[0].display()))
            })?,
        };
        let limit = trial::limit(&order.plan, Backend::Embedded) + ANSWERS;
        let trial = match timeout(limit, worker.ask(order)).await {
            Ok(Ok(Some(line))) => serde_json::from_str(&line)
                .map_err(|error| broken(format!("a plan's process said {line:?}: {error}")))?,
            Ok(_) => return Err(worker.death().await),
            Err(_) => {
                let seconds = limit.as_secs();
                return Err(broken(format!("a plan's process said nothing for {seconds} s")));
            }
        };
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
        Ok(trial)
    }
}

/// One process. It is killed when this is dropped, and its subject's supervisor then ends the subject.
#[derive(Debug)]
struct Worker {
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    said: Arc<Mutex<VecDeque<String>>>,
    listener: JoinHandle<()>,
}

impl Worker {
    fn start(line: &[OsString]) -> io::Result<Worker> {
        let mut child = Command::new(&line[0])
            .args(&line[1..])
            // Ctrl-C is for the run alone, which then ends its workers.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(orders), Some(answers), Some(errors)) = pipes else {
            return Err(io::Error::other("it has no pipes"));
        };
        let said = Arc::<Mutex<VecDeque<String>>>::default();
        let kept = said.clone();
        let listener = tokio::spawn(async move {
            let mut lines = BufReader::new(errors).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                keep(&kept, line);
            }
        });
        let answers = BufReader::new(answers).lines();
        Ok(Worker { child, orders, answers, said, listener })
    }

    /// Gives it an order; `None`: it ended without an answer.
    async fn ask(&mut self, order: &Order) -> io::Result<Option<String>> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let line = serde_json::to_string(order)?;
        self.orders.write_all(format!("{line}\n").as_bytes()).await?;
        self.answers.next_line().await
    }

    /// Why it gave no answer.
    async fn death(mut self) -> Failure {
        let Ok(Ok(status)) = timeout(ENDS, self.child.wait()).await else {
            return broken("a plan's process closed its output and went on".into());
        };
        let _ = timeout(ENDS, &mut self.listener).await;
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        death(status, &said.iter().cloned().collect::<Vec<_>>())
    }
}

/// What a worker's end says about its plan, which it was performing.
fn death(status: ExitStatus, said: &[String]) -> Failure {
    let assertion = said.iter().find_map(|line| assertion_of_the_mock(line));
    match assertion {
        Some(assertion) if status.signal() == Some(SIGABRT) => Failure::Inconclusive(format!(
            "librdkafka's mock brokers ended their process themselves: {assertion}"
        )),
        _ => broken(format!(
            "a plan's process ended ({status}) and had said: {}",
            if said.is_empty() { "nothing".to_owned() } else { said.join(" | ") }
        )),
    }
}

/// An assertion's message as the C library writes it, from the name of the file on, if it is a file of the mock's.
fn assertion_of_the_mock(line: &str) -> Option<&str> {
    let (before, _) = line.split_once(": Assertion `")?;
    Some(&line[before.rfind("rdkafka_mock")?..])
}

fn broken(reason: String) -> Failure {
    Failure::Broken(reason)
}

/// Keeps a line of a worker's errors, and hands it on unless it is told with its plan.
fn keep(said: &Mutex<VecDeque<String>>, line: String) {
    if assertion_of_the_mock(&line).is_none() {
        drop(writeln!(io::stderr(), "{line}"));
    }
    let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
    if said.len() == KEPT {
        said.pop_front();
    }
    said.push_back(line);
}

/// A worker: performs what it is told until standard input ends, be it in the middle of a plan.
pub async fn work() -> io::Result<()> {
    let pool = Pool::embedded();
    let (reader, mut orders) = mpsc::channel(1);
    // A thread of its own, because nothing can end a read of standard input.
    std::thread::spawn(move || io::stdin().lines().try_for_each(|line| reader.blocking_send(line)));
    while let Some(line) = orders.recv().await {
        let line = line?;
        let Order { subject, folder, number, plan } = serde_json::from_str(&line)?;
        let mut nobody = ();
        let trial = tokio::select! {
            trial = trial::perform(&pool, subject, &folder, number, &plan, &mut nobody) => trial,
            // Whoever gives the orders waits for an answer before the next: this is the end.
            _ = orders.recv() => return Ok(()),
        };
        writeln!(io::stdout(), "{}", serde_json::to_string(&trial)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use harness::subject::{Kind, properties::Properties};
    use judge::verdict::Verdict;
    use tempfile::TempDir;

    /// The first worker of a run dies as `dies` says when it has its order, and later ones answer.
    async fn performed(dies: &str) -> (Outcome, Outcome) {
        let place = TempDir::new().expect("a folder");
        let script = format!(
            r#"read -r order
            if mkdir "$0/died" 2> /dev/null; then {dies}
            fi
            echo '{{"outcome": {{"failed": {{"inconclusive": "answered"}}}}, "seconds": 1.0}}'
            read -r order"#
        );
        let words = ["sh", "-c", &script].map(OsString::from);
        let line = words.into_iter().chain([place.path().into()]).collect();
        let workers = Workers::by(line);
        let subject = Spec {
            kind: Kind::Mirror,
            executable: PathBuf::from("none"),
            consumer: Properties::new(),
            producer: Properties::new(),
            contract: None,
        };
        let plan = Plan { version: Plan::VERSION, seed: 1, actions: Vec::new() };
        let perform = || workers.perform(subject.clone(), place.path(), 1, &plan);
        (perform().await.outcome, perform().await.outcome)
    }

    async fn check(dies: &str, verdict: Option<Verdict>, reason: &str) {
        let (first, second) = performed(dies).await;
        assert_eq!(first.verdict(), verdict, "{first:?}");
        assert!(first.reason().contains(reason), "{first:?}");
        assert_eq!(second.reason(), "answered");
    }

    const ASSERTION: &str = "m: /src/rdkafka_mock_cgrp.c:243: sync_set: Assertion `!member->resp'";

    #[tokio::test]
    async fn a_plan_whose_mock_asserts_is_inconclusive_and_the_next_has_another_worker() {
        let dies = format!("echo \"{}\" >&2; kill -ABRT $$", ASSERTION.replace('`', "\\`"));
        let told = "themselves: rdkafka_mock_cgrp.c:243: sync_set: Assertion `!member->resp'";
        check(&dies, Some(Verdict::Inconclusive), told).await;
    }

    #[tokio::test]
    async fn any_other_death_is_a_failure_and_told_with_what_was_said() {
        let asserts = format!("echo \"{}\" >&2", ASSERTION.replace('`', "\\`"));
        check(&format!("{asserts}; kill -SEGV $$"), None, "SIGSEGV").await;
        check(&format!("{asserts}; exit 101"), None, "101").await;
        let other = asserts.replace("_mock_cgrp", "_queue");
        check(&format!("{other}; kill -ABRT $$"), None, "rdkafka_queue.c:243").await;
        check("echo 'thread panicked' >&2; exit 101", None, "thread panicked").await;
        check("exit 0", None, "nothing").await;
        check("echo no answer; read -r order", None, "no answer").await;
    }
}
