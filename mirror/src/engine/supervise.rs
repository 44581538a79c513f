//! Looks beside the streams: are there other topics, do batches fit them, is everything read?

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rdkafka::consumer::{BaseConsumer, Consumer};

use super::{
    Settings, client, custody,
    guard::MISSED,
    lifeline::{self, Asking, Connected},
    limits,
    notes::Notes,
    once,
};
use crate::shutdown::Stop;

/// How often the supervisor looks at its streams.
const LOOK: Duration = Duration::from_millis(20);
/// How many events of its client are served then.
const EVENTS_A_LOOK: u32 = 16;
/// How long the source may take to list its topics; it is asked again at the next refresh.
const LIST_TOPICS: Duration = Duration::from_secs(2);

/// The topics to subscribe to, as last seen on the source.
#[derive(Debug, Default)]
pub(super) struct Subscription {
    version: AtomicU64,
    topics: Mutex<Vec<String>>,
}

impl Subscription {
    fn replace(&self, topics: Vec<String>) {
        let mut current = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        if *current != topics {
            *current = topics;
            self.version.fetch_add(1, Ordering::Release);
        }
    }

    /// The topics, if they are other than those of version `seen`.
    pub(super) fn news(&self, seen: &mut u64) -> Option<Vec<String>> {
        let version = self.version.load(Ordering::Acquire);
        if version == *seen {
            return None;
        }
        *seen = version;
        Some(self.topics.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// What the supervisor looks at.
pub(super) struct Watched<'w, 's> {
    pub(super) goal: Option<&'w once::Goal>,
    pub(super) look_out: &'w BaseConsumer<client::Quiet>,
    pub(super) limits: &'w mut limits::Limits<'s>,
    /// How large the streams' batches are, if the destination's topics bound it.
    pub(super) batch_size: Option<u64>,
    pub(super) custody: &'w custody::Custody,
}

/// Looks for new topics until it is time to stop; false if the streams' batches are too large for one of them.
pub(super) fn supervise(
    settings: &Settings,
    subscription: &Subscription,
    topics: &mut Vec<String>,
    (notes, watched): (&[Arc<Notes>], &mut Watched<'_, '_>),
    mut look_elsewhere: impl FnMut(),
    stop: &Stop,
) -> bool {
    let (goal, look_out) = (watched.goal, watched.look_out);
    let mut listed = Instant::now();
    let mut measured = Instant::now();
    let mut missed = BTreeMap::new();
    let mut asking = Asking::new();
    while !stop.requested() {
        thread::sleep(LOOK);
        // Each serves one line of librdkafka's log, or an error behind it.
        (0..EVENTS_A_LOOK).for_each(|_| drop(look_out.poll(Duration::ZERO)));
        lifeline::hold(look_out.client());
        if look_out.context().troubles().denial().is_some() {
            stop.request();
        }
        look_elsewhere();
        let is_done = || notes.iter().all(|notes| notes.is_done.load(Ordering::Relaxed));
        if goal.is_some_and(once::Goal::is_reached) && is_done() {
            tracing::info!("everything up to the end offsets of the start is copied: finishing");
            stop.request();
        }
        if settings.statistics.is_some_and(|interval| measured.elapsed() >= interval) {
            measured = Instant::now();
            for notes in notes.iter().take_while(|_| !stop.requested()) {
                if let Err(error) = notes.measure_lags_if_paused(look_out) {
                    let reason = client::reason(&error);
                    tracing::debug!("the source does not tell its end offsets now: {reason}");
                }
            }
        }
        if goal.is_none() && listed.elapsed() >= settings.topic_refresh {
            listed = Instant::now();
            match look_out.fetch_metadata(None, LIST_TOPICS) {
                Ok(metadata) => {
                    let now_listed = client::topic_names(&metadata);
                    *topics = with_missed(topics, now_listed, &mut missed);
                    asking = Asking::new();
                }
                Err(error) => {
                    asking.in_vain(look_out.client());
                    tracing::warn!("the source does not list its topics now: {error}");
                    continue;
                }
            }
            watched.limits.ask(&selected(settings, topics));
            if watched.limits.batch_size() != watched.batch_size {
                tracing::info!("the streams begin anew, with smaller batches");
                stop.request();
                return false;
            }
            publish(settings, subscription, topics);
        }
    }
    true
}

/// The topics that are listed now, and those that were listed before and have not been missed for long: brokers that
/// have just started list few, and a group that is left takes a while to be joined again.
fn with_missed(
    before: &[String],
    listed: Vec<String>,
    missed: &mut BTreeMap<String, Instant>,
) -> Vec<String> {
    let there: BTreeSet<String> = listed.iter().cloned().collect();
    missed.retain(|topic, _| !there.contains(topic));
    let mut topics = listed;
    for topic in before.iter().filter(|topic| !there.contains(*topic)) {
        let since = missed.entry(topic.clone()).or_insert_with(Instant::now);
        if since.elapsed() < MISSED {
            topics.push(topic.clone());
        }
    }
    topics
}

/// Those of the topics that are to be mirrored.
pub(super) fn selected(settings: &Settings, topics: &[String]) -> Vec<String> {
    let mut matching: Vec<String> =
        topics.iter().filter(|topic| settings.filter.matches(topic)).cloned().collect();
    matching.sort();
    matching
}

pub(super) fn publish(settings: &Settings, subscription: &Subscription, topics: &[String]) {
    let matching = selected(settings, topics);
    let before = subscription.version.load(Ordering::Acquire);
    if matching.is_empty() && before == 0 {
        tracing::warn!(
            "no topic of the source matches {:?} yet: waiting for one, looking every {} ms",
            settings.filter.list(),
            settings.topic_refresh.as_millis()
        );
    }
    let said = matching.join(", ");
    subscription.replace(matching);
    if subscription.version.load(Ordering::Acquire) != before {
        tracing::info!("mirroring {said}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_let_go_once_it_has_been_missed_for_long() {
        let names =
            |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let (mut missed, before) = (BTreeMap::new(), names(&["a", "b"]));
        assert_eq!(with_missed(&before, names(&["b", "c"]), &mut missed), names(&["b", "c", "a"]));
        assert_eq!(with_missed(&before, names(&["a", "b"]), &mut missed), before);
        assert!(missed.is_empty(), "it is back, and is missed anew");
        assert_eq!(with_missed(&before, names(&[]), &mut missed), before);
        for since in missed.values_mut() {
            *since = since.checked_sub(MISSED).expect("the machine runs for longer");
        }
        assert_eq!(with_missed(&before, names(&["b"]), &mut missed), names(&["b"]));
    }
}
