//! Whole files in, settings out.

use std::io::Write;

use super::*;

fn read(consumer: &str, producer: &str) -> Result<Config, String> {
    read_with(consumer, producer, |_| ())
}

fn read_with(consumer: &str, producer: &str, change: impl Fn(&mut Args)) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
        path
    };
    let mut args = crate::cli::test_args(
        &write("consumer.properties", consumer),
        &write("producer.properties", producer),
    );
    change(&mut args);
    Config::read(&args).map_err(|error| error.to_string())
}

const CONSUMER: &str = "bootstrap.servers=a:1\ngroup.id=g\n";
const PRODUCER: &str = "bootstrap.servers=b:1\n";

fn refused(consumer: &str, producer: &str, words: &[&str]) {
    let error = read(consumer, producer).unwrap_err();
    for word in words {
        assert!(error.contains(word), "{word:?} is not in {error:?}");
    }
}

#[test]
fn the_article_s_files_work() {
    let config = read(
        "zookeeper.connect=zk0:2181,zk1:2181\ngroup.id=mirrorgroup\n",
        "bootstrap.servers=b:9092\ncompression.type=none\n",
    )
    .unwrap();
    assert_eq!(config.zookeeper.unwrap().connect, "zk0:2181,zk1:2181");
    assert_eq!(config.producer.get("compression.type"), Some("none"));
    assert_eq!(config.consumer.get("zookeeper.connect"), None, "not for librdkafka");
}

#[test]
fn brokers_of_zookeeper_are_known_as_such() {
    let mut config = read("zookeeper.connect=z:1\ngroup.id=g\n", PRODUCER).unwrap();
    config.use_brokers_of_zookeeper("z:1", &[]);
    assert!(risks::of_positions(&config.consumer).is_some());
    let config = read(&format!("{CONSUMER}offsets.storage=zookeeper"), PRODUCER).unwrap();
    assert!(risks::of_positions(&config.consumer).is_some());
    let config = read(&format!("{CONSUMER}zookeeper.connect=z:1"), PRODUCER).unwrap();
    assert_eq!(risks::of_positions(&config.consumer), None);
}

#[test]
fn brokers_win_over_zookeeper() {
    let config = read(&format!("{CONSUMER}zookeeper.connect=z:1"), PRODUCER).unwrap();
    assert!(config.zookeeper.is_none());
    assert!(config.consumer.all().iter().any(|s| s.name == "zookeeper.connect"));
}

#[test]
fn errors_name_file_property_and_way_out() {
    refused(
        &format!("{CONSUMER}auto.ofset.reset=latest"),
        PRODUCER,
        &["consumer.properties", "auto.ofset.reset", "did you mean auto.offset.reset?"],
    );
    refused("group.id=g", PRODUCER, &["consumer.properties", "bootstrap.servers is missing"]);
    refused("bootstrap.servers=a:1", PRODUCER, &["group.id is missing"]);
    refused(CONSUMER, "", &["producer.properties", "bootstrap.servers is missing"]);
    refused(CONSUMER, &format!("{PRODUCER}transactional.id=t"), &["transactional.id", "remove it"]);
    refused(CONSUMER, "a=\\uxx", &["producer.properties, line 1"]);
}

/// What becomes of the commit interval, and of the transaction's timeout, with `--exactly-once`.
fn in_transactions(interval: Option<u64>, timeout: &str) -> Result<(u128, String), String> {
    let change = |args: &mut Args| {
        (args.exactly_once, args.offset_commit_interval_ms) = (true, interval);
    };
    let config = read_with(CONSUMER, &format!("{PRODUCER}{timeout}"), change)?;
    let of = |name| config.producer.get(name).unwrap().to_owned();
    assert_eq!(of("message.timeout.ms"), of("transaction.timeout.ms"));
    Ok((config.commit_interval.as_millis(), of("transaction.timeout.ms")))
}

#[test]
fn each_commit_lies_within_a_transaction() {
    let taken = |interval, timeout, expected: (u128, &str)| {
        let found = in_transactions(interval, timeout).unwrap();
        assert_eq!((found.0, found.1.as_str()), expected, "{interval:?} {timeout}");
    };
    taken(None, "", (1000, "60000"));
    taken(Some(50_000), "", (50_000, "60000"));
    // What the user did not write follows.
    taken(Some(60_000), "", (60_000, "120000"));
    taken(Some(890_000), "", (890_000, "900000"));
    taken(None, "transaction.timeout.ms=5000", (1000, "5000"));
    taken(None, "transaction.timeout.ms=1000", (500, "1000"));
    let both = "transaction.timeout.ms=300000";
    taken(Some(290_000), both, (290_000, "300000"));
    for (interval, timeout, words) in [
        (120_000, "transaction.timeout.ms=60000", "interval.ms 120000: brokers would abort each"),
        (290_001, both, "lower the latter to at most 290000, or raise the former"),
        (4000, "transaction.timeout.ms=5000", "lower the latter to at most 2500"),
        (890_001, "", "brokers take no more than 900000"),
    ] {
        let refusal = in_transactions(Some(interval), timeout).unwrap_err();
        assert!(refusal.contains("producer.properties: transaction.timeout.ms"), "{refusal}");
        assert!(refusal.contains(words), "no {words:?} in {refusal}");
    }
}

#[test]
fn a_large_record_finds_room_in_the_queue_of_a_transaction() {
    let of = |size: &str| {
        let lines = format!("{PRODUCER}{size}");
        let config = read_with(CONSUMER, &lines, |args| args.exactly_once = true).unwrap();
        let of = |name| config.producer.number(name).unwrap();
        (of("queue.buffering.max.kbytes"), of("message.max.bytes"))
    };
    assert_eq!(of(""), (32 << 10, 32 << 20));
    assert_eq!(of("max.request.size=1048576"), (32 << 10, 1 << 20));
    assert_eq!(of("max.request.size=52428800"), ((50 << 10) + 1, 50 << 20));
    assert_eq!(of("max.request.size=1000000000"), (128 << 10, 128 << 20));
    assert_eq!(of("max.request.size=52428800\nbuffer.memory=1048576"), (1 << 10, 1 << 20));
}

#[test]
fn only_what_the_user_wrote_is_called_the_user_s() {
    let said = |lines: &str| {
        let lines = format!("{PRODUCER}{lines}");
        let config = read_with(CONSUMER, &lines, |args| args.exactly_once = true).unwrap();
        let settings = config.producer.effective();
        let forced = settings.filter(|one| one.origin == Origin::Forced);
        forced.map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    assert!(!said("").contains("your"), "{}", said(""));
    let yours = said("delivery.timeout.ms=9000\nacks=1");
    assert!(yours.contains("your 9000 has no effect"), "{yours}");
    assert!(yours.contains("your 1 has no effect"), "{yours}");
}

#[test]
fn client_ids_are_mirrormaker_s() {
    let config = read(&format!("{CONSUMER}client.id=mine"), PRODUCER).unwrap();
    assert_eq!(config.consumer_of(3, 4).get("client.id"), Some("g-3"));
    assert_eq!(config.producer_of(3).get("client.id"), Some("g-3-producer"));
}

#[test]
fn no_two_streams_are_one_static_member() {
    let config = read(&format!("{CONSUMER}group.instance.id=here"), PRODUCER).unwrap();
    let id = |stream, streams| {
        config.consumer_of(stream, streams).get("group.instance.id").map(str::to_owned)
    };
    assert_eq!(id(0, 1).as_deref(), Some("here"));
    assert_eq!([id(0, 2).as_deref(), id(1, 2).as_deref()], [Some("here-0"), Some("here-1")]);
    let plain = read(CONSUMER, PRODUCER).unwrap();
    assert_eq!(plain.consumer_of(1, 2).get("group.instance.id"), None);
}

#[test]
fn secrets_do_not_reach_the_announcement() {
    let config = read(&format!("{CONSUMER}sasl.username=u\nsasl.password=hunter2"), PRODUCER);
    let config = config.unwrap();
    assert!(!one_line(&config.consumer_of(0, 1)).contains("hunter2"));
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn a_secret_on_a_line_of_its_own_is_not_shown() {
    for (name, value) in [
        ("sasl.password", ""),
        ("ssl.key.password", ""),
        ("ssl.key.pem", "-----BEGIN PRIVATE KEY-----"),
    ] {
        for secret in ["hunter2", "hunter2=", "hunter2 and more", "hunter2=x"] {
            let error =
                read(&format!("{CONSUMER}{name}={value}\n{secret}\n"), PRODUCER).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
            assert!(error.contains(&format!("{name} is cut off")), "{error}");
        }
    }
    // A slip of the pen, and what stands behind no secret, are named.
    refused(
        &format!("{CONSUMER}ssl.key.password=\nauto.ofset.reset=latest"),
        PRODUCER,
        &["auto.ofset.reset; did you mean auto.offset.reset?"],
    );
    refused(&format!("{CONSUMER}sasl.password=x\nzzz"), PRODUCER, &["the property zzz"]);
}

#[test]
fn blanks_behind_a_login_module_are_no_part_of_it() {
    let line = r#"sasl.jaas.config=x.PlainLoginModule required username="u" password="p ";  "#;
    let sasl = "security.protocol=SASL_SSL\nsasl.mechanism=PLAIN";
    let config = read(&format!("{CONSUMER}{sasl}\n{line}"), PRODUCER).unwrap();
    assert_eq!(config.consumer.get("sasl.password"), Some("p "));
}

#[test]
fn a_login_without_its_protocol_is_said_to_have_no_effect() {
    let line = r#"sasl.jaas.config=x.PlainLoginModule required username="u" password="hunter2";"#;
    let unused = |consumer: &str| {
        let config = read(&format!("{CONSUMER}{consumer}\n{line}"), PRODUCER).unwrap();
        security::unused_login(&config.consumer)
    };
    let said = unused("").unwrap();
    assert!(said.starts_with("sasl.jaas.config has no effect"), "{said}");
    assert!(said.contains("security.protocol=SASL_SSL") && !said.contains("hunter2"), "{said}");
    assert!(unused("security.protocol=SSL").is_some_and(|said| said.contains("protocol is ssl")));
    let used = "security.protocol=SASL_SSL\nsasl.mechanism=PLAIN";
    assert_eq!(unused(used), None);
    assert_eq!(unused(&format!("{used}\nsasl.username=u\nsasl.password=hunter2")), None);
    refused(
        &format!("{CONSUMER}security.protocol=SASL_SSL\n{line}"),
        PRODUCER,
        &["consumer.properties: sasl.mechanism is missing", "for the user of sasl.jaas.config"],
    );
}

#[test]
fn the_last_line_of_a_name_counts_alone() {
    let config = read(CONSUMER, &format!("{PRODUCER}acks=2\nlinger.ms=x\nacks=all\nlinger.ms=7"));
    let config = config.unwrap();
    let of = |name| config.producer.get(name);
    assert_eq!((of("acks"), of("linger.ms")), (Some("all"), Some("7")));
    refused(CONSUMER, &format!("{PRODUCER}acks=all\nacks=2"), &["acks is not one of"]);
}

#[test]
fn a_word_in_capitals_means_what_it_says() {
    let config = read(CONSUMER, &format!("{PRODUCER}enable.idempotence=FALSE")).unwrap();
    assert_eq!(config.producer.get("enable.idempotence"), Some("false"));
    let in_flight = config.producer.get("max.in.flight.requests.per.connection");
    assert_eq!(in_flight, Some("1"), "a retry would reorder records");
}

#[test]
fn what_excludes_each_other_is_refused_with_its_file() {
    refused(
        CONSUMER,
        &format!("{PRODUCER}linger.ms=9\ndelivery.timeout.ms=5"),
        &["producer.properties: linger.ms is 9, and delivery.timeout.ms only 5"],
    );
    refused(
        &format!("{CONSUMER}heartbeat.interval.ms=9000\nsession.timeout.ms=9000"),
        PRODUCER,
        &["consumer.properties: heartbeat.interval.ms is 9000"],
    );
    refused(
        CONSUMER,
        &format!("{PRODUCER}compression.type=zstd\ncompression.zstd.level=99"),
        &["producer.properties: compression.zstd.level is \"99\""],
    );
}
