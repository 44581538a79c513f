//! What a mirror copies again after a fault of the destination.
//!
//! Mock brokers cannot be killed, so only real ones tell.

use judge::{
    contract::{Contract, Progress},
    plan::{Action, Plan, Side, SubjectOptions, Workload},
    verdict::{Anomaly, Verdict},
};
use mirrorproof::trial::{Outcome, Stage};

const TOPIC: &str = "orders";
const RECORDS: u32 = 500;

/// Copies all of it again once the destination is back, as if each request had been sent anew. `$0` is the program.
const SCRIPT: &str = r#"
copy() { "$0" bad-mirror --seed 1 --fault never-commits "$@" & child=$!; }
copy "$@"
trap 'kill -TERM $child; wait $child; exit 0' TERM
sleep 15
kill -TERM $child; wait $child
copy "$@"
wait $child"#;

/// As a command line.
pub(crate) fn subject(program: &str) -> String {
    let words = "--consumer.config {consumer_config} --producer.config {producer_config} --whitelist {topics}";
    format!("sh -c '{}' {program} {words}", SCRIPT.replace('\'', r"'\''"))
}

/// Of what kind the producer is, is all that the contract says.
pub(crate) fn contract(idempotent: bool) -> Contract {
    Contract { progress: Progress::Unknown, idempotent, ..Contract::default() }
}

/// A producer that is not idempotent may do so, and another may not.
pub(crate) async fn is_as_promised(stage: &Stage, idempotent: bool) -> Result<(), String> {
    let trial = stage.perform(&stage.folder.join("plan"), 0, &plan()).await;
    let expected = if idempotent { Verdict::Violated } else { Verdict::Holds };
    let is_as_promised = match &trial.outcome {
        Outcome::Judged(judgement) => {
            judgement.verdict == expected
                && judgement.tolerates(Anomaly::Rewound) != idempotent
                && judgement.violations.count(Anomaly::Duplicated)
                    == if idempotent { RECORDS.into() } else { 0 }
        }
        Outcome::Failed(_) => false,
    };
    if is_as_promised { Ok(()) } else { Err(format!("{:#?}", trial.outcome)) }
}

/// The destination is away for some seconds while the mirror has nothing to do.
fn plan() -> Plan {
    let create = |side| Action::CreateTopic { side, topic: TOPIC.into(), partitions: 2 };
    let workload = Workload { records: RECORDS, ..Workload::default() };
    let actions = vec![
        create(Side::Source),
        create(Side::Destination),
        Action::Produce { topic: TOPIC.into(), workload },
        Action::StartSubject(SubjectOptions::default()),
        Action::AwaitReady,
        Action::AwaitRecords { topic: TOPIC.into(), records: RECORDS.into() },
        Action::KillCluster { side: Side::Destination },
        Action::StartCluster { side: Side::Destination },
        Action::Wait { seconds: 16 },
        Action::Finish,
    ];
    Plan { version: Plan::VERSION, seed: 3, actions }
}
