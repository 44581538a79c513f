//! Topics that nobody made but the subject: copies in places where nobody looks for them.
//!
//! Clusters are shared, and mirrors have topics of their own for what they remember. So a stray is one that came to be while
//! the subject ran, and that is named after a topic of the scenario: `copy-of-orders`, `west.orders`.

use super::{Testbed, TestbedError};
use crate::subject::Kind;
use judge::{history::Topic, plan::Side};
use std::collections::BTreeSet;

/// Ends the name of a stray on the other side: no topic can have such a name.
const NOWHERE: char = '!';

/// Whether it is there on one side only, and nobody but the subject made it.
pub(super) fn is_stray(topic: &Topic) -> bool {
    [Side::Source, Side::Destination].iter().any(|side| topic.on(*side).ends_with(NOWHERE))
}

impl Testbed {
    /// The topics of both sides, before the subject's first start.
    pub(super) async fn note_topics(&mut self) -> Result<(), TestbedError> {
        for side in [Side::Source, Side::Destination] {
            let names = self.topic_names(side).await?;
            self.there_before.insert(side, names);
        }
        Ok(())
    }

    /// Takes the strays into the history, as topics that were not selected. Nobody has produced to them.
    pub(super) async fn take_strays(&mut self) -> Result<(), TestbedError> {
        if self.settings.subject.kind == Kind::MirrorMaker2 {
            // Its own topics are named after the clusters, and may be named after topics.
            return Ok(());
        }
        for side in [Side::Source, Side::Destination] {
            for name in self.strays(side).await? {
                self.log(&format!("a topic of the {side} that nobody asked for: {name}"));
                let nowhere = format!("{name}{NOWHERE}");
                let (source, destination) = match side {
                    Side::Source => (name, nowhere),
                    Side::Destination => (nowhere, name),
                };
                self.history.topics.push(Topic {
                    source,
                    destination,
                    source_partitions: Vec::new(),
                    destination_partitions: Vec::new(),
                    selected: false,
                    compacted: false,
                });
            }
        }
        Ok(())
    }

    async fn strays(&self, side: Side) -> Result<Vec<String>, TestbedError> {
        let topics = &self.history.topics;
        let known: BTreeSet<&str> = topics.iter().map(|topic| topic.on(side)).collect();
        let there = self.topic_names(side).await?;
        let before = self.there_before.get(&side);
        let is_stray = |name: &String| {
            !known.contains(name.as_str())
                && before.is_some_and(|before| !before.contains(name))
                && topics.iter().any(|topic| name.contains(&topic.source))
        };
        Ok(there.into_iter().filter(is_stray).collect())
    }

    async fn topic_names(&self, side: Side) -> Result<BTreeSet<String>, TestbedError> {
        match &self.sampler {
            Some(sampler) => {
                Ok(sampler.with(move |progress, _| progress.topic_names(side)).await?)
            }
            None => Ok(BTreeSet::new()),
        }
    }
}
