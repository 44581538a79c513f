//! A topic of the source is deleted and made anew: from then on its offsets name other records.

use super::{Testbed, TestbedError, topics::LONGEST_AGE};
use judge::history::{DestinationBounds, History, Positions, TopicIndex};
use std::time::Duration;

impl Testbed {
    /// Deletes a topic of the source, once what it holds has been copied, and creates it anew. What was
    /// copied lies below the destination's new baseline: it is neither judged nor taken for a copy of a
    /// new record, and positions of the old log are forgotten. Waits until a subject that runs must know of it: one
    /// that reads on from its old position has copied in another order by then.
    pub(super) async fn recreate_topic(
        &mut self,
        logical: &str,
        partitions: u32,
    ) -> Result<(), TestbedError> {
        let index = self.topic(logical)?;
        if !self.has_written_what_it_read().await? {
            self.log("the subject is still at what it read before: that is not judged");
        }
        let name = self.history.topics[usize::from(index)].source.clone();
        self.pair.source.recreate_topic(&name, partitions).await?;
        self.forget_topics().await?;
        self.history.topics[usize::from(index)].source_partitions = vec![partitions];
        self.gone.retain(|record| record.at.topic != index);
        self.outrun.retain(|at, _| at.topic != index);
        self.trimmed.retain(|at, _| at.topic != index);
        forget_log(&mut self.history, index);
        if self.subject.is_some() {
            let age = Duration::from_millis(self.contract().metadata_age_ms);
            tokio::time::sleep(age.min(LONGEST_AGE)).await;
        }
        let Some(sampler) = &self.sampler else { return Ok(()) };
        let bounds = sampler.with(move |progress, topics| {
            progress.forget(index);
            progress.destination_bounds(topics)
        });
        for (at, (low, end)) in bounds.await?.into_iter().filter(|(at, _)| at.topic == index) {
            let bounds = DestinationBounds { low_baseline: low, baseline: end, low, end };
            self.history.destination_bounds.insert(at, bounds);
        }
        Ok(())
    }
}

/// Takes what a history says of a source topic's log out of it: offsets of another log say nothing of the new one,
/// and would excuse, or accuse, what happens there.
fn forget_log(history: &mut History, index: TopicIndex) {
    let forget = |positions: &mut Positions| positions.retain(|at, _| at.topic != index);
    history.produced.retain(|produced| produced.topic != index);
    history.written.remove(&index);
    history.after_cut.retain(|record| record.at.topic != index);
    history.announced.retain(|at, _| at.topic != index);
    history.translations.retain(|translation| translation.topic != index);
    history.ready.iter_mut().for_each(forget);
    history.commits.iter_mut().for_each(|sample| forget(&mut sample.committed));
    history.events.iter_mut().for_each(|event| forget(&mut event.committed));
}

#[cfg(test)]
mod tests {
    use super::*;
    use judge::history::{
        CommitSample, Ends, Event, EventKind, Gap, Outcome, Produced, RecordId, SourceOffset,
        TopicPartition, Translation,
    };

    /// All that may be known of the logs of some topics before one of them is made anew.
    fn known(topics: &[TopicIndex]) -> History {
        let place = |topic: &TopicIndex| TopicPartition { topic: *topic, partition: 0 };
        let positions: Positions =
            topics.iter().map(|topic| (place(topic), SourceOffset(7))).collect();
        let gap = Gap { from: SourceOffset(3), to: SourceOffset(7) };
        let id = RecordId { run: 1, producer: 0, key: 0, sequence: 0 };
        let produced =
            |topic: &TopicIndex| Produced { topic: *topic, id, outcome: Outcome::Acknowledged };
        let translation = |topic: &TopicIndex| Translation {
            topic: *topic,
            group: "application".into(),
            committed: Positions::from([(place(topic), SourceOffset(7))]),
            translated: Ends::new(),
        };
        History {
            produced: topics.iter().map(produced).collect(),
            written: topics.iter().map(|topic| (*topic, 1)).collect(),
            ready: Some(positions.clone()),
            events: vec![Event {
                kind: EventKind::Stop,
                destination_ends: Ends::new(),
                committed: positions.clone(),
                over: None,
            }],
            commits: vec![CommitSample { committed: positions, destination_ends: Ends::new() }],
            announced: topics.iter().map(|topic| (place(topic), gap)).collect(),
            translations: topics.iter().map(translation).collect(),
            ..History::default()
        }
    }

    /// Records of the new log at offsets that had been deleted from the old one may not get lost.
    #[test]
    fn nothing_is_known_of_a_log_that_is_made_anew() {
        let mut history = known(&[0, 1]);
        forget_log(&mut history, 0);
        assert_eq!(history, known(&[1]));
    }
}
