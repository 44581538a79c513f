//! What no history may be: our bug, and no ground for a verdict.

use crate::history::{History, SourceRecord, TopicPartition};
use std::collections::HashSet;

/// Why a history makes no sense, if so.
pub(super) fn malformed(history: &History) -> Option<String> {
    let topics = history.topics.len();
    let known = |at: TopicPartition| (at.topic as usize) < topics;
    let source = history.source.iter().map(|record| (record.at, record.offset));
    let destination = history.destination.iter().map(|record| (record.at, record.offset));
    if !source.clone().is_sorted_by(|left, right| left < right)
        || !destination.clone().is_sorted_by(|left, right| left < right)
    {
        return Some("the history is not in order of partition and offset".into());
    }
    if have_places_in_common(history) {
        return Some("the history has two records at one place of the source".into());
    }
    let positions = history.events.iter().map(|event| &event.committed);
    let positions = positions.chain(history.commits.iter().map(|sample| &sample.committed));
    let mentioned = (source.map(|(at, _)| at))
        .chain(destination.map(|(at, _)| at))
        .chain(history.source_bounds.keys().copied())
        .chain(history.destination_bounds.keys().copied())
        .chain(history.announced.keys().chain(history.source_ends.keys()).copied())
        .chain(positions.flat_map(|positions| positions.keys().copied()))
        .chain(history.final_commit.committed.iter().flat_map(|at| at.keys().copied()));
    let produced = history.produced.iter().map(|produced| produced.topic);
    let trials = history.resumes.iter().map(|trial| trial.topic);
    let records = history.after_cut.iter().chain(&history.aborted).map(|record| record.at.topic);
    let translated = history.translations.iter().map(|one| one.topic);
    let grown = history.grown.iter().map(|growth| growth.topic);
    let trials = trials.chain(records).chain(translated).chain(grown);
    let trials = trials.chain(history.configs.iter().map(|config| config.topic));
    let trials = trials.chain(history.written.keys().copied());
    let unknown = !mentioned.into_iter().all(known)
        || !produced.chain(trials).all(|topic| (topic as usize) < topics);
    unknown.then(|| "the history mentions a topic that it does not list".into())
}

/// Whether what was aborted lies where another record does, aborted or not.
fn have_places_in_common(history: &History) -> bool {
    let place = |record: &SourceRecord| (record.at, record.offset);
    let mut aborted = HashSet::new();
    history
        .aborted
        .iter()
        .map(place)
        .any(|one| !aborted.insert(one) || history.source.binary_search_by_key(&one, place).is_ok())
}
