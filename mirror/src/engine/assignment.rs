//! A stream's partitions come; how they go is in `revoke`.
//!
//! Where to begin is decided here and not by librdkafka, so that a position is always a number: it starts
//! at once, and an offset out of range later can only mean lost records. A new start is committed before the first
//! record is read, so that whoever comes next begins there too.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use rdkafka::{
    Offset, TopicPartitionList,
    client::Client,
    consumer::{Consumer, RebalanceProtocol},
    error::{KafkaError, KafkaResult},
    producer::Producer,
};

use super::{
    EngineError, Reset,
    client::{self, Rebalance},
    exactly_once::Opened,
    lifeline::{Asking, Connected},
    stream::{Stream, consume},
};
use crate::{
    progress::{Place, Progress, Slot},
    route::{self, Partitioning},
    shutdown::Stop,
    witness::Note,
};

/// One question to a cluster.
pub(super) const QUESTION: Duration = Duration::from_secs(5);
/// How long a topic that is just being created may take to have partitions.
const TOPIC_APPEARS: Duration = Duration::from_secs(10);
/// Pause before asking again.
const AGAIN: Duration = Duration::from_millis(100);

/// Where a partition begins.
pub(super) struct Start {
    pub(super) place: Place,
    /// What the group has stored; `None` if the start is worth a commit.
    pub(super) committed: Option<i64>,
    /// The group has forgotten what we had committed.
    pub(super) is_remembered: bool,
    /// It begins behind what is lost, wherever it got to before.
    pub(super) is_jump: bool,
}

impl Start {
    fn at(place: Place) -> Self {
        Self { place, committed: None, is_remembered: false, is_jump: false }
    }

    /// Begins elsewhere than the group has stored.
    pub(super) fn begin_at(&mut self, offset: i64) {
        self.place.offset = offset;
        self.committed = None;
        self.is_jump = true;
    }
}

impl Stream<'_> {
    /// Follows the group's decision.
    pub(super) fn rebalance(&self, rebalance: Rebalance, stop: &Stop) -> Result<(), EngineError> {
        match rebalance {
            Rebalance::Assign(partitions) => self.assign(&partitions, stop),
            Rebalance::Revoke(partitions) => self.revoke(&partitions),
        }
    }

    fn assign(&self, partitions: &TopicPartitionList, stop: &Stop) -> Result<(), EngineError> {
        let begun = self.check_destination(partitions, stop).and_then(|()| {
            let Some(opened) = self.open_lanes(partitions)? else { return Ok(None) };
            let starts = self.starts(partitions, &opened, stop)?;
            Ok(starts.map(|starts| {
                let is_new = starts.iter().any(|start| start.committed.is_none());
                (self.follow_all(starts, opened), is_new)
            }))
        });
        let Ok(Some((places, is_new))) = begun else {
            // It is time to end, and the group waits for an answer.
            client::give_back(&self.consumer, partitions);
            return begun.map(drop);
        };
        self.notes.forget_left_over();
        let list = client::list(&places).map_err(consume)?;
        if self.is_cooperative() {
            self.consumer.incremental_assign(&list).map_err(consume)?;
        } else {
            self.consumer.assign(&list).map_err(consume)?;
        }
        self.resume(&list)?;
        // Whoever comes next knows then that the group has begun, and where.
        if is_new && let Err(error) = self.commit_now() {
            tracing::warn!("a start is committed later: {}", client::reason(&error));
        }
        self.notes.meters.joined(true);
        self.notes.meters.rebalances.add(1);
        tracing::info!("stream {} reads {}", self.index, show(&places));
        Ok(())
    }

    /// Follows partitions from where they begin, each with its lane, if there are lanes.
    pub(super) fn follow_all(&self, starts: Vec<Start>, mut opened: Opened) -> Vec<Place> {
        let mut progress = self.notes.progress();
        for start in &starts {
            let slot = self.follow(&mut progress, &start.place, start.committed);
            if let Some(lanes) = &self.lanes {
                lanes.enter(slot, opened.take(&start.place), start);
            }
        }
        starts.into_iter().map(|start| start.place).collect()
    }

    /// Follows a partition from this place on, and keeps an account of it if one is wanted.
    pub(super) fn follow(
        &self,
        progress: &mut Progress,
        from: &Place,
        committed: Option<i64>,
    ) -> Slot {
        let Place { topic, partition, offset } = from;
        let former = progress.slot(topic, *partition);
        let former_account = former.and_then(|former| progress.take_account(former));
        let slot = progress.assign(topic, *partition, *offset, committed);
        self.notes.is_done.store(false, Ordering::Relaxed);
        if let (Some(lanes), Some(former)) = (&self.lanes, former) {
            lanes.follow(former, slot, *offset);
        }
        progress.expect_again(slot, self.notes.furthest.of(topic, *partition));
        if let Some(goal) = self.notes.goal.get()
            && let Some(account) = goal.take(from)
        {
            let account = match &self.lanes {
                None => account,
                Some(_) => account.in_transactions(former_account),
            };
            progress.keep_account(slot, account);
        }
        slot
    }

    /// Begins anew where some of our partitions have jumped to. A partition that went out of range is no
    /// longer fetched and cannot be sought in, so it has to be assigned again.
    pub(super) fn begin_again(&self, jumps: &[Place], all: &[Place]) -> Result<(), EngineError> {
        if self.is_cooperative() {
            let jumps = client::list(jumps).map_err(consume)?;
            self.consumer.incremental_unassign(&jumps).map_err(consume)?;
            self.consumer.incremental_assign(&jumps).map_err(consume)?;
        } else {
            self.consumer.assign(&client::list(all).map_err(consume)?).map_err(consume)?;
        }
        self.resume(&client::list(jumps).map_err(consume)?)
    }

    /// A partition that was read to its wanted end stays paused whoever it is assigned to (`rd_kafka_assignment.c`
    /// clears only librdkafka's own pause, 2.12.1), and may have to be read again.
    fn resume(&self, partitions: &TopicPartitionList) -> Result<(), EngineError> {
        if partitions.count() == 0 {
            return Ok(());
        }
        self.pass_markers();
        self.consumer.resume(partitions).map_err(consume)
    }

    pub(super) fn is_cooperative(&self) -> bool {
        matches!(self.consumer.rebalance_protocol(), RebalanceProtocol::Cooperative)
    }

    /// With `preserve`, refuses partitions that the destination lacks.
    fn check_destination(
        &self,
        partitions: &TopicPartitionList,
        stop: &Stop,
    ) -> Result<(), EngineError> {
        if self.settings.partitioning == Partitioning::Key {
            return Ok(());
        }
        let mut topic_and_count: Option<(String, usize)> = None;
        for partition in partitions.elements() {
            let topic = partition.topic();
            let count = match &topic_and_count {
                Some((known, count)) if known == topic => *count,
                _ => self.destination_partitions(topic, stop)?,
            };
            topic_and_count = Some((topic.to_owned(), count));
            route::destination_partition(
                self.settings.partitioning,
                topic,
                partition.partition(),
                count,
            )?;
        }
        Ok(())
    }

    /// How many partitions a topic has on the destination; asking may create it, if the cluster does that.
    fn destination_partitions(&self, topic: &str, stop: &Stop) -> Result<usize, EngineError> {
        let mut deadline = Instant::now() + TOPIC_APPEARS;
        let mut asking = Asking::new();
        loop {
            let producer = self.producer.borrow();
            match producer.client().fetch_metadata(Some(topic), QUESTION) {
                Ok(told) => {
                    let count = told.topics().first().map_or(0, |topic| topic.partitions().len());
                    if count > 0 {
                        return Ok(count);
                    }
                }
                // One that is away says nothing of its topics.
                Err(_) => {
                    deadline = Instant::now() + TOPIC_APPEARS;
                    asking.in_vain(producer.client());
                }
            }
            // A login that is refused is told in passing.
            producer.poll(Duration::ZERO);
            drop(producer);
            self.failure()?;
            if stop.requested() || Instant::now() > deadline {
                return Err(EngineError::MissingTopic { topic: topic.to_owned() });
            }
            std::thread::sleep(AGAIN);
        }
    }

    /// Where each partition begins: after what is committed, else as the reset policy says.
    pub(super) fn starts(
        &self,
        partitions: &TopicPartitionList,
        opened: &Opened,
        stop: &Stop,
    ) -> Result<Option<Vec<Start>>, EngineError> {
        let ask = || {
            let committed = self.consumer.committed_offsets(partitions.clone(), QUESTION)?;
            // A partition of which the coordinator does not tell the offset is not one without an offset.
            committed.elements().iter().try_for_each(|element| element.error())?;
            Ok(committed)
        };
        let Some(committed) = insist("committed offsets", self.consumer.client(), stop, ask)?
        else {
            return Ok(None);
        };
        let (mut starts, mut notes) = (Vec::new(), Vec::new());
        let mut open = TopicPartitionList::new();
        for element in committed.elements() {
            let (topic, partition) = (element.topic(), element.partition());
            let remembered = self.notes.custody.committed(topic, partition);
            match (element.offset(), self.settings.reset) {
                (of_group, _) if let Some(stored) = opened.stored(topic, partition) => {
                    notes.push(stored.note.clone());
                    let offset = stored.offset;
                    let place = Place { topic: topic.to_owned(), partition, offset };
                    let committed = (of_group == Offset::Offset(offset)).then_some(offset);
                    starts.push(Start { committed, ..Start::at(place) });
                }
                (Offset::Offset(offset), _) => {
                    notes.push(Note::parse(element.metadata()));
                    let place = Place { topic: topic.to_owned(), partition, offset };
                    let committed = Some(offset);
                    starts.push(Start { committed, ..Start::at(place) });
                }
                (_, _) if let Some((place, note)) = remembered => {
                    notes.push(note);
                    starts.push(Start { is_remembered: true, ..Start::at(place) });
                }
                (_, Reset::Refuse) => {
                    return Err(EngineError::NoPosition { topic: topic.to_owned(), partition });
                }
                // The timestamps -2 and -1 ask for a log's start and end, for all partitions at once.
                (_, Reset::Earliest) => open
                    .add_partition_offset(topic, partition, Offset::Beginning)
                    .map_err(consume)?,
                // What has come to be since the group began is new to its end, and wanted as a whole.
                (_, Reset::Latest) => {
                    let is_old = self.notes.custody.was_there_at_first(topic, partition);
                    let offset = if is_old { Offset::End } else { Offset::Beginning };
                    open.add_partition_offset(topic, partition, offset).map_err(consume)?
                }
            }
        }
        self.compare(&mut starts, &notes, stop)?;
        if open.count() == 0 {
            return Ok(Some(starts));
        }
        let ask = || numbers(self.consumer.offsets_for_times(open.clone(), QUESTION)?);
        let Some(places) = insist("start offsets", self.consumer.client(), stop, ask)? else {
            return Ok(None);
        };
        if !starts.is_empty() {
            tracing::info!(
                "stream {}: the group has positions, but none of {}: new, made anew, or expired",
                self.index,
                show(&places)
            );
        }
        starts.extend(places.into_iter().map(Start::at));
        Ok(Some(starts))
    }
}

/// The offsets as numbers, or the error of one of them.
pub(super) fn numbers(list: TopicPartitionList) -> KafkaResult<Vec<Place>> {
    let place = |element: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| {
        element.error()?;
        match element.offset() {
            Offset::Offset(offset) => Ok(Place {
                topic: element.topic().to_owned(),
                partition: element.partition(),
                offset,
            }),
            _ => Err(KafkaError::OffsetFetch(rdkafka::error::RDKafkaErrorCode::NoOffset)),
        }
    };
    list.elements().iter().map(place).collect()
}

/// Asks until there is an answer, or until we are told that there will be none; `None` if it is time to stop.
pub(super) fn insist<T, C: Connected>(
    what: &str,
    client: &Client<C>,
    stop: &Stop,
    ask: impl Fn() -> KafkaResult<T>,
) -> Result<Option<T>, EngineError> {
    let mut asking = Asking::new();
    while !stop.requested() {
        match ask() {
            Ok(answer) => return Ok(Some(answer)),
            Err(error) if asking.is_refused(&error) => return Err(consume(error)),
            Err(error) => {
                tracing::warn!("the source does not tell the {what}: {}", client::reason(&error));
                asking.in_vain(client);
            }
        }
        std::thread::sleep(AGAIN);
    }
    Ok(None)
}

pub(super) fn show(places: &[Place]) -> String {
    const SHOWN: usize = 12;
    let mut text: Vec<String> = places
        .iter()
        .take(SHOWN)
        .map(|p| format!("{}[{}]@{}", p.topic, p.partition, p.offset))
        .collect();
    if places.len() > SHOWN {
        text.push(format!("and {} more", places.len() - SHOWN));
    }
    if text.is_empty() { "no partition".to_owned() } else { text.join(" ") }
}
