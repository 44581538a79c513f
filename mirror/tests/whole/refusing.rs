//! What is refused before anything starts, and how: exit code, and a message that names what and the way out.

use crate::support::{TOPIC, produce, varied, world};

#[test]
fn wrong_usage_is_named() {
    let world = world(1, 1);
    world.mirror_of(&[]).fails(2, &["the include list must be specified", "--whitelist"]);
    world.mirror_of(&["--whitelist", "*"]).fails(2, &["regular expression", "'.*'"]);
    world
        .mirror_of(&["--whitelist", r"\p{javaLowerCase}+"])
        .fails(2, &["regular expression", r"\p{javaLowerCase} is Java's alone; write \p{Ll}"]);
    world.mirror(&["--message.handler", "X"]).fails(2, &["--message.handler", "remove it"]);
    world.mirror(&["--blacklist", "X"]).fails(2, &["--blacklist", "--include"]);
    world.mirror(&["--num.streams", "0"]).fails(2, &["--num.streams"]);
    world.mirror(&["--no.such.flag"]).fails(2, &["--no.such.flag"]);
    world.mirror(&["--consumer.config", "/nowhere"]).fails(2, &["--consumer.config"]);
}

#[test]
fn wrong_properties_are_named() {
    let refused = |consumer: &str, producer: &str, words: &[&str]| {
        world(1, 1).consumer(consumer).producer(producer).mirror(&[]).fails(2, words);
    };
    refused("auto.ofset.reset=x", "", &["consumer.properties", "did you mean auto.offset.reset?"]);
    refused("", "linger.ms=many", &["producer.properties", "linger.ms"]);
    refused("", "acks=1\nenable.idempotence=true", &["producer.properties", "acks"]);
    refused("session.timeout.ms=-3", "", &["consumer.properties", "session.timeout.ms"]);
    refused("", "batch.size=10 MB", &["producer.properties", "batch.size is \"10 MB\"", "digits"]);
    refused("", "delivery.timeout.ms=9\nlinger.ms=9", &["producer.properties: linger.ms is 9"]);
    refused("", "compression.lz4.level=18", &["producer.properties: compression.lz4.level is"]);
    refused(
        "partition.assignment.strategy=x.StickyAssignor,x.CooperativeStickyAssignor",
        "",
        &["consumer.properties: partition.assignment.strategy names Coop", "alone"],
    );
    refused("debug=foo", "", &["consumer.properties: debug: ", "correct it, or remove it"]);
    refused("x=\\u00zz", "", &["consumer.properties, line 5"]);
}

#[test]
fn transactions_that_no_commit_can_reach_are_refused() {
    let world = world(1, 1).producer("transaction.timeout.ms=60000");
    let words = ["producer.properties: transaction.timeout.ms is 60000", "at most 50000"];
    world.mirror(&["--exactly-once", "--offset.commit.interval.ms=60000"]).fails(2, &words);
}

#[test]
fn what_java_takes_librdkafka_is_given_as_it_takes_it() {
    let world = world(1, 1)
        .consumer("fetch.max.bytes=100\nrequest.timeout.ms=305000\nmax.poll.interval.ms=2147483647")
        .producer("compression.type=zstd\ncompression.zstd.level=22\ncompression.gzip.level=9");
    let records = varied(50);
    produce(&world.source, TOPIC, &records);
    let mut mirror = world.mirror(&[]);
    assert_eq!(world.wait_for(50, &mut mirror), records);
    mirror.stop();
}

#[test]
fn a_store_that_is_broken_is_named_as_the_user_wrote_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.pem");
    let part = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
    let refused = |store: &str, text: &str, words: &[&str]| {
        std::fs::write(&path, text).unwrap();
        let lines = format!("security.protocol=SSL\n{store}={}", path.display());
        world(1, 1).consumer(&lines).mirror(&[]).fails(2, words);
    };
    let (trust, key) = ("ssl.truststore.location", "ssl.keystore.location");
    let certificate = part("CERTIFICATE");
    refused(trust, "", &["consumer.properties: ssl.truststore.location is", "which is empty"]);
    refused(
        trust,
        &certificate,
        &[
            "consumer.properties: ssl.truststore.location is",
            "which OpenSSL does not take",
            "whole",
        ],
    );
    refused(
        key,
        &format!("{certificate}{}", part("PRIVATE KEY")),
        &["consumer.properties: ssl.keystore.location is", "which OpenSSL does not take", "whole"],
    );
}

#[test]
fn a_login_that_is_not_understood_is_named_without_its_password() {
    let refused = |line: &str, words: &[&str]| {
        let lines = format!("security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\n{line}");
        let world = world(1, 1).consumer(&lines);
        let (code, log) = world.mirror(&[]).end();
        assert_eq!(code, Some(2), "{log}");
        assert!(!log.contains("hunter2"), "{log}");
        for word in words {
            assert!(log.contains(word), "no {word:?} in\n{log}");
        }
    };
    let of_file = "consumer.properties: sasl.jaas.config";
    refused("", &[of_file, "is missing", "username="]);
    let quoted = "sasl.jaas.config='x.PlainLoginModule required username=u password=hunter2;'";
    refused(quoted, &[of_file, "quotes around the line"]);
    refused(
        "sasl.jaas.config=x.OtherLoginModule required password=hunter2;",
        &[of_file, "x.Other"],
    );
}

#[test]
fn a_missing_file_is_named() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_mirror"))
        .args(["--consumer.config=/nowhere/c", "--producer.config=/nowhere/p", "--whitelist=t"])
        .output()
        .unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{log}");
    assert!(log.contains("/nowhere/c") && log.contains("check the path"), "{log}");
}

#[test]
fn secrets_are_never_printed() {
    let secret = "hunter2";
    let world = world(1, 1)
        .consumer(&format!("sasl.username=u\nsasl.password={secret}\nssl.key.pem={secret}"))
        .producer(&format!("ssl.key.password={secret}\nsasl.jaas.config=x.PlainLoginModule required username=\"u\" password=\"{secret}\";"));
    let mut mirror = world.mirror(&[]);
    mirror.wait_for_log("stream 0 producer:");
    let _ = mirror.end_or_stop();
    assert!(!mirror.log().contains(secret), "{}", mirror.log());
}

#[test]
fn a_cluster_is_not_mirrored_to_itself() {
    let mut world = world(1, 1);
    world.producer_to_source();
    world.mirror(&[]).fails(2, &["to itself", "bootstrap.servers"]);
}

#[test]
fn a_dead_address_is_named() {
    let world = world(1, 1).consumer("bootstrap.servers=127.0.0.1:9");
    world.mirror(&[]).fails(1, &["reach the source", "127.0.0.1:9", "check bootstrap.servers"]);
}

#[test]
fn a_silent_zookeeper_is_named() {
    let mut world = world(1, 1);
    world.zookeeper_instead("127.0.0.1:9/kafka", "zookeeper.connection.timeout.ms=500");
    world
        .mirror(&[])
        .fails(1, &["no ZooKeeper answered at 127.0.0.1:9/kafka", "zookeeper.connect"]);
}

#[test]
fn preserve_needs_as_many_partitions() {
    let world = world(3, 2);
    produce(&world.source, TOPIC, &varied(10));
    world
        .mirror(&["--partitioning=preserve"])
        .fails(2, &[TOPIC, "only 2 partitions", "--partitioning key"]);
}
