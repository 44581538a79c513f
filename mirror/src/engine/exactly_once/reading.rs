//! Reads how far each partition is copied, once nobody else can move that any more.
//!
//! Others may write to the topic, too; only records with the keys of our partitions are looked at. A transaction of
//! another partition hides ours while it is open. A mirror that lives ends its own at once: the position is the last that it
//! writes. One that died may be found out by nobody for as long as we wait, because its partition has been given to a member
//! of the group that is dead as well, and the group waits for us to find that out. So we end what stays open. What does not
//! answer is asked again for as long as it takes, but not if it refuses us, or if the topic is gone for good.

use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    message::DeliveryResult,
    producer::{BaseProducer, Producer, ProducerContext},
    types::RDKafkaRespErr,
};

use super::{
    super::{
        EngineError, Settings,
        absent::{self, TOPIC_RETURNS},
        client::{self, Quiet},
        lifeline::{self, Connected},
    },
    lane,
    positions::{self, Origin, Stored},
};

/// One question to the destination.
const QUESTION: Duration = Duration::from_secs(5);
/// Pause before what was not answered is asked again.
const AGAIN: Duration = Duration::from_millis(500);
/// How often it is looked whether the transactions of others have ended.
const LOOK: Duration = Duration::from_millis(20);
/// After how long an open transaction is that of a dead mirror.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long nothing may come behind what a leader takes for the end, once it knows the end.
const QUIET: Duration = Duration::from_secs(1);
/// So many events of a client are served at once: the error that tells why may lie behind lines of its log.
const EVENTS: usize = 32;

/// What is asked between two attempts: false if it is time to stop.
pub(super) type GoOn<'g> = &'g mut dyn FnMut() -> Result<bool, EngineError>;

/// The stored positions under these keys, as they are once every transaction that was open when we asked has
/// ended. `None` if it is time to stop.
pub(super) fn read(
    settings: &Settings,
    origin: &Origin,
    keys: &BTreeSet<String>,
    go_on: GoOn<'_>,
) -> Result<Option<BTreeMap<String, Stored>>, EngineError> {
    let topic = origin.topic();
    let unreadable = |error| unreadable(&topic, &error);
    let producer = positions::connection(&settings.producers[0]);
    // librdkafka assigns nothing without a group; nothing is committed in it here.
    let reader = |isolation| {
        let more = [
            ("group.id", origin.group.as_str()),
            ("isolation.level", isolation),
            ("enable.partition.eof", "true"),
            ("enable.auto.commit", "false"),
            ("auto.offset.reset", "error"),
        ];
        let quiet = Quiet::new("destination");
        client::make::<_, BaseConsumer<Quiet>>(&producer, &more, &settings.producer_file, quiet)
    };
    let uncommitted = reader("read_uncommitted")?;
    let Some(end) = end(&uncommitted, &topic, go_on)? else { return Ok(None) };
    let committed = reader("read_committed")?;
    let others = Others { settings, origin, uncommitted };
    if !others.have_ended(&committed, &topic, end, go_on)? {
        return Ok(None);
    }
    let mut start = TopicPartitionList::new();
    start.add_partition_offset(&topic, 0, Offset::Beginning).map_err(unreadable)?;
    committed.assign(&start).map_err(unreadable)?;
    let mut found = BTreeMap::new();
    let (mut missed, mut quiet) = (None, None);
    while go_on()? {
        match committed.poll(LOOK) {
            None if quiet.is_some_and(|since: Instant| since.elapsed() > QUIET) => {
                return Ok(Some(found));
            }
            None => {
                lifeline::hold(committed.client());
                denial(&committed)?;
            }
            Some(Ok(message)) => {
                quiet = None;
                let read = note(&mut found, keys, message.key(), message.payload());
                read.map_err(|reason| EngineError::Positions {
                    topic: topic.clone(),
                    reason: format!("the record at offset {}: {reason}", message.offset()),
                })?;
            }
            Some(Err(KafkaError::PartitionEOF(_))) if is_read(&committed, end) => {
                return Ok(Some(found));
            }
            Some(Err(KafkaError::PartitionEOF(_))) => {
                // A new leader may not know yet how far the log is committed. It tells an end only when it does (KIP-207).
                if self::end(&others.uncommitted, &topic, go_on)?.is_none() {
                    return Ok(None);
                }
                quiet = Some(Instant::now());
            }
            Some(Err(error)) => {
                if quiet.take().is_some() {
                    // Another leader, perhaps; the end is told of once, but for who reads anew.
                    found.clear();
                    committed.assign(&start).map_err(unreadable)?;
                }
                not_told(&committed, &topic, &error, &mut missed)?;
            }
        }
    }
    Ok(None)
}

/// Whether all below `end` was handed over. Of a log that ends in what compaction took that is never known.
fn is_read(reader: &BaseConsumer<Quiet>, end: i64) -> bool {
    let position = reader.position().ok();
    let position = position.and_then(|list| list.elements().first()?.offset().to_raw());
    position.unwrap_or_default().max(0) >= end
}

/// Notes a record of the topic, if it has one of the keys. A record without a value takes the position back.
fn note(
    found: &mut BTreeMap<String, Stored>,
    keys: &BTreeSet<String>,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
) -> Result<(), String> {
    let key = std::str::from_utf8(key.unwrap_or_default()).unwrap_or_default();
    let Some(key) = keys.get(key) else { return Ok(()) };
    match value {
        None => found.remove(key),
        Some(value) => found.insert(key.clone(), positions::stored(value)?),
    };
    Ok(())
}

/// One that sends nothing, but ends the transaction of who had its id.
impl ProducerContext for Quiet {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}

/// Those whose transactions hide ours.
struct Others<'s> {
    settings: &'s Settings,
    origin: &'s Origin,
    /// Sees what is open.
    uncommitted: BaseConsumer<Quiet>,
}

impl Others<'_> {
    /// Waits until everything below `expected` is decided; readers of committed records see no further than the first
    /// record of a transaction that is open.
    fn have_ended(
        &self,
        reader: &BaseConsumer<Quiet>,
        topic: &str,
        expected: i64,
        go_on: GoOn<'_>,
    ) -> Result<bool, EngineError> {
        let (since, mut ended) = (Instant::now(), None);
        loop {
            let Some(stable) = end(reader, topic, go_on)? else { return Ok(false) };
            if stable >= expected {
                return Ok(true);
            }
            // All that is open below `expected` has been for as long as we wait.
            if since.elapsed() > PATIENCE && ended != Some(stable) {
                ended = Some(stable);
                self.end_at(topic, stable, go_on)?;
            }
            thread::sleep(LOOK);
        }
    }

    /// Ends the transaction whose first record is there. Its owner, should it live after all, begins anew with it.
    fn end_at(&self, topic: &str, offset: i64, go_on: GoOn<'_>) -> Result<(), EngineError> {
        let Some((source, partition)) = self.partition_at(topic, offset, go_on)? else {
            tracing::warn!("waiting for a transaction in {topic} that is not of this mirror");
            return Ok(());
        };
        tracing::warn!(
            "ending the transaction of {source} [{partition}], which a mirror that died left open"
        );
        let id = self.origin.transactional_id(&source, partition);
        let connection = positions::connection(&self.settings.producers[0]);
        let more = [("transactional.id", id.as_str())];
        let quiet = Quiet::new("destination");
        let file = &self.settings.producer_file;
        let producer: BaseProducer<Quiet> = client::make(&connection, &more, file, quiet)?;
        while go_on()? {
            match producer.init_transactions(lane::TRY) {
                Err(error) if lane::may_be_tried_again(&error) => {}
                Err(error) => {
                    tracing::warn!("it is not ended: {}", client::reason(&error));
                    break;
                }
                Ok(()) => break,
            }
        }
        Ok(())
    }

    /// The partition whose position is written there; `None` if it is none of ours, or it is time to stop.
    fn partition_at(
        &self,
        topic: &str,
        offset: i64,
        go_on: GoOn<'_>,
    ) -> Result<Option<(String, i32)>, EngineError> {
        let mut place = TopicPartitionList::new();
        let unreadable = |error| unreadable(topic, &error);
        place.add_partition_offset(topic, 0, Offset::Offset(offset)).map_err(unreadable)?;
        self.uncommitted.assign(&place).map_err(unreadable)?;
        let mut missed = None;
        while go_on()? {
            match self.uncommitted.poll(LOOK) {
                None => denial(&self.uncommitted)?,
                Some(Ok(message)) => {
                    return Ok(message.key().and_then(|key| self.origin.partition_of(key)));
                }
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(None),
                Some(Err(error)) => not_told(&self.uncommitted, topic, &error, &mut missed)?,
            }
        }
        Ok(None)
    }
}

/// Where the topic ends for this reader; `None` if it is time to stop before it is told.
fn end(
    reader: &BaseConsumer<Quiet>,
    topic: &str,
    go_on: GoOn<'_>,
) -> Result<Option<i64>, EngineError> {
    let mut missed = None;
    while go_on()? {
        match reader.fetch_watermarks(topic, 0, QUESTION) {
            Ok((_, end)) => return Ok(Some(end)),
            Err(error) => {
                // No record is among them that anybody waits for.
                (0..EVENTS).for_each(|_| drop(reader.poll(Duration::ZERO)));
                lifeline::hold(reader.client());
                not_told(reader, topic, &error, &mut missed)?;
            }
        }
        thread::sleep(AGAIN);
    }
    Ok(None)
}

/// The destination has not answered: it may be away, but it may also refuse us, or have lost the topic.
fn not_told(
    reader: &BaseConsumer<Quiet>,
    topic: &str,
    error: &KafkaError,
    missed: &mut Option<Instant>,
) -> Result<(), EngineError> {
    if client::is_refusal(error) {
        return Err(unreadable(topic, error));
    }
    denial(reader)?;
    if !absent::is_missing(error) && !is_unknown(reader, topic) {
        *missed = None;
    } else if missed.get_or_insert_with(Instant::now).elapsed() > TOPIC_RETURNS {
        return Err(EngineError::PositionsGone { topic: topic.to_owned(), waited: TOPIC_RETURNS });
    }
    tracing::warn!("the destination does not tell the positions: {}", client::reason(error));
    Ok(())
}

/// Whether the login was refused: who cannot log in now cannot later.
fn denial(reader: &BaseConsumer<Quiet>) -> Result<(), EngineError> {
    reader.context().troubles().denial().map_or(Ok(()), Err)
}

/// Whether the brokers say that there is no such topic.
fn is_unknown(reader: &BaseConsumer<Quiet>, topic: &str) -> bool {
    let unknown = Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    let metadata = reader.fetch_metadata(Some(topic), QUESTION);
    metadata.is_ok_and(|metadata| metadata.topics().iter().any(|topic| topic.error() == unknown))
}

fn unreadable(topic: &str, error: &KafkaError) -> EngineError {
    EngineError::Positions { topic: topic.to_owned(), reason: client::reason(error) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::witness::Note;

    #[test]
    fn only_records_with_our_keys_are_looked_at() {
        let keys = BTreeSet::from(["ours".to_owned()]);
        let mut found = BTreeMap::new();
        let mut note = |key: &str, value: Option<&[u8]>| {
            note(&mut found, &keys, Some(key.as_bytes()), value).map(|()| found.clone())
        };
        let position = br#"{"version":1,"offset":17}"#;
        let stored = Stored { offset: 17, note: Note::default() };
        assert_eq!(note("theirs", Some(b"anything")), Ok(BTreeMap::new()));
        assert_eq!(note("theirs", None), Ok(BTreeMap::new()));
        let ours = Ok(BTreeMap::from([("ours".to_owned(), stored)]));
        assert_eq!(note("ours", Some(position)), ours);
        assert_eq!(note("theirs", Some(position)), ours);
        assert!(note("ours", Some(b"anything")).unwrap_err().contains("no position of ours"));
        assert_eq!(note("ours", None), Ok(BTreeMap::new()), "it is taken back");
    }
}
