//! Turns one user's property into settings of librdkafka.
//!
//! Pure: a name and a value in, settings out. It does not know which other properties are set.

use super::addresses;
use super::jaas;
use super::java::{Kind, Known, known, nearest};
use super::security;
use super::setting::{Origin, Setting};

/// Why a property cannot be honoured.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No client has it.
    #[error("no Kafka client has the property {name}{}", nearest.map(|n| format!("; did you mean {n}?")).unwrap_or_default())]
    Unknown {
        /// The name as written.
        name: String,
        /// The most similar known name.
        nearest: Option<&'static str>,
    },
    /// It is known, but the value means nothing here.
    #[error("{name} {reason}")]
    Value {
        /// The name as written.
        name: String,
        /// What is wrong, and the way out.
        reason: String,
    },
}

/// The settings that this property stands for.
pub(super) fn translate(kind: Kind, name: &str, value: &str) -> Result<Vec<Setting>, Refusal> {
    match known(kind, name) {
        None if known(kind.other(), name).is_some() => {
            let reason =
                format!("only {} have it: in this file it has no effect", kind.other().plural());
            Ok(vec![ignored(name, value, &reason)])
        }
        None => Err(Refusal::Unknown { name: name.to_owned(), nearest: nearest(kind, name) }),
        Some(Known::WithoutEffect(reason)) => Ok(vec![ignored(name, value, reason)]),
        Some(Known::Renamed(new)) => Ok(vec![renamed(name, new, value)]),
        Some(Known::Native) => Ok(vec![native(name, value)]),
        Some(Known::Special) => special(name, value),
        Some(Known::Refused(reason)) => {
            Err(Refusal::Value { name: name.to_owned(), reason: reason.to_owned() })
        }
    }
}

fn ignored(name: &str, value: &str, reason: &str) -> Setting {
    Setting::new(name, value, Origin::Ignored, reason)
}

fn renamed(old: &str, new: &str, value: &str) -> Setting {
    Setting::new(new, value, Origin::Mapped, format!("you wrote {old}")).written_as(old)
}

/// The user's own; where librdkafka has two names, one of them, so that it meets our default.
fn native(name: &str, value: &str) -> Setting {
    let one = match name {
        "max.in.flight" => "max.in.flight.requests.per.connection",
        "fetch.message.max.bytes" => "max.partition.fetch.bytes",
        "sasl.mechanisms" => "sasl.mechanism",
        other => other,
    };
    Setting::new(one, value, Origin::User, "").written_as(name)
}

/// A value that librdkafka spells in another way.
fn spelt(name: &str, new: &str, value: &str, spelling: &str) -> Setting {
    if name == new && value == spelling {
        native(name, value)
    } else {
        let reason = format!("you wrote {name}={value}");
        Setting::new(new, spelling, Origin::Mapped, reason).written_as(name)
    }
}

fn special(name: &str, value: &str) -> Result<Vec<Setting>, Refusal> {
    let refuse =
        |reason: &str| Err(Refusal::Value { name: name.to_owned(), reason: reason.to_owned() });
    let one = match name {
        "bootstrap.servers" | "metadata.broker.list" => match addresses::list(value) {
            Ok(list) => spelt(name, "bootstrap.servers", value, &list),
            Err(fault) => return refuse(&fault),
        },
        "zookeeper.connection.timeout.ms" if value.parse::<u32>().is_err() => {
            return refuse("is not a number of milliseconds; write it in digits alone, as in 6000");
        }
        "client.id"
        | "enable.auto.commit"
        | "enable.auto.offset.store"
        | "zookeeper.connect"
        | "zookeeper.connection.timeout.ms" => native(name, value),
        // What they mean depends on each other: see `security`.
        "ssl.keystore.location"
        | "ssl.keystore.type"
        | "ssl.truststore.location"
        | "ssl.truststore.type"
        | "ssl.truststore.password" => native(name, value),
        "auto.commit.enable" => renamed(name, "enable.auto.commit", value),
        "security.protocol" => spelt(name, name, value, &value.to_lowercase()),
        // Java's for: never.
        "connections.max.idle.ms" => spelt(name, name, value, system_default(value)),
        "client.dns.lookup" if value == "default" => {
            ignored(name, value, "librdkafka has no such value")
        }
        "client.dns.lookup" => native(name, value),
        // librdkafka's own property of this name is the age of its cache.
        "metadata.max.age.ms" => refresh(name, value),
        "topic.metadata.refresh.interval.ms" if value.parse().is_ok_and(|ms: i64| ms <= 0) => {
            return refuse(&format!(
                "is {value}, with which librdkafka never looks for new partitions; write the milliseconds between two looks, \
                 as in 30000, or remove it"
            ));
        }
        "send.buffer.bytes" => {
            spelt(name, "socket.send.buffer.bytes", value, system_default(value))
        }
        "receive.buffer.bytes" => {
            spelt(name, "socket.receive.buffer.bytes", value, system_default(value))
        }
        "auto.offset.reset" => match value {
            "earliest" | "latest" | "none" => native(name, value),
            "smallest" | "beginning" => spelt(name, name, value, "earliest"),
            "largest" | "end" => spelt(name, name, value, "latest"),
            "error" => spelt(name, name, value, "none"),
            _ => return refuse("is not one of earliest, latest and none; write one of them"),
        },
        "partition.assignment.strategy" if is_java_s_default(value) => {
            let reason = format!(
                "you wrote {name}={value}; a group of Java's has range until CooperativeStickyAssignor is alone in the list"
            );
            Setting::new(name, "range", Origin::Mapped, reason)
        }
        "partition.assignment.strategy" => match strategies(value) {
            Ok(strategies) => spelt(name, name, value, &strategies),
            Err(reason) => return refuse(&reason),
        },
        "acks" | "request.required.acks" => match value {
            "all" | "-1" | "0" | "1" => spelt(name, "acks", value, value),
            _ => return refuse("is not one of all, -1, 1 and 0; write all, or remove it"),
        },
        "compression.type" | "compression.codec" => {
            let codec = match value {
                "0" | "uncompressed" => "none",
                "1" => "gzip",
                "2" => "snappy",
                "3" => "lz4",
                other => other,
            };
            spelt(name, "compression.type", value, codec)
        }
        "buffer.memory" => match value.parse::<u64>() {
            Ok(bytes) => {
                let kilobytes = (bytes / 1024).clamp(1, i32::MAX as u64).to_string();
                spelt(name, "queue.buffering.max.kbytes", value, &kilobytes)
            }
            Err(_) => {
                return refuse(
                    "is not a number of bytes; write it in digits alone, as in 33554432",
                );
            }
        },
        "partitioner.class" => return partitioner(name, value).map(|one| vec![one]),
        "interceptor.classes" if value.is_empty() => ignored(name, value, "it names no class"),
        "interceptor.classes" => {
            return refuse(
                "names a Java class, and this mirror runs none; remove it (records are then copied unchanged), or keep \
                 MirrorMaker for this",
            );
        }
        "queuing.strategy" if value.eq_ignore_ascii_case("lifo") => {
            return refuse(
                "is lifo, which sends later records first, and the mirror keeps the order; write fifo, or remove it",
            );
        }
        "transactional.id" => {
            return refuse(
                "is chosen by the mirror, one for each source partition; remove it, and use --exactly-once for transactions",
            );
        }
        "ssl.endpoint.identification.algorithm" => {
            let one = if value.is_empty() { "none" } else { &value.to_lowercase() };
            spelt(name, name, value, one)
        }
        "ssl.cipher.suites" => return suites(name, value).map(|one| vec![one]),
        "ssl.protocol" | "ssl.enabled.protocols" => {
            return protocols(name, value).map(|one| vec![one]);
        }
        "ssl.keystore.certificate.chain" => return in_line(name, "ssl.certificate.pem", value),
        "ssl.keystore.key" => return in_line(name, "ssl.key.pem", value),
        "ssl.truststore.certificates" => return in_line(name, "ssl.ca.pem", value),
        "sasl.jaas.config" => return login(name, value),
        // The table names no other; librdkafka would judge it.
        _ => native(name, value),
    };
    Ok(vec![one])
}

/// Java's -1 is librdkafka's 0.
fn system_default(value: &str) -> &str {
    if value == "-1" { "0" } else { value }
}

/// Java's 0 is for: at every call. To librdkafka it is for: never.
fn refresh(name: &str, value: &str) -> Setting {
    const SOON_MS: &str = "100";
    let new = "topic.metadata.refresh.interval.ms";
    if value.parse() == Ok(0_i64) {
        let reason = format!("you wrote {name}={value}, and 0 is for never to librdkafka");
        Setting::new(new, SOON_MS, Origin::Mapped, reason).written_as(name)
    } else {
        renamed(name, new, value)
    }
}

/// Java's own list since Kafka 3.0 (KIP-726).
fn is_java_s_default(strategies: &str) -> bool {
    const PACKAGE: &str = "org.apache.kafka.clients.consumer.";
    let all = strategies.split(',').map(str::trim);
    let classes = all.map(|class| class.strip_prefix(PACKAGE).unwrap_or(class));
    classes.eq(["RangeAssignor", "CooperativeStickyAssignor"])
}

/// librdkafka's names for the assignors, or why they cannot be had.
fn strategies(value: &str) -> Result<String, String> {
    const COOPERATIVE: &str = "cooperative-sticky";
    let mut all = Vec::new();
    for class in value.split(',').map(str::trim).filter(|class| !class.is_empty()) {
        let one = match class.rsplit('.').next().unwrap_or(class) {
            "RangeAssignor" | "range" => "range",
            // librdkafka has no eager sticky assignor.
            "RoundRobinAssignor" | "StickyAssignor" | "roundrobin" => "roundrobin",
            "CooperativeStickyAssignor" | COOPERATIVE => COOPERATIVE,
            _ => {
                return Err(format!(
                    "names {class}, and this mirror runs no Java class; write RangeAssignor, RoundRobinAssignor or \
                     CooperativeStickyAssignor, or remove it"
                ));
            }
        };
        if !all.contains(&one) {
            all.push(one);
        }
    }
    if all.is_empty() {
        return Err("names no assignor; write RangeAssignor, or remove it".to_owned());
    }
    if all.len() > 1 && all.contains(&COOPERATIVE) {
        return Err(
            "names CooperativeStickyAssignor together with others, and librdkafka does not take eager and cooperative \
             assignors together; write CooperativeStickyAssignor alone if all members of the group have it, and else \
             the others alone"
                .to_owned(),
        );
    }
    Ok(all.join(","))
}

/// librdkafka's partitioner that does what Kafka's own class does with keys. Records without a key are batched for one
/// partition after another with either.
fn partitioner(name: &str, value: &str) -> Result<Setting, Refusal> {
    match value.trim().strip_prefix("org.apache.kafka.clients.producer.").unwrap_or(value.trim()) {
        "" => Ok(ignored(name, value, "it names no class")),
        "internals.DefaultPartitioner" => Ok(spelt(name, "partitioner", value, "murmur2_random")),
        // It does not look at keys.
        "UniformStickyPartitioner" => Ok(spelt(name, "partitioner", value, "random")),
        class => Err(Refusal::Value {
            name: name.to_owned(),
            reason: format!(
                "is {class}, and this mirror runs no Java class; remove it (keys land where Kafka's producer puts them), \
                 write partitioner=random for records that go anywhere, or use --partitioning preserve for the source's \
                 partition numbers"
            ),
        }),
    }
}

/// User name and password out of a JAAS line.
fn login(name: &str, value: &str) -> Result<Vec<Setting>, Refusal> {
    let refused = |reason| Refusal::Value { name: name.to_owned(), reason };
    let jaas::Login { user, password } = jaas::login(value).map_err(refused)?;
    let setting = |new: &str, value: &str| {
        Setting::new(new, value, Origin::Mapped, format!("out of {name}")).written_as(name)
    };
    Ok(vec![setting("sasl.username", &user), setting("sasl.password", &password)])
}

/// Certificates or a key in the properties file itself.
fn in_line(name: &str, new: &str, value: &str) -> Result<Vec<Setting>, Refusal> {
    let pem = security::pem(value).ok_or_else(|| Refusal::Value {
        name: name.to_owned(),
        reason: "is not PEM: no `-----BEGIN …-----` with its `-----END …-----`; write the whole of it, and a \\ at \
                 the end of each line but the last"
            .to_owned(),
    })?;
    Ok(vec![renamed(name, new, &pem)])
}

/// Java separates by commas; names of both kinds are known to OpenSSL.
fn suites(name: &str, value: &str) -> Result<Setting, Refusal> {
    let all: Vec<&str> =
        value.split([',', ':']).map(str::trim).filter(|one| !one.is_empty()).collect();
    let newer =
        |one: &&str| one.starts_with("TLS_AES_") || one.starts_with("TLS_CHACHA20_POLY1305_");
    match all.as_slice() {
        // Java takes it for its default.
        [] => Ok(ignored(name, value, "it names no suite")),
        all if all.iter().all(newer) => Err(Refusal::Value {
            name: name.to_owned(),
            reason: "names suites of TLS 1.3 alone, and librdkafka chooses those of TLS 1.2 and below; remove it, or \
                     let the brokers decide (their ssl.cipher.suites)"
                .to_owned(),
        }),
        all => Ok(spelt(name, name, value, &all.join(":"))),
    }
}

/// librdkafka speaks TLS 1.2 and 1.3, and has no property to choose.
fn protocols(name: &str, value: &str) -> Result<Setting, Refusal> {
    let all: Vec<&str> = value.split(',').map(str::trim).filter(|one| !one.is_empty()).collect();
    let has = |one: &str| all.contains(&one);
    let refuse =
        |reason: &str| Err(Refusal::Value { name: name.to_owned(), reason: reason.to_owned() });
    if all.is_empty() || has("TLSv1.2") || has("TLS") || name == "ssl.protocol" && has("TLSv1.3") {
        return Ok(ignored(name, value, "TLS 1.3 is spoken, or 1.2 where the broker has no other"));
    }
    if has("TLSv1.3") {
        return refuse(
            "excludes TLS 1.2, which librdkafka speaks where a broker asks for it; remove it, and let the brokers \
             decide (their ssl.enabled.protocols)",
        );
    }
    refuse("names no protocol that is safe; write TLSv1.2,TLSv1.3, or remove it")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(kind: Kind, name: &str, value: &str) -> String {
        match translate(kind, name, value) {
            Ok(settings) => settings
                .iter()
                .map(|s| format!("{} {}={}", s.origin, s.name, s.shown()))
                .collect::<Vec<_>>()
                .join(" "),
            Err(refusal) => refusal.to_string(),
        }
    }

    fn check(kind: Kind, name: &str, value: &str, expected: &str) {
        assert_eq!(outcome(kind, name, value), expected);
    }

    #[test]
    fn old_names_and_values_are_mapped() {
        check(Kind::Producer, "metadata.broker.list", "a:1", "mapped bootstrap.servers=a:1");
        check(Kind::Producer, "request.required.acks", "-1", "mapped acks=-1");
        check(Kind::Producer, "compression.codec", "2", "mapped compression.type=snappy");
        check(Kind::Producer, "compression.type", "none", "yours compression.type=none");
        check(
            Kind::Producer,
            "buffer.memory",
            "33554432",
            "mapped queue.buffering.max.kbytes=32768",
        );
        check(Kind::Producer, "delivery.timeout.ms", "1", "mapped message.timeout.ms=1");
        check(Kind::Consumer, "auto.offset.reset", "smallest", "mapped auto.offset.reset=earliest");
        check(Kind::Consumer, "auto.offset.reset", "latest", "yours auto.offset.reset=latest");
        check(Kind::Consumer, "security.protocol", "SASL_SSL", "mapped security.protocol=sasl_ssl");
        check(
            Kind::Consumer,
            "partition.assignment.strategy",
            "org.apache.kafka.clients.consumer.RangeAssignor, org.apache.kafka.clients.consumer.RoundRobinAssignor",
            "mapped partition.assignment.strategy=range,roundrobin",
        );
    }

    #[test]
    fn assignors_that_cannot_be_had_are_refused_with_the_way_out() {
        const NAME: &str = "partition.assignment.strategy";
        for (value, words) in [
            (
                "org.x.StickyAssignor,org.x.CooperativeStickyAssignor",
                "CooperativeStickyAssignor alone if",
            ),
            ("range,cooperative-sticky", "does not take eager and cooperative assignors together"),
            (
                "com.x.MyAssignor",
                "names com.x.MyAssignor, and this mirror runs no Java class; write Range",
            ),
            (" , ", "names no assignor; write RangeAssignor"),
        ] {
            let refusal = outcome(Kind::Consumer, NAME, value);
            assert!(refusal.starts_with(NAME) && refusal.contains(words), "{refusal}");
        }
        check(
            Kind::Consumer,
            NAME,
            "StickyAssignor,roundrobin",
            "mapped partition.assignment.strategy=roundrobin",
        );
        check(
            Kind::Consumer,
            NAME,
            "cooperative-sticky",
            "yours partition.assignment.strategy=cooperative-sticky",
        );
    }

    #[test]
    fn java_s_own_list_of_assignors_is_range() {
        const NAME: &str = "partition.assignment.strategy";
        let range = "org.apache.kafka.clients.consumer.RangeAssignor";
        let cooperative = "org.apache.kafka.clients.consumer.CooperativeStickyAssignor";
        for value in [format!("{range},{cooperative}"), format!("{range}, {cooperative}")] {
            check(Kind::Consumer, NAME, &value, "mapped partition.assignment.strategy=range");
        }
        for value in [format!("{cooperative},{range}"), format!("{range},{cooperative},{range}")] {
            assert!(outcome(Kind::Consumer, NAME, &value).contains("alone if all members"));
        }
    }

    #[test]
    fn addresses_and_times_that_are_none_are_refused() {
        check(
            Kind::Consumer,
            "bootstrap.servers",
            "a:1;b:1",
            "bootstrap.servers names \"a:1;b:1\", which is not host:port; write host:port,host:port",
        );
        check(
            Kind::Producer,
            "metadata.broker.list",
            "",
            "metadata.broker.list names no broker; write host:port,host:port",
        );
        check(
            Kind::Consumer,
            "zookeeper.connection.timeout.ms",
            "6 s",
            "zookeeper.connection.timeout.ms is not a number of milliseconds; write it in digits alone, as in 6000",
        );
    }

    #[test]
    fn new_partitions_are_always_looked_for() {
        const OWN: &str = "topic.metadata.refresh.interval.ms";
        for kind in [Kind::Consumer, Kind::Producer] {
            for value in ["0", "00"] {
                check(kind, "metadata.max.age.ms", value, &format!("mapped {OWN}=100"));
            }
            check(kind, "metadata.max.age.ms", "1", &format!("mapped {OWN}=1"));
            check(kind, OWN, "1000", &format!("yours {OWN}=1000"));
            for value in ["0", "-1"] {
                let expected = format!("{OWN} is {value}, with which librdkafka never looks");
                assert!(outcome(kind, OWN, value).starts_with(&expected));
            }
        }
    }

    #[test]
    fn acknowledgements_are_as_java_has_them() {
        for value in ["all", "-1", "0", "1"] {
            check(Kind::Producer, "acks", value, &format!("yours acks={value}"));
        }
        check(
            Kind::Producer,
            "request.required.acks",
            "2",
            "request.required.acks is not one of all, -1, 1 and 0; write all, or remove it",
        );
    }

    #[test]
    fn compression_levels_wait_for_their_codec() {
        let name = "compression.zstd.level";
        check(Kind::Producer, name, "3", "yours compression.zstd.level=3");
    }

    #[test]
    fn what_only_java_knows_is_ignored() {
        check(Kind::Consumer, "max.poll.records", "5", "ignored max.poll.records=5");
        check(Kind::Producer, "value.serializer", "x.Y", "ignored value.serializer=x.Y");
    }

    #[test]
    fn classes_that_would_change_records_are_refused_with_the_way_out() {
        for kind in [Kind::Consumer, Kind::Producer] {
            let name = "interceptor.classes";
            check(kind, name, "", "ignored interceptor.classes=");
            let refusal = outcome(kind, name, "com.x.MaskCards");
            assert!(
                refusal.starts_with(
                    "interceptor.classes names a Java class, and this mirror runs none; remove it"
                ),
                "{refusal}"
            );
        }
    }

    #[test]
    fn kafka_s_partitioners_are_had_and_others_refused_with_the_way_out() {
        for (value, expected) in [
            (
                "org.apache.kafka.clients.producer.internals.DefaultPartitioner",
                "mapped partitioner=murmur2_random",
            ),
            (
                "org.apache.kafka.clients.producer.UniformStickyPartitioner",
                "mapped partitioner=random",
            ),
            ("", "ignored partitioner.class="),
        ] {
            check(Kind::Producer, "partitioner.class", value, expected);
        }
        for class in ["com.x.ByCountry", "org.apache.kafka.clients.producer.RoundRobinPartitioner"]
        {
            let refusal = outcome(Kind::Producer, "partitioner.class", class);
            assert!(
                refusal.contains("runs no Java class; remove it")
                    && refusal.contains("partitioner=random")
                    && refusal.contains("--partitioning preserve"),
                "{refusal}"
            );
        }
    }

    #[test]
    fn what_the_mirror_decides_is_not_announced_as_the_user_s() {
        let ends = "ignored enable.partition.eof=true";
        check(Kind::Consumer, "enable.partition.eof", "true", ends);
        for kind in [Kind::Consumer, Kind::Producer] {
            let statistics = "ignored statistics.interval.ms=1000";
            check(kind, "statistics.interval.ms", "1000", statistics);
        }
    }

    #[test]
    fn an_order_that_is_not_kept_is_refused_with_the_way_out() {
        let name = "queuing.strategy";
        check(Kind::Producer, name, "fifo", "yours queuing.strategy=fifo");
        for value in ["lifo", "LIFO"] {
            let refusal = outcome(Kind::Producer, name, value);
            assert!(refusal.contains("is lifo") && refusal.contains("write fifo"), "{refusal}");
        }
    }

    #[test]
    fn what_nobody_knows_is_an_error() {
        check(
            Kind::Consumer,
            "group.idd",
            "x",
            "no Kafka client has the property group.idd; did you mean group.id?",
        );
        for name in ["zzz", "broker.list", "enable.shallow.iterator"] {
            let nothing_like_it = format!("no Kafka client has the property {name}");
            check(Kind::Consumer, name, "x", &nothing_like_it);
        }
    }

    #[test]
    fn what_only_the_other_client_has_has_no_effect() {
        check(Kind::Consumer, "acks", "1", "ignored acks=1");
        check(Kind::Producer, "group.id", "g", "ignored group.id=g");
        check(Kind::Producer, "enable.auto.commit", "true", "ignored enable.auto.commit=true");
    }

    #[test]
    fn what_would_hide_topics_is_refused_with_the_way_out() {
        let refusal = outcome(Kind::Consumer, "topic.blacklist", "secret");
        assert!(refusal.contains("--include '(?!secret).*'"), "{refusal}");
    }

    #[test]
    fn a_jaas_line_gives_user_and_password() {
        let line = r#"org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="p=;w";"#;
        check(
            Kind::Consumer,
            "sasl.jaas.config",
            line,
            "mapped sasl.username=u mapped sasl.password=********",
        );
        assert_eq!(translate(Kind::Consumer, "sasl.jaas.config", line).unwrap()[1].value, "p=;w");
        let line = "X required password=secret;";
        let refused = translate(Kind::Consumer, "sasl.jaas.config", line).unwrap_err();
        assert!(refused.to_string().starts_with("sasl.jaas.config names the Java class X"));
        assert!(!refused.to_string().contains("secret"), "{refused}");
    }

    /// Every name of Java's SslConfigs and SaslConfigs (3.9), with a value and what becomes of it.
    const SECURITY: &[(&str, &str, &str)] = &[
        ("ssl.protocol", "TLSv1.3", "ignored ssl.protocol=TLSv1.3"),
        ("ssl.protocol", "SSLv3", "names no protocol that is safe"),
        ("ssl.enabled.protocols", "TLSv1.2,TLSv1.3", "ignored ssl.enabled.protocols"),
        ("ssl.enabled.protocols", "TLSv1.2", "ignored ssl.enabled.protocols"),
        ("ssl.enabled.protocols", "TLSv1.3", "excludes TLS 1.2"),
        ("ssl.enabled.protocols", "TLSv1,TLSv1.1", "names no protocol that is safe"),
        (
            "ssl.cipher.suites",
            "TLS_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            "mapped ssl.cipher.suites=TLS_AES_128_GCM_SHA256:TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        ),
        ("ssl.cipher.suites", "TLS_AES_128_GCM_SHA256", "suites of TLS 1.3 alone"),
        ("ssl.cipher.suites", "", "ignored ssl.cipher.suites="),
        ("ssl.provider", "SunJSSE", "ignored ssl.provider=SunJSSE"),
        ("ssl.keystore.type", "JKS", "yours ssl.keystore.type=JKS"),
        ("ssl.keystore.location", "k", "yours ssl.keystore.location=k"),
        ("ssl.keystore.password", "hunter2", "yours ssl.keystore.password=********"),
        ("ssl.key.password", "hunter2", "yours ssl.key.password=********"),
        (
            "ssl.keystore.key",
            "-----BEGIN K-----hunter2-----END K-----",
            "mapped ssl.key.pem=********",
        ),
        ("ssl.keystore.key", "hunter2", "ssl.keystore.key is not PEM"),
        (
            "ssl.keystore.certificate.chain",
            "-----BEGIN C-----A-----END C-----",
            "mapped ssl.certificate.pem=",
        ),
        ("ssl.truststore.certificates", "-----BEGIN C-----A-----END C-----", "mapped ssl.ca.pem="),
        ("ssl.truststore.type", "PEM", "yours ssl.truststore.type=PEM"),
        ("ssl.truststore.location", "t", "yours ssl.truststore.location=t"),
        ("ssl.truststore.password", "hunter2", "yours ssl.truststore.password=********"),
        ("ssl.keymanager.algorithm", "PKIX", "ignored ssl.keymanager.algorithm"),
        ("ssl.trustmanager.algorithm", "PKIX", "ignored ssl.trustmanager.algorithm"),
        (
            "ssl.endpoint.identification.algorithm",
            "",
            "mapped ssl.endpoint.identification.algorithm=none",
        ),
        (
            "ssl.endpoint.identification.algorithm",
            "HTTPS",
            "mapped ssl.endpoint.identification.algorithm=https",
        ),
        (
            "ssl.endpoint.identification.algorithm",
            "https",
            "yours ssl.endpoint.identification.algorithm=https",
        ),
        ("ssl.secure.random.implementation", "x", "ignored ssl.secure.random.implementation"),
        ("ssl.engine.factory.class", "x.Y", "ssl.engine.factory.class names a Java class"),
        ("sasl.mechanism", "SCRAM-SHA-512", "yours sasl.mechanism=SCRAM-SHA-512"),
        ("sasl.client.callback.handler.class", "x.Y", "names a Java class"),
        ("sasl.login.callback.handler.class", "x.Y", "names a Java class"),
        ("sasl.login.class", "x.Y", "names a Java class"),
        ("sasl.kerberos.service.name", "kafka", "ignored sasl.kerberos.service.name"),
        ("sasl.kerberos.kinit.cmd", "kinit", "ignored sasl.kerberos.kinit.cmd"),
        ("sasl.kerberos.ticket.renew.window.factor", "1", "ignored sasl.kerberos.ticket"),
        ("sasl.kerberos.ticket.renew.jitter", "1", "ignored sasl.kerberos.ticket"),
        ("sasl.kerberos.min.time.before.relogin", "1", "ignored sasl.kerberos.min"),
        ("sasl.login.refresh.window.factor", "1", "ignored sasl.login.refresh"),
        ("sasl.login.refresh.window.jitter", "1", "ignored sasl.login.refresh"),
        ("sasl.login.refresh.min.period.seconds", "1", "ignored sasl.login.refresh"),
        ("sasl.login.refresh.buffer.seconds", "1", "ignored sasl.login.refresh"),
        ("sasl.login.connect.timeout.ms", "1", "ignored sasl.login.connect"),
        ("sasl.login.read.timeout.ms", "1", "ignored sasl.login.read"),
        ("sasl.login.retry.backoff.max.ms", "1", "ignored sasl.login.retry"),
        ("sasl.login.retry.backoff.ms", "1", "ignored sasl.login.retry"),
        ("sasl.oauthbearer.scope.claim.name", "x", "ignored sasl.oauthbearer"),
        ("sasl.oauthbearer.sub.claim.name", "x", "ignored sasl.oauthbearer"),
        ("sasl.oauthbearer.token.endpoint.url", "x", "ignored sasl.oauthbearer"),
        ("sasl.oauthbearer.jwks.endpoint.url", "x", "ignored sasl.oauthbearer"),
        ("sasl.oauthbearer.jwks.endpoint.refresh.ms", "1", "ignored sasl.oauthbearer"),
        ("sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms", "1", "ignored sasl.oauthbearer"),
        ("sasl.oauthbearer.jwks.endpoint.retry.backoff.ms", "1", "ignored sasl.oauthbearer"),
        ("sasl.oauthbearer.clock.skew.seconds", "1", "ignored sasl.oauthbearer"),
        ("sasl.oauthbearer.expected.audience", "x", "ignored sasl.oauthbearer"),
        ("sasl.oauthbearer.expected.issuer", "x", "ignored sasl.oauthbearer"),
        ("sasl.oauthbearer.header.urlencode", "x", "ignored sasl.oauthbearer"),
        // librdkafka's own.
        ("sasl.mechanisms", "PLAIN", "yours sasl.mechanism=PLAIN"),
        ("sasl.username", "u", "yours sasl.username=u"),
        ("sasl.password", "hunter2", "yours sasl.password=********"),
        (
            "sasl.oauthbearer.client.secret",
            "hunter2",
            "ignored sasl.oauthbearer.client.secret=********",
        ),
        ("ssl.ca.location", "ca.pem", "yours ssl.ca.location=ca.pem"),
        ("ssl.certificate.location", "c.pem", "yours ssl.certificate.location=c.pem"),
        ("ssl.key.location", "k.pem", "yours ssl.key.location=k.pem"),
        ("config.providers", "file", "config.providers names a Java class"),
    ];

    #[test]
    fn every_property_of_tls_and_sasl_is_honoured_mapped_or_refused() {
        for kind in [Kind::Consumer, Kind::Producer] {
            for (name, value, expected) in SECURITY {
                let outcome = outcome(kind, name, value);
                assert!(outcome.contains(expected), "{name}={value}: {outcome}");
                assert!(!outcome.contains("hunter2"), "{outcome}");
            }
        }
    }
}
