//! What can go wrong between the harness and the engine: always the environment's failure.

use std::{fmt, path::PathBuf, time::Duration};

/// An error of this backend. Each message completes "failed to …" and ends with what helps.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No engine answers.
    #[error(
        "reach a Docker engine at {address}: {reason}\n  start it (for example `sudo systemctl start \
         docker`), or name another one in DOCKER_HOST; the embedded backend needs none"
    )]
    NotRunning {
        /// Where it was looked for.
        address: String,
        /// What the client said.
        reason: String,
    },
    /// The engine refused a request.
    #[error("{operation}: {source}")]
    Request {
        /// What was asked, and of what.
        operation: String,
        /// The engine's answer.
        source: bollard::errors::Error,
    },
    /// The image could not be built.
    #[error("build the image {image}: {reason}\n{output}  {}", build_hint(reason, output))]
    Build {
        /// Its name.
        image: String,
        /// The engine's last word.
        reason: String,
        /// The end of the build's output.
        output: Tail,
    },
    /// A container did not start.
    #[error("start the container {container}: {reason}\n{log}")]
    Start {
        /// Its name.
        container: String,
        /// What was in the way.
        reason: String,
        /// The end of its log.
        log: Tail,
    },
    /// A cluster did not become ready.
    #[error(
        "see {awaited} on the {cluster} cluster within {} s (last seen: {seen})\n{log}",
        deadline.as_secs()
    )]
    Ready {
        /// Which cluster.
        cluster: String,
        /// What was awaited.
        awaited: String,
        /// What was seen last.
        seen: String,
        /// For how long.
        deadline: Duration,
        /// The end of a log that may say why.
        log: Tail,
    },
    /// A command in a container did not end in time.
    #[error("run `{command}` in {container}: no end within {} s", deadline.as_secs())]
    Exec {
        /// The container's name.
        container: String,
        /// The command line.
        command: String,
        /// For how long.
        deadline: Duration,
    },
    /// A file on this machine.
    #[error("use the file {}: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What was in the way.
        source: std::io::Error,
    },
    /// A version, topology or name that this backend cannot serve.
    #[error("set up containers: {0}")]
    Unsupported(String),
}

impl EngineError {
    /// Wraps an answer of the engine with what was asked.
    pub(super) fn request(
        operation: impl Into<String>,
    ) -> impl FnOnce(bollard::errors::Error) -> EngineError {
        let operation = operation.into();
        move |source| EngineError::Request { operation, source }
    }

    /// Wraps an error of the file system with the path.
    pub(super) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> EngineError {
        let path = path.into();
        move |source| EngineError::File { path, source }
    }
}

/// The two failures of a build that people meet, whose own messages do not name the way out.
fn build_hint(reason: &str, output: &Tail) -> &'static str {
    let text = format!("{reason}\n{output}");
    if text.contains("No plugin found for prefix") || text.contains("PKIX path building failed") {
        "Maven does not trust its registry: put the proxy's certificate authority (*.crt) into \
         /usr/local/share/ca-certificates and try again"
    } else if text.contains("bookworm-slim") {
        "the base image can neither be found nor pulled: without a registry, `.ci/engine` makes it"
    } else {
        "the build context is the project's docker/ folder; the same build by hand: docker compose build"
    }
}

/// The last lines of an output, indented for a message; empty if there were none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tail(Vec<String>);

impl Tail {
    /// How much of an output a message quotes.
    pub const LINES: usize = 25;

    /// Adds what arrived, which may be several lines, and forgets what is too old.
    pub(super) fn push(&mut self, text: &str) {
        self.0.extend(text.lines().map(str::trim_end).filter(|l| !l.is_empty()).map(String::from));
        let excess = self.0.len().saturating_sub(Tail::LINES);
        self.0.drain(..excess);
    }
}

impl fmt::Display for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|line| writeln!(f, "  | {line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_keeps_the_last_lines() {
        let mut tail = Tail::default();
        (0..Tail::LINES + 2).for_each(|n| tail.push(&format!("line {n}\n\n")));
        let text = tail.to_string();
        assert_eq!(text.lines().count(), Tail::LINES);
        assert!(text.starts_with("  | line 2\n"), "{text}");
    }

    #[test]
    fn a_distrusted_registry_is_named() {
        let mut output = Tail::default();
        output.push("[ERROR] No plugin found for prefix 'dependency' in the current project");
        let error = EngineError::Build { image: "i".into(), reason: "exit 1".into(), output };
        assert!(error.to_string().contains("certificate authority"), "{error}");
    }
}
