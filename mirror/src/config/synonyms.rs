//! Two names of one thing: which of them has effect where a file has both.
//!
//! Pure. Java's clients do not know the names of Kafka 0.8 and of librdkafka, and pass over them. So Java's name of today
//! wins, whatever the order of the lines: `metadata.broker.list` that was left behind names another cluster, maybe.

use super::{file::Property, java::Kind};

/// The name that gives way, and Java's.
type Pair = (&'static str, &'static str);

const BOTH: &[Pair] = &[
    ("max.in.flight", "max.in.flight.requests.per.connection"),
    ("metadata.broker.list", "bootstrap.servers"),
    ("sasl.mechanisms", "sasl.mechanism"),
    ("sasl.password", "sasl.jaas.config"),
    ("sasl.username", "sasl.jaas.config"),
    ("socket.receive.buffer.bytes", "receive.buffer.bytes"),
    ("socket.send.buffer.bytes", "send.buffer.bytes"),
    ("ssl.ca.location", "ssl.truststore.location"),
    ("ssl.ca.pem", "ssl.truststore.certificates"),
    ("ssl.certificate.location", "ssl.keystore.location"),
    ("ssl.certificate.pem", "ssl.keystore.certificate.chain"),
    ("ssl.key.location", "ssl.keystore.location"),
    ("ssl.key.pem", "ssl.keystore.key"),
    ("topic.metadata.refresh.interval.ms", "metadata.max.age.ms"),
];

const CONSUMER: &[Pair] = &[
    ("auto.commit.enable", "enable.auto.commit"),
    ("fetch.message.max.bytes", "max.partition.fetch.bytes"),
    ("fetch.wait.max.ms", "fetch.max.wait.ms"),
    ("socket.timeout.ms", "request.timeout.ms"),
];

const PRODUCER: &[Pair] = &[
    ("compression.codec", "compression.type"),
    ("message.max.bytes", "max.request.size"),
    ("message.send.max.retries", "retries"),
    ("message.timeout.ms", "delivery.timeout.ms"),
    ("partitioner", "partitioner.class"),
    ("queue.buffering.max.kbytes", "buffer.memory"),
    ("queue.buffering.max.ms", "linger.ms"),
    ("request.required.acks", "acks"),
];

/// Java's name in this file for what the property is another name of.
pub(super) fn in_place_of(kind: Kind, name: &str, file: &[Property]) -> Option<&'static str> {
    let of_kind = match kind {
        Kind::Consumer => CONSUMER,
        Kind::Producer => PRODUCER,
    };
    let (_, javas) = BOTH.iter().chain(of_kind).find(|(other, _)| *other == name)?;
    let is_given = |property: &Property| property.name == *javas && !property.value.is_empty();
    file.iter().any(is_given).then_some(*javas)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Origin, Settings, java::known, settle},
        *,
    };

    /// What these lines come to, in this order.
    fn settled(kind: Kind, lines: &[(&str, &str)]) -> Settings {
        let property = |(name, value): &(&str, &str)| Property {
            name: (*name).to_owned(),
            value: (*value).to_owned(),
        };
        settle(kind, &lines.iter().map(property).collect::<Vec<_>>()).unwrap()
    }

    /// Java's value, and that of the other name.
    fn values(javas: &str) -> (&'static str, &'static str) {
        match javas {
            "acks" => ("all", "1"),
            "bootstrap.servers" => ("a:1", "b:1"),
            "compression.type" => ("gzip", "snappy"),
            "enable.auto.commit" => ("true", "false"),
            "partitioner.class" => {
                ("org.apache.kafka.clients.producer.internals.DefaultPartitioner", "random")
            }
            "sasl.jaas.config" => {
                (r#"x.PlainLoginModule required username="java" password="java";"#, "other")
            }
            "ssl.keystore.certificate.chain"
            | "ssl.keystore.key"
            | "ssl.truststore.certificates" => ("-----BEGIN X-----AAAA-----END X-----", "other"),
            name if name.ends_with("ms") || name.ends_with("bytes") => ("4096", "8192"),
            "buffer.memory" => ("40960", "8192"),
            _ => ("4096", "5000"),
        }
    }

    #[test]
    fn java_s_name_of_today_wins_in_any_order() {
        for (kind, of_kind) in [(Kind::Consumer, CONSUMER), (Kind::Producer, PRODUCER)] {
            for (other, javas) in BOTH.iter().chain(of_kind) {
                let (value, others) = values(javas);
                let (line, others_line) = ((*javas, value), (*other, others));
                let alone = settled(kind, &[line]);
                let alone: Vec<_> = alone.effective().map(ToString::to_string).collect();
                for lines in [[line, others_line], [others_line, line]] {
                    let both = settled(kind, &lines);
                    let effective: Vec<_> = both.effective().map(ToString::to_string).collect();
                    assert_eq!(effective, alone, "{lines:?}");
                    let mut ignored = both.all().iter().filter(|one| one.origin == Origin::Ignored);
                    let said = ignored.find(|one| one.name == *other).unwrap();
                    assert_eq!(said.reason, format!("{javas} is given"), "{lines:?}");
                }
                assert!(settled(kind, &[others_line]).effective().any(|one| one.written == *other));
            }
        }
    }

    #[test]
    fn what_has_no_effect_is_not_judged() {
        let lines = [("request.required.acks", "2"), ("acks", "all")];
        assert_eq!(settled(Kind::Producer, &lines).get("acks"), Some("all"));
    }

    #[test]
    fn an_empty_value_takes_no_effect_from_another() {
        let lines = [("partitioner.class", ""), ("partitioner", "random")];
        assert_eq!(settled(Kind::Producer, &lines).get("partitioner"), Some("random"));
    }

    #[test]
    fn a_producer_s_request_is_not_its_socket() {
        let lines = [("request.timeout.ms", "1000"), ("socket.timeout.ms", "2000")];
        let settings = settled(Kind::Producer, &lines);
        assert_eq!(settings.get("socket.timeout.ms"), Some("2000"));
        assert_eq!(settings.get("request.timeout.ms"), Some("1000"));
    }

    #[test]
    fn every_name_exists() {
        let of = |kind, pairs: &'static [Pair]| pairs.iter().map(move |pair| (kind, pair));
        let all = of(Kind::Consumer, CONSUMER).chain(of(Kind::Producer, PRODUCER));
        let both = [Kind::Consumer, Kind::Producer].into_iter().flat_map(|kind| of(kind, BOTH));
        for (kind, (other, javas)) in all.chain(both) {
            assert!(
                known(kind, other).is_some() && known(kind, javas).is_some(),
                "{other} {javas}"
            );
        }
    }
}
