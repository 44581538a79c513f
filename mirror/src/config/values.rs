//! Numbers and words: whether librdkafka takes a value, and takes it for what the user means.
//!
//! Pure: one setting in, the same out. librdkafka reads a number as C does and passes over what follows it: `10 MB` is 10,
//! `1e6` is 1, `010` is 8 and 2^32 is 0 to it. So values are read here, as Java reads them, and handed on in the one
//! spelling that the rest of `config` asks for. It does not know which other properties are set (see `pairs`).

use super::{
    java::{Kind, domain},
    setting::{Origin, Setting},
    translate::Refusal,
};

/// Java's properties with a wider range than librdkafka's, and Java's least: beyond its range librdkafka's nearest value does
/// what is meant.
const WIDER: &[(&str, i64)] = &[
    ("batch.size", 0),
    ("connections.max.idle.ms", 0),
    ("fetch.max.bytes", 0),
    ("fetch.max.wait.ms", 0),
    ("fetch.min.bytes", 0),
    ("linger.ms", 0),
    ("max.partition.fetch.bytes", 0),
    ("max.poll.interval.ms", 1),
    ("max.request.size", 0),
    ("metadata.max.age.ms", 0),
    ("receive.buffer.bytes", 0),
    ("reconnect.backoff.max.ms", 0),
    ("reconnect.backoff.ms", 0),
    ("request.timeout.ms", 0),
    ("retry.backoff.max.ms", 0),
    ("retry.backoff.ms", 0),
    ("send.buffer.bytes", 0),
    ("socket.connection.setup.timeout.ms", 0),
];

/// The setting with its value as librdkafka and the rest of `config` are to read it.
pub(super) fn checked(kind: Kind, setting: Setting) -> Result<Setting, Refusal> {
    if setting.origin == Origin::Ignored {
        return Ok(setting);
    }
    let Some(domain) = domain(kind, &setting.name) else { return Ok(setting) };
    let read = match domain.split_once("..") {
        None => word(domain, &setting.value),
        Some((least, most)) if least.contains('.') => decimal(least, most, &setting),
        Some((least, most)) => whole(least, most, &setting),
    };
    let refused = |reason| Refusal::Value { name: setting.written.clone(), reason };
    let value = read.map_err(refused)?;
    if value == setting.value {
        return Ok(setting);
    }
    let reason = format!(
        "you wrote {}={}; librdkafka takes {}",
        setting.written,
        setting.value,
        domain.replace("..", " to ").replace(',', ", ")
    );
    Ok(Setting { value, origin: Origin::Mapped, reason, ..setting })
}

/// One of the words, whatever its case. librdkafka has more spellings of true and false.
fn word(words: &str, value: &str) -> Result<String, String> {
    let meant = match (words, value) {
        ("true,false", "1" | "t" | "T") => "true",
        ("true,false", "0" | "f" | "F") => "false",
        _ => value,
    };
    let mut all = words.split(',');
    match all.find(|word| word.eq_ignore_ascii_case(meant)) {
        Some(word) => Ok(word.to_owned()),
        None => Err(format!("is {value:?}; write {}", words.replace(',', " or "))),
    }
}

fn decimal(least: &str, most: &str, setting: &Setting) -> Result<String, String> {
    let (least, most) = (least.trim_end_matches(".0"), most.trim_end_matches(".0"));
    let bounds = (least.parse::<f64>(), most.parse::<f64>());
    let value = setting.value.parse::<f64>().ok().filter(|value| value.is_finite());
    let (Some(value), (Ok(low), Ok(high))) = (value, bounds) else {
        return Err(no_number(setting, "a number", least, most));
    };
    if (low..=high).contains(&value)
        || java_s_least(setting).is_some_and(|java| value >= java as f64)
    {
        // Rust writes no exponent, which other readers of it do not know.
        Ok(value.clamp(low, high).to_string())
    } else {
        Err(beyond(setting, least, most))
    }
}

fn whole(least: &str, most: &str, setting: &Setting) -> Result<String, String> {
    let bounds = (least.parse::<i64>(), most.parse::<i64>());
    let (Ok(value), (Ok(low), Ok(high))) = (setting.value.parse::<i64>(), bounds) else {
        return Err(no_number(setting, "a whole number", least, most));
    };
    if (low..=high).contains(&value) || java_s_least(setting).is_some_and(|java| value >= java) {
        Ok(value.clamp(low, high).to_string())
    } else {
        Err(beyond(setting, least, most))
    }
}

/// The least that Java takes, where its range is the wider one.
fn java_s_least(setting: &Setting) -> Option<i64> {
    WIDER.iter().find(|(name, _)| *name == setting.written).map(|(_, least)| *least)
}

fn no_number(setting: &Setting, what: &str, least: &str, most: &str) -> String {
    let unit = match setting.written.as_str() {
        name if name.ends_with("ms") => "milliseconds",
        name if name.ends_with("kbytes") => "kilobytes",
        name if name.ends_with("bytes") || name.ends_with("size") => "bytes",
        _ => "number",
    };
    let value = &setting.value;
    format!(
        "is {value:?}, which is not {what}; write the {unit} in digits alone, {least} to {most}"
    )
}

fn beyond(setting: &Setting, least: &str, most: &str) -> String {
    format!("is {}, which librdkafka does not take; write {least} to {most}", setting.value)
}

#[cfg(test)]
mod tests {
    use super::{super::translate::translate, *};

    fn check(kind: Kind, name: &str, value: &str, expected: &str) {
        let translated = translate(kind, name, value).map(|mut settings| settings.remove(0));
        let outcome = match translated.and_then(|setting| checked(kind, setting)) {
            Ok(setting) => format!("{} {setting}", setting.origin),
            Err(refusal) => refusal.to_string(),
        };
        assert!(outcome.starts_with(expected), "{name}={value}: {outcome:?}, not {expected:?}");
    }

    #[test]
    fn a_number_is_read_as_java_reads_it_or_refused() {
        use Kind::{Consumer, Producer};
        check(Consumer, "session.timeout.ms", "10000", "yours session.timeout.ms=10000");
        check(Consumer, "session.timeout.ms", "010000", "mapped session.timeout.ms=10000 (you");
        check(Producer, "linger.ms", "5", "yours linger.ms=5");
        check(Producer, "linger.ms", "0.5", "yours linger.ms=0.5");
        check(Producer, "linger.ms", "1e3", "mapped linger.ms=1000 ");
        check(Producer, "linger.ms", "inf", "linger.ms is \"inf\", which is not a number");
        check(
            Producer,
            "linger.ms",
            "many",
            "linger.ms is \"many\", which is not a number; write the milliseconds in digits alone, 0 to 900000",
        );
        let bytes = "which is not a whole number; write the bytes in digits alone, ";
        for value in ["10 MB", "1e6", "0x10", "1_000", "", "1.5"] {
            let expected =
                format!("max.partition.fetch.bytes is {value:?}, {bytes}1 to 1000000000");
            check(Consumer, "max.partition.fetch.bytes", value, &expected);
        }
        check(Consumer, "queued.max.messages.kbytes", "1M", "queued.max.messages.kbytes is \"1M\"");
        check(Producer, "delivery.timeout.ms", "2 min", "delivery.timeout.ms is \"2 min\"");
    }

    #[test]
    fn what_is_beyond_the_range_is_refused_with_it_by_the_user_s_name() {
        let taken = "which librdkafka does not take; write";
        let expected = format!("session.timeout.ms is -3, {taken} 1 to 3600000");
        check(Kind::Consumer, "session.timeout.ms", "-3", &expected);
        let expected = format!("delivery.timeout.ms is -1, {taken} 0 to 2147483647");
        check(Kind::Producer, "delivery.timeout.ms", "-1", &expected);
        let expected = format!("linger.ms is -1, {taken} 0 to 900000");
        check(Kind::Producer, "linger.ms", "-1", &expected);
        // To C it is a small number.
        check(Kind::Producer, "retries", "4294967297", "retries is 4294967297, which librdkafka");
    }

    #[test]
    fn what_java_takes_beyond_it_becomes_the_nearest() {
        use Kind::{Consumer, Producer};
        check(
            Consumer,
            "request.timeout.ms",
            "305000",
            "mapped socket.timeout.ms=300000 (you wrote request.timeout.ms=305000; librdkafka takes 10 to 300000)",
        );
        check(
            Consumer,
            "max.poll.interval.ms",
            "2147483647",
            "mapped max.poll.interval.ms=86400000",
        );
        check(Consumer, "max.poll.interval.ms", "0", "max.poll.interval.ms is 0, which");
        check(
            Consumer,
            "metadata.max.age.ms",
            "9223372036854775807",
            "mapped topic.metadata.refresh.interval.ms=3600000",
        );
        // Java has no -1 here, which is for never to librdkafka.
        check(Consumer, "metadata.max.age.ms", "-1", "metadata.max.age.ms is -1, which");
        check(Consumer, "fetch.max.bytes", "2147483647", "mapped fetch.max.bytes=2147483135");
        check(Consumer, "connections.max.idle.ms", "-1", "mapped connections.max.idle.ms=0");
        let idle = "mapped connections.max.idle.ms=2147483647 (you wrote";
        check(Consumer, "connections.max.idle.ms", "9223372036854775807", idle);
        check(Producer, "linger.ms", "1000000", "mapped linger.ms=900000 (you wrote");
        check(
            Producer,
            "queue.buffering.max.ms",
            "1000000",
            "queue.buffering.max.ms is 1000000, which",
        );
        check(Producer, "batch.size", "0", "mapped batch.size=1 ");
        check(Producer, "batch.size", "-1", "batch.size is -1, which");
        check(Producer, "max.request.size", "2147483647", "mapped message.max.bytes=1000000000");
        let unlimited = "mapped queue.buffering.max.kbytes=2147483647";
        check(Producer, "buffer.memory", "9223372036854775807", unlimited);
    }

    #[test]
    fn a_word_is_taken_in_any_case_and_told_from_others() {
        use Kind::{Consumer, Producer};
        check(Producer, "enable.idempotence", "FALSE", "mapped enable.idempotence=false ");
        check(Producer, "enable.idempotence", "1", "mapped enable.idempotence=true ");
        check(
            Producer,
            "enable.idempotence",
            "yes",
            "enable.idempotence is \"yes\"; write true or false",
        );
        check(Consumer, "isolation.level", "read_committed", "yours isolation.level");
        check(
            Consumer,
            "security.protocol",
            "TLS",
            "security.protocol is \"tls\"; write plaintext or ssl or sasl_plaintext or sasl_ssl",
        );
        check(
            Producer,
            "compression.type",
            "bzip",
            "compression.type is \"bzip\"; write none or gzip or snappy or lz4 or zstd",
        );
        check(Consumer, "group.id", "Any 1e6", "yours group.id=Any 1e6");
    }
}
