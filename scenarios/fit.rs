//! Whether a plan can be performed: a stored one may have been written by hand, and what is wrong with it must not
//! be blamed on the subject.

use harness::cluster::Backend;
use judge::plan::{Action, Plan, Side};
use std::collections::BTreeSet;

/// How many partitions a topic of a plan has at most: each gets sentinels and canaries of its own.
const MOST_PARTITIONS: u32 = 1_000;
/// A topic's name has 249 characters at most, of which the names of scenarios need some.
const LONGEST_NAME: usize = 150;

/// Why a plan cannot be performed on these clusters, if so.
pub fn unfit(plan: &Plan, backend: Backend) -> Option<String> {
    plan.actions
        .iter()
        .find_map(malformed)
        .or_else(|| disordered(plan))
        .or_else(|| unavailable(plan, backend))
}

/// What no cluster has and no subject takes.
fn malformed(action: &Action) -> Option<String> {
    let (topic, partitions) = match action {
        Action::CreateTopic { topic, partitions, .. }
        | Action::GrowTopic { topic, partitions, .. }
        | Action::RecreateTopic { topic, partitions } => (topic, *partitions),
        Action::StartSubject(options) | Action::AddInstance(options) if options.streams == 0 => {
            return Some("a subject has no streams; it has one at least".into());
        }
        _ => return None,
    };
    let is_of_a_name = |char: char| char.is_ascii_alphanumeric() || "._-".contains(char);
    if topic.is_empty() || topic.len() > LONGEST_NAME || !topic.chars().all(is_of_a_name) {
        return Some(format!(
            "no topic can be called {topic:?}; a name has letters of a to z and A to Z, digits, '.', '_' and '-', up to \
             {LONGEST_NAME} of them"
        ));
    }
    if !(1..=MOST_PARTITIONS).contains(&partitions) {
        return Some(format!(
            "the topic {topic} has {partitions} partitions, and must have 1 to {MOST_PARTITIONS}"
        ));
    }
    None
}

/// What does not fit to what comes before it.
fn disordered(plan: &Plan) -> Option<String> {
    let mut on_source = BTreeSet::new();
    let (mut is_started, mut instances) = (false, 0_i32);
    let mut actions = plan.actions.iter();
    for action in actions.by_ref() {
        match action {
            Action::CreateTopic { side: Side::Source, topic, .. }
            | Action::AdoptTopic { topic } => {
                on_source.insert(topic);
            }
            Action::Produce { topic, .. } | Action::BeginLoad { topic, .. }
                if !on_source.contains(topic) =>
            {
                return Some(format!(
                    "records are written to {topic}, which nothing has created on the source by then"
                ));
            }
            Action::TrimSource { topic } | Action::Prefill { topic, .. } if is_started => {
                return Some(format!(
                    "{topic} is trimmed or filled after the subject's start; both are for what it has not seen: put them before it"
                ));
            }
            Action::StartSubject(_) | Action::AddInstance(_) => {
                (is_started, instances) = (true, instances + 1)
            }
            Action::StopSubject
            | Action::KillSubject
            | Action::RemoveInstance
            | Action::AwaitExit { .. } => instances -= 1,
            Action::Finish if instances < 1 => {
                let how = if is_started { "not started again" } else { "never started" };
                return Some(format!("the end is awaited of a subject that is {how}"));
            }
            Action::Finish => {
                let looks = |action: &Action| {
                    matches!(
                        action,
                        Action::ResumeOnDestination { .. }
                            | Action::Shell { .. }
                            | Action::AdoptTopic { .. }
                    )
                };
                let late = actions.find(|action| !looks(action))?;
                return Some(format!(
                    "nothing that is done behind finish is judged, and there is {late:?}"
                ));
            }
            _ => {}
        }
    }
    Some("it has no finish, so nothing would be judged".into())
}

/// What these clusters do not have.
fn unavailable(plan: &Plan, backend: Backend) -> Option<String> {
    if backend == Backend::Containers {
        return None;
    }
    let what = plan.actions.iter().find_map(|action| match action {
        Action::Shell { .. } => Some("runs a command in a container"),
        Action::AdoptTopic { .. } => Some("takes on a topic that a command created"),
        Action::GrowTopic { .. } => Some("gives a topic more partitions"),
        Action::Outrun { .. }
        | Action::TrimSource { .. }
        | Action::SkipGap { .. }
        | Action::RecreateTopic { .. } => Some("deletes records"),
        Action::KillBroker { .. }
        | Action::StartBroker { .. }
        | Action::KillCluster { .. }
        | Action::StartCluster { .. } => Some("kills a broker"),
        Action::Produce { workload, .. } | Action::BeginLoad { workload, .. }
            if workload.transaction_records.is_some() =>
        {
            Some("writes transactions")
        }
        Action::StartSubject(options) if options.exactly_once => {
            Some("runs a mirror that writes transactions")
        }
        Action::StartSubject(options) if options.as_in_the_article => {
            Some("runs the subject as the article does")
        }
        _ => None,
    })?;
    Some(format!("it {what}, which mock brokers cannot; use --clusters containers"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use judge::plan::{SubjectOptions, Workload};

    fn create(side: Side, topic: &str, partitions: u32) -> Action {
        Action::CreateTopic { side, topic: topic.into(), partitions }
    }

    fn produce(topic: &str) -> Action {
        Action::Produce { topic: topic.into(), workload: Workload::default() }
    }

    fn start(streams: u32) -> Action {
        Action::StartSubject(SubjectOptions { streams, ..SubjectOptions::default() })
    }

    fn plan(actions: &[Action]) -> Plan {
        Plan { version: Plan::VERSION, seed: 1, actions: actions.to_vec() }
    }

    fn check(actions: &[Action], said: Option<&str>) {
        let reason = unfit(&plan(actions), Backend::Embedded);
        assert_eq!(reason.is_some(), said.is_some(), "{reason:?}");
        let words = said.unwrap_or_default();
        assert!(reason.as_deref().unwrap_or_default().contains(words), "{reason:?}, not {words:?}");
    }

    #[test]
    fn what_nothing_can_be_made_of_is_refused() {
        let topic = |name: &str, partitions| {
            vec![create(Side::Source, name, partitions), start(1), Action::Finish]
        };
        check(&topic("orders.v-1_a", 1_000), None);
        check(&topic("orders", 0), Some("0 partitions, and must have 1 to 1000"));
        check(&topic("orders", 100_000), Some("100000 partitions"));
        check(&topic("a b", 1), Some("\"a b\""));
        check(&topic("", 1), Some("no topic can be called \"\""));
        check(&topic(&"x".repeat(151), 1), Some("up to 150"));
        check(&[start(0), Action::Finish], Some("no streams"));
    }

    #[test]
    fn a_subject_that_the_plan_stopped_is_not_awaited() {
        let orders = || create(Side::Source, "orders", 1);
        check(&[orders(), start(1), produce("orders"), Action::Finish], None);
        check(&[orders(), start(1), Action::KillSubject, start(1), Action::Finish], None);
        let other = Action::AddInstance(SubjectOptions::default());
        check(&[orders(), start(1), other, Action::StopSubject, Action::Finish], None);
        check(&[orders(), Action::Finish], Some("never started"));
        check(
            &[orders(), start(1), Action::StopSubject, Action::Finish],
            Some("not started again"),
        );
        check(&[orders(), start(1)], Some("no finish"));
        check(&[orders(), start(1), Action::Finish, Action::KillSubject], Some("behind finish"));
    }

    #[test]
    fn what_was_there_before_the_start_is_not_changed_after_it() {
        let orders = || create(Side::Source, "orders", 1);
        for before in [
            Action::TrimSource { topic: "orders".into() },
            Action::Prefill { topic: "orders".into(), records_per_partition: 1 },
        ] {
            let early = [orders(), before.clone(), start(1), Action::Finish];
            assert_eq!(disordered(&plan(&early)), None);
            check(
                &[orders(), start(1), before, Action::Finish],
                Some("orders is trimmed or filled after"),
            );
        }
    }

    #[test]
    fn records_need_a_topic_of_the_source() {
        let elsewhere = create(Side::Destination, "orders", 1);
        let actions = [elsewhere, start(1), produce("orders"), Action::Finish];
        check(&actions, Some("written to orders, which nothing has created on the source"));
    }
}
