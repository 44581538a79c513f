//! How large a batch the destination's topics take, and on what terms.
//!
//! librdkafka fills batches up to `batch.size`, one for a whole client. A broker that finds a batch larger than its
//! topic's `max.message.bytes` (or `segment.bytes`) refuses every record in it, and librdkafka neither splits such a
//! batch nor tries it again (`rd_kafka_handle_Produce_error`, 2.12). So the topics are asked, and batches are kept
//! within the smallest answer: a record that is refused then was alone in its batch
//! (`rd_kafka_msgset_writer_write_msgq` adds no second record beyond `batch.size`), and is too large by itself.

use std::{
    collections::BTreeSet,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    admin::{
        AdminClient, AdminOptions, ConfigResource, OwnedResourceSpecifier::Topic, ResourceSpecifier,
    },
    error::{KafkaError, KafkaResult},
};

use super::{
    Settings,
    client::{self, Quiet},
    terms::{Term, Terms},
};
use crate::config;

/// One question to the destination.
const QUESTION: Duration = Duration::from_secs(2);
/// How often a topic that is not there yet is asked for.
const AGAIN: Duration = Duration::from_secs(30);
/// Each topic answers with some thirty settings, so many are asked for in pieces.
const TOPICS_A_QUESTION: usize = 100;
/// librdkafka's defaults of `batch.size` and `message.max.bytes`.
pub(super) const LARGEST_BATCH: u64 = 1_000_000;
/// The settings of a topic that bound a batch.
const BOUNDS: [&str; 2] = ["max.message.bytes", "segment.bytes"];

/// The smallest bound of the topics that have been asked.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Bound {
    bytes: u64,
    reason: String,
}

/// Asks the destination's topics, each once.
pub(super) struct Limits<'s> {
    settings: &'s Settings,
    asked: BTreeSet<String>,
    /// Those that were to be asked the last time, some perhaps not there yet, and when.
    tried: BTreeSet<String>,
    tried_at: Instant,
    bound: Option<Bound>,
    /// What the producer's settings allow.
    configured: u64,
    /// The destination tells nobody, or not us.
    is_silent: bool,
    /// What they say besides is noted there.
    terms: Arc<Terms>,
}

impl<'s> Limits<'s> {
    pub(super) fn new(settings: &'s Settings, terms: &Arc<Terms>) -> Self {
        Self {
            settings,
            asked: BTreeSet::new(),
            tried: BTreeSet::new(),
            tried_at: Instant::now(),
            bound: None,
            configured: largest_batch(&settings.producers[0]),
            is_silent: false,
            terms: Arc::clone(terms),
        }
    }

    /// Asks the topics that have not been asked. One that does not exist yet is asked later.
    pub(super) fn ask(&mut self, topics: &[String]) {
        let is_due = self.tried_at.elapsed() > AGAIN;
        let is_open =
            |topic: &String| !self.asked.contains(topic) && (is_due || !self.tried.contains(topic));
        if self.is_silent || !topics.iter().any(is_open) {
            return;
        }
        (self.tried, self.tried_at) = (topics.iter().cloned().collect(), Instant::now());
        // Made for each question: nobody would read what an idle one reports of an outage.
        let (producer, file) = (&self.settings.producers[0], &self.settings.producer_file);
        let more = [("enable.idempotence", "false"), ("enable.gapless.guarantee", "false")];
        let admin = client::make(producer, &more, file, Quiet::new("destination"));
        let answer = admin.map_err(|error| (true, error.to_string())).and_then(|admin| {
            let answer = self.try_ask(&admin, topics).map_err(|error| {
                let is_outage = error.rdkafka_error_code().is_some_and(client::is_outage);
                (!is_outage, client::reason(&error))
            });
            // Its end takes a moment, and nobody needs to wait for it.
            thread::spawn(move || drop(admin));
            answer
        });
        if let Err((is_silent, reason)) = answer {
            self.is_silent = is_silent;
            if is_silent {
                self.say_unknown("its topics", &reason);
            } else {
                tracing::debug!(
                    "the destination's topics are asked for their limits again: {reason}"
                );
            }
        }
    }

    fn try_ask(&mut self, admin: &AdminClient<Quiet>, topics: &[String]) -> KafkaResult<()> {
        let metadata = admin.inner().fetch_metadata(None, QUESTION)?;
        let there: BTreeSet<String> = client::topic_names(&metadata).into_iter().collect();
        let new: Vec<&String> = topics
            .iter()
            .filter(|topic| there.contains(*topic) && !self.asked.contains(*topic))
            .collect();
        let brokers: Vec<i32> = metadata.brokers().iter().map(|broker| broker.id()).collect();
        for some in new.chunks(TOPICS_A_QUESTION) {
            for resource in describe(admin, &brokers, some)? {
                self.note(&resource);
            }
            self.asked.extend(some.iter().map(|topic| (*topic).clone()));
        }
        Ok(())
    }

    fn note(&mut self, resource: &ConfigResource) {
        let Topic(topic) = &resource.specifier else { return };
        let value = |name: &str| resource.get(name)?.value.as_deref();
        self.terms.note(topic, Term::of(value));
        let bounds = BOUNDS.iter().filter_map(|name| {
            let bytes = value(name)?.parse::<u64>().ok()?;
            Some(Bound { bytes, reason: format!("{name}={bytes} of {topic} on the destination") })
        });
        // An answer without settings is a refusal; rdkafka 0.39 does not hand on which.
        let Some(bound) = bounds.min_by_key(|bound| bound.bytes) else {
            self.say_unknown(topic, "DescribeConfigs may be denied on it");
            return;
        };
        if self.bound.as_ref().is_none_or(|known| bound.bytes < known.bytes) {
            if bound.bytes < self.configured {
                let Bound { bytes, reason } = &bound;
                tracing::info!(
                    "producer default batch.size={bytes} ({reason}; a larger batch would be refused with all its records)"
                );
            }
            self.bound = Some(bound);
        }
    }

    fn say_unknown(&self, what: &str, reason: &str) {
        tracing::info!(
            "the destination does not tell how large a batch {what} may take ({reason}): if a max.message.bytes there is \
             smaller than batch.size, set batch.size in producer.properties to at most that"
        );
    }

    /// The size that batches are to be kept within, if that is smaller than what the producer's settings allow.
    pub(super) fn batch_size(&self) -> Option<u64> {
        let bound = self.bound.as_ref()?;
        (bound.bytes < self.configured).then_some(bound.bytes.max(1))
    }
}

/// Any broker knows the settings of all topics; one may be down.
fn describe(
    admin: &AdminClient<Quiet>,
    brokers: &[i32],
    topics: &[&String],
) -> KafkaResult<Vec<ConfigResource>> {
    let resources: Vec<_> = topics.iter().map(|topic| ResourceSpecifier::Topic(topic)).collect();
    let mut outcome = Err(KafkaError::Canceled);
    for broker in brokers {
        let options = AdminOptions::new().request_timeout(Some(QUESTION)).broker_id(Some(*broker));
        outcome = client::block_on(admin.describe_configs(&resources, &options));
        if outcome.is_ok() {
            break;
        }
    }
    Ok(outcome?.into_iter().flatten().collect())
}

/// How large a batch these settings allow, if it holds more than one record.
pub(super) fn largest_batch(producer: &config::Settings) -> u64 {
    let bytes = |name| {
        producer.get(name).and_then(|bytes| bytes.parse::<u64>().ok()).unwrap_or(LARGEST_BATCH)
    };
    bytes("batch.size").min(bytes("message.max.bytes"))
}
