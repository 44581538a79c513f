//! What containers and processes use of the machine.

use super::{Cluster, EngineError, Node, Tool};
use bollard::{Docker, query_parameters::StatsOptionsBuilder};
use futures::{StreamExt, future::try_join_all};
use nix::unistd::{SysconfVar, sysconf};
use std::time::Duration;

/// What a container, or a process, has used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time since its start, all cores together.
    pub cpu: Duration,
    /// Anonymous memory that it holds now, in bytes: without what the system keeps of files.
    pub memory: u64,
}

impl Usage {
    /// A process of this machine, by Linux's proc(5).
    pub(crate) fn of_process(process: i64) -> Option<Usage> {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        // The program's name may hold blanks; it ends with the last parenthesis.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks: u64 =
            fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
        let per_second = u64::try_from(sysconf(SysconfVar::CLK_TCK).ok()??).ok()?;
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let anonymous = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
        let kibibytes: u64 = anonymous.trim().trim_end_matches(" kB").parse().ok()?;
        Some(Usage {
            cpu: Duration::from_millis(ticks * 1_000 / per_second.max(1)),
            memory: kibibytes * 1_024,
        })
    }
}

impl Tool {
    /// What it has used so far, as this machine accounts for its process. The engine's own account
    /// takes a second to be told, so it is only asked where the process is out of sight.
    pub async fn usage(&self) -> Result<Usage, EngineError> {
        let state = self.docker.inspect_container(self.container(), None).await;
        let state = state.map_err(EngineError::request(format!("inspect {}", self.container())))?;
        let process = state.state.and_then(|state| state.pid).filter(|pid| *pid > 0);
        match process.and_then(Usage::of_process) {
            Some(usage) => Ok(usage),
            None => usage(&self.docker, self.container()).await,
        }
    }
}

impl Cluster {
    /// Processor time that its brokers have used so far.
    pub async fn broker_cpu(&self) -> Result<Duration, EngineError> {
        let brokers = self.nodes().into_iter().filter(|node| matches!(node, Node::Broker(_)));
        let used = brokers.map(async |node| usage(&self.docker, self.container(node)?).await);
        Ok(try_join_all(used).await?.iter().map(|usage| usage.cpu).sum())
    }
}

/// The engine's account of a container.
async fn usage(docker: &Docker, container: &str) -> Result<Usage, EngineError> {
    let options = StatsOptionsBuilder::new().stream(false).one_shot(true).build();
    let told = docker.stats(container, Some(options)).next().await.transpose();
    let told = told.map_err(EngineError::request(format!("read what {container} uses")))?;
    let (cpu, memory) = told.map(|told| (told.cpu_stats, told.memory_stats)).unwrap_or_default();
    let cpu = cpu.and_then(|cpu| cpu.cpu_usage?.total_usage).unwrap_or_default();
    let memory = memory.unwrap_or_default();
    let detail = |name: &str| memory.stats.as_ref().and_then(|stats| stats.get(name)).copied();
    // The second version of control groups calls it `anon`, the first `rss`.
    let anonymous = detail("anon").or_else(|| detail("rss")).or(memory.usage);
    Ok(Usage { cpu: Duration::from_nanos(cpu), memory: anonymous.unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_accounted_for() {
        let kept = vec![1_u8; 8 << 20];
        let began = Usage::of_process(std::process::id().into()).unwrap();
        let mut sum = 0_u64;
        loop {
            sum = kept.iter().fold(sum, |sum, byte| sum + u64::from(*byte));
            // Other tests in this process use the processor as well.
            let now = Usage::of_process(std::process::id().into()).unwrap();
            if now.cpu >= began.cpu + Duration::from_millis(20) {
                break;
            }
        }
        assert!(began.memory > kept.len() as u64 && sum > 0);
        assert_eq!(Usage::of_process(-1), None);
    }
}
