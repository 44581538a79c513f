//! Two clusters, a mirror between them, and what both sides hold.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
    message::{Header, Headers, OwnedHeaders},
    mocking::MockCluster,
    producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer},
};
use tempfile::TempDir;

pub(crate) const TOPIC: &str = "testtopic";
const DEADLINE: Duration = Duration::from_secs(60);
const QUESTION: Duration = Duration::from_secs(10);

pub(crate) type Cluster = MockCluster<'static, DefaultProducerContext>;

/// Everything of a record that a mirror must keep, and where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) partition: i32,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
    pub(crate) timestamp: i64,
}

impl Record {
    /// The same, wherever it lies.
    pub(crate) fn moved(&self) -> Self {
        Self { partition: 0, ..self.clone() }
    }
}

/// A source, a destination and a folder for the mirror's files.
pub(crate) struct World {
    pub(crate) source: Cluster,
    pub(crate) destination: Cluster,
    folder: TempDir,
    consumer: String,
    producer: String,
    ignores_hangups: bool,
}

fn cluster(partitions: i32) -> Cluster {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic(TOPIC, partitions, 1).unwrap();
    cluster
}

pub(crate) fn world(source_partitions: i32, destination_partitions: i32) -> World {
    let (source, destination) = (cluster(source_partitions), cluster(destination_partitions));
    let consumer = format!(
        "bootstrap.servers={}\ngroup.id=g\nsession.timeout.ms=4000\nfetch.wait.max.ms=10\n",
        source.bootstrap_servers()
    );
    let producer = format!("bootstrap.servers={}\n", destination.bootstrap_servers());
    let folder = tempfile::tempdir().unwrap();
    World { source, destination, folder, consumer, producer, ignores_hangups: false }
}

impl World {
    /// Adds lines to consumer.properties.
    pub(crate) fn consumer(mut self, lines: &str) -> Self {
        self.consumer.push_str(&format!("{lines}\n"));
        self
    }

    /// Adds lines to producer.properties.
    pub(crate) fn producer(mut self, lines: &str) -> Self {
        self.producer.push_str(&format!("{lines}\n"));
        self
    }

    /// Starts mirrors as nohup does.
    pub(crate) fn without_hangups(self) -> Self {
        Self { ignores_hangups: true, ..self }
    }

    /// Takes back what was added to producer.properties, for the mirrors that start from now on.
    pub(crate) fn plain_producer(&mut self) {
        self.producer = format!("bootstrap.servers={}\n", self.destination.bootstrap_servers());
    }

    /// Makes the producer write to the source.
    pub(crate) fn producer_to_source(&mut self) {
        self.producer = format!("bootstrap.servers={}\n", self.source.bootstrap_servers());
    }

    /// Gives ZooKeeper in place of brokers.
    pub(crate) fn zookeeper_instead(&mut self, connect: &str, line: &str) {
        self.consumer = format!("zookeeper.connect={connect}\ngroup.id=g\n{line}\n");
    }

    /// Starts a mirror of the test topic.
    pub(crate) fn mirror(&self, arguments: &[&str]) -> Mirror {
        self.mirror_of(&[&["--whitelist", TOPIC], arguments].concat())
    }

    /// Starts a mirror with these arguments beyond the two files.
    pub(crate) fn mirror_of(&self, arguments: &[&str]) -> Mirror {
        let count = std::fs::read_dir(self.folder.path()).unwrap().count();
        self.start(self.folder.path().join(format!("mirror-{count}.log")), arguments)
    }

    /// Starts a mirror of the test topic whose log goes to a disk that is full.
    pub(crate) fn mirror_without_a_log(&self) -> Mirror {
        let mut mirror = self.start("/dev/full".into(), &["--whitelist", TOPIC]);
        mirror.log = "/dev/null".into();
        mirror
    }

    fn start(&self, log: PathBuf, arguments: &[&str]) -> Mirror {
        let write = |name: &str, text: &str| {
            let path = self.folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let consumer = write("consumer.properties", &self.consumer);
        let producer = write("producer.properties", &self.producer);
        let output = log.with_extension("out");
        let output = if log.starts_with("/dev") { log.clone() } else { output };
        let file = |path| std::fs::File::create(path).unwrap();
        // Whatever the tests themselves were started with.
        let child = Command::new("env")
            .arg(format!(
                "--{}-signal=HUP",
                if self.ignores_hangups { "ignore" } else { "default" }
            ))
            .arg(env!("CARGO_BIN_EXE_mirror"))
            .arg("--consumer.config")
            .arg(consumer)
            .arg("--producer.config")
            .arg(producer)
            .args(arguments)
            .stdout(Stdio::from(file(&output)))
            .stderr(Stdio::from(file(&log)))
            .spawn()
            .unwrap();
        Mirror { child, log, output }
    }

    /// Where the group continues, for each partition that has a committed offset.
    pub(crate) fn committed(&self, partitions: i32) -> BTreeMap<i32, i64> {
        committed(&consumer(&self.source), partitions)
    }

    /// Puts another source in its place, with the positions that the group had. A mock can neither delete a topic
    /// nor truncate a log.
    pub(crate) fn replace_source(&mut self, partitions: i32) {
        let kept = partitions.min(ends(&self.source, TOPIC).len() as i32);
        let mut list = TopicPartitionList::new();
        list.add_partition_range(TOPIC, 0, kept - 1);
        let list = consumer(&self.source).committed_offsets(list, QUESTION).unwrap();
        let old = std::mem::replace(&mut self.source, cluster(partitions));
        consumer(&self.source).commit(&list, CommitMode::Sync).unwrap();
        let (from, to) = (old.bootstrap_servers(), self.source.bootstrap_servers());
        self.consumer = self.consumer.replace(&from, &to);
    }

    /// Makes the group continue there.
    pub(crate) fn commit(&self, partition: i32, offset: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(TOPIC, partition, Offset::Offset(offset)).unwrap();
        consumer(&self.source).commit(&list, CommitMode::Sync).unwrap();
    }

    /// Waits until all that lies on the source is committed.
    pub(crate) fn wait_for_commits(&self, mirror: &Mirror) {
        let deadline = Instant::now() + DEADLINE;
        let ends = ends(&self.source, TOPIC);
        while self.committed(ends.len() as i32) != ends {
            assert!(Instant::now() < deadline, "not all is committed\n{}", mirror.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Where the test topic's only partition ends.
    pub(crate) fn source_end(&self) -> i64 {
        consumer(&self.source).fetch_watermarks(TOPIC, 0, QUESTION).unwrap().1
    }

    /// Waits until the test topic's only partition is committed to its end, wherever it begins.
    pub(crate) fn wait_for_the_end(&self, mirror: &Mirror) {
        let deadline = Instant::now() + DEADLINE;
        while self.committed(1).get(&0) != Some(&self.source_end()) {
            assert!(Instant::now() < deadline, "not all is committed\n{}", mirror.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Everything on the destination once there are as many records as this.
    pub(crate) fn wait_for(&self, count: usize, mirror: &mut Mirror) -> Vec<Record> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let held: i64 = ends(&self.destination, TOPIC).values().sum();
            if held >= count as i64 {
                return read(&self.destination, TOPIC);
            }
            let ended = mirror.child.try_wait().unwrap();
            assert!(ended.is_none(), "the mirror ended: {ended:?}\n{}", mirror.log());
            assert!(Instant::now() < deadline, "{held} of {count} copied\n{}", mirror.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A running mirror; it is killed if the test forgets it.
pub(crate) struct Mirror {
    child: Child,
    log: PathBuf,
    output: PathBuf,
}

impl Mirror {
    /// What it has printed.
    pub(crate) fn output(&self) -> String {
        std::fs::read_to_string(&self.output).unwrap()
    }

    /// Waits for its end with exit code 0: what it has printed.
    pub(crate) fn ends_well(mut self) -> String {
        let (code, log) = self.end();
        assert_eq!(code, Some(0), "{log}");
        self.output()
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Asks its metrics server: the status and the text.
    pub(crate) fn get(&mut self, path: &str) -> (u16, String) {
        self.wait_for_log("metrics at http://");
        let log = self.log();
        let address = log.split("metrics at http://").nth(1).unwrap();
        let address = address.split('/').next().unwrap();
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(QUESTION)).unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
    }

    /// Waits until its metrics have all these lines.
    pub(crate) fn wait_for_metrics(&mut self, lines: &[&str]) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let (status, text) = self.get("/metrics");
            assert_eq!(status, 200, "{text}");
            let missing = lines.iter().find(|line| !text.lines().any(|found| found == **line));
            let Some(line) = missing else { return };
            assert!(Instant::now() < deadline, "no {line:?} in\n{text}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
    }

    /// Waits until its log has this text.
    pub(crate) fn wait_for_log(&mut self, text: &str) {
        let deadline = Instant::now() + DEADLINE;
        while !self.log().contains(text) {
            assert!(Instant::now() < deadline, "no {text:?} in\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for its end: exit code and log.
    pub(crate) fn end(&mut self) -> (Option<i32>, String) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status.code(), self.log());
            }
            assert!(Instant::now() < deadline, "the mirror does not end\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Stops it if it still runs.
    pub(crate) fn end_or_stop(&mut self) -> (Option<i32>, String) {
        if self.child.try_wait().unwrap().is_none() {
            self.signal(Signal::SIGTERM);
        }
        self.end()
    }

    /// Stops it as Ctrl-C or an orchestrator does.
    pub(crate) fn stop(mut self) {
        self.signal(Signal::SIGTERM);
        let (code, log) = self.end();
        assert_eq!(code, Some(0), "{log}");
    }

    /// Waits for its end and checks exit code and words.
    pub(crate) fn fails(mut self, code: i32, words: &[&str]) {
        let (found, log) = self.end();
        assert_eq!(found, Some(code), "{log}");
        for word in words {
            assert!(log.contains(word), "no {word:?} in\n{log}");
        }
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Records of every kind: many keys, null and empty keys and values, headers in all their forms.
pub(crate) fn varied(count: usize) -> Vec<Record> {
    let record = |i: usize| Record {
        partition: 0,
        key: match i % 10 {
            0 => None,
            1 => Some(Vec::new()),
            _ => Some(format!("key-{}", i % 17).into_bytes()),
        },
        value: match i % 7 {
            0 => None,
            1 => Some(Vec::new()),
            _ => Some([format!("value-{i}-").as_bytes(), &[0xff, 0, 0x80]].concat()),
        },
        headers: match i % 4 {
            0 => Vec::new(),
            1 => vec![("n".to_owned(), Some(i.to_string().into_bytes()))],
            _ => vec![
                ("twice".to_owned(), Some(vec![0xfe, 0])),
                ("none".to_owned(), None),
                ("twice".to_owned(), Some(Vec::new())),
                ("n".to_owned(), Some(i.to_string().into_bytes())),
            ],
        },
        timestamp: 1_500_000_000_000 + i as i64,
    };
    (0..count).map(record).collect()
}

/// Writes records to a topic, each key where Java would put it.
pub(crate) fn produce(cluster: &Cluster, topic: &str, records: &[Record]) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("partitioner", "murmur2_random")
        .set("linger.ms", "5")
        .create()
        .unwrap();
    for record in records {
        let mut headers = OwnedHeaders::new();
        for (key, value) in &record.headers {
            headers = headers.insert(Header { key, value: value.as_deref() });
        }
        let next = BaseRecord::<[u8], [u8]> {
            topic,
            partition: None,
            payload: record.value.as_deref(),
            key: record.key.as_deref(),
            timestamp: Some(record.timestamp),
            headers: (!record.headers.is_empty()).then_some(headers),
            delivery_opaque: (),
        };
        producer.send(next).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(QUESTION).unwrap();
}

/// The end offset of each partition of a topic.
pub(crate) fn ends(cluster: &Cluster, topic: &str) -> BTreeMap<i32, i64> {
    let client = consumer(cluster);
    let metadata = client.fetch_metadata(Some(topic), QUESTION).unwrap();
    let end = |partition| client.fetch_watermarks(topic, partition, QUESTION).unwrap();
    metadata.topics()[0]
        .partitions()
        .iter()
        .map(|partition| {
            let (low, high) = end(partition.id());
            assert_eq!(low, 0, "the mock drops the oldest records beyond 5 MiB a partition");
            (partition.id(), high)
        })
        .collect()
}

/// Everything a topic holds, partition by partition in order.
pub(crate) fn read(cluster: &Cluster, topic: &str) -> Vec<Record> {
    let client = consumer(cluster);
    let ends = ends(cluster, topic);
    let mut list = TopicPartitionList::new();
    for partition in ends.keys() {
        list.add_partition_offset(topic, *partition, Offset::Offset(0)).unwrap();
    }
    client.assign(&list).unwrap();
    let total: i64 = ends.values().sum();
    let mut records = Vec::new();
    let deadline = Instant::now() + DEADLINE;
    while records.len() < total as usize {
        assert!(Instant::now() < deadline, "{} of {total} read", records.len());
        let Some(message) = client.poll(Duration::from_millis(100)) else { continue };
        let message = message.unwrap();
        let headers = message.headers().map(|headers| {
            headers.iter().map(|h| (h.key.to_owned(), h.value.map(<[u8]>::to_vec))).collect()
        });
        records.push(Record {
            partition: message.partition(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers: headers.unwrap_or_default(),
            timestamp: message.timestamp().to_millis().unwrap(),
        });
    }
    records.sort_by_key(|record| record.partition);
    records
}

/// Where the client's group continues, for each partition that has a committed offset.
pub(crate) fn committed(client: &BaseConsumer, partitions: i32) -> BTreeMap<i32, i64> {
    let mut list = TopicPartitionList::new();
    list.add_partition_range(TOPIC, 0, partitions - 1);
    let list = client.committed_offsets(list, QUESTION).unwrap();
    let number = |offset: Offset| offset.to_raw().filter(|raw| *raw >= 0);
    list.elements().iter().filter_map(|e| Some((e.partition(), number(e.offset())?))).collect()
}

fn consumer(cluster: &Cluster) -> BaseConsumer {
    consumer_at(&cluster.bootstrap_servers())
}

/// A client of the mirror's group that reads nothing.
pub(crate) fn consumer_at(servers: &str) -> BaseConsumer {
    consumer_with(servers, "roundrobin,range")
}

/// The same for a group whose partitions are shared out so.
pub(crate) fn consumer_with(servers: &str, strategy: &str) -> BaseConsumer {
    ClientConfig::new()
        .set("bootstrap.servers", servers)
        .set("group.id", "g")
        .set("enable.auto.commit", "false")
        .set("partition.assignment.strategy", strategy)
        // As the mirror's: the mock's group waits for its members as long as the one that has joined last says.
        .set("session.timeout.ms", "4000")
        .set("fetch.wait.max.ms", "5")
        .set("fetch.queue.backoff.ms", "5")
        .create()
        .unwrap()
}
