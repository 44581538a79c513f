//! Makes librdkafka's clients, and receives what they report: acknowledgements, rebalances, errors, logs.
//!
//! The callbacks only note; the stream acts on it. All of them run on the stream's own thread, inside a poll.

use std::{
    collections::VecDeque,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use rdkafka::{
    ClientConfig, ClientContext, Statistics, TopicPartitionList,
    config::{FromClientConfigAndContext, RDKafkaLogLevel},
    consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    message::DeliveryResult,
    metadata::Metadata,
    producer::{BaseProducer, NoCustomPartitioner, ProducerContext},
    topic_partition_list::TopicPartitionListElem,
    types::RDKafkaRespErr,
};

use super::{
    EngineError, Settings, exactly_once::Uncommitted, lifeline::Connected, notes::Notes, once,
    refused, troubles::Troubles,
};
use crate::{
    config,
    progress::{Place, Token},
    witness::Note,
};

/// Makes a client; a refused property is the user's to correct.
pub(super) fn make<Context: Connected, Client: FromClientConfigAndContext<Context>>(
    settings: &config::Settings,
    more: &[(&str, &str)],
    file: &Path,
    context: Context,
) -> Result<Client, EngineError> {
    let mut client_config = ClientConfig::new();
    // What is shown is decided by our own log filter. Who sets `debug` wants to see what it says.
    let is_debugged = settings.get("debug").is_some();
    let level = if is_debugged { RDKafkaLogLevel::Debug } else { RDKafkaLogLevel::Info };
    client_config.set_log_level(level);
    for setting in settings.effective() {
        client_config.set(&setting.name, &setting.value);
    }
    for (name, value) in more {
        client_config.set(*name, *value);
    }
    context.troubles().keep_servers(settings.get("bootstrap.servers").unwrap_or_default());
    client_config.create_with_context(context).map_err(|error| EngineError::Property {
        file: file.to_owned(),
        reason: refused::reason(settings, error),
    })
}

/// A client of the source outside the group, to list topics.
pub(super) fn look_out(settings: &Settings) -> Result<BaseConsumer<Quiet>, EngineError> {
    let mut consumer = settings.consumers[0].clone();
    for name in
        ["group.id", "group.instance.id", "client.id", "group.protocol", "group.remote.assignor"]
    {
        consumer.take(name);
    }
    let group = settings.consumers[0].get("group.id").unwrap_or_default();
    let id = format!("{group}-topics");
    let more = [("client.id", id.as_str()), ("auto.offset.reset", "error")];
    make(&consumer, &more, &settings.consumer_file, Quiet::new("source"))
}

/// A producer that writes nothing, to ask the destination with. A stream's own would keep the answer: the
/// first record of a topic would be placed by a number of partitions as old as the start.
pub(super) fn look_at_destination(
    settings: &Settings,
) -> Result<BaseProducer<Destination>, EngineError> {
    make(&settings.producers[0], &[], &settings.producer_file, Destination::new(Arc::default()))
}

/// The names of all topics listed.
pub(super) fn topic_names(metadata: &Metadata) -> Vec<String> {
    let existing = metadata.topics().iter().filter(|topic| topic.error().is_none());
    existing.map(|topic| topic.name().to_owned()).collect()
}

/// The context of a client that copies nothing.
#[derive(Debug)]
pub(super) struct Quiet(Troubles);

impl Quiet {
    pub(super) fn new(side: &'static str) -> Self {
        Self(Troubles::new(side))
    }
}

impl Connected for Quiet {
    fn troubles(&self) -> &Troubles {
        &self.0
    }
}

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.0.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.error(&error, reason);
    }
}

impl ConsumerContext for Quiet {}

/// The producer's context: acknowledgements feed progress.
pub(super) struct Destination {
    pub(super) notes: Arc<Notes>,
    pub(super) troubles: Troubles,
    /// What is acknowledged within the open transaction, if it writes in transactions.
    pub(super) uncommitted: Option<Uncommitted>,
}

impl Destination {
    pub(super) fn new(notes: Arc<Notes>) -> Self {
        Self { notes, troubles: Troubles::new("destination"), uncommitted: None }
    }

    /// For a producer that writes in transactions.
    pub(super) fn in_transactions(notes: Arc<Notes>) -> Self {
        Self { uncommitted: Some(Uncommitted::default()), ..Self::new(notes) }
    }
}

impl ClientContext for Destination {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.troubles.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.troubles.error(&error, reason);
        self.notes.denied(&self.troubles);
    }
}

impl Connected for Destination {
    fn troubles(&self) -> &Troubles {
        &self.troubles
    }
}

impl ProducerContext<NoCustomPartitioner> for Destination {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, word: usize) {
        let token = Token::from_word(word);
        if token == Token::NONE {
            // A position; whether it has arrived is said by the commit of its transaction.
            return;
        }
        if self.uncommitted.as_ref().is_some_and(|uncommitted| !uncommitted.reported()) {
            return;
        }
        self.notes.meters.reported.add(1);
        match result {
            Ok(message) => {
                self.notes.was_taken(message);
                let (records, bytes) = match &self.uncommitted {
                    None => (&self.notes.meters.copied, &self.notes.meters.bytes),
                    Some(uncommitted) => uncommitted.acknowledged(),
                };
                records.add(1);
                bytes.add((message.key_len() + message.payload_len()) as u64);
                let mut progress = self.notes.progress();
                if self.notes.goal.get().is_some()
                    && let Some(waiting) = progress.waiting(token)
                {
                    once::landed(waiting, message);
                }
                progress.acknowledged(token);
            }
            Err((error, message)) => self.notes.not_sent(token, message, error),
        }
    }
}

/// A change of what the stream reads.
#[derive(Debug)]
pub(super) enum Rebalance {
    Assign(TopicPartitionList),
    Revoke(TopicPartitionList),
}

/// The consumer's context: rebalances are queued for the stream.
pub(super) struct Source {
    notes: Arc<Notes>,
    troubles: Troubles,
    rebalances: Mutex<VecDeque<Rebalance>>,
    /// Set when nothing is left to do but to leave the group.
    closing: AtomicBool,
}

impl Source {
    pub(super) fn new(notes: Arc<Notes>) -> Self {
        Self {
            notes,
            troubles: Troubles::new("source"),
            rebalances: Mutex::default(),
            closing: AtomicBool::new(false),
        }
    }

    pub(super) fn next_rebalance(&self) -> Option<Rebalance> {
        lock(&self.rebalances).pop_front()
    }

    pub(super) fn has_rebalance(&self) -> bool {
        !lock(&self.rebalances).is_empty()
    }

    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }
}

impl ClientContext for Source {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.troubles.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.troubles.error(&error, reason);
        self.notes.denied(&self.troubles);
        if Troubles::is_damage(&error, reason) {
            self.notes.damaged(&error);
        }
    }

    fn stats(&self, statistics: Statistics) {
        self.notes.measure_lags(&statistics);
        if let Some(goal) = self.notes.goal.get() {
            // While a record is held back, there may be a pause for it.
            let is_paused = self.notes.paused.load(Ordering::Relaxed)
                || self.notes.holding.load(Ordering::Relaxed);
            let mut progress = self.notes.progress();
            for end in goal.look(&statistics, is_paused) {
                progress.reach(&end);
            }
        }
    }
}

impl Connected for Source {
    fn troubles(&self) -> &Troubles {
        &self.troubles
    }
}

impl ConsumerContext for Source {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        event: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        if self.closing.load(Ordering::Acquire) {
            give_back(consumer, partitions);
            return;
        }
        let rebalance = match event {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                Rebalance::Assign(partitions.clone())
            }
            _ => Rebalance::Revoke(partitions.clone()),
        };
        lock(&self.rebalances).push_back(rebalance);
    }
}

/// Leaves the group. A rebalance that came in the last poll, when nobody followed them any more, is answered
/// first: the group waits for it.
pub(super) fn leave(consumer: Arc<BaseConsumer<Source>>) {
    let context = consumer.context();
    context.close();
    while let Some(Rebalance::Assign(partitions) | Rebalance::Revoke(partitions)) =
        context.next_rebalance()
    {
        give_back(&consumer, &partitions);
    }
}

/// Gives partitions back on the way out of the group.
pub(super) fn give_back(consumer: &BaseConsumer<Source>, partitions: &TopicPartitionList) {
    // librdkafka drops what it is told after it has left, and its caller would wait for ever.
    if consumer.closed() {
        return;
    }
    if let Err(error) = unassign(consumer, partitions) {
        tracing::warn!("partitions are not given back: {}", reason(&error));
    }
}

/// Unassigns partitions, in whichever way the group's protocol wants it.
pub(super) fn unassign(
    consumer: &BaseConsumer<Source>,
    partitions: &TopicPartitionList,
) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_unassign(partitions),
        RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.unassign(),
    }
}

/// The places as librdkafka wants them.
pub(super) fn list(places: &[Place]) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::with_capacity(places.len());
    for place in places {
        let offset = rdkafka::Offset::Offset(place.offset);
        list.add_partition_offset(&place.topic, place.partition, offset)?;
    }
    Ok(list)
}

/// The offsets of a list that are told.
pub(super) fn told(list: &TopicPartitionList) -> Vec<Place> {
    let place = |element: &TopicPartitionListElem<'_>| {
        element.error().ok()?;
        let offset = element.offset().to_raw().filter(|offset| *offset >= 0)?;
        Some(Place { topic: element.topic().to_owned(), partition: element.partition(), offset })
    };
    list.elements().iter().filter_map(place).collect()
}

/// Positions to commit, with what is noted of their logs.
pub(super) fn noted_list(places: &[(Place, Note)]) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::with_capacity(places.len());
    for (place, note) in places {
        let mut element = list.add_partition(&place.topic, place.partition);
        element.set_offset(rdkafka::Offset::Offset(place.offset))?;
        element.set_metadata(note.to_string());
    }
    Ok(list)
}

/// Whether the group refuses a commit because others have the partitions by now.
pub(super) fn is_expulsion(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{FencedInstanceId, IllegalGeneration, UnknownMemberId};
    let code = error.rdkafka_error_code();
    matches!(code, Some(IllegalGeneration | UnknownMemberId | FencedInstanceId))
}

/// Whether a cluster refuses us, which asking again does not change. A login is not among it: whether it was refused, or its
/// connection ended, is told by words alone (`Troubles::denial`).
pub(super) fn is_refusal(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{
        ClusterAuthorizationFailed, GroupAuthorizationFailed, InvalidGroupId,
        InvalidSessionTimeout, SaslAuthenticationFailed, TopicAuthorizationFailed,
        TransactionalIdAuthorizationFailed,
    };
    matches!(
        error.rdkafka_error_code(),
        Some(
            ClusterAuthorizationFailed
                | GroupAuthorizationFailed
                | InvalidGroupId
                | InvalidSessionTimeout
                | SaslAuthenticationFailed
                | TopicAuthorizationFailed
                | TransactionalIdAuthorizationFailed
        )
    )
}

/// Whether librdkafka had no connection, or no answer.
pub(super) fn is_outage(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode::{
        AllBrokersDown, BrokerTransportFailure, OperationTimedOut, RequestTimedOut,
    };
    matches!(code, AllBrokersDown | BrokerTransportFailure | OperationTimedOut | RequestTimedOut)
}

/// Waits for an answer that another thread hands over.
pub(super) fn block_on<T>(answer: impl Future<Output = KafkaResult<T>>) -> KafkaResult<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.map_err(|error| KafkaError::AdminOpCreation(error.to_string()))?.block_on(answer)
}

/// librdkafka's words for an error, with its name.
pub(super) fn reason(error: &KafkaError) -> String {
    match error.rdkafka_error_code() {
        Some(code) => code.to_string(),
        None => error.to_string(),
    }
}

/// What a panicked thread left behind is still what was noted.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
