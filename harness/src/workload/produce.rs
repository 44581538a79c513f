//! Producing a workload to the source, and logging what every record's producer was told.

use super::{
    generate::Generated,
    pace::{Pace, Turns},
};
use crate::{
    cluster::{ClusterError, REQUEST_TIMEOUT, client::request_failed},
    observe::sentinel::Sentinel,
};
use judge::{
    history::{Content, Outcome, RecordId},
    plan::Workload,
};
use rdkafka::{
    ClientConfig, ClientContext,
    error::{KafkaError, RDKafkaErrorCode},
    message::{DeliveryResult, Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer, ProducerContext},
};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How long the harness waits for its own records to be acknowledged.
const FLUSH_LIMIT: Duration = Duration::from_secs(60);
/// How often delivery reports are looked for.
const BETWEEN_REPORTS: Duration = Duration::from_millis(1);

/// Collects one outcome for each record, by its number among those of a call.
#[derive(Default)]
struct Outcomes(Mutex<BTreeMap<usize, Outcome>>);

impl ClientContext for Outcomes {}

impl ProducerContext for Outcomes {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        let outcome = match result {
            Ok(_) => Outcome::Acknowledged,
            Err((error, _)) if is_local(error) => Outcome::Failed,
            Err(_) => Outcome::Indeterminate,
        };
        self.0.lock().unwrap_or_else(|lock| lock.into_inner()).insert(number, outcome);
    }
}

/// Errors after which the record certainly never left this machine.
fn is_local(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::MessageSizeTooLarge
                | RDKafkaErrorCode::UnknownPartition
                | RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::QueueFull
        )
    )
}

fn producer(
    bootstrap: &str,
    name: &str,
    transactional_id: Option<&str>,
) -> Result<BaseProducer<Outcomes>, ClusterError> {
    let mut config = ClientConfig::new();
    if let Some(id) = transactional_id {
        config.set("transactional.id", id);
    }
    config
        .set("bootstrap.servers", bootstrap)
        .set("client.id", name)
        .set("enable.metrics.push", "false")
        // One request at a time keeps each producer's order. An idempotent producer would also do
        // so, but it waits half a second for its id; a record that a retry repeats on the source
        // is part of the truth, which is what the source holds.
        .set("max.in.flight.requests.per.connection", "1")
        .set("acks", "all")
        .set("message.max.bytes", "2000000")
        // Larger batches: the mock reads one batch a fetch.
        .set("linger.ms", "5")
        .set("message.timeout.ms", "30000")
        // A broker that comes back is found soon.
        .set("reconnect.backoff.max.ms", "500")
        .set("topic.metadata.refresh.fast.interval.ms", "20")
        .create_with_context(Outcomes::default())
        .map_err(request_failed("create a producer", bootstrap))
}

/// How records are grouped in transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transactions {
    /// So many records each.
    records: usize,
    /// So many percent of them are aborted.
    aborted: u8,
}

impl Transactions {
    /// As a workload says it; `None`: none.
    pub fn of(workload: &Workload) -> Option<Transactions> {
        let records = workload.transaction_records?.max(1) as usize;
        Some(Transactions { records, aborted: workload.aborted_transactions.min(100) })
    }

    /// Whether a transaction is aborted: the percentage, spread evenly.
    fn is_aborted(self, number: usize) -> bool {
        let percent = usize::from(self.aborted);
        (number + 1) * percent / 100 > number * percent / 100
    }
}

/// The producers of one cluster. A client that has done its work is kept for the next: to make one and
/// to connect it is what takes most of the time.
pub struct Producers {
    bootstrap: String,
    idle: Mutex<BTreeMap<String, BaseProducer<Outcomes>>>,
}

impl std::fmt::Debug for Producers {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Producers").field("bootstrap", &self.bootstrap).finish_non_exhaustive()
    }
}

impl Producers {
    /// Nothing is connected yet.
    pub fn to(bootstrap: &str) -> Producers {
        Producers { bootstrap: bootstrap.to_owned(), idle: Mutex::default() }
    }

    /// Ends the clients, which may take a moment.
    pub fn close(&self) {
        self.idle().clear();
    }

    /// Writes `records` to `topic`, each producer's in order, all producers side by side, in transactions if
    /// that is asked for; returns what became of each. An error means that the environment failed; a
    /// record that the broker refused is an outcome, and so is an aborted one: it failed.
    pub fn produce(
        &self,
        topic: &str,
        records: &[Generated],
        transactions: Option<Transactions>,
        pace: Pace,
    ) -> Result<Vec<(RecordId, Outcome)>, ClusterError> {
        let mut by_producer: BTreeMap<u16, Vec<&Generated>> = BTreeMap::new();
        for record in records {
            by_producer.entry(record.id.producer).or_default().push(record);
        }
        let sharing = by_producer.len() as u32;
        let logs = std::thread::scope(|scope| {
            let running: Vec<_> = by_producer
                .into_iter()
                .map(|(number, records)| {
                    let mut turns = Turns::of(&pace, sharing);
                    scope
                        .spawn(move || self.send(topic, number, &records, transactions, &mut turns))
                })
                .collect();
            running
                .into_iter()
                .map(|thread| {
                    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                })
                .collect::<Result<Vec<_>, _>>()
        })?;
        Ok(logs.into_iter().flatten().collect())
    }

    /// Writes sentinels to their topics and partitions and waits until all are acknowledged.
    pub fn produce_sentinels<Topic: AsRef<str>>(
        &self,
        sentinels: &[(Topic, Sentinel)],
    ) -> Result<(), ClusterError> {
        // Whoever writes records first is there as a rule, and has nothing to do by now.
        let name = name_of(0);
        let producer = self.take(&name)?;
        write_sentinels(&producer, &self.bootstrap, sentinels)?;
        self.idle().insert(name, producer);
        Ok(())
    }

    fn send(
        &self,
        topic: &str,
        number: u16,
        records: &[&Generated],
        transactions: Option<Transactions>,
        turns: &mut Turns,
    ) -> Result<Vec<(RecordId, Outcome)>, ClusterError> {
        let name = name_of(number);
        if let Some(transactions) = transactions {
            let id = format!("{topic}-{number}");
            let of_id = || producer(&self.bootstrap, &name, Some(&id));
            let (writer, address) = (of_id()?, &self.bootstrap);
            let told = send_in_transactions(&writer, address, topic, records, transactions, turns)?;
            // A commit is told before its markers are written, and until then no reader sees it. Whoever takes the id next has to
            // wait for them (`TransactionCoordinator.handleInitProducerId`, Kafka 3.9).
            let ended = of_id()?.init_transactions(REQUEST_TIMEOUT);
            ended.map_err(request_failed("wait for the end of transactions", address))?;
            return Ok(told);
        }
        let producer = self.take(&name)?;
        for (index, record) in records.iter().enumerate() {
            turns.wait(|| producer.poll(Duration::ZERO));
            send_one(&producer, &self.bootstrap, topic, index, record)?;
        }
        flush(&producer, records.len());
        let outcomes = outcomes(&producer, records);
        if !outcomes.iter().any(|(_, outcome)| *outcome == Outcome::Indeterminate) {
            // Else a late report could be taken for one of the next records.
            self.idle().insert(name, producer);
        }
        Ok(outcomes)
    }

    /// A client of this name that has nothing to do.
    fn take(&self, name: &str) -> Result<BaseProducer<Outcomes>, ClusterError> {
        let idle = self.idle().remove(name);
        let producer = idle.map_or_else(|| producer(&self.bootstrap, name, None), Ok)?;
        producer.context().0.lock().unwrap_or_else(|lock| lock.into_inner()).clear();
        Ok(producer)
    }

    fn idle(&self) -> MutexGuard<'_, BTreeMap<String, BaseProducer<Outcomes>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn name_of(producer: u16) -> String {
    format!("mirrorproof-producer-{producer}")
}

fn send_in_transactions(
    producer: &BaseProducer<Outcomes>,
    bootstrap: &str,
    topic: &str,
    records: &[&Generated],
    transactions: Transactions,
    turns: &mut Turns,
) -> Result<Vec<(RecordId, Outcome)>, ClusterError> {
    let failed = || request_failed("produce in a transaction", bootstrap);
    producer.init_transactions(REQUEST_TIMEOUT).map_err(failed())?;
    let mut aborted = vec![false; records.len()];
    for (transaction, chunk) in records.chunks(transactions.records).enumerate() {
        producer.begin_transaction().map_err(failed())?;
        let first = transaction * transactions.records;
        for (index, record) in chunk.iter().enumerate() {
            turns.wait(|| producer.poll(Duration::ZERO));
            send_one(producer, bootstrap, topic, first + index, record)?;
        }
        flush(producer, first + chunk.len());
        if transactions.is_aborted(transaction) {
            producer.abort_transaction(REQUEST_TIMEOUT).map_err(failed())?;
            aborted[first..first + chunk.len()].fill(true);
        } else {
            producer.commit_transaction(REQUEST_TIMEOUT).map_err(failed())?;
        }
    }
    let told = outcomes(producer, records).into_iter().zip(aborted);
    let told = told.map(|((id, told), aborted)| (id, if aborted { Outcome::Failed } else { told }));
    Ok(told.collect())
}

fn send_one(
    producer: &BaseProducer<Outcomes>,
    bootstrap: &str,
    topic: &str,
    index: usize,
    record: &Generated,
) -> Result<(), ClusterError> {
    let mut message = BaseRecord::<[u8], [u8], usize>::with_opaque_to(topic, index)
        .partition(record.partition as i32);
    if let Some(key) = &record.key {
        message = message.key(key);
    }
    if let Some(value) = &record.value {
        message = message.payload(value);
    }
    if let Some(timestamp) = record.timestamp {
        message = message.timestamp(timestamp);
    }
    if !record.headers.is_empty() {
        let headers = record.headers.iter().fold(OwnedHeaders::new(), |headers, header| {
            headers.insert(Header { key: &header.0, value: header.1.as_deref() })
        });
        message = message.headers(headers);
    }
    enqueue(producer, message).map_err(request_failed("produce to the source", bootstrap))
}

/// What each record's producer was told.
fn outcomes(producer: &BaseProducer<Outcomes>, records: &[&Generated]) -> Vec<(RecordId, Outcome)> {
    let known = producer.context().0.lock().unwrap_or_else(|lock| lock.into_inner());
    let outcome = |index| known.get(&index).copied().unwrap_or(Outcome::Indeterminate);
    records.iter().enumerate().map(|(index, record)| (record.id, outcome(index))).collect()
}

fn write_sentinels<Topic: AsRef<str>>(
    producer: &BaseProducer<Outcomes>,
    bootstrap: &str,
    sentinels: &[(Topic, Sentinel)],
) -> Result<(), ClusterError> {
    for (index, (topic, sentinel)) in sentinels.iter().enumerate() {
        let text = sentinel.text();
        let mark = Header { key: Content::SENTINEL_HEADER, value: Some(text.as_bytes()) };
        let message = BaseRecord::<[u8], [u8], usize>::with_opaque_to(topic.as_ref(), index)
            .partition(sentinel.partition as i32)
            .key(&sentinel.key)
            .payload(text.as_bytes())
            .headers(OwnedHeaders::new().insert(mark));
        enqueue(producer, message).map_err(request_failed("produce a sentinel", bootstrap))?;
    }
    flush(producer, sentinels.len());
    let known = producer.context().0.lock().unwrap_or_else(|lock| lock.into_inner());
    let acknowledged = known.values().filter(|outcome| **outcome == Outcome::Acknowledged).count();
    if acknowledged == sentinels.len() {
        return Ok(());
    }
    Err(request_failed("produce sentinels", bootstrap)(KafkaError::MessageProduction(
        RDKafkaErrorCode::MessageTimedOut,
    )))
}

/// Puts one record into the client's queue, waiting while the queue is full.
fn enqueue(
    producer: &BaseProducer<Outcomes>,
    mut message: BaseRecord<'_, [u8], [u8], usize>,
) -> Result<(), KafkaError> {
    let started = Instant::now();
    loop {
        match producer.send(message) {
            Ok(()) => {
                producer.poll(Duration::ZERO);
                return Ok(());
            }
            Err((error, back))
                if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull)
                    && started.elapsed() < FLUSH_LIMIT =>
            {
                message = back;
                producer.poll(Duration::from_millis(5));
            }
            Err((error, _)) => return Err(error),
        }
    }
}

/// Waits until every outcome is known. `BaseProducer::flush` sleeps 100 ms at a time, and a poll with a
/// timeout spins through its last millisecond (rdkafka 0.39).
fn flush(producer: &BaseProducer<Outcomes>, expected: usize) {
    let started = Instant::now();
    let done =
        || producer.context().0.lock().unwrap_or_else(|lock| lock.into_inner()).len() >= expected;
    producer.poll(Duration::ZERO);
    while !done() && started.elapsed() < FLUSH_LIMIT {
        std::thread::sleep(BETWEEN_REPORTS);
        producer.poll(Duration::ZERO);
    }
}
