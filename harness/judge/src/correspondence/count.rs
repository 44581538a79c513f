//! Repeats of equal records without order: which is which cannot be told, only how many there are.
//!
//! What can be told is how many repeats the events explain: each one of every equal record that was
//! not committed by then, a produce fault any number.

use crate::history::{Event, EventKind, History};

/// For each further copy, in order of time, a source record whose repeat it may be: one that an event
/// explains, if there are any left, else the latest.
pub(super) fn count(history: &History, members: &[u32], further: &[u32]) -> Vec<u32> {
    let latest = members[members.len() - 1];
    let explained = explained(history, members, further).into_iter();
    explained.map(|source| source.unwrap_or(latest)).collect()
}

/// How many of the further copies no event explains.
pub(super) fn unexplained(history: &History, members: &[u32], further: &[u32]) -> usize {
    let explained = explained(history, members, further);
    explained.iter().filter(|source| source.is_none()).count()
}

fn explained(history: &History, members: &[u32], further: &[u32]) -> Vec<Option<u32>> {
    let is_open = |event: &Event, member: &u32| {
        let source = &history.source[*member as usize];
        event.committed.get(&source.at).is_none_or(|at| source.offset >= *at)
    };
    // Of what a produce fault explains any number is left.
    let retried: Vec<Option<u32>> = history
        .events
        .iter()
        .map(|event| {
            let repeats = event.kind == EventKind::ProduceFault;
            members.iter().rfind(|member| repeats && is_open(event, member)).copied()
        })
        .collect();
    // How many of the members each event has not yet explained.
    let mut left: Vec<usize> = vec![members.len(); history.events.len()];
    let mut source_of = |copy: &u32| {
        let record = &history.destination[*copy as usize];
        let begun = history.epoch(record.at, record.offset);
        let once = (0..begun).find_map(|number| {
            let event = &history.events[number];
            if event.kind == EventKind::ProduceFault {
                return None;
            }
            let next = members[..left[number]].iter().rposition(|member| is_open(event, member));
            left[number] = next.unwrap_or(0);
            next.map(|next| members[next])
        });
        let retried = || retried[..begun].iter().copied().flatten().next();
        once.or_else(retried)
    };
    further.iter().map(&mut source_of).collect()
}
