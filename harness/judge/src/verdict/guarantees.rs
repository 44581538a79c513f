//! What a contract guarantees after the faults of a history: which findings it tolerates, and when
//! a verdict can be given at all.

use super::{Anomaly, Circumstance, Finding, Findings, Judged, Judgement, Tolerated, Verdict};
use crate::{
    check::{self, Scene},
    contract::{Contract, Delivery, Isolation, Offsets, Start},
    correspondence::Recognition,
    history::{Completion, EventKind, History, TopicIndex},
};
use std::collections::HashSet;

/// Judges a history that makes sense against a contract, whose source holds what the subject reads.
pub(super) fn judge_as_read(history: &History, contract: &Contract) -> Judgement {
    let scene = Scene::of(history, contract);
    conclude(&scene, check::run(&scene))
}

/// What the findings come to, and the checkers that crashed: nobody knows what those would have found.
fn conclude(scene: &Scene<'_>, (findings, mut doubts): (Findings, Vec<String>)) -> Judgement {
    let (judged, contract) = (judged(scene), scene.contract);
    doubts.extend(unfinished(scene.history));
    doubts.extend(vacuous(&judged, scene));
    doubts.extend(written_by_others(scene.history));
    doubts.extend(left_out(scene));
    doubts.extend(forgotten(scene));
    doubts.extend(erased(scene));
    doubts.extend(borrowed(scene));
    doubts.extend(blurred(scene));
    let (mut violations, mut tolerated) = (Findings::default(), Vec::new());
    for finding in findings.0 {
        if finding.anomaly.is_inconclusive() {
            doubts.push(doubt(finding.anomaly, finding.count));
            violations.0.push(finding);
        } else if is_of_an_unknown_start(scene, &finding) {
            doubts.push(format!(
                "{} {}, unless the mirror began behind them: its contract says that it begins at the end, and \
                 nobody waited for it to be ready in its first life",
                finding.count, finding.anomaly
            ));
        } else if let Some(reason) = tolerates(contract, finding.anomaly, finding.circumstance) {
            tolerated.push(Tolerated { finding, reason: reason.to_string() });
        } else {
            violations.0.push(finding);
        }
    }
    if Judgement::verdict_of(&violations, &[]) != Verdict::Violated {
        // What is known to be wrong needs no doubt beside it.
        doubts.extend(tangled(scene));
    }
    let verdict = Judgement::verdict_of(&violations, &doubts);
    Judgement { verdict, violations, tolerated, doubts, judged }
}

/// Whether it would be excused before the place where the mirror began, and nobody knows where that was. Sentinels, which
/// have no place in the evidence, came last.
fn is_of_an_unknown_start(scene: &Scene<'_>, finding: &Finding) -> bool {
    scene.is_start_unknown()
        && finding.circumstance == Circumstance::Plain
        && finding.evidence.iter().any(|evidence| evidence.source.is_some())
        && matches!(finding.anomaly, Anomaly::Lost | Anomaly::CommitAhead | Anomaly::CommitBehind)
}

/// By which clause a contract tolerates an anomaly under a circumstance, if it does.
fn tolerates(
    contract: &Contract,
    anomaly: Anomaly,
    circumstance: Circumstance,
) -> Option<&'static str> {
    match (anomaly, circumstance) {
        (Anomaly::Rewound, Circumstance::Explained(EventKind::ProduceFault)) => {
            (contract.delivery == Delivery::AtLeastOnce && !contract.idempotent)
                .then_some("at least once, not idempotent")
        }
        (
            Anomaly::Rewound,
            Circumstance::Explained(
                EventKind::Stop | EventKind::Kill | EventKind::Rebalance | EventKind::Freeze,
            ),
        ) => (contract.delivery == Delivery::AtLeastOnce).then_some("at least once"),
        (
            Anomaly::Lost | Anomaly::CommitAhead | Anomaly::CommitBehind,
            Circumstance::BeforeReadiness,
        ) => (contract.start == Start::Latest).then_some("starts at the end"),
        (
            Anomaly::Lost | Anomaly::CommitAhead | Anomaly::TranslationSkips,
            Circumstance::Superseded,
        ) => Some("a compacted topic keeps each key's last record"),
        (Anomaly::Lost | Anomaly::CommitAhead, Circumstance::Announced) => {
            Some("announced: it stopped and named the range")
        }
        (Anomaly::Leaked, Circumstance::Aborted) => (contract.isolation
            == Isolation::ReadUncommitted)
            .then_some("reads uncommitted records"),
        (Anomaly::Stale, Circumstance::PossibleZombie) => {
            (!contract.fenced).then_some("not fenced")
        }
        (
            Anomaly::Lost
            | Anomaly::Duplicated
            | Anomaly::Reordered
            | Anomaly::Rewound
            | Anomaly::Stale
            | Anomaly::Misplaced
            | Anomaly::Corrupted
            | Anomaly::Phantom
            | Anomaly::Leaked
            | Anomaly::Stalled
            | Anomaly::CommitAhead
            | Anomaly::CommitBehind
            | Anomaly::Looped
            | Anomaly::TranslationSkips
            | Anomaly::TranslationRewinds
            | Anomaly::ConfigDrift
            | Anomaly::OffsetsMispredicted
            | Anomaly::OffsetsCoincide
            | Anomaly::LostAtSource
            | Anomaly::Expired,
            _,
        ) => None,
    }
}

/// Why an anomaly that is no violation leaves a doubt.
fn doubt(anomaly: Anomaly, count: u64) -> String {
    match anomaly {
        Anomaly::LostAtSource => {
            format!("{count} acknowledged records are not on the source: the truth is in doubt")
        }
        Anomaly::Expired => {
            format!("records expired in {count} partitions: completeness cannot be judged")
        }
        Anomaly::OffsetsCoincide => {
            format!("{count} resume trials skipped and repeated nothing: they show nothing")
        }
        other => format!("{count} {other}"),
    }
}

/// Why the end of the run does not let one say that everything arrived.
fn unfinished(history: &History) -> Option<String> {
    match &history.completion {
        Some(Completion::Deadline { awaited }) => {
            Some(format!("the subject was still progressing at the deadline: {awaited}"))
        }
        Some(Completion::Unobservable { reason }) => {
            Some(format!("the clusters could not be observed: {reason}"))
        }
        None => Some("the end of the run was not awaited".into()),
        Some(Completion::Completed | Completion::Idle { .. } | Completion::Exited { .. }) => None,
    }
}

/// Why what lies on the source may not be the truth: nobody but the subject would write there, and what came back before
/// the producers had finished looks like theirs.
fn written_by_others(history: &History) -> Vec<String> {
    let mut held = vec![0_u64; history.topics.len()];
    for record in &history.source {
        held[usize::from(record.at.topic)] += 1;
    }
    let is_more = |(topic, written): (&TopicIndex, &u64)| {
        let held = held[usize::from(*topic)];
        let name = &history.topics[usize::from(*topic)].source;
        (held > *written).then(|| {
            format!(
                "{name} holds {held} records on the source, and its producers wrote {written}: somebody else wrote \
                 there, or a retry repeated some"
            )
        })
    };
    history.written.iter().filter_map(is_more).collect()
}

/// Why the scenario shows nothing, though nothing is wrong with it.
fn vacuous(judged: &Judged, scene: &Scene<'_>) -> Vec<String> {
    let mut doubts = Vec::new();
    if judged.source_records == 0 {
        doubts.push("no data record on the source, of any selected topic".to_string());
    } else if scene.history.completion.is_some() && judged.excusable >= judged.source_records {
        doubts.push("every record's absence would be excused: nothing had to arrive".to_string());
    } else if scene.history.completion.is_some() {
        let doubt = |topic| {
            format!(
                "no record of topic {topic} had to arrive: the absence of each would be excused"
            )
        };
        doubts.extend(wholly_excusable(scene).map(doubt));
    }
    if judged.destination_records == 0 {
        doubts.push("no record on the destination, of any selected topic".to_string());
    }
    doubts
}

/// The topics of which records are judged, and none had to arrive: those of another topic say nothing
/// of them. A superseded record is excused by what has arrived, so that it is no reason.
fn wholly_excusable<'h>(scene: &Scene<'h>) -> impl Iterator<Item = &'h str> {
    let topics = &scene.history.topics;
    let mut is_excusable = vec![None; topics.len()];
    for source in judged_sources(scene) {
        let so_far = &mut is_excusable[scene.source(source).at.topic as usize];
        let is_excused = is_excused(scene, scene.absence_by_place(source));
        *so_far = Some(so_far.unwrap_or(true) && is_excused);
    }
    let topics = topics.iter().zip(is_excusable);
    topics.filter(|(_, excusable)| *excusable == Some(true)).map(|(topic, _)| &*topic.source)
}

/// The source records that completeness covers.
fn judged_sources(scene: &Scene<'_>) -> impl Iterator<Item = u32> {
    (0..scene.history.source.len() as u32).filter(|source| scene.is_judged(*source))
}

fn is_excused(scene: &Scene<'_>, absence: Circumstance) -> bool {
    tolerates(scene.contract, Anomaly::Lost, absence).is_some()
}

/// What was selected or promised, and yet not looked at.
fn left_out(scene: &Scene<'_>) -> Vec<String> {
    let history = scene.history;
    let mut doubts = Vec::new();
    if scene.contract.offsets != Offsets::Independent {
        let idle = history.translations.iter().filter(|one| one.committed.is_empty());
        doubts.extend(
            idle.map(|one| format!("{} had committed nothing: it shows nothing", one.group)),
        );
    }
    let mut judged = vec![false; history.topics.len()];
    for source in judged_sources(scene) {
        judged[scene.source(source).at.topic as usize] = true;
    }
    for (index, topic) in history.topics.iter().enumerate() {
        let exists = topic.source_partitions.last().is_some_and(|count| *count > 0);
        if !topic.selected || !exists {
            continue;
        }
        if !judged[index] {
            doubts.push(format!("no data record of topic {}: it was left out", topic.source));
        }
        // A setting that is on neither side is the same on both, and nothing was copied.
        let read = |name: &String| {
            history.configs.iter().any(|config| {
                config.topic as usize == index
                    && config.name == *name
                    && (config.source.is_some() || config.destination.is_some())
            })
        };
        // Settings are read in some scenarios only; where they are, none may be missing.
        if !history.configs.is_empty() {
            let missing = scene.contract.copied_configs.iter().filter(|name| !read(name));
            doubts.extend(missing.map(|name| format!("{name} of {} was not read", topic.source)));
        }
    }
    doubts
}

/// Why it cannot be told of some records whether anybody produced them.
fn forgotten(scene: &Scene<'_>) -> Option<String> {
    let recognised = scene.correspondence.recognised.iter();
    let count = recognised.filter(|one| **one == Recognition::Forgotten).count();
    let records = if count == 1 { "record" } else { "records" };
    (count > 0).then(|| {
        format!(
            "{count} {records} of the destination without an id may have been on the source, which has \
             forgotten some: nobody can tell"
        )
    })
}

/// Why it cannot be told of some keys which of their records is the last.
fn erased(scene: &Scene<'_>) -> Option<String> {
    let count = scene.erased.len();
    let keys = if count == 1 { "key ends" } else { "keys end" };
    (count > 0).then(|| {
        format!(
            "{count} {keys} with a tombstone that the source has forgotten, and that may be of another partition than what \
             it holds: nobody can tell which is newer"
        )
    })
}

/// Why copies leave a doubt that are as an equal of their record must become, and not as their record.
fn borrowed(scene: &Scene<'_>) -> Option<String> {
    let count = check::Borrowed::of(scene).doubtful.len();
    let copies = if count == 1 { "copy has" } else { "copies have" };
    (count > 0).then(|| {
        format!(
            "{count} {copies} headers that the subject may add, and of which an equal record has its own: nobody can \
             tell which were added"
        )
    })
}

/// Why it cannot be told of some copies whether they are in the order of their partition.
fn blurred(scene: &Scene<'_>) -> Option<String> {
    let count = check::blurred(scene);
    let copies = if count == 1 { "copy comes" } else { "copies come" };
    (count > 0).then(|| {
        format!(
            "{count} {copies} behind later records of their partition, unless they are of others without an id that are like \
             theirs: nobody can tell"
        )
    })
}

/// Why it cannot be told what is wrong with the copies of equal records.
fn tangled(scene: &Scene<'_>) -> Option<String> {
    let count = check::tangled(scene);
    let sequences = if count == 1 { "sequence of copies is" } else { "sequences of copies are" };
    (count > 0).then(|| {
        format!(
            "{count} {sequences} out of order, whichever of several equal records each copy is of: nobody can tell which one is"
        )
    })
}

/// How much was judged.
fn judged(scene: &Scene<'_>) -> Judged {
    let mut judged = Judged::default();
    let mut keys = HashSet::new();
    for source in judged_sources(scene) {
        judged.source_records += 1;
        match scene.key(source) {
            Some(key) => _ = keys.insert(key),
            None => judged.null_keys += 1,
        }
        judged.excusable += u64::from(is_excused(scene, scene.absence(source)));
    }
    judged.keys = keys.len() as u64;
    let mut pairs = HashSet::new();
    for index in &scene.correspondence.time {
        let at = scene.destination(*index).at;
        judged.destination_records += u64::from(scene.is_selected(at));
        if let Recognition::Copy(source) = scene.recognised(*index) {
            pairs.insert((scene.source(source).at, at));
            judged.repeats += u64::from(scene.correspondence.first[source as usize] != *index);
        }
    }
    judged.partition_pairs = pairs.len() as u64;
    judged
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        check::{Check, Registered},
        history::{
            Content, DestinationOffset, DestinationRecord, SourceBounds, SourceOffset,
            SourceRecord, Timestamp, Topic, TopicPartition,
        },
    };

    /// One record, and its copy.
    fn sound() -> History {
        let at = TopicPartition { topic: 0, partition: 0 };
        let content = Content::of(None, Some(b"paid"), Vec::new(), Timestamp::None);
        let (offset, copied_to) = (SourceOffset(0), DestinationOffset(0));
        let bounds = SourceBounds { baseline: offset, low: offset, cut: SourceOffset(1) };
        let topic = Topic {
            source: "orders".into(),
            destination: "orders".into(),
            source_partitions: vec![1],
            destination_partitions: vec![1],
            selected: true,
            compacted: false,
        };
        History {
            topics: vec![topic],
            source: vec![SourceRecord { at, offset, content: content.clone() }],
            destination: vec![DestinationRecord { at, offset: copied_to, content }],
            source_bounds: [(at, bounds)].into(),
            completion: Some(Completion::Completed),
            ..History::default()
        }
    }

    #[test]
    fn a_checker_that_crashes_is_named_and_leaves_a_doubt() {
        fn crashes<'s>(_: &'s Scene<'s>) -> Box<dyn Check + 's> {
            panic!("our bug")
        }
        let checks: &[Registered] = &[(&[Anomaly::Duplicated, Anomaly::Rewound], crashes)];
        let (history, contract) = (sound(), Contract::default());
        let scene = Scene::of(&history, &contract);
        let with = |checks| conclude(&scene, check::run_with(&scene, checks));
        assert_eq!(with(&[]).verdict, Verdict::Holds, "{:?}", with(&[]).doubts);
        let judgement = with(checks);
        assert_eq!(judgement.verdict, Verdict::Inconclusive);
        assert_eq!(judgement.doubts, ["the checker of duplicated and rewound crashed"]);
    }
}
