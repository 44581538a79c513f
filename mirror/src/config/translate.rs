//! Turns one user's property into settings of librdkafka.
//!
//! Pure: a name and a value in, settings out. It does not know which other properties are set.

use super::java::{Kind, Known, known, nearest};
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
        None => Err(Refusal::Unknown { name: name.to_owned(), nearest: nearest(kind, name) }),
        Some(Known::JavaOnly(reason)) => Ok(vec![ignored(name, value, reason)]),
        Some(Known::Renamed(new)) => Ok(vec![renamed(name, new, value)]),
        Some(Known::Native) => Ok(vec![native(name, value)]),
        Some(Known::Special) => special(name, value),
    }
}

fn ignored(name: &str, value: &str, reason: &str) -> Setting {
    Setting::new(name, value, Origin::Ignored, reason)
}

fn renamed(old: &str, new: &str, value: &str) -> Setting {
    Setting::new(new, value, Origin::Mapped, format!("you wrote {old}"))
}

/// The user's own; where librdkafka has two names, one of them, so that it meets our default.
fn native(name: &str, value: &str) -> Setting {
    let one = match name {
        "max.in.flight" => "max.in.flight.requests.per.connection",
        "fetch.message.max.bytes" => "max.partition.fetch.bytes",
        "sasl.mechanisms" => "sasl.mechanism",
        other => other,
    };
    Setting::new(one, value, Origin::User, "")
}

/// A value that librdkafka spells in another way.
fn spelt(name: &str, new: &str, value: &str, spelling: &str) -> Setting {
    if name == new && value == spelling {
        native(name, value)
    } else {
        Setting::new(new, spelling, Origin::Mapped, format!("you wrote {name}={value}"))
    }
}

fn special(name: &str, value: &str) -> Result<Vec<Setting>, Refusal> {
    let refuse =
        |reason: &str| Err(Refusal::Value { name: name.to_owned(), reason: reason.to_owned() });
    let one = match name {
        "metadata.broker.list" => renamed(name, "bootstrap.servers", value),
        "client.id" | "enable.auto.commit" | "enable.auto.offset.store" | "zookeeper.connect"
        | "zookeeper.connection.timeout.ms" | "ssl.keystore.location" => native(name, value),
        "auto.commit.enable" => renamed(name, "enable.auto.commit", value),
        "security.protocol" => spelt(name, name, value, &value.to_lowercase()),
        "client.dns.lookup" if value == "default" => {
            ignored(name, value, "librdkafka has no such value")
        }
        "client.dns.lookup" => native(name, value),
        // librdkafka's own property of this name is the age of its cache.
        "metadata.max.age.ms" => renamed(name, "topic.metadata.refresh.interval.ms", value),
        "send.buffer.bytes" => spelt(name, "socket.send.buffer.bytes", value, system_default(value)),
        "receive.buffer.bytes" => {
            spelt(name, "socket.receive.buffer.bytes", value, system_default(value))
        }
        "auto.offset.reset" => match value {
            "earliest" | "latest" | "none" => native(name, value),
            "smallest" | "beginning" => spelt(name, name, value, "earliest"),
            "largest" | "end" => spelt(name, name, value, "latest"),
            "error" => spelt(name, name, value, "none"),
            _ => return refuse("is not one of earliest, latest and none"),
        },
        "partition.assignment.strategy" => spelt(name, name, value, &strategies(value)),
        "acks" | "request.required.acks" => match value {
            "all" | "-1" => spelt(name, "acks", value, if value == "-1" { "-1" } else { "all" }),
            _ => spelt(name, "acks", value, value),
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
                let kilobytes = (bytes / 1024).max(1).to_string();
                spelt(name, "queue.buffering.max.kbytes", value, &kilobytes)
            }
            Err(_) => return refuse("is not a number of bytes"),
        },
        "transactional.id" => {
            return refuse("would make the producer transactional, and the mirror writes no transactions; remove it");
        }
        "ssl.endpoint.identification.algorithm" => {
            spelt(name, name, value, if value.is_empty() { "none" } else { value })
        }
        "ssl.keystore.type" => match value.to_uppercase().as_str() {
            "PKCS12" | "PEM" => ignored(name, value, "librdkafka sees it from the property used"),
            _ => return refuse("cannot be read by librdkafka; convert the keystore to PKCS12"),
        },
        "ssl.truststore.type" => match value.to_uppercase().as_str() {
            "PEM" => ignored(name, value, "librdkafka reads PEM"),
            _ => return refuse(TRUSTSTORE),
        },
        "ssl.truststore.location" if is_java_store(value) => return refuse(TRUSTSTORE),
        "ssl.truststore.location" => renamed(name, "ssl.ca.location", value),
        "sasl.jaas.config" => return jaas(value).ok_or_else(|| Refusal::Value {
            name: name.to_owned(),
            reason: "names no username and password; set sasl.username and sasl.password, or the sasl.kerberos \
                     properties"
                .to_owned(),
        }),
        // The table names no other; librdkafka would judge it.
        _ => native(name, value),
    };
    Ok(vec![one])
}

const TRUSTSTORE: &str = "is a Java truststore, which librdkafka does not read; export its certificates as PEM and \
                          give ssl.ca.location";

fn is_java_store(path: &str) -> bool {
    [".jks", ".p12", ".pfx"].iter().any(|extension| path.to_lowercase().ends_with(extension))
}

/// Java's -1 is librdkafka's 0.
fn system_default(value: &str) -> &str {
    if value == "-1" { "0" } else { value }
}

fn strategies(value: &str) -> String {
    let one = |class: &str| {
        let name = class.trim().rsplit('.').next().unwrap_or_default();
        match name {
            "RangeAssignor" => "range".to_owned(),
            "RoundRobinAssignor" => "roundrobin".to_owned(),
            "CooperativeStickyAssignor" => "cooperative-sticky".to_owned(),
            // librdkafka has no eager sticky assignor, and does not mix eager with cooperative ones.
            "StickyAssignor" => "roundrobin".to_owned(),
            other => other.to_owned(),
        }
    };
    value.split(',').map(one).collect::<Vec<_>>().join(",")
}

/// User name and password out of a JAAS line.
fn jaas(value: &str) -> Option<Vec<Setting>> {
    let field = |field: &str| {
        let rest = &value[value.find(&format!("{field}="))? + field.len() + 1..];
        let quote = rest.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
        rest[1..].split(quote).next()
    };
    let setting = |name: &str, value: &str| {
        Setting::new(name, value, Origin::Mapped, "out of sasl.jaas.config")
    };
    Some(vec![
        setting("sasl.username", field("username")?),
        setting("sasl.password", field("password")?),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: Kind, name: &str, value: &str, expected: &str) {
        let outcome = match translate(kind, name, value) {
            Ok(settings) => settings
                .iter()
                .map(|s| format!("{} {}={}", s.origin, s.name, s.shown()))
                .collect::<Vec<_>>()
                .join(" "),
            Err(refusal) => refusal.to_string(),
        };
        assert_eq!(outcome, expected);
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
    fn what_only_java_knows_is_ignored() {
        check(Kind::Consumer, "max.poll.records", "5", "ignored max.poll.records=5");
        check(Kind::Producer, "value.serializer", "x.Y", "ignored value.serializer=x.Y");
    }

    #[test]
    fn what_nobody_knows_is_an_error() {
        check(
            Kind::Consumer,
            "group.idd",
            "x",
            "no Kafka client has the property group.idd; did you mean group.id?",
        );
        check(Kind::Consumer, "zzz", "x", "no Kafka client has the property zzz");
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
        let refused =
            translate(Kind::Consumer, "sasl.jaas.config", "X password=secret").unwrap_err();
        assert!(!refused.to_string().contains("secret"), "{refused}");
    }
}
