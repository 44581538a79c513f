//! Which properties exist: those of Kafka's Java clients (0.8 to 3.9) as a table, those of librdkafka as a list.
//!
//! Data and look-up. What happens to a user's property is decided in `translate`.

/// Which client a property belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Reads the source.
    Consumer,
    /// Writes to the destination.
    Producer,
}

impl Kind {
    /// The client of the other side.
    pub fn other(self) -> Self {
        match self {
            Self::Consumer => Self::Producer,
            Self::Producer => Self::Consumer,
        }
    }

    /// What several are called.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Consumer => "consumers",
            Self::Producer => "producers",
        }
    }
}

/// What is known of a property's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// librdkafka has it under this very name.
    Native,
    /// It is passed on under librdkafka's name.
    Renamed(&'static str),
    /// `translate` gives it a meaning of its own.
    Special,
    /// It has no effect here; the reason why nothing is missing without it.
    WithoutEffect(&'static str),
    /// It cannot be honoured, and something would be missing; the reason and the way out.
    Refused(&'static str),
}

/// What is known of this name; `None` if no client of this kind has such a property.
pub fn known(kind: Kind, name: &str) -> Option<Known> {
    let java = JAVA.iter().find(|(scope, java, _)| scope.includes(kind) && *java == name);
    match java {
        Some((_, _, known)) => Some(*known),
        None => native(kind).any(|native| native == name).then(|| of_librdkafka(name)),
    }
}

/// librdkafka is built without Kerberos and without OAuth, and would refuse most of their properties. Some the mirror
/// decides by itself.
fn of_librdkafka(name: &str) -> Known {
    match name {
        "enable.partition.eof" => ENDS,
        "statistics.interval.ms" => STATISTICS,
        "queuing.strategy" => Known::Special,
        "topic.blacklist" => BLACKLIST,
        _ if name.starts_with("sasl.kerberos.") => KERBEROS,
        _ if name.starts_with("sasl.oauthbearer.") => OAUTH,
        _ => Known::Native,
    }
}

/// Every known name for this kind of client.
pub fn names(kind: Kind) -> impl Iterator<Item = &'static str> {
    let java =
        JAVA.iter().filter(move |(scope, ..)| scope.includes(kind)).map(|(_, name, _)| *name);
    java.chain(native(kind))
}

/// The known name that is most like this one, if any is like it.
pub fn nearest(kind: Kind, name: &str) -> Option<&'static str> {
    let scored =
        names(kind).map(|known| (strsim::normalized_damerau_levenshtein(known, name), known));
    scored
        .filter(|(score, _)| *score > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}

/// librdkafka's properties that a properties file can set, from its CONFIGURATION.md: `*` both clients, C, P; and what
/// each takes, where that is a number (`least..most`, with decimal places where it need not be whole) or one of some
/// words (`this,that`). Metadata that is never refreshed is left out: new partitions are found by it.
const LIBRDKAFKA: &str = include_str!("librdkafka.txt");

fn native(kind: Kind) -> impl Iterator<Item = &'static str> {
    taken(kind).map(|(name, _)| name)
}

/// What librdkafka takes as the value of its property, where that is a number or one of some words.
pub(super) fn domain(kind: Kind, name: &str) -> Option<&'static str> {
    taken(kind).find(|(one, _)| *one == name)?.1
}

fn taken(kind: Kind) -> impl Iterator<Item = (&'static str, Option<&'static str>)> {
    LIBRDKAFKA.lines().filter_map(move |line| {
        let mut words = line.split(' ');
        match (words.next()?, words.next()?, kind) {
            ("*", name, _) | ("C", name, Kind::Consumer) | ("P", name, Kind::Producer) => {
                Some((name, words.next()))
            }
            _ => None,
        }
    })
}

#[derive(Debug, Clone, Copy)]
enum Scope {
    Both,
    Consumer,
    Producer,
}

impl Scope {
    fn includes(self, kind: Kind) -> bool {
        match self {
            Self::Both => true,
            Self::Consumer => kind == Kind::Consumer,
            Self::Producer => kind == Kind::Producer,
        }
    }
}

const BYTES: Known = Known::WithoutEffect("bytes are copied as they are");
const CLASS: Known = Known::WithoutEffect("it names a Java class");
const METRICS: Known = Known::WithoutEffect("it configures Java's metrics");
const TLS: Known = Known::WithoutEffect("it configures Java's TLS, and OpenSSL is used");
const BLACKLIST: Known = Known::Refused(
    "hides topics from librdkafka, and the mirror would wait for them; remove it, and use --include with a negative lookahead, as in \
     --include '(?!secret).*'",
);
const KERBEROS: Known = Known::WithoutEffect("only Kerberos uses it");
const OAUTH: Known = Known::WithoutEffect("only OAuth uses it");
const MISSED: Known = Known::Refused(
    "names a Java class, and this mirror runs none; remove it and write what the class provides into the properties, \
     or keep MirrorMaker for this",
);
const ENDS: Known =
    Known::WithoutEffect("the mirror asks for the ends of partitions where it needs them");
const STATISTICS: Known = Known::WithoutEffect("--progress-interval and --metrics decide");
const TIMEOUT: Known = Known::WithoutEffect("no call of the mirror waits for it");
const COMMIT: Known = Known::WithoutEffect("--offset.commit.interval.ms decides");
const OFFSETS: Known = Known::WithoutEffect("progress is kept by Kafka, not by ZooKeeper");
const OLD: Known = Known::WithoutEffect("only the old ZooKeeper clients had it");
const PARTITIONER: Known = Known::WithoutEffect("--partitioning and partitioner decide");

/// Java's properties which librdkafka lacks, names otherwise, or values otherwise.
const JAVA: &[(Scope, &str, Known)] = &[
    // Both clients.
    (Scope::Both, "bootstrap.servers", Known::Special),
    (Scope::Both, "metadata.broker.list", Known::Special),
    (Scope::Both, "client.id", Known::Special),
    (Scope::Both, "security.protocol", Known::Special),
    (Scope::Both, "metadata.max.age.ms", Known::Special),
    (Scope::Both, "topic.metadata.refresh.interval.ms", Known::Special),
    (Scope::Both, "send.buffer.bytes", Known::Special),
    (Scope::Both, "receive.buffer.bytes", Known::Special),
    (Scope::Both, "client.dns.lookup", Known::Special),
    (Scope::Both, "connections.max.idle.ms", Known::Special),
    (Scope::Both, "socket.connection.setup.timeout.max.ms", TIMEOUT),
    (Scope::Both, "interceptor.classes", Known::Special),
    (Scope::Both, "metric.reporters", METRICS),
    (Scope::Both, "metrics.num.samples", METRICS),
    (Scope::Both, "metrics.recording.level", METRICS),
    (Scope::Both, "metrics.sample.window.ms", METRICS),
    (Scope::Both, "auto.include.jmx.reporter", METRICS),
    (Scope::Both, "security.providers", CLASS),
    (Scope::Both, "config.providers", MISSED),
    // TLS.
    (Scope::Both, "ssl.keystore.type", Known::Special),
    (Scope::Both, "ssl.truststore.type", Known::Special),
    (Scope::Both, "ssl.truststore.location", Known::Special),
    (Scope::Both, "ssl.keystore.location", Known::Special),
    (Scope::Both, "ssl.endpoint.identification.algorithm", Known::Special),
    (Scope::Both, "ssl.keystore.key", Known::Special),
    (Scope::Both, "ssl.keystore.certificate.chain", Known::Special),
    (Scope::Both, "ssl.truststore.certificates", Known::Special),
    (Scope::Both, "ssl.truststore.password", Known::Special),
    (Scope::Both, "ssl.cipher.suites", Known::Special),
    (Scope::Both, "ssl.protocol", Known::Special),
    (Scope::Both, "ssl.enabled.protocols", Known::Special),
    (Scope::Both, "ssl.provider", TLS),
    (Scope::Both, "ssl.keymanager.algorithm", TLS),
    (Scope::Both, "ssl.trustmanager.algorithm", TLS),
    (Scope::Both, "ssl.secure.random.implementation", TLS),
    (Scope::Both, "ssl.engine.factory.class", MISSED),
    // SASL.
    (Scope::Both, "sasl.jaas.config", Known::Special),
    (Scope::Both, "sasl.client.callback.handler.class", MISSED),
    (Scope::Both, "sasl.login.callback.handler.class", MISSED),
    (Scope::Both, "sasl.login.class", MISSED),
    (Scope::Both, "sasl.kerberos.ticket.renew.jitter", KERBEROS),
    (Scope::Both, "sasl.kerberos.ticket.renew.window.factor", KERBEROS),
    (Scope::Both, "sasl.login.connect.timeout.ms", OAUTH),
    (Scope::Both, "sasl.login.read.timeout.ms", OAUTH),
    (Scope::Both, "sasl.login.refresh.buffer.seconds", OAUTH),
    (Scope::Both, "sasl.login.refresh.min.period.seconds", OAUTH),
    (Scope::Both, "sasl.login.refresh.window.factor", OAUTH),
    (Scope::Both, "sasl.login.refresh.window.jitter", OAUTH),
    (Scope::Both, "sasl.login.retry.backoff.max.ms", OAUTH),
    (Scope::Both, "sasl.login.retry.backoff.ms", OAUTH),
    (Scope::Both, "sasl.oauthbearer.clock.skew.seconds", OAUTH),
    (Scope::Both, "sasl.oauthbearer.expected.audience", OAUTH),
    (Scope::Both, "sasl.oauthbearer.expected.issuer", OAUTH),
    (Scope::Both, "sasl.oauthbearer.header.urlencode", OAUTH),
    (Scope::Both, "sasl.oauthbearer.jwks.endpoint.refresh.ms", OAUTH),
    (Scope::Both, "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms", OAUTH),
    (Scope::Both, "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms", OAUTH),
    (Scope::Both, "sasl.oauthbearer.jwks.endpoint.url", OAUTH),
    (Scope::Both, "sasl.oauthbearer.scope.claim.name", OAUTH),
    (Scope::Both, "sasl.oauthbearer.sub.claim.name", OAUTH),
    // The consumer.
    (Scope::Consumer, "auto.offset.reset", Known::Special),
    (Scope::Consumer, "enable.auto.commit", Known::Special),
    (Scope::Consumer, "enable.auto.offset.store", Known::Special),
    (Scope::Consumer, "partition.assignment.strategy", Known::Special),
    (Scope::Consumer, "fetch.max.wait.ms", Known::Renamed("fetch.wait.max.ms")),
    (Scope::Consumer, "request.timeout.ms", Known::Renamed("socket.timeout.ms")),
    (Scope::Consumer, "key.deserializer", BYTES),
    (Scope::Consumer, "value.deserializer", BYTES),
    (Scope::Consumer, "auto.commit.interval.ms", COMMIT),
    (
        Scope::Consumer,
        "max.poll.records",
        Known::WithoutEffect("records are handed over one by one"),
    ),
    (Scope::Consumer, "default.api.timeout.ms", TIMEOUT),
    (
        Scope::Consumer,
        "exclude.internal.topics",
        Known::WithoutEffect("internal topics are never mirrored"),
    ),
    (
        Scope::Consumer,
        "internal.leave.group.on.close",
        Known::WithoutEffect("the mirror always leaves the group"),
    ),
    (Scope::Consumer, "internal.throw.on.fetch.stable.offset.unsupported", CLASS),
    // The old consumer.
    (Scope::Consumer, "zookeeper.connect", Known::Special),
    (Scope::Consumer, "zookeeper.connection.timeout.ms", Known::Special),
    (Scope::Consumer, "auto.commit.enable", Known::Special),
    (Scope::Consumer, "zookeeper.session.timeout.ms", OLD),
    (Scope::Consumer, "zookeeper.sync.time.ms", OLD),
    (Scope::Consumer, "consumer.id", OLD),
    (Scope::Consumer, "consumer.timeout.ms", OLD),
    (Scope::Consumer, "num.consumer.fetchers", OLD),
    (Scope::Consumer, "queued.max.message.chunks", OLD),
    (Scope::Consumer, "rebalance.max.retries", OLD),
    (Scope::Consumer, "rebalance.backoff.ms", OLD),
    (Scope::Consumer, "refresh.leader.backoff.ms", OLD),
    (Scope::Consumer, "offsets.storage", OFFSETS),
    (Scope::Consumer, "offsets.channel.backoff.ms", OFFSETS),
    (Scope::Consumer, "offsets.channel.socket.timeout.ms", OFFSETS),
    (Scope::Consumer, "offsets.commit.max.retries", OFFSETS),
    (Scope::Consumer, "dual.commit.enabled", OFFSETS),
    // The producer.
    (Scope::Producer, "acks", Known::Special),
    (Scope::Producer, "compression.type", Known::Special),
    (Scope::Producer, "buffer.memory", Known::Special),
    (Scope::Producer, "transactional.id", Known::Special),
    (Scope::Producer, "delivery.timeout.ms", Known::Renamed("message.timeout.ms")),
    (Scope::Producer, "max.request.size", Known::Renamed("message.max.bytes")),
    (Scope::Producer, "compression.gzip.level", Known::Special),
    (Scope::Producer, "compression.lz4.level", Known::Special),
    (Scope::Producer, "compression.zstd.level", Known::Special),
    (Scope::Producer, "key.serializer", BYTES),
    (Scope::Producer, "value.serializer", BYTES),
    (Scope::Producer, "max.block.ms", Known::WithoutEffect("the mirror waits as long as it takes")),
    (Scope::Producer, "metadata.max.idle.ms", TIMEOUT),
    (Scope::Producer, "partitioner.class", Known::Special),
    (Scope::Producer, "partitioner.ignore.keys", PARTITIONER),
    (Scope::Producer, "partitioner.adaptive.partitioning.enable", PARTITIONER),
    (Scope::Producer, "partitioner.availability.timeout.ms", PARTITIONER),
    (
        Scope::Producer,
        "block.on.buffer.full",
        Known::WithoutEffect("the mirror waits as long as it takes"),
    ),
    (Scope::Producer, "metadata.fetch.timeout.ms", TIMEOUT),
    (Scope::Producer, "timeout.ms", TIMEOUT),
    // The old producer.
    (Scope::Producer, "request.required.acks", Known::Special),
    (Scope::Producer, "compression.codec", Known::Special),
    (
        Scope::Producer,
        "producer.type",
        Known::WithoutEffect("every record is acknowledged before it is committed"),
    ),
    (Scope::Producer, "message.send.max.retries", Known::Renamed("retries")),
    (Scope::Producer, "queue.buffering.max.ms", Known::Renamed("linger.ms")),
    (Scope::Producer, "serializer.class", BYTES),
    (Scope::Producer, "key.serializer.class", BYTES),
    (Scope::Producer, "compressed.topics", OLD),
    (
        Scope::Producer,
        "queue.enqueue.timeout.ms",
        Known::WithoutEffect("the mirror waits as long as it takes"),
    ),
    (
        Scope::Producer,
        "queue.enqueueTimeout.ms",
        Known::WithoutEffect("the mirror waits as long as it takes"),
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_new_name_is_one_of_librdkafka() {
        for (scope, name, known) in JAVA {
            if let Known::Renamed(new) = known {
                for kind in [Kind::Consumer, Kind::Producer] {
                    assert!(
                        !scope.includes(kind) || native(kind).any(|n| n == *new),
                        "{name} -> {new}"
                    );
                }
            }
        }
    }

    #[test]
    fn knows_both_worlds() {
        assert_eq!(known(Kind::Consumer, "group.id"), Some(Known::Native));
        assert_eq!(known(Kind::Producer, "group.id"), None);
        assert_eq!(known(Kind::Producer, "linger.ms"), Some(Known::Native));
        assert!(matches!(known(Kind::Consumer, "max.poll.records"), Some(Known::WithoutEffect(_))));
    }

    #[test]
    fn finds_the_nearest() {
        assert_eq!(nearest(Kind::Consumer, "auto.ofset.reset"), Some("auto.offset.reset"));
        assert_eq!(nearest(Kind::Producer, "compresion.type"), Some("compression.type"));
        assert_eq!(nearest(Kind::Producer, "xyzzy"), None);
    }
}
