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
sleep 20
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
    let expected = match idempotent {
        false => (Verdict::Holds, true, 0),
        true => (Verdict::Violated, false, u64::from(RECORDS)),
    };
    let found = match &trial.outcome {
        Outcome::Judged(judgement) => Some((
            judgement.verdict,
            judgement.tolerates(Anomaly::Rewound),
            judgement.violations.count(Anomaly::Duplicated),
        )),
        Outcome::Failed(_) => None,
    };
    if found == Some(expected) { Ok(()) } else { Err(format!("{:#?}", trial.outcome)) }
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
        Action::Wait { seconds: 24 },
        Action::Finish,
    ];
    Plan { version: Plan::VERSION, seed: 3, actions }
}
