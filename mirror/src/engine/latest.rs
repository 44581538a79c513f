//! A group that begins at the end of what there is: what was there before it began, and where that ended.
//!
//! It is found out and committed before anybody is in the group, for all partitions at once. A group has begun if
//! it has stored a position; what it has none of has come to be since, and is wanted as a whole. Were each
//! partition's start committed when it is assigned, a rebalance could refuse that, and a mirror that is killed
//! then would leave no trace of its first start: the next one would begin at a later end.

use std::thread;

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
    error::KafkaResult,
};

use super::{
    EngineError, Settings,
    assignment::{QUESTION, insist, numbers},
    client::{self, Quiet},
    custody::Custody,
};
use crate::{progress::Place, shutdown::Stop, witness::Note};

/// Begins for the whole group, unless it has begun before; no stream has joined it yet. False if it is time to stop.
pub(super) fn begin_at_the_end(
    settings: &Settings,
    look_out: &BaseConsumer<Quiet>,
    custody: &Custody,
    stop: &Stop,
) -> Result<bool, EngineError> {
    let mut outside = settings.consumers[0].clone();
    // Who has a name in the group may commit only as a member (KIP-345).
    outside.take("group.instance.id");
    let quiet = Quiet::new("source");
    let group: BaseConsumer<Quiet> = client::make(&outside, &[], &settings.consumer_file, quiet)?;
    let begin = || {
        let there = unless_begun(&group, settings, look_out)?;
        if there.count() > 0
            && let Err(error) = commit_ends(&group, &there, custody)
        {
            // Others are in the group. If they are mirrors, they have begun before they joined it.
            if !client::is_expulsion(&error) {
                return Err(error);
            }
            return unless_begun(&group, settings, look_out);
        }
        Ok(there)
    };
    let there = insist("committed offsets", group.client(), stop, begin)?;
    // Its end takes a moment, and nobody needs to wait for it.
    thread::spawn(move || drop(group));
    let Some(there) = there else { return Ok(false) };
    let keys = there.elements().iter().map(|it| (it.topic().to_owned(), it.partition())).collect();
    custody.keep_first_seen(keys);
    Ok(true)
}

/// The partitions of the topics to mirror; none if the group has stored a position in one of them.
fn unless_begun(
    group: &BaseConsumer<Quiet>,
    settings: &Settings,
    look_out: &BaseConsumer<Quiet>,
) -> KafkaResult<TopicPartitionList> {
    let metadata = look_out.fetch_metadata(None, QUESTION)?;
    let mut list = TopicPartitionList::new();
    for topic in metadata.topics() {
        let partitions = topic.partitions().iter();
        for partition in partitions.filter(|_| settings.filter.matches(topic.name())) {
            list.add_partition(topic.name(), partition.id());
        }
    }
    if list.count() == 0 {
        return Ok(list);
    }
    let committed = group.committed_offsets(list, QUESTION)?;
    committed.elements().iter().try_for_each(|element| element.error())?;
    let is_stored = |offset| matches!(offset, Offset::Offset(_));
    match committed.elements().iter().any(|element| is_stored(element.offset())) {
        true => Ok(TopicPartitionList::new()),
        false => Ok(committed),
    }
}

/// Stores the ends of these partitions. Brokers take that from somebody outside the group while nobody is in it
/// (`GroupCoordinator.validateOffsetCommit`, Kafka 3.9), as from the tool that resets offsets.
fn commit_ends(
    group: &BaseConsumer<Quiet>,
    partitions: &TopicPartitionList,
    custody: &Custody,
) -> KafkaResult<()> {
    let mut ends = partitions.clone();
    ends.set_all_offsets(Offset::End)?;
    let ends = numbers(group.offsets_for_times(ends, QUESTION)?)?;
    let noted: Vec<(Place, Note)> = ends.into_iter().map(|end| (end, Note::default())).collect();
    group.commit(&client::noted_list(&noted)?, CommitMode::Sync)?;
    custody.keep_committed(&noted);
    Ok(())
}
