//! A group that begins at the end of what there is: what was there before it began, and where that ended.
//!
//! It is found out and committed before anybody is in the group, for all partitions at once. A group has begun if
//! it has stored a position; what it has none of has come to be since, and is wanted as a whole. Were each
//! partition's start committed when it is assigned, a rebalance could refuse that, and a mirror that is killed
//! then would leave no trace of its first start: the next one would begin at a later end.

use std::{cell::OnceCell, thread};

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
    listing::Listed,
};
use crate::{progress::Place, shutdown::Stop, witness::Note};

/// Begins for the whole group in these topics, unless it has begun before; no stream has joined it yet. False if it is
/// time to stop.
pub(super) fn begin_at_the_end(
    settings: &Settings,
    topics: Vec<String>,
    custody: &Custody,
    stop: &Stop,
) -> Result<bool, EngineError> {
    if topics.is_empty() {
        return Ok(true);
    }
    let mut outside = settings.consumers[0].clone();
    // Who has a name in the group may commit only as a member (KIP-345).
    outside.take("group.instance.id");
    let quiet = Quiet::new("source");
    let group: BaseConsumer<Quiet> = client::make(&outside, &[], &settings.consumer_file, quiet)?;
    let listed = Listed::new(topics);
    // Found out once: a commit that failed in part must not look like a group that has begun.
    let found = OnceCell::new();
    let begin = || {
        if found.get().is_none() {
            // It is empty, or this would not run.
            let _ = found.set(unless_begun(&group, &listed)?);
        }
        let Some(there) = found.get() else { return Ok(TopicPartitionList::new()) };
        if there.count() > 0
            && let Err(error) = commit_ends(&group, there, custody)
        {
            // Others are in the group. If they are mirrors, they have begun before they joined it.
            if !client::is_expulsion(&error) {
                return Err(error);
            }
            return unless_begun(&group, &listed);
        }
        Ok(there.clone())
    };
    let there = insist("committed offsets", group.client(), stop, begin)?;
    // Its end takes a moment, and nobody needs to wait for it.
    thread::spawn(move || drop(group));
    let Some(there) = there else { return Ok(false) };
    if settings.once && there.count() > 0 {
        tracing::warn!(
            "the group is new, and auto.offset.reset=latest: it begins at the end of what there is, so --once copies none of it"
        );
    }
    let keys = there.elements().iter().map(|it| (it.topic().to_owned(), it.partition())).collect();
    custody.keep_first_seen(keys);
    Ok(true)
}

/// The partitions of the topics; none if the group has stored a position in one of them.
fn unless_begun(group: &BaseConsumer<Quiet>, listed: &Listed) -> KafkaResult<TopicPartitionList> {
    let list = listed.partitions(&group.fetch_metadata(None, QUESTION)?)?;
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
