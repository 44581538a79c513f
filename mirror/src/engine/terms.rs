//! What the destination's topics refuse a record for, apart from its size.
//!
//! A broker refuses a whole batch for one record in it that has no key, where the topic is compacted, or whose timestamp is
//! too far from the broker's clock (`LogValidator`, Kafka 3.9). What is sent behind such a batch may arrive before it, and
//! what is in it would be dropped with the one that is to blame. So a record that may be refused is sent alone.

use std::{
    collections::BTreeMap,
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

/// A broker's clock may differ from ours by so much, in milliseconds, and a record is on its way for a while.
const CLOCKS_DIFFER: i64 = 60_000;
/// The settings of a topic that bound timestamps. Brokers before 3.6 know only the last, which later ones still obey
/// (KIP-937).
const BEFORE: [&str; 2] =
    ["message.timestamp.before.max.ms", "message.timestamp.difference.max.ms"];
const AFTER: [&str; 2] = ["message.timestamp.after.max.ms", "message.timestamp.difference.max.ms"];

/// What the topics that were asked refuse; all streams look at it.
#[derive(Debug)]
pub(super) struct Terms {
    by_topic: RwLock<BTreeMap<String, Term>>,
    /// The strictest of all, which is looked at for each record: most are refused by none.
    needs_key: AtomicBool,
    before: AtomicI64,
    after: AtomicI64,
}

impl Default for Terms {
    fn default() -> Self {
        let Term { needs_key, before, after } = Term::LENIENT;
        let (before, after) = (before.into(), after.into());
        Self { by_topic: RwLock::default(), needs_key: needs_key.into(), before, after }
    }
}

impl Terms {
    pub(super) fn note(&self, topic: &str, term: Term) {
        if term != Term::LENIENT {
            let mut by_topic = self.by_topic.write().unwrap_or_else(PoisonError::into_inner);
            by_topic.insert(topic.to_owned(), term);
            drop(by_topic);
            self.needs_key.fetch_or(term.needs_key, Ordering::Relaxed);
            self.before.fetch_min(term.before, Ordering::Relaxed);
            self.after.fetch_min(term.after, Ordering::Relaxed);
        }
    }

    /// Whether the topic may refuse a record like this. `timestamp` is in milliseconds; a record without one gets that of
    /// its sending.
    pub(super) fn may_refuse(&self, topic: &str, has_key: bool, timestamp: Option<i64>) -> bool {
        self.is_so_of(topic, |term| term.refuses(has_key, timestamp, -CLOCKS_DIFFER))
    }

    /// The topic has taken such a record. If that is what it said it refuses, it has other settings by now, and nothing has to
    /// be sent alone any more.
    pub(super) fn have_taken(&self, topic: &str, has_key: bool, timestamp: Option<i64>) {
        if self.is_so_of(topic, |term| term.refuses(has_key, timestamp, CLOCKS_DIFFER)) {
            self.by_topic.write().unwrap_or_else(PoisonError::into_inner).remove(topic);
        }
    }

    /// Whether that is so of the topic.
    fn is_so_of(&self, topic: &str, is_so: impl Fn(&Term) -> bool) -> bool {
        is_so(&self.strictest()) && {
            let by_topic = self.by_topic.read().unwrap_or_else(PoisonError::into_inner);
            by_topic.get(topic).is_some_and(is_so)
        }
    }

    /// Whether none of them has ever refused anything.
    pub(super) fn are_lenient(&self) -> bool {
        self.strictest() == Term::LENIENT
    }

    fn strictest(&self) -> Term {
        Term {
            needs_key: self.needs_key.load(Ordering::Relaxed),
            before: self.before.load(Ordering::Relaxed),
            after: self.after.load(Ordering::Relaxed),
        }
    }
}

/// What one topic refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Term {
    /// A record without a key: it is compacted.
    needs_key: bool,
    /// A record older than that, in milliseconds before now.
    before: i64,
    /// A record newer than that, in milliseconds after now.
    after: i64,
}

impl Term {
    /// Nothing.
    const LENIENT: Self = Self { needs_key: false, before: i64::MAX, after: i64::MAX };

    /// By the settings of a topic; `value` looks one up.
    pub(super) fn of<'v>(value: impl Fn(&str) -> Option<&'v str>) -> Self {
        let stamps_itself = value("message.timestamp.type") == Some("LogAppendTime");
        let bound = |names: [&str; 2]| {
            let bounds = names.iter().filter_map(|name| value(name)?.parse::<i64>().ok());
            bounds.min().filter(|_| !stamps_itself).unwrap_or(i64::MAX)
        };
        Self {
            needs_key: value("cleanup.policy").is_some_and(|policy| policy.contains("compact")),
            before: bound(BEFORE),
            after: bound(AFTER),
        }
    }

    /// `margin` is added to what timestamps may differ by.
    fn refuses(&self, has_key: bool, timestamp: Option<i64>, margin: i64) -> bool {
        (self.needs_key && !has_key)
            || timestamp.is_some_and(|timestamp| self.refuses_time(timestamp, margin))
    }

    fn refuses_time(&self, timestamp: i64, margin: i64) -> bool {
        let exceeds =
            |distance: i64, bound: i64| bound < i64::MAX && distance > bound.saturating_add(margin);
        (self.before.min(self.after) < i64::MAX) && {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let now = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
            exceeds(now.saturating_sub(timestamp), self.before)
                || exceeds(timestamp.saturating_sub(now), self.after)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn terms(settings: &[(&str, &str)]) -> Terms {
        let terms = Terms::default();
        let value = |name: &str| settings.iter().find(|known| known.0 == name).map(|known| known.1);
        terms.note("asked", Term::of(value));
        terms
    }

    fn now() -> i64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
    }

    #[test]
    fn a_compacted_topic_refuses_what_has_no_key() {
        let terms = terms(&[("cleanup.policy", "compact,delete")]);
        assert!(terms.may_refuse("asked", false, None));
        assert!(!terms.may_refuse("asked", true, None));
        assert!(!terms.may_refuse("other", false, None));
    }

    #[test]
    fn timestamps_are_refused_on_the_side_that_is_bounded() {
        let hour = HOUR.to_string();
        let (later, earlier) = (Some(now() + 2 * HOUR), Some(now() - 2 * HOUR));
        for (name, is_late, is_early) in [
            ("message.timestamp.after.max.ms", true, false),
            ("message.timestamp.before.max.ms", false, true),
            ("message.timestamp.difference.max.ms", true, true),
        ] {
            let terms = terms(&[(name, &hour)]);
            assert_eq!(terms.may_refuse("asked", true, later), is_late, "{name}");
            assert_eq!(terms.may_refuse("asked", true, earlier), is_early, "{name}");
            assert!(!terms.may_refuse("asked", true, Some(now())), "{name}");
            assert!(
                !terms.may_refuse("asked", true, None),
                "{name}: it gets the time of its sending"
            );
        }
    }

    #[test]
    fn the_terms_of_one_topic_are_not_those_of_another() {
        let terms = terms(&[("cleanup.policy", "compact")]);
        let value = |name: &str| (name == "message.timestamp.before.max.ms").then_some("3600000");
        terms.note("recent", Term::of(value));
        assert!(!terms.may_refuse("asked", true, Some(0)));
        assert!(!terms.may_refuse("recent", false, None));
        assert!(
            terms.may_refuse("asked", false, Some(0)) && terms.may_refuse("recent", true, Some(0))
        );
    }

    #[test]
    fn a_topic_that_takes_what_it_refused_has_other_terms() {
        let hour = HOUR.to_string();
        let terms =
            terms(&[("cleanup.policy", "compact"), ("message.timestamp.before.max.ms", &hour)]);
        let (almost, old) = (Some(now() - HOUR + CLOCKS_DIFFER / 2), Some(now() - 2 * HOUR));
        assert!(terms.may_refuse("asked", true, almost));
        for (topic, has_key, timestamp) in
            [("asked", true, None), ("asked", true, almost), ("other", false, old)]
        {
            terms.have_taken(topic, has_key, timestamp);
            assert!(terms.may_refuse("asked", false, None));
        }
        terms.have_taken("asked", true, old);
        assert!(!terms.may_refuse("asked", false, old));
    }

    #[test]
    fn who_stamps_records_itself_refuses_no_timestamp() {
        let terms = terms(&[
            ("message.timestamp.type", "LogAppendTime"),
            ("message.timestamp.difference.max.ms", "1"),
        ]);
        assert!(!terms.may_refuse("asked", true, Some(0)));
    }

    #[test]
    fn what_brokers_say_by_default_refuses_nothing() {
        let most = i64::MAX.to_string();
        let terms = terms(&[
            ("cleanup.policy", "delete"),
            ("message.timestamp.before.max.ms", &most),
            ("message.timestamp.after.max.ms", &most),
            ("message.timestamp.difference.max.ms", &most),
        ]);
        assert!(terms.are_lenient());
        assert!(!terms.may_refuse("asked", false, Some(0)));
    }
}
