//! Properties that librdkafka takes only together with others: what gives way, or why the two exclude each other.
//!
//! Pure, and last: all defaults are there. Java's clients take most of these pairs, so what can give way without harm
//! does; what is left is refused with the user's names of both.

use std::time::Duration;

use super::{
    defaults::hindrance_to_idempotence,
    setting::{Origin, Setting, Settings},
    translate::Refusal,
};

/// What librdkafka has where the mirror sets nothing, and the least that it takes.
const SESSION_MS: i64 = 45_000;
const LARGEST_RECORD: i64 = 1_000_000;
const LEAST_RECORD: i64 = 1000;
const LARGEST_FETCH: i64 = 50 << 20;
const POLL_MS: i64 = 300_000;
const RECONNECT_MS: i64 = 100;
const RECONNECT_MOST_MS: i64 = 10_000;
/// Java's default, and ours.
const TRANSACTION_MS: i64 = 60_000;
/// What brokers take at most by default (`transaction.max.timeout.ms`).
const LONGEST_TRANSACTION_MS: i64 = 900_000;
/// How long the commit of a transaction may take; of a short one half its time.
const LAST_OF_A_TRANSACTION_MS: i64 = 10_000;
/// What an answer has around its records (`rd_kafka_conf_finalize`).
const FRAME: i64 = 512;

/// Makes the consumer's settings go together.
pub(super) fn consumer(settings: &mut Settings) -> Result<(), Refusal> {
    let is_broker_s = settings.get("group.protocol") == Some("consumer");
    if is_broker_s {
        leave_to_the_broker(settings)?
    } else {
        session(settings)?
    }
    fetches(settings)?;
    reconnects(settings);
    Ok(())
}

/// Makes the producer's settings go together.
pub(super) fn producer(settings: &mut Settings) -> Result<(), Refusal> {
    linger(settings)?;
    idempotence(settings)?;
    queue(settings);
    reconnects(settings);
    Ok(())
}

/// With the protocol of KIP-848 the broker decides. Java refuses these, too.
fn leave_to_the_broker(settings: &Settings) -> Result<(), Refusal> {
    let table = [
        ("session.timeout.ms", "the brokers decide it (their group.consumer.session.timeout.ms)"),
        (
            "heartbeat.interval.ms",
            "the brokers decide it (their group.consumer.heartbeat.interval.ms)",
        ),
        ("partition.assignment.strategy", "group.remote.assignor names the broker's assignor"),
    ];
    match table.into_iter().find(|(name, _)| settings.get(name).is_some()) {
        Some((name, instead)) => {
            let reason = format!(
                "excludes group.protocol=consumer, with which {instead}; remove one of the two"
            );
            refuse(settings, name, reason)
        }
        None => Ok(()),
    }
}

/// The heartbeat is shorter than the session, and that no longer than the time between two polls.
fn session(settings: &mut Settings) -> Result<(), Refusal> {
    let mut session = settings.number("session.timeout.ms").unwrap_or(SESSION_MS);
    let heartbeat = settings.number("heartbeat.interval.ms").unwrap_or_default();
    if heartbeat >= session {
        if is_the_user_s(settings, "session.timeout.ms") {
            let reason = format!(
                "is {heartbeat}, and session.timeout.ms only {session}: the group would take the mirror for dead; set it \
                 to a third of that, or remove it"
            );
            return refuse(settings, "heartbeat.interval.ms", reason);
        }
        session = heartbeat.saturating_mul(3).min(3_600_000);
        give_way(settings, "session.timeout.ms", session, "three times heartbeat.interval.ms");
    }
    if settings.number("max.poll.interval.ms").unwrap_or(POLL_MS) < session {
        let reason = "librdkafka takes no less than session.timeout.ms";
        give_way(settings, "max.poll.interval.ms", session, reason);
    }
    Ok(())
}

/// An answer has room for the largest record, and the buffer that it is read into for the answer.
fn fetches(settings: &mut Settings) -> Result<(), Refusal> {
    let fetch = settings.number("fetch.max.bytes").unwrap_or(LARGEST_FETCH);
    let record = settings.number("message.max.bytes").unwrap_or(LARGEST_RECORD);
    let record_may_shrink = !is_the_user_s(settings, "message.max.bytes");
    let least = if record_may_shrink { LEAST_RECORD } else { record };
    let mut most = fetch.max(least);
    if let Some(buffer) = settings.number("receive.message.max.bytes")
        && buffer < most + FRAME
    {
        let fetch_may_shrink = !is_the_user_s(settings, "fetch.max.bytes");
        let needed = FRAME + if fetch_may_shrink { least } else { most };
        if buffer < needed {
            let reason = format!(
                "is {buffer}, and an answer with the other settings needs {needed}; raise it to that, or remove it"
            );
            return refuse(settings, "receive.message.max.bytes", reason);
        }
        most = buffer - FRAME;
    }
    if most != fetch {
        let reason = if most < fetch {
            "what receive.message.max.bytes has room for"
        } else {
            "librdkafka takes no less than message.max.bytes"
        };
        give_way(settings, "fetch.max.bytes", most, reason);
    }
    // A record that is larger than an answer is read all the same (KIP-74).
    if most < record {
        give_way(
            settings,
            "message.max.bytes",
            most,
            "librdkafka takes no more than fetch.max.bytes",
        );
    }
    Ok(())
}

fn reconnects(settings: &mut Settings) {
    let first = settings.number("reconnect.backoff.ms").unwrap_or(RECONNECT_MS);
    if settings.number("reconnect.backoff.max.ms").unwrap_or(RECONNECT_MOST_MS) < first {
        give_way(settings, "reconnect.backoff.max.ms", first, "no less than reconnect.backoff.ms");
    }
}

/// A record that is larger than the whole queue would be waited for for ever (`rd_kafka_curr_msgs_add`), so it is refused, as Java
/// refuses one that is larger than its buffer.
fn queue(settings: &mut Settings) {
    const NAME: &str = "queue.buffering.max.kbytes";
    let Some(queue) = settings.number(NAME).map(|kbytes| kbytes.saturating_mul(1024)) else {
        return;
    };
    if settings.number("message.max.bytes").unwrap_or(LARGEST_RECORD) > queue {
        let reason = format!("a larger record never finds room in {}", settings.written(NAME));
        give_way(settings, "message.max.bytes", queue, &reason);
    }
}

/// A record is not waited with for as long as it has to arrive. Java refuses it, too.
fn linger(settings: &mut Settings) -> Result<(), Refusal> {
    let timeout = settings.number("message.timeout.ms").unwrap_or_default();
    let linger = settings.get("linger.ms").and_then(|value| value.parse::<f64>().ok());
    let Some(linger) = linger.filter(|linger| timeout != 0 && timeout as f64 <= *linger) else {
        return Ok(());
    };
    if is_the_user_s(settings, "linger.ms") {
        let name = settings.written("message.timeout.ms");
        let reason = format!(
            "is {linger}, and {name} only {timeout}: each record would be given up before it is sent; lower the former, \
             or raise the latter"
        );
        return refuse(settings, "linger.ms", reason);
    }
    give_way(settings, "linger.ms", timeout - 1, "less than a record has to arrive");
    Ok(())
}

/// Time between two commits, so that each lies within a transaction. A transaction is open from its first record to the next
/// commit, and brokers abort one that is open for longer than its timeout (they look every 10 s): with commits that are further
/// apart nothing is ever committed, and everything is read and written again for ever. So there is time left for the commit
/// itself. Whichever of the two the user did not write follows the other.
pub(super) fn transactions(
    producer: &mut Settings,
    asked: Option<Duration>,
    default: Duration,
) -> Result<Duration, Refusal> {
    const NAME: &str = "transaction.timeout.ms";
    let yours = producer.number(NAME);
    let longest = yours.unwrap_or(TRANSACTION_MS);
    let longest = longest - LAST_OF_A_TRANSACTION_MS.min(longest / 2);
    let interval = asked.unwrap_or(default);
    let milliseconds = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX);
    if milliseconds <= longest {
        return Ok(interval);
    }
    let most = LONGEST_TRANSACTION_MS - LAST_OF_A_TRANSACTION_MS;
    let reason = match yours {
        Some(timeout) if asked.is_none() => {
            tracing::warn!("{NAME}={timeout}: it commits every {longest} ms, not {milliseconds}");
            return Ok(Duration::from_millis(longest.unsigned_abs()));
        }
        Some(timeout) => format!(
            "is {timeout}, and --offset.commit.interval.ms {milliseconds}: brokers would abort each transaction before it is \
             committed; lower the latter to at most {longest}, or raise the former"
        ),
        None if milliseconds <= most => {
            let timeout = LONGEST_TRANSACTION_MS.min(milliseconds + TRANSACTION_MS).to_string();
            let reason =
                "longer than --offset.commit.interval.ms; one that is left open is aborted";
            producer.set(Setting::new(NAME, &timeout, Origin::Default, reason));
            return Ok(interval);
        }
        None => format!(
            "has to be longer than --offset.commit.interval.ms {milliseconds}, and brokers take no more than \
             {LONGEST_TRANSACTION_MS} unless their transaction.max.timeout.ms is set; lower the latter to at most {most}, or \
             set both"
        ),
    };
    Err(Refusal::Value { name: NAME.to_owned(), reason })
}

/// What an idempotent producer cannot have, where idempotence is asked for.
fn idempotence(settings: &Settings) -> Result<(), Refusal> {
    let asked = settings.effective().find(|one| one.name == "enable.idempotence");
    let Some(asked) = asked.filter(|one| one.value == "true") else { return Ok(()) };
    let Some(one) = hindrance_to_idempotence(settings) else { return Ok(()) };
    let way_out = match asked.origin {
        Origin::Forced => "--exactly-once needs it; remove the former",
        _ => "remove one of the two",
    };
    let reason = format!("is {}, which excludes enable.idempotence=true; {way_out}", one.value);
    refuse(settings, &one.name, reason)
}

fn is_the_user_s(settings: &Settings, name: &str) -> bool {
    let mut users = settings.effective().filter(|one| one.name == name);
    users.any(|one| matches!(one.origin, Origin::User | Origin::Mapped))
}

/// Sets what gives way, and says what it was if the user wrote it.
fn give_way(settings: &mut Settings, name: &str, value: i64, reason: &str) {
    let value = value.to_string();
    let one = match settings.take(name) {
        Some(yours) if matches!(yours.origin, Origin::User | Origin::Mapped) => {
            let reason = format!("you wrote {}={}; {reason}", yours.written, yours.value);
            Setting::new(name, &value, Origin::Mapped, reason).written_as(&yours.written)
        }
        _ => Setting::new(name, &value, Origin::Default, reason),
    };
    settings.set(one);
}

fn refuse(settings: &Settings, name: &str, reason: String) -> Result<(), Refusal> {
    Err(Refusal::Value { name: settings.written(name).to_owned(), reason })
}

#[cfg(test)]
mod tests {
    use super::{super::defaults, *};

    type Complete = fn(&mut Settings) -> Result<(), Refusal>;

    fn outcome(lines: &[(&str, &str)], complete: Complete) -> String {
        let mut settings = Settings::default();
        for (name, value) in lines {
            settings.set(Setting::new(name, value, Origin::User, ""));
        }
        match complete(&mut settings) {
            Ok(()) => {
                let shown = settings.effective().map(|one| format!("{} {one}", one.origin));
                shown.collect::<Vec<_>>().join("\n")
            }
            Err(refusal) => format!("!{refusal}"),
        }
    }

    fn of_consumer(lines: &[(&str, &str)], expected: &[&str]) {
        let outcome = outcome(lines, |settings| {
            defaults::consumer(settings, false);
            consumer(settings)
        });
        for words in expected {
            assert!(outcome.contains(words), "{words:?} is not in\n{outcome}");
        }
    }

    fn of_producer(lines: &[(&str, &str)], expected: &[&str]) {
        let outcome = outcome(lines, |settings| {
            defaults::producer(settings, false);
            producer(settings)
        });
        for words in expected {
            assert!(outcome.contains(words), "{words:?} is not in\n{outcome}");
        }
    }

    #[test]
    fn a_small_fetch_is_taken_as_java_takes_it() {
        of_consumer(
            &[("fetch.max.bytes", "100000")],
            &["yours fetch.max.bytes=100000", "default message.max.bytes=100000"],
        );
        of_consumer(
            &[("fetch.max.bytes", "100")],
            &[
                "mapped fetch.max.bytes=1000 (you wrote fetch.max.bytes=100; librdkafka",
                "message.max.bytes=1000 ",
            ],
        );
        let both = [("fetch.max.bytes", "2000"), ("message.max.bytes", "5000")];
        of_consumer(&both, &["mapped fetch.max.bytes=5000 (you wrote fetch.max.bytes=2000; "]);
        of_consumer(
            &[("receive.message.max.bytes", "100512")],
            &["default fetch.max.bytes=100000 (what receive.message.max.bytes has room for)"],
        );
        of_consumer(
            &[("receive.message.max.bytes", "2000"), ("fetch.max.bytes", "50000")],
            &[
                "!receive.message.max.bytes is 2000, and an answer with the other settings needs 50512",
            ],
        );
        of_consumer(
            &[("receive.message.max.bytes", "1000")],
            &[
                "!receive.message.max.bytes is 1000, and an answer with the other settings needs 1512",
            ],
        );
        of_consumer(
            &[("receive.message.max.bytes", "2000"), ("message.max.bytes", "5000")],
            &["needs 5512; raise it"],
        );
    }

    #[test]
    fn heartbeat_session_and_polls_go_together() {
        of_consumer(
            &[("session.timeout.ms", "400000")],
            &["yours session.timeout.ms=400000", "default max.poll.interval.ms=400000"],
        );
        of_consumer(
            &[("max.poll.interval.ms", "1000")],
            &["mapped max.poll.interval.ms=6000 (you wrote max.poll.interval.ms=1000; librdkafka"],
        );
        of_consumer(
            &[("heartbeat.interval.ms", "7000")],
            &["session.timeout.ms=21000 (three times heartbeat.interval.ms)"],
        );
        of_consumer(
            &[("heartbeat.interval.ms", "7000"), ("session.timeout.ms", "7000")],
            &["!heartbeat.interval.ms is 7000, and session.timeout.ms only 7000"],
        );
        for name in ["session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy"]
        {
            of_consumer(
                &[("group.protocol", "consumer"), (name, "1")],
                &[&format!("!{name} excludes group.protocol=consumer"), "remove one"],
            );
        }
    }

    #[test]
    fn the_longest_pause_is_no_shorter_than_the_first() {
        of_consumer(
            &[("reconnect.backoff.ms", "5000")],
            &["default reconnect.backoff.max.ms=5000 (no less than reconnect.backoff.ms)"],
        );
        of_producer(
            &[("reconnect.backoff.ms", "5000"), ("reconnect.backoff.max.ms", "900")],
            &["mapped reconnect.backoff.max.ms=5000 (you wrote reconnect.backoff.max.ms=900; "],
        );
    }

    #[test]
    fn a_record_is_sent_before_it_is_given_up() {
        of_producer(&[("message.timeout.ms", "5")], &["default linger.ms=4 "]);
        of_producer(&[("linger.ms", "900")], &["yours linger.ms=900"]);
        of_producer(
            &[("linger.ms", "900"), ("message.timeout.ms", "800")],
            &["!linger.ms is 900, and message.timeout.ms only 800"],
        );
    }

    #[test]
    fn no_record_is_larger_than_the_queue() {
        let queue = ("queue.buffering.max.kbytes", "1024");
        of_producer(
            &[queue, ("message.max.bytes", "2097152")],
            &["mapped message.max.bytes=1048576 (you wrote message.max.bytes=2097152; a larger"],
        );
        of_producer(&[queue], &["default message.max.bytes=1048576"]);
        of_producer(&[queue, ("message.max.bytes", "5000")], &["yours message.max.bytes=5000"]);
        of_producer(&[("message.max.bytes", "52428800")], &["yours message.max.bytes=52428800"]);
    }

    #[test]
    fn what_excludes_idempotence_is_named() {
        for (name, value) in
            [("acks", "1"), ("retries", "0"), ("max.in.flight.requests.per.connection", "6")]
        {
            let expected =
                format!("!{name} is {value}, which excludes enable.idempotence=true; remove");
            of_producer(&[(name, value), ("enable.idempotence", "true")], &[&expected]);
            of_producer(&[(name, value)], &["default enable.idempotence=false"]);
        }
    }

    #[test]
    fn both_names_are_the_user_s() {
        let mut settings = Settings::default();
        settings.set(Setting::new("linger.ms", "9", Origin::User, ""));
        let timeout = Setting::new("message.timeout.ms", "5", Origin::Mapped, "");
        settings.set(timeout.written_as("delivery.timeout.ms"));
        let refusal = producer(&mut settings).unwrap_err().to_string();
        assert!(refusal.contains("delivery.timeout.ms only 5"), "{refusal}");
    }
}
