//! The source no longer holds what is to be read next: retention was faster, or the log shrank or was made anew.
//!
//! librdkafka reports an offset out of range without saying where, so every assigned partition is looked at.

use std::time::Duration;

use rdkafka::consumer::Consumer;

use super::{
    EngineError,
    drain::Drained,
    stream::{Stream, consume},
};
use crate::{cli::OnDataLoss, progress::Place};

/// One question to the source.
const QUESTION: Duration = Duration::from_secs(10);
/// What is in flight is committed before its partition begins anew.
const BEFORE_JUMP: Duration = Duration::from_secs(10);

impl Stream<'_> {
    /// Names what is lost; then fails, or goes on with what is left.
    pub(super) fn on_data_loss(&self) -> Result<(), EngineError> {
        let mut lost = Vec::new();
        let (mut jumps, mut from) = (Vec::new(), Vec::new());
        for next in self.notes.progress().next_positions() {
            let (low, high) = self
                .consumer
                .fetch_watermarks(&next.topic, next.partition, QUESTION)
                .map_err(consume)?;
            if next.offset >= low && next.offset <= high {
                continue;
            }
            lost.push(describe(&next, low, high));
            from.push(next.offset);
            jumps.push(Place { offset: low, ..next });
        }
        let lost = if lost.is_empty() {
            "the source reports an offset out of range or a truncated log, but every position is in range again".to_owned()
        } else {
            lost.join("; ")
        };
        if self.settings.on_data_loss == OnDataLoss::Fail || jumps.is_empty() {
            return Err(EngineError::DataLoss { lost });
        }
        tracing::error!(
            "records are gone from the source before they were copied, going on: {lost}"
        );
        self.notes.meters.lost_ranges.add(jumps.len() as u64);
        match self.drain(BEFORE_JUMP)? {
            Drained::All => {}
            Drained::Expelled => return Ok(()),
            Drained::Silent => {
                // The jump would be committed over records that have not arrived.
                let records = self.notes.progress().in_flight();
                return Err(EngineError::Unfinished { records, waited: BEFORE_JUMP });
            }
        }
        let mut progress = self.notes.progress();
        for (jump, from) in jumps.iter().zip(from) {
            if let Some(goal) = self.notes.goal.get() {
                goal.jump(from, jump);
            }
            self.follow(&mut progress, jump, None);
        }
        let all = progress.next_positions();
        drop(progress);
        self.begin_again(&jumps, &all)
    }
}

fn describe(next: &Place, low: i64, high: i64) -> String {
    let Place { topic, partition, offset } = next;
    if *offset < low {
        format!(
            "{topic} [{partition}]: offsets {offset} to {} are deleted, the log begins at {low}",
            low - 1
        )
    } else {
        format!(
            "{topic} [{partition}]: to be read from offset {offset}, but the log ends at {high}: it was truncated, or \
             the topic was deleted and made anew"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_topic_partition_and_range() {
        let next = Place { topic: "t".to_owned(), partition: 3, offset: 10 };
        assert_eq!(
            describe(&next, 15, 90),
            "t [3]: offsets 10 to 14 are deleted, the log begins at 15"
        );
        assert!(
            describe(&next, 0, 4)
                .starts_with("t [3]: to be read from offset 10, but the log ends at 4")
        );
    }
}
