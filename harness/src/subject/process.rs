//! A subject that is a process on this machine.
//!
//! It runs in a process group of its own, so that a signal reaches what it starts too, and under a
//! supervisor (this program's own `supervise`), which ends the group when the harness is gone in
//! any way, `kill -9` included. Its output is written to a file by the harness, so that a full disk
//! or a limit of a file's size is never the subject's trouble.
//!
//! The subject lives as long as the program that was named. When that ends unasked, what it started
//! is killed with it: else a mirror would go on that nobody owns any more. So a launcher has to become
//! its mirror (`exec`) or to wait for it. Asked to stop, a launcher may be gone first: the signal
//! went to the whole group, and whoever got it may finish. How it all ended is what the program says.

use super::{SubjectError, Usage};
use nix::{
    errno::Errno,
    sys::{
        prctl::set_child_subreaper,
        signal::{Signal, kill, killpg},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};
use std::{
    fs::File,
    io::{PipeReader, Read, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::{net::UnixStream, process::ExitStatusExt},
    },
    path::{Path, PathBuf},
    process::{ExitCode, ExitStatus, Stdio},
    thread::JoinHandle,
    time::{Duration, Instant},
};
use tokio::{
    process::{Child, Command},
    runtime::{self, Runtime},
    signal::unix::{self, SignalKind, signal},
};

/// How long a subject may take to stop after its stop signal.
pub const STOP_LIMIT: Duration = Duration::from_secs(30);
/// How long a command may take from its start until it runs.
const STARTS: Duration = Duration::from_secs(20);
/// How long a command may take from then until it handles its stop signal. Not every program does.
const LISTENS: Duration = Duration::from_secs(2);
/// How long the end of its output is waited for once it is gone. Only somebody that it has handed its
/// output to, and that it did not start, holds it open for so long.
const LAST_OUTPUT: Duration = Duration::from_secs(1);
/// How much later than the end of a command its supervisor may learn of the signal that ended both.
const TOLD: Duration = Duration::from_millis(20);

/// A running process group; it is killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    group: Pid,
    /// The supervisor says here that the command listens, and kills the group when this is closed.
    supervisor: UnixStream,
    output: PathBuf,
    /// Ends when all output is in the file.
    keeper: JoinHandle<()>,
}

impl Process {
    /// Starts a command line (the program first) below the supervisor `executable supervise`; its
    /// output goes to the file `output`.
    pub fn start(
        executable: &Path,
        line: &[String],
        folder: &Path,
        output: &Path,
    ) -> Result<Process, SubjectError> {
        let program = line.first().cloned().unwrap_or_default();
        let failed = |source| SubjectError::Start { program: program.clone(), source };
        let log = File::create(output).map_err(failed)?;
        let (reader, writer) = std::io::pipe().map_err(failed)?;
        let (supervisor, other_end) = UnixStream::pair().map_err(failed)?;
        supervisor.set_read_timeout(Some(STARTS)).map_err(failed)?;
        let child = Command::new(executable)
            .args(["supervise", "--"])
            .args(line)
            .current_dir(folder)
            .process_group(0)
            .stdin(OwnedFd::from(other_end))
            .stdout(writer.try_clone().map_err(failed)?)
            .stderr(writer)
            .spawn()
            .map_err(failed)?;
        let group = Pid::from_raw(child.id().unwrap_or_default() as i32);
        assert!(group.as_raw() > 1, "a child that was not awaited has a process id");
        let output = output.to_owned();
        let path = output.clone();
        let keeper = std::thread::spawn(move || keep(reader, log, &path));
        Ok(Process { supervisor, child, group, output, keeper })
    }

    /// Where its output goes.
    pub fn output(&self) -> &Path {
        &self.output
    }

    /// How it ended, if it has.
    pub async fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().ok().flatten()?;
        self.await_last_output().await;
        Some(status)
    }

    /// What it wrote last is what explains its end.
    async fn await_last_output(&self) {
        let gone = Instant::now();
        while !self.keeper.is_finished() && gone.elapsed() < LAST_OUTPUT {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Asks the command to stop, by SIGTERM to the whole group.
    pub fn ask_to_stop(&self) {
        // Not before it listens: a signal that is not handled yet would end it on the spot. The end
        // of the stream means that it never will.
        drop((&self.supervisor).read(&mut [0]));
        self.signal(Signal::SIGTERM);
    }

    /// Freezes the whole group. If the harness ends meanwhile, the system lets it go on (setpgid(2): an orphaned
    /// group), and its supervisor ends it.
    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets the group go on.
    pub fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// What the command uses of the machine, if it still runs; what it starts itself is not counted.
    pub fn usage(&self) -> Option<Usage> {
        let supervisor = self.child.id()?;
        let children = format!("/proc/{supervisor}/task/{supervisor}/children");
        let children = std::fs::read_to_string(children).ok()?;
        Usage::of_process(children.split_whitespace().next()?.parse().ok()?)
    }

    fn signal(&self, signal: Signal) {
        // The group may have ended meanwhile: then there is nobody to tell.
        let _ = killpg(self.group, signal);
    }

    /// Waits until it has ended.
    pub async fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let status = tokio::time::timeout(limit, self.child.wait()).await.ok()?.ok()?;
        self.await_last_output().await;
        Some(status)
    }

    /// Kills the group and waits until it is gone.
    pub async fn kill(&mut self) -> Option<ExitStatus> {
        self.signal(Signal::SIGKILL);
        self.wait(Duration::from_secs(10)).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.child.try_wait().ok().flatten().is_none() {
            self.signal(Signal::SIGKILL);
        }
    }
}

/// Writes the output to its file until nobody can write any more. What the file does not take is
/// dropped: the subject must neither wait nor end for it.
fn keep(mut output: PipeReader, mut file: File, path: &Path) {
    let mut buffer = [0; 8192];
    let mut taken = true;
    loop {
        let read = match output.read(&mut buffer) {
            Ok(0) => return,
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        if taken && let Err(error) = file.write_all(&buffer[..read]) {
            taken = false;
            tracing::warn!("the subject's output is cut off in {}: {error}", path.display());
        }
    }
}

/// The supervisor: runs a command in its own process group until it ends, or until its standard
/// input, a socket, is closed because the harness is gone. Ends as the command did, and after all that
/// the command started.
pub fn supervise(program: &str, arguments: &[String]) -> ExitCode {
    // Signals for the group are the command's to handle. Handlers, unlike a mask, are not inherited
    // by it: exec sets them back.
    let (runtime, mut asked_to_stop) = match catch_signals() {
        Ok(caught) => caught,
        Err(error) => {
            tell(&format!("failed to catch signals: {error}"));
            return ExitCode::FAILURE;
        }
    };
    // Whoever loses its parent becomes our child, whatever group it is in.
    if let Err(error) = set_child_subreaper(true) {
        tell(&format!("failed to take on what {program} leaves behind: {error}"));
    }
    let started = std::process::Command::new(program).args(arguments).stdin(Stdio::null()).spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => {
            tell(&format!("failed to start {program}: {error}"));
            return ExitCode::from(127);
        }
    };
    let mut harness = match std::io::stdin().as_fd().try_clone_to_owned() {
        Ok(stdin) => UnixStream::from(stdin),
        Err(error) => {
            tell(&format!("failed to reach the harness: {error}"));
            drop(child.kill());
            return ExitCode::FAILURE;
        }
    };
    let command = child.id();
    std::thread::spawn(move || {
        let started = Instant::now();
        while started.elapsed() < LISTENS && !handles_sigterm(command) {
            std::thread::sleep(Duration::from_millis(2));
        }
        drop(harness.write_all(&[1]));
        // Whatever the reason, an end of the pipe means that nobody is left to own this group.
        drop(harness.read_to_end(&mut Vec::new()));
        let _ = killpg(nix::unistd::getpgrp(), Signal::SIGKILL);
    });
    let ended = child.wait();
    let told = async { tokio::time::timeout(TOLD, asked_to_stop.recv()).await.is_ok() };
    if runtime.block_on(told) {
        await_the_group();
    } else if !children().is_empty() {
        tell(&format!(
            "{program} ended and left processes behind, which are killed: a launcher has to exec its \
             mirror, or to wait for it"
        ));
    }
    end_the_rest();
    match ended {
        Ok(status) => {
            let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
            ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
        }
        Err(error) => {
            tell(&format!("failed to wait for {program}: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Waits for whoever of the command's group is still at it: all of it was asked to stop. The harness
/// kills the group if that takes too long.
fn await_the_group() {
    let of_our_group = Pid::from_raw(0);
    while waitpid(of_our_group, None) != Err(Errno::ECHILD) {}
}

/// Kills what is left, and waits until it is gone. Those that lose their parent by that come next.
fn end_the_rest() {
    loop {
        let left = children();
        if left.is_empty() {
            return;
        }
        for child in left {
            // Until it is waited for below, its id is its own.
            let _ = kill(child, Signal::SIGKILL);
        }
        let _ = waitpid(None, None);
    }
}

/// Our children that still run.
fn children() -> Vec<Pid> {
    let none_has_ended = |found| matches!(found, Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD));
    while !none_has_ended(waitpid(None, Some(WaitPidFlag::WNOHANG))) {}
    let listed = std::fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
    listed.split_whitespace().filter_map(|id| id.parse().ok()).map(Pid::from_raw).collect()
}

/// Whether a process handles SIGTERM, or is gone (proc(5): `SigCgt` has a bit for each signal).
fn handles_sigterm(process: u32) -> bool {
    let Ok(status) = std::fs::read_to_string(format!("/proc/{process}/status")) else {
        return true;
    };
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    caught.is_none_or(|mask| mask & (1 << (Signal::SIGTERM as u64 - 1)) != 0)
}

/// Installs handlers that do nothing, for as long as the process lives. Returns who tells of SIGTERM.
fn catch_signals() -> std::io::Result<(Runtime, unix::Signal)> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let context = runtime.enter();
    for kind in [SignalKind::interrupt(), SignalKind::hangup(), SignalKind::quit()] {
        drop(signal(kind)?);
    }
    let asked_to_stop = signal(SignalKind::terminate())?;
    drop(context);
    Ok((runtime, asked_to_stop))
}

fn tell(text: &str) {
    use std::io::Write;
    // The log of the subject; if it cannot be written there is nobody to tell.
    drop(writeln!(std::io::stderr(), "{text}"));
}
