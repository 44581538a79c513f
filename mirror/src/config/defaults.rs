//! What the mirror sets by itself: safe defaults the user may change, and what it must decide.
//!
//! Pure. Each entry carries its reason, which is printed at the start.

use super::setting::{Origin, Setting, Settings};

/// Name, value, reason.
type Entry = (&'static str, &'static str, &'static str);

const CONSUMER: &[Entry] = &[
    ("auto.offset.reset", "earliest", "what was there before the first start is copied too"),
    ("isolation.level", "read_committed", "what was aborted on the source is not copied"),
    (
        "check.crcs",
        "true",
        "a batch that was damaged on the source is not copied as if it were sound; librdkafka would not look",
    ),
    (
        "topic.metadata.refresh.interval.ms",
        "30000",
        "new topics and partitions are found within 30 s",
    ),
    (
        "fetch.queue.backoff.ms",
        "5",
        "librdkafka would pause fetching for a second when its queue is full",
    ),
    (
        "queued.max.messages.kbytes",
        "16384",
        "16 MiB read ahead keep the destination busy; more is memory alone",
    ),
    (
        "queued.min.messages",
        "10000",
        "more is read once fewer wait: what waits for longer is memory, and out of the processor's caches",
    ),
    (
        "fetch.wait.max.ms",
        "100",
        "an idle broker is asked ten times a second, new records are sent at once",
    ),
    (
        "partition.assignment.strategy",
        "roundrobin,range",
        "streams share topics of few partitions too; range is for a group that MirrorMaker is in",
    ),
    ("socket.keepalive.enable", "true", "a connection that died silently is noticed"),
    RECONNECT,
    RETRY,
];

const RECONNECT: Entry = (
    "reconnect.backoff.max.ms",
    "1000",
    "a broker that is back is found within a second; librdkafka would wait up to 10",
);
const RETRY: Entry =
    ("retry.backoff.max.ms", "1000", "a request that failed is tried again within a second");

/// librdkafka's default is 45 s, and so is Java's since Kafka 3.0 (KIP-735). For so long nobody gets what a member had
/// that died, or that its group has not heard of during an outage. Brokers take no less than 6 s, unless they are told
/// to (`group.min.session.timeout.ms`).
const SESSION: Entry =
    ("session.timeout.ms", "6000", "a mirror that died is missed by its group for 6 s, not 45");

const PRODUCER: &[Entry] = &[
    ("acks", "all", "a record counts as copied when every in-sync replica has it"),
    ("message.timeout.ms", "0", "a destination that is away is waited for"),
    ("partitioner", "murmur2_random", "a key lands where a Java producer puts it"),
    ("queue.buffering.max.kbytes", "131072", "at most 128 MiB a stream wait for the destination"),
    ("linger.ms", "10", "small batches are gathered for 10 ms"),
    (
        "batch.num.messages",
        "100000",
        "a batch is as large as batch.size allows, however small its records",
    ),
    // A broker that is creating the topic says so (leader not available) and does not count. One that has
    // KRaft in place of ZooKeeper may say "unknown" until it is there: a slow creation then ends the
    // mirror, nothing is committed, and the next start finds the topic.
    ("topic.metadata.propagation.max.ms", "2000", "a missing topic is an error after 2 s"),
    ("topic.metadata.refresh.interval.ms", "30000", "new partitions are found within 30 s"),
    ("socket.keepalive.enable", "true", "a connection that died silently is noticed"),
    RECONNECT,
    RETRY,
];

const STRICT_CONSUMER: &[Entry] = &[
    ("auto.offset.reset", "latest", "MirrorMaker's"),
    ("isolation.level", "read_uncommitted", "MirrorMaker's"),
    ("check.crcs", "true", "MirrorMaker's"),
    ("topic.metadata.refresh.interval.ms", "300000", "MirrorMaker's"),
    ("fetch.wait.max.ms", "500", "MirrorMaker's"),
    ("partition.assignment.strategy", "range", "MirrorMaker's"),
    ("reconnect.backoff.max.ms", "1000", "MirrorMaker's"),
];

const STRICT_PRODUCER: &[Entry] = &[
    ("acks", "all", "MirrorMaker's"),
    ("reconnect.backoff.max.ms", "1000", "MirrorMaker's"),
    ("max.in.flight.requests.per.connection", "1", "MirrorMaker's"),
    ("message.timeout.ms", "2147483647", "MirrorMaker's"),
    ("partitioner", "murmur2_random", "MirrorMaker's"),
    ("linger.ms", "0", "MirrorMaker's"),
    ("batch.size", "16384", "MirrorMaker's"),
    ("queue.buffering.max.kbytes", "32768", "MirrorMaker's"),
    ("message.max.bytes", "1048576", "MirrorMaker's"),
    ("topic.metadata.refresh.interval.ms", "300000", "MirrorMaker's"),
];

/// Completes the consumer's settings.
pub(super) fn consumer(settings: &mut Settings, strict_mm1: bool) {
    let must = [
        (
            "enable.auto.commit",
            "the mirror commits what the destination has acknowledged, nothing else",
        ),
        (
            "enable.auto.offset.store",
            "the mirror commits what the destination has acknowledged, nothing else",
        ),
    ];
    for (name, reason) in must {
        force(settings, name, "false", reason);
    }
    let is_classic = |protocol: &str| !protocol.eq_ignore_ascii_case("consumer");
    let is_classic = settings.get("group.protocol").is_none_or(is_classic);
    let entries = if strict_mm1 { STRICT_CONSUMER } else { CONSUMER };
    // With the protocol of KIP-848 the broker decides, and librdkafka refuses the properties.
    let is_taken = |entry: &&Entry| is_classic || entry.0 != "partition.assignment.strategy";
    add(settings, &entries.iter().filter(is_taken).copied().collect::<Vec<_>>());
    if !strict_mm1 && is_classic {
        add(settings, &[SESSION]);
        beat_thrice_in_a_session(settings);
    }
    if !strict_mm1 {
        fetch_what_the_queue_holds(settings);
    }
    keep_cache_beyond_refresh(settings);
}

/// Completes the producer's settings.
pub(super) fn producer(settings: &mut Settings, strict_mm1: bool) {
    force(
        settings,
        "delivery.report.only.error",
        "false",
        "each acknowledgement counts for the commit",
    );
    add(settings, if strict_mm1 { STRICT_PRODUCER } else { PRODUCER });
    let hindrance = hindrance_to_idempotence(settings).cloned();
    let in_flight = match (&hindrance, settings.get("enable.idempotence")) {
        (Some(hindrance), None) => {
            let Setting { written, value, .. } = hindrance;
            let reason =
                format!("your {written}={value} excludes it, so a retry may repeat records");
            settings.set(Setting::new("enable.idempotence", "false", Origin::Default, reason));
            ("1", "keeps the order without idempotence")
        }
        (_, Some("false")) => ("1", "keeps the order without idempotence"),
        _ => {
            let reason = "a retry neither repeats nor reorders records";
            settings.set_default(Setting::new(
                "enable.idempotence",
                "true",
                Origin::Default,
                reason,
            ));
            ("5", "the most that idempotence allows; the order is kept")
        }
    };
    add(settings, &[("max.in.flight.requests.per.connection", in_flight.0, in_flight.1)]);
    take_what_the_queue_holds(settings);
    keep_cache_beyond_refresh(settings);
}

/// A mirror that ends at a record that is refused sends nothing that lies behind it: librdkafka would, and the next
/// start could only copy the refused record behind it (`rd_kafka_handle_Produce_error`, 2.12.1). To be set after
/// the other defaults; without idempotence librdkafka has no such promise, and in transactions there is no need for it.
pub(super) fn end_at_a_gap(producer: &mut Settings) {
    if producer.get("enable.idempotence") == Some("true") {
        let reason = "nothing is sent behind a record that the destination refuses";
        add(producer, &[("enable.gapless.guarantee", "true", reason)]);
    }
}

/// What transactions need, whatever the user wrote. Both sides' defaults are there already.
pub(super) fn exactly_once(consumer: &mut Settings, producer: &mut Settings) {
    force(consumer, "isolation.level", "read_committed", "what may yet be aborted is not copied");
    force(producer, "acks", "all", "a transaction needs it");
    force(producer, "enable.idempotence", "true", "a transaction needs it");
    let in_flight = producer.get("max.in.flight.requests.per.connection");
    if in_flight.and_then(|n| n.parse::<u32>().ok()).is_none_or(|n| n > 5) {
        let reason = "the most that a transaction allows; the order is kept";
        force(producer, "max.in.flight.requests.per.connection", "5", reason);
    }
    add(producer, &[("transaction.timeout.ms", "60000", "one that is left open is aborted")]);
    let timeout = producer.get("transaction.timeout.ms").unwrap_or_default().to_owned();
    let reason =
        "as transaction.timeout.ms: what is not delivered by then is sent again in another";
    force(producer, "message.timeout.ms", &timeout, reason);
}

/// Each source partition has a producer of its own. To be set before the other defaults. The largest record that the user
/// allows finds room, unless it is larger than what a stream's producer has room for.
pub(super) fn small_queues(producer: &mut Settings) {
    const LEAST_KBYTES: i64 = 32 << 10;
    const MOST_KBYTES: i64 = 128 << 10;
    let record = producer.number("message.max.bytes").unwrap_or_default();
    let kbytes = (record / 1024 + 1).clamp(LEAST_KBYTES, MOST_KBYTES);
    let reason = format!("at most {} MiB a source partition wait", kbytes >> 10);
    let kbytes = kbytes.to_string();
    let setting = Setting::new("queue.buffering.max.kbytes", &kbytes, Origin::Default, reason);
    producer.set_default(setting);
}

fn add(settings: &mut Settings, entries: &[Entry]) {
    for (name, value, reason) in entries {
        settings.set_default(Setting::new(name, value, Origin::Default, *reason));
    }
}

/// librdkafka's default is 3 s whatever the session; in one of 6 s no heartbeat could be late.
fn beat_thrice_in_a_session(settings: &mut Settings) {
    let session = settings.get("session.timeout.ms").and_then(|value| value.parse::<u32>().ok());
    if let Some(session) = session {
        let interval = (session / 3).clamp(1, 3000).to_string();
        let reason = "three heartbeats in a session: one may be lost";
        let setting = Setting::new("heartbeat.interval.ms", &interval, Origin::Default, reason);
        settings.set_default(setting);
    }
}

fn force(settings: &mut Settings, name: &str, value: &str, reason: &str) {
    let is_the_user_s = |one: &&Setting| matches!(one.origin, Origin::User | Origin::Mapped);
    let yours = settings.effective().find(|one| one.name == name).filter(is_the_user_s);
    let reason = match yours {
        Some(yours) if yours.value != value => {
            format!("{reason}; your {} has no effect", yours.value)
        }
        _ => reason.to_owned(),
    };
    settings.set(Setting::new(name, value, Origin::Forced, reason));
}

/// The user's setting that an idempotent producer cannot have. Java's clients give up idempotence then, too.
pub(super) fn hindrance_to_idempotence(settings: &Settings) -> Option<&Setting> {
    let refuses = |name: &str, value: &str| match name {
        "acks" => !matches!(value, "all" | "-1"),
        "retries" => value == "0",
        "max.in.flight.requests.per.connection" => value.parse::<u32>().is_ok_and(|n| n > 5),
        _ => false,
    };
    settings.effective().find(|setting| refuses(&setting.name, &setting.value))
}

/// The destination, not the client, decides how large a record may be. But one that is larger than the whole queue
/// would be waited for for ever (`rd_kafka_curr_msgs_add`): it has to be refused.
fn take_what_the_queue_holds(settings: &mut Settings) {
    const LARGEST: u64 = 100 << 20;
    let kbytes = settings.get("queue.buffering.max.kbytes").and_then(|kbytes| kbytes.parse().ok());
    let queue = kbytes.map_or(LARGEST, |kbytes: u64| kbytes.saturating_mul(1024));
    let (bytes, reason) = if queue < LARGEST {
        (queue.max(1000), "a larger record never finds room in queue.buffering.max.kbytes")
    } else {
        (LARGEST, "the destination, not the client, decides how large a record may be")
    };
    let bytes = bytes.to_string();
    settings.set_default(Setting::new("message.max.bytes", &bytes, Origin::Default, reason));
}

/// An answer is kept whole until its last record is copied, and its records weigh several times their bytes once they
/// are taken apart. librdkafka takes nothing below `message.max.bytes`.
fn fetch_what_the_queue_holds(settings: &mut Settings) {
    const MOST: u64 = 2 << 20;
    let number = |name| settings.get(name).and_then(|value| value.parse::<u64>().ok());
    let queue = number("queued.max.messages.kbytes").map_or(MOST, |kb| kb.saturating_mul(1024));
    let largest_record = number("message.max.bytes").unwrap_or(1_000_000);
    let bytes = MOST.min(queue).max(largest_record).to_string();
    let reason = "a broker is asked for 2 MiB at a time; for one that is far away give more";
    settings.set_default(Setting::new("fetch.max.bytes", &bytes, Origin::Default, reason));
}

/// librdkafka wants its metadata cache to live longer than a refresh.
fn keep_cache_beyond_refresh(settings: &mut Settings) {
    let refresh = settings.get("topic.metadata.refresh.interval.ms").and_then(|ms| ms.parse().ok());
    let age: u64 = refresh.map_or(900_000, |ms: u64| (3 * ms).clamp(1, 86_400_000));
    let reason = "three times topic.metadata.refresh.interval.ms";
    settings.set_default(Setting::new(
        "metadata.max.age.ms",
        &age.to_string(),
        Origin::Default,
        reason,
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(entries: &[(&str, &str)], complete: fn(&mut Settings, bool)) -> Settings {
        let mut settings = Settings::default();
        for (name, value) in entries {
            settings.set(Setting::new(name, value, Origin::User, ""));
        }
        complete(&mut settings, false);
        settings
    }

    fn of_consumer(name: &str, entries: &[(&str, &str)]) -> Option<String> {
        with(entries, consumer).get(name).map(str::to_owned)
    }

    #[test]
    fn a_member_that_died_is_not_waited_for_where_the_client_decides_it() {
        let session = |entries: &[(&str, &str)]| of_consumer("session.timeout.ms", entries);
        assert_eq!(session(&[]).as_deref(), Some("6000"));
        assert_eq!(session(&[("session.timeout.ms", "30000")]).as_deref(), Some("30000"));
        assert_eq!(session(&[("group.protocol", "classic")]).as_deref(), Some("6000"));
        assert_eq!(session(&[("group.protocol", "Consumer")]), None);
        let strategy =
            |entries: &[(&str, &str)]| of_consumer("partition.assignment.strategy", entries);
        assert_eq!(strategy(&[]).as_deref(), Some("roundrobin,range"));
        assert_eq!(strategy(&[("group.protocol", "consumer")]), None, "the broker decides");
        let heartbeat = |entries: &[(&str, &str)]| of_consumer("heartbeat.interval.ms", entries);
        assert_eq!(heartbeat(&[]).as_deref(), Some("2000"));
        assert_eq!(heartbeat(&[("session.timeout.ms", "1500")]).as_deref(), Some("500"));
        assert_eq!(heartbeat(&[("session.timeout.ms", "45000")]).as_deref(), Some("3000"));
        assert_eq!(heartbeat(&[("heartbeat.interval.ms", "700")]).as_deref(), Some("700"));
        assert_eq!(heartbeat(&[("group.protocol", "consumer")]), None);
    }

    #[test]
    fn the_user_s_value_stays() {
        let settings = with(&[("linger.ms", "50")], producer);
        assert_eq!(settings.get("linger.ms"), Some("50"));
        assert_eq!(settings.get("enable.idempotence"), Some("true"));
        assert_eq!(settings.get("max.in.flight.requests.per.connection"), Some("5"));
    }

    #[test]
    fn checksums_are_looked_at_unless_the_user_copies_what_is_damaged() {
        assert_eq!(of_consumer("check.crcs", &[]).as_deref(), Some("true"));
        assert_eq!(of_consumer("check.crcs", &[("check.crcs", "false")]).as_deref(), Some("false"));
    }

    #[test]
    fn an_answer_is_small_but_large_enough_for_a_record() {
        let most = |entries: &[(&str, &str)]| of_consumer("fetch.max.bytes", entries);
        assert_eq!(most(&[]).as_deref(), Some("2097152"));
        assert_eq!(most(&[("fetch.max.bytes", "52428800")]).as_deref(), Some("52428800"));
        assert_eq!(most(&[("queued.max.messages.kbytes", "1024")]).as_deref(), Some("1048576"));
        // librdkafka would refuse less.
        assert_eq!(most(&[("queued.max.messages.kbytes", "1")]).as_deref(), Some("1000000"));
        assert_eq!(most(&[("message.max.bytes", "8000000")]).as_deref(), Some("8000000"));
    }

    #[test]
    fn order_is_kept_when_idempotence_is_not_possible() {
        for entry in [("acks", "1"), ("enable.idempotence", "false")] {
            let settings = with(&[entry], producer);
            assert_eq!(settings.get("enable.idempotence"), Some("false"));
            assert_eq!(settings.get("max.in.flight.requests.per.connection"), Some("1"));
        }
    }

    #[test]
    fn nothing_overtakes_a_refused_record_where_idempotence_is() {
        fn ending(settings: &mut Settings, strict: bool) {
            producer(settings, strict);
            end_at_a_gap(settings);
        }
        let gapless =
            |entries| with(entries, ending).get("enable.gapless.guarantee").map(str::to_owned);
        assert_eq!(gapless(&[]).as_deref(), Some("true"));
        assert_eq!(gapless(&[("enable.gapless.guarantee", "false")]).as_deref(), Some("false"));
        assert_eq!(gapless(&[("acks", "1")]), None, "librdkafka would refuse it");
    }

    #[test]
    fn auto_commit_is_overridden_and_said_so() {
        let settings = with(&[("enable.auto.commit", "true")], consumer);
        let setting = settings.effective().find(|s| s.name == "enable.auto.commit").unwrap();
        assert_eq!((setting.value.as_str(), setting.origin), ("false", Origin::Forced));
        assert!(setting.reason.contains("your true has no effect"), "{setting}");
    }

    #[test]
    fn strict_is_mirrormaker_s() {
        let (mut c, mut p) = (Settings::default(), Settings::default());
        consumer(&mut c, true);
        producer(&mut p, true);
        assert_eq!(c.get("auto.offset.reset"), Some("latest"));
        assert_eq!(c.get("isolation.level"), Some("read_uncommitted"));
        assert_eq!(c.get("check.crcs"), Some("true"));
        assert_eq!(p.get("max.in.flight.requests.per.connection"), Some("1"));
    }
}
