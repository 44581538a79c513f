//! When a run is over: the rule of design.md as a pure decision over what was seen.

use judge::history::Completion;
use std::time::Duration;

/// How long the harness waits for what, on one backend and for one subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For the subject to copy its first canary.
    pub ready: Duration,
    /// Without a new record and a new commit, after which a run is idle.
    pub stall: Duration,
    /// For the whole end of the run.
    pub deadline: Duration,
    /// Without a new record, after which the final read is made.
    pub stability: Duration,
    /// Without a new record, after which the read of a topic is given up.
    pub read: Duration,
}

/// What is seen at one moment of the end of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// How the subject ended by itself, and the end of its output.
    pub exited: Option<(String, String)>,
    /// Sentinels that have not arrived.
    pub missing_sentinels: usize,
    /// Source partitions with data records between committed position and cut; `None`: progress is
    /// unknown.
    pub behind: Option<u32>,
    /// How long neither a record nor a commit was new.
    pub quiet: Duration,
    /// How long the end of the run has been awaited.
    pub waited: Duration,
    /// Why the harness cannot see, if so.
    pub failure: Option<String>,
}

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Look again.
    Wait,
    /// Nothing moves: if the harness's own canaries pass on both sides, the run is idle.
    ProveIdle(Completion),
    /// It is over.
    Over(Completion),
}

/// Decides.
pub fn decide(moment: &Moment, limits: &Limits) -> Next {
    if let Some((status, output)) = &moment.exited {
        return Next::Over(Completion::Exited { status: status.clone(), output: output.clone() });
    }
    if let Some(reason) = &moment.failure {
        return Next::Over(Completion::Unobservable { reason: reason.clone() });
    }
    if moment.missing_sentinels == 0 && moment.behind.unwrap_or(0) == 0 {
        return Next::Over(Completion::Completed);
    }
    if moment.quiet >= limits.stall {
        return Next::ProveIdle(Completion::Idle {
            sentinels_arrived: moment.missing_sentinels == 0,
            behind: moment.behind,
            seconds: moment.quiet.as_secs(),
        });
    }
    if moment.waited >= limits.deadline {
        let awaited = format!(
            "the end of the run within {} s: {} sentinels missing, {} partitions behind, still \
             moving {} ms ago",
            limits.deadline.as_secs(),
            moment.missing_sentinels,
            moment.behind.map_or_else(|| "unknown".into(), |behind| behind.to_string()),
            moment.quiet.as_millis(),
        );
        return Next::Over(Completion::Deadline { awaited });
    }
    Next::Wait
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        ready: Duration::from_secs(1),
        stall: Duration::from_secs(5),
        deadline: Duration::from_secs(60),
        stability: Duration::from_secs(1),
        read: Duration::from_secs(10),
    };

    fn moment() -> Moment {
        Moment {
            exited: None,
            missing_sentinels: 0,
            behind: Some(0),
            quiet: Duration::ZERO,
            waited: Duration::ZERO,
            failure: None,
        }
    }

    #[test]
    fn a_run_that_cannot_finish_never_completes() {
        assert_eq!(decide(&moment(), &LIMITS), Next::Over(Completion::Completed));
        for unfinished in [
            Moment { missing_sentinels: 1, ..moment() },
            Moment { behind: Some(1), ..moment() },
            Moment { missing_sentinels: 1, behind: None, ..moment() },
        ] {
            assert_eq!(decide(&unfinished, &LIMITS), Next::Wait);
            let idle = Moment { quiet: LIMITS.stall, ..unfinished.clone() };
            assert!(matches!(decide(&idle, &LIMITS), Next::ProveIdle(_)));
            let late = Moment { waited: LIMITS.deadline, ..unfinished };
            assert!(matches!(decide(&late, &LIMITS), Next::Over(Completion::Deadline { .. })));
        }
    }

    #[test]
    fn an_exit_or_a_blind_harness_is_never_a_completion() {
        let exited = Moment { exited: Some(("exit status: 0".into(), String::new())), ..moment() };
        assert!(matches!(decide(&exited, &LIMITS), Next::Over(Completion::Exited { .. })));
        let blind = Moment { failure: Some("connection refused".into()), ..moment() };
        assert!(matches!(decide(&blind, &LIMITS), Next::Over(Completion::Unobservable { .. })));
    }
}
