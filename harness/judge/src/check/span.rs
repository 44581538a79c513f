//! Equal records that nothing tells apart: which of them a copy can be of, at the least and at the most.
//!
//! Those of one source partition come to one partition of the destination in order, and before the first event none comes
//! twice. So there the first copy is not of a record before the first, the second not of one before the second, and
//! each leaves as many behind it as there are copies. Behind an event a copy may be of any of them.
//!
//! ```text
//! source       x y x y
//! destination  x y x | y         the second x is the third record; the y behind the kill may be of either
//! ```
//!
//! On a topic that forgets, a copy without an id may be of an older record, which the source no longer holds. Of
//! records that lie in several source partitions nothing is known.

use crate::{
    correspondence::Correspondence,
    history::{History, TopicPartition},
};
use std::collections::HashMap;

/// The source records that a copy may be of.
#[derive(Clone, Copy)]
pub(super) struct Span {
    /// It is of none before this one, unless the source has forgotten it.
    pub(super) earliest: Option<u32>,
    /// It is of none behind this one.
    pub(super) latest: u32,
    /// Whether no event precedes the copy, so that nothing explains a repeat.
    pub(super) is_calm: bool,
}

/// The spans of the copies of equal records without order.
pub(crate) struct Spans {
    /// For each set of equals in one source partition its records, in order.
    sets: HashMap<u32, Vec<u32>>,
    /// For copies that no event precedes the first and the last record.
    calm: HashMap<u32, (u32, u32)>,
    forgetful: Vec<bool>,
}

impl Spans {
    pub(super) fn of(history: &History, correspondence: &Correspondence) -> Spans {
        let mut sets = HashMap::<u32, Vec<u32>>::new();
        for source in &correspondence.unordered {
            sets.entry(correspondence.equal[source]).or_default().push(*source);
        }
        let from = |source: u32| history.source[source as usize].at;
        sets.retain(|_, members| {
            members.sort_unstable();
            members.iter().all(|member| from(*member) == from(members[0]))
        });
        let mut copies = HashMap::<(u32, TopicPartition), Vec<u32>>::new();
        let mut number = HashMap::<u32, usize>::new();
        for index in &correspondence.time {
            let record = &history.destination[*index as usize];
            let source = correspondence.source_of(*index);
            if let Some(source) = source.filter(|source| correspondence.unordered.contains(source))
                && correspondence.timeline.epoch(record.at, record.offset) == 0
            {
                let set = correspondence.equal[&source];
                copies.entry((set, record.at)).or_default().push(*index);
                *number.entry(set).or_default() += 1;
            }
        }
        let mut calm = HashMap::new();
        for ((set, _), copies) in copies {
            // One too many is a repeat, nobody knows of which.
            let members = sets.get(&set).filter(|members| number[&set] <= members.len());
            if let Some(members) = members {
                let behind = &members[members.len() - copies.len()..];
                let spans = members.iter().copied().zip(behind.iter().copied());
                calm.extend(copies.into_iter().zip(spans));
            }
        }
        Spans { sets, calm, forgetful: history.forgetful_topics() }
    }

    /// What a copy may be of that was taken for one of `source`; `None` if those lie in several partitions.
    pub(super) fn of_copy(
        &self,
        history: &History,
        correspondence: &Correspondence,
        copy: u32,
        source: u32,
    ) -> Option<Span> {
        let record = &history.destination[copy as usize];
        let is_calm = correspondence.timeline.epoch(record.at, record.offset) == 0;
        if !correspondence.unordered.contains(&source) {
            return Some(Span { earliest: Some(source), latest: source, is_calm });
        }
        let members = self.sets.get(&correspondence.equal[&source])?;
        let (earliest, latest) =
            self.calm.get(&copy).copied().unwrap_or((members[0], members[members.len() - 1]));
        let forgets = self.forgetful[record.at.topic as usize];
        Some(Span { earliest: (!forgets).then_some(earliest), latest, is_calm })
    }
}
