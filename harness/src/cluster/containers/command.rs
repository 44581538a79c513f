//! Commands and logs: what is asked of a container that runs.

use super::{EngineError, Tail};
use bollard::{
    Docker,
    container::LogOutput,
    exec::{CreateExecOptions, StartExecResults},
    query_parameters::LogsOptionsBuilder,
};
use futures::StreamExt;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// A JVM on a busy machine starts in seconds; a command that waits for more has its own deadline.
pub(super) const EXEC_DEADLINE: Duration = Duration::from_secs(90);

/// What a command left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecOutput {
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    /// Its exit code.
    pub exit: i64,
}

/// Runs a command in a container, with `input` as its standard input.
pub(super) async fn exec(
    docker: &Docker,
    container: &str,
    command: &[&str],
    input: &[u8],
) -> Result<ExecOutput, EngineError> {
    let line = command.join(" ");
    let operation = format!("run `{line}` in {container}");
    tokio::time::timeout(EXEC_DEADLINE, run(docker, container, command, input))
        .await
        .map_err(|_| EngineError::Exec {
            container: container.to_owned(),
            command: line,
            deadline: EXEC_DEADLINE,
        })?
        .map_err(EngineError::request(operation))
}

async fn run(
    docker: &Docker,
    container: &str,
    command: &[&str],
    input: &[u8],
) -> Result<ExecOutput, bollard::errors::Error> {
    let options = CreateExecOptions {
        cmd: Some(command.to_vec()),
        attach_stdin: Some(!input.is_empty()),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        ..Default::default()
    };
    let id = docker.create_exec(container, options).await?.id;
    let mut result = ExecOutput::default();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    if let StartExecResults::Attached { mut output, input: mut stdin } =
        docker.start_exec(&id, None).await?
    {
        if !input.is_empty() {
            stdin.write_all(input).await?;
            // The end of the input: what a person does with Ctrl-D.
            stdin.shutdown().await?;
        }
        while let Some(piece) = output.next().await {
            match piece? {
                LogOutput::StdErr { message } => err.extend_from_slice(&message),
                LogOutput::StdOut { message } | LogOutput::Console { message } => {
                    out.extend_from_slice(&message);
                }
                LogOutput::StdIn { .. } => {}
            }
        }
    }
    result.stdout = String::from_utf8_lossy(&out).into_owned();
    result.stderr = String::from_utf8_lossy(&err).into_owned();
    result.exit = exit_code(docker, &id).await?;
    Ok(result)
}

/// The output may end a moment before the engine knows the exit code.
async fn exit_code(docker: &Docker, id: &str) -> Result<i64, bollard::errors::Error> {
    loop {
        if let Some(code) = docker.inspect_exec(id).await?.exit_code {
            return Ok(code);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The end of a container's log; empty if there is none, for it only ever explains another error.
pub(super) async fn log_tail(docker: &Docker, container: &str) -> Tail {
    let options =
        LogsOptionsBuilder::new().stdout(true).stderr(true).tail(&Tail::LINES.to_string()).build();
    let mut pieces = docker.logs(container, Some(options));
    let mut tail = Tail::default();
    while let Some(Ok(piece)) = pieces.next().await {
        tail.push(&piece.to_string());
    }
    tail
}
