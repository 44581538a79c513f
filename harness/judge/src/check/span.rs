//! Equal records that nothing tells apart: which of them a copy can be of, at the least and at the most.
//!
//! Those of one source partition come to one partition of the destination in order, and none comes twice where no event explains
//! it, nor where each must have come and there are as many copies as records. So there the first copy is not of a record before
//! the first, the second not of one before the second, and each leaves as many behind it as there are copies. Elsewhere a copy
//! may be of any of them. But where all copies lie in one partition, the last record has been copied by the last of them.
//!
//! ```text
//! source       x y x y
//! destination  x y x | y         the second x is the third record; the y behind the kill may be of either
//! ```
//!
//! On a topic that forgets, and where an offset of the source shows nothing, a copy without an id may be of an older record, which
//! the source no longer holds. Of records that lie in several source partitions nothing is known.

use crate::{correspondence::Correspondence, history::History};
use std::collections::HashMap;

/// The source records that a copy may be of.
#[derive(Clone, Copy)]
pub(super) struct Span {
    /// It is of none before this one, unless the source has forgotten it.
    pub(super) earliest: Option<u32>,
    /// It is of none behind this one.
    pub(super) latest: u32,
    /// Whether the copy is no repeat, as far as known: nothing explains one, or each copy must be of another record.
    pub(super) is_calm: bool,
}

/// The spans of the copies of equal records without order.
pub(crate) struct Spans {
    /// For each set of equals in one source partition its records, in order.
    sets: HashMap<u32, Vec<u32>>,
    /// For copies that are no repeats the first and the last record.
    calm: HashMap<u32, (u32, u32)>,
    /// The last copy of each set that has all its copies in one partition, and its last record, which must be there.
    closed: HashMap<u32, u32>,
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
        let mut copies = HashMap::<u32, Vec<u32>>::new();
        for index in &correspondence.time {
            let source = correspondence.source_of(*index);
            if let Some(source) = source.filter(|source| correspondence.unordered.contains(source))
            {
                copies.entry(correspondence.equal[&source]).or_default().push(*index);
            }
        }
        let (mut calm, mut closed) = (HashMap::new(), HashMap::new());
        for (set, members) in &sets {
            let mut copies = copies.remove(set).unwrap_or_default();
            let at = |copy: u32| history.destination[copy as usize].at;
            let last = members[members.len() - 1];
            if let Some(closing) = copies.last().copied()
                && copies.iter().all(|copy| at(*copy) == at(closing))
                && must_be_there(history, correspondence, &[last])
            {
                closed.insert(closing, last);
            }
            if copies.len() != members.len() || !must_be_there(history, correspondence, members) {
                copies.retain(|copy| is_no_repeat(history, *copy, members));
            }
            if copies.len() > members.len() {
                // One too many is a repeat, nobody knows of which.
                calm.extend(copies.into_iter().map(|copy| (copy, (members[0], last))));
                continue;
            }
            copies.sort_by_key(|copy| at(*copy));
            for copies in copies.chunk_by(|one, next| at(*one) == at(*next)) {
                let behind = &members[members.len() - copies.len()..];
                let spans = members.iter().copied().zip(behind.iter().copied());
                calm.extend(copies.iter().copied().zip(spans));
            }
        }
        Spans { sets, calm, closed }
    }

    /// The last record of a set, if all copies of the set lie in one partition up to this one.
    pub(super) fn closed_by(&self, copy: u32) -> Option<u32> {
        self.closed.get(&copy).copied()
    }

    /// What a copy may be of that was taken for one of `source`; `None` if those lie in several partitions. `forgets`: whether the
    /// source may have forgotten others like it.
    pub(super) fn of_copy(
        &self,
        correspondence: &Correspondence,
        copy: u32,
        source: u32,
        forgets: bool,
    ) -> Option<Span> {
        if !correspondence.unordered.contains(&source) {
            return Some(Span { earliest: Some(source), latest: source, is_calm: true });
        }
        let members = self.sets.get(&correspondence.equal[&source])?;
        let calm = self.calm.get(&copy).copied();
        let (earliest, latest) = calm.unwrap_or((members[0], members[members.len() - 1]));
        Some(Span { earliest: (!forgets).then_some(earliest), latest, is_calm: calm.is_some() })
    }
}

/// Whether no event explains that a record of a set was copied again: the last would be the first to be explained.
fn is_no_repeat(history: &History, copy: u32, members: &[u32]) -> bool {
    let copy = &history.destination[copy as usize];
    let last = &history.source[members[members.len() - 1] as usize];
    !history.explains(copy, last)
}

/// Whether each record of a set must have a copy: if there are as many as records, none is a repeat.
fn must_be_there(history: &History, correspondence: &Correspondence, members: &[u32]) -> bool {
    let topic = history.source[members[0] as usize].at.topic;
    let mut bounds = history.destination_bounds.iter().filter(|(at, _)| at.topic == topic);
    let is_required = |member: &u32| {
        let record = &history.source[*member as usize];
        history.is_final(record)
            && history.is_below_cut(record)
            && !history.is_announced(record)
            && !history.is_before_readiness(record.at, record.offset)
            && !correspondence.aborted.contains(member)
    };
    !history.topics[topic as usize].compacted
        && !bounds.any(|(_, bounds)| bounds.have_copies_expired())
        && members.iter().all(is_required)
}
