//! An application's positions, carried over to the destination.

use super::{Options, client::EngineError, defect::Translation, record::Origin};
use crate::cluster::client::persist;
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
};
use std::{collections::BTreeMap, time::Duration};

const QUESTION: Duration = Duration::from_secs(5);

/// Knows where every copy lies, and which of them an application has read on the source.
pub(super) struct Translator {
    how: Translation,
    source: BaseConsumer,
    destination: BaseConsumer,
    /// For each partition of the destination: what lies where, in order.
    copies: BTreeMap<(String, i32), Vec<(Origin, i64)>>,
    /// The positions that were translated last.
    last: Option<TopicPartitionList>,
}

impl Translator {
    pub(super) fn new(
        options: &Options,
        group: &str,
        how: Translation,
    ) -> Result<Translator, EngineError> {
        let member = |servers: Option<&String>| {
            ClientConfig::new()
                .set("bootstrap.servers", servers.cloned().unwrap_or_default())
                .set("group.id", group)
                .set("enable.auto.commit", "false")
                .create()
        };
        Ok(Translator {
            how,
            source: member(options.consumer.get("bootstrap.servers"))?,
            destination: member(options.producer.get("bootstrap.servers"))?,
            copies: BTreeMap::new(),
            last: None,
        })
    }

    /// A record was copied.
    pub(super) fn copied(&mut self, origin: &Origin, partition: i32, offset: i64) {
        let copies = self.copies.entry((origin.topic.clone(), partition)).or_default();
        copies.push((origin.clone(), offset));
    }

    /// Translates what the application has committed since.
    pub(super) fn sync(&mut self, topics: &[String]) -> Result<(), EngineError> {
        for topic in topics {
            let read = self.positions(&self.source, topic)?;
            if read.is_empty() {
                continue;
            }
            let mut translated = TopicPartitionList::new();
            for (partition, offset) in self.translate(topic, &read)? {
                translated.add_partition_offset(topic, partition, Offset::Offset(offset))?;
            }
            if self.last.as_ref() == Some(&translated) {
                continue;
            }
            self.destination.commit(&translated, CommitMode::Sync)?;
            self.last = Some(translated);
        }
        Ok(())
    }

    fn translate(
        &self,
        topic: &str,
        read: &BTreeMap<i32, i64>,
    ) -> Result<BTreeMap<i32, i64>, EngineError> {
        let mut translated = BTreeMap::new();
        for partition in 0..self.partitions(&self.destination, topic)? {
            let (low, end) = self.destination.fetch_watermarks(topic, partition, QUESTION)?;
            let unread = |(origin, _): &&(Origin, i64)| {
                read.get(&origin.partition).is_none_or(|position| origin.offset >= *position)
            };
            let copies = self.copies.get(&(topic.to_owned(), partition));
            let first = copies.and_then(|copies| copies.iter().find(unread));
            let position = match self.how {
                Translation::Exact => first.map_or(end, |(_, offset)| *offset),
                Translation::End => end,
                Translation::Start => low,
                Translation::Raw => match read.get(&partition) {
                    Some(position) => *position,
                    None => continue,
                },
            };
            translated.insert(partition, position);
        }
        Ok(translated)
    }

    fn positions(
        &self,
        member: &BaseConsumer,
        topic: &str,
    ) -> Result<BTreeMap<i32, i64>, EngineError> {
        let mut wanted = TopicPartitionList::new();
        wanted.add_partition_range(topic, 0, self.partitions(member, topic)? - 1);
        let committed = persist(|| member.committed_offsets(wanted.clone(), QUESTION))?;
        let positions = committed.elements().into_iter().filter_map(|one| match one.offset() {
            Offset::Offset(offset) => Some((one.partition(), offset)),
            _ => None,
        });
        Ok(positions.collect())
    }

    fn partitions(&self, member: &BaseConsumer, topic: &str) -> Result<i32, EngineError> {
        let metadata = member.fetch_metadata(None, QUESTION)?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        Ok(found.map_or(0, |found| found.partitions().len() as i32))
    }
}
