//! What a history lets one say about a record of the source that has no copy: whether it can still come, and
//! what its place excuses.

use super::{Completion, History, SourceBounds, SourceOffset, SourceRecord, TopicPartition};
use std::collections::BTreeMap;

/// How far the history can tell that something is absent for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Completeness {
    /// What is absent stays absent.
    Final,
    /// The subject stopped moving: only what it committed can be called lost.
    Stalled,
    /// It was still moving, or nobody waited.
    Unknown,
}

impl History {
    /// What the end of the run lets one say about absence.
    pub(crate) fn completeness(&self) -> Completeness {
        match &self.completion {
            Some(Completion::Completed) => Completeness::Final,
            // Sentinels came after every record, and a position beyond the cut says "done".
            Some(Completion::Idle { sentinels_arrived: true, .. })
            | Some(Completion::Idle { behind: Some(0), .. }) => Completeness::Final,
            Some(Completion::Idle { .. } | Completion::Exited { .. }) => Completeness::Stalled,
            Some(Completion::Deadline { .. } | Completion::Unobservable { .. }) | None => {
                Completeness::Unknown
            }
        }
    }

    /// Whether the subject cannot come back to a record that it has not copied.
    pub(crate) fn is_final(&self, record: &SourceRecord) -> bool {
        match self.completeness() {
            Completeness::Final => true,
            Completeness::Stalled => {
                let committed = self.final_commit.committed.as_ref();
                let position = committed.and_then(|committed| committed.get(&record.at));
                position.is_some_and(|position| record.offset < *position)
            }
            Completeness::Unknown => false,
        }
    }

    /// Whether completeness covers its place.
    pub(crate) fn is_below_cut(&self, record: &SourceRecord) -> bool {
        let bounds = self.source_bounds.get(&record.at);
        bounds.is_none_or(|bounds| record.offset < bounds.cut)
    }

    /// Whether the position passed all that lay on the source at the end, sentinels included. What is not known
    /// excuses nobody.
    pub(crate) fn has_passed_the_end(&self) -> bool {
        let Some(committed) = &self.final_commit.committed else { return true };
        let ends = self.source_ends.iter();
        ends.filter(|(at, end)| self.topics[at.topic as usize].selected && end.0 > 0)
            .all(|(at, end)| committed.get(at) >= Some(end))
    }

    /// Whether it was deleted before it could be read, and the subject said so.
    pub(crate) fn is_announced(&self, record: &SourceRecord) -> bool {
        self.announced.get(&record.at).is_some_and(|gap| gap.holds(record.offset))
    }

    /// Whether an offset lies before the source's end when the subject was first ready.
    pub(crate) fn is_before_readiness(&self, at: TopicPartition, offset: SourceOffset) -> bool {
        let ready = self.ready.as_ref().and_then(|ready| ready.get(&at));
        ready.is_some_and(|ready| offset < *ready)
    }

    /// How many offsets of each source partition up to the cut show nothing, not even what was aborted: so many records it may
    /// have forgotten at most. Nobody knows how many where some have expired: any number.
    pub(crate) fn gaps_of_partitions(&self) -> BTreeMap<TopicPartition, u64> {
        let gap = |(at, bounds): (&TopicPartition, &SourceBounds)| {
            let length = (bounds.cut.0 - bounds.low.0).max(0) as u64;
            (*at, if bounds.low > bounds.baseline { u64::MAX } else { length })
        };
        let mut gaps: BTreeMap<_, _> = self.source_bounds.iter().map(gap).collect();
        let is_held = |aborted: &SourceRecord| {
            let place = (aborted.at, aborted.offset);
            self.source.binary_search_by_key(&place, |record| (record.at, record.offset)).is_ok()
        };
        let aborted = self.aborted.iter().filter(|aborted| !is_held(aborted));
        for record in self.source.iter().chain(aborted).filter(|record| self.is_below_cut(record)) {
            if let Some(gap) = gaps.get_mut(&record.at) {
                *gap = gap.saturating_sub(1);
            }
        }
        gaps
    }

    /// The same for each topic.
    pub(crate) fn gaps(&self) -> Vec<u64> {
        let mut gaps = vec![0_u64; self.topics.len()];
        for (at, gap) in self.gaps_of_partitions() {
            let gaps = &mut gaps[at.topic as usize];
            *gaps = gaps.saturating_add(gap);
        }
        gaps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_had_been_deleted_before_the_run_is_no_gap() {
        let at = TopicPartition { topic: 0, partition: 0 };
        let [low, cut] = [5, 7].map(SourceOffset);
        let source_bounds = BTreeMap::from([(at, SourceBounds { baseline: low, low, cut })]);
        let history = History { source_bounds, ..History::default() };
        assert_eq!(history.gaps_of_partitions(), BTreeMap::from([(at, 2)]));
    }
}
