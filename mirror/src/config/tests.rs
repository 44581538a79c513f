//! Whole files in, settings out.

use std::io::Write;

use super::*;

fn read(consumer: &str, producer: &str) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
        path
    };
    let args = crate::cli::test_args(
        &write("consumer.properties", consumer),
        &write("producer.properties", producer),
    );
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
