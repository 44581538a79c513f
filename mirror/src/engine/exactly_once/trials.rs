//! Streams in transactions between mock clusters. A mock makes no topics, so the topic of the positions is made here,
//! and it shows readers what is not committed, so nothing is asked here of what is copied after an abort.

use std::{
    collections::BTreeSet,
    panic,
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, TopicPartitionList,
    mocking::MockCluster,
    producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer},
    types::{RDKafkaApiKey, RDKafkaRespErr},
};

use super::{
    super::{EngineError, Shared, Subscription, Totals, client::Rebalance, leave, publish},
    Lanes, Origin, Stream, reading,
};
use crate::{cli, config::Config, engine, meters::Meters, shutdown::Stop, topics::TopicFilter};

const UNKNOWN: RDKafkaRespErr = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
const DEADLINE: Duration = Duration::from_secs(40);

type Cluster = MockCluster<'static, DefaultProducerContext>;

fn origin() -> Origin {
    Origin { group: "g".to_owned(), cluster: "c".to_owned() }
}

struct World {
    source: Cluster,
    destination: Cluster,
    _folder: tempfile::TempDir,
    settings: engine::Settings,
    meters: Meters,
    stop: Stop,
}

impl World {
    fn new() -> Self {
        let (source, destination) = (MockCluster::new(1).unwrap(), MockCluster::new(1).unwrap());
        source.create_topic("t", 1, 1).unwrap();
        for topic in ["t", &origin().topic()] {
            destination.create_topic(topic, 1, 1).unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        let [consumer, producer] =
            ["c", "p"].map(|name| folder.path().join(format!("{name}.properties")));
        let servers = source.bootstrap_servers();
        let lines = format!("bootstrap.servers={servers}\ngroup.id=g\nsession.timeout.ms=6000\n");
        std::fs::write(&consumer, lines).unwrap();
        let servers = destination.bootstrap_servers();
        let lines =
            format!("bootstrap.servers={servers}\ntopic.metadata.refresh.interval.ms=1000\n");
        std::fs::write(&producer, lines).unwrap();
        let mut args = cli::test_args(&consumer, &producer);
        args.exactly_once = true;
        let filter = TopicFilter::parse("t").unwrap();
        let settings = Config::read(&args).unwrap().engine_settings(&args, filter);
        let (meters, stop) = (Meters::new(1), Stop::default());
        Self { source, destination, _folder: folder, settings, meters, stop }
    }

    fn produce(&self, records: usize) {
        let mut config = ClientConfig::new();
        let producer: BaseProducer =
            config.set("bootstrap.servers", self.source.bootstrap_servers()).create().unwrap();
        for _ in 0..records {
            producer.send(BaseRecord::to("t").key("k").payload("v")).unwrap();
        }
        producer.flush(DEADLINE).unwrap();
    }

    fn stream(&self) -> Stream<'_> {
        let meters = self.meters.stream(0);
        let mut stream = Stream::new(&self.settings, 0, meters, &Shared::default(), None).unwrap();
        stream.write_in(Lanes::new(origin(), self.stop.clone()));
        stream.begin(&Arc::new(BTreeSet::from(["t".to_owned()])), None);
        stream
    }

    /// Runs a stream, and meanwhile this; how it ended.
    fn run(&self, meanwhile: impl FnOnce()) -> Result<Totals, EngineError> {
        let stream = self.stream();
        let subscription = Subscription::default();
        publish(&self.settings, &subscription, &["t".to_owned()]);
        let stop = &self.stop;
        thread::scope(|scope| {
            let running = scope.spawn(move || {
                let ended = stream.run(&subscription, stop);
                leave(vec![stream]);
                ended
            });
            meanwhile();
            running.join().unwrap()
        })
    }

    fn wait_for(&self, what: &str, is_there: impl Fn() -> bool) {
        let since = Instant::now();
        while !is_there() {
            if since.elapsed() > DEADLINE {
                self.stop.request();
                panic!("no {what}: {:?}", self.meters.snapshot());
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn wait_for_commits(&self, commits: u64) {
        self.wait_for("commit", || self.meters.snapshot().commits >= commits);
    }

    /// Ends the stream if it does not end by itself.
    fn stop_later(&self) {
        let stop = self.stop.clone();
        thread::spawn(move || {
            thread::sleep(DEADLINE);
            stop.request();
        });
    }
}

#[test]
fn a_topic_of_positions_that_is_gone_is_named() {
    let world = World::new();
    let topic = origin().topic();
    world.destination.topic_error(&topic, UNKNOWN).unwrap();
    let ended = world.run(|| world.stop_later());
    assert!(
        matches!(&ended, Err(EngineError::PositionsGone { topic: t, .. }) if *t == topic),
        "{ended:?}"
    );
}

#[test]
fn a_stop_waits_once_for_a_destination_that_is_silent() {
    let world = World::new();
    let mut stopped = Instant::now();
    let ended = world.run(|| {
        world.produce(10);
        world.wait_for_commits(2);
        world.destination.broker_down(1).unwrap();
        world.produce(10);
        world.wait_for("record", || world.meters.snapshot().in_flight == 10);
        world.stop.request();
        stopped = Instant::now();
    });
    assert!(matches!(ended, Err(EngineError::Aborted { .. })), "{ended:?}");
    let took = stopped.elapsed();
    assert!(took < Duration::from_secs(40), "it took {took:?}");
}

/// How a stop ends if a request of the last transaction is answered so.
fn stopped(request: RDKafkaApiKey, answer: RDKafkaRespErr) -> Result<Totals, EngineError> {
    let mut world = World::new();
    // The first commit of records is that of the stop, which begins before anything is answered.
    world.settings.commit_interval = DEADLINE;
    world.destination.broker_round_trip_time(1, Duration::from_millis(300)).unwrap();
    world.destination.request_errors(request, &[answer]);
    world.run(|| {
        world.produce(10);
        world.wait_for("record", || world.meters.snapshot().in_flight == 10);
        world.stop.request();
    })
}

#[test]
fn a_stop_leaves_to_others_what_they_have_fenced() {
    use RDKafkaApiKey::{AddPartitionsToTxn, EndTxn};
    let fenced = RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH;
    let being_fenced = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN;
    for (request, answer) in
        [(AddPartitionsToTxn, fenced), (EndTxn, fenced), (EndTxn, being_fenced)]
    {
        let ended = stopped(request, answer);
        let copied = ended.as_ref().map(|totals| totals.copied);
        assert!(matches!(copied, Ok(0)), "{request:?} {answer:?}: {ended:?}");
    }
    let refused = RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_TXN_STATE;
    let ended = stopped(EndTxn, refused);
    assert!(matches!(ended, Err(EngineError::Aborted { .. })), "{ended:?}");
}

#[test]
fn records_of_an_aborted_transaction_are_not_in_flight_for_ever() {
    const RECORDS: u64 = 5000;
    let world = World::new();
    world.destination.broker_round_trip_time(1, Duration::from_millis(20)).unwrap();
    let fenced = RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH;
    world.destination.request_errors(RDKafkaApiKey::Produce, &[fenced]);
    let ended = world.run(|| {
        world.produce(RECORDS as usize);
        world.wait_for("copy", || world.meters.snapshot().copied >= RECORDS);
        world.wait_for("end of what is in flight", || world.meters.snapshot().in_flight == 0);
        world.stop.request();
    });
    assert!(ended.is_ok(), "{ended:?}");
}

/// A group may do so that has lost a member's answer (seen when a topic grew while partitions were revoked).
#[test]
fn a_partition_that_is_assigned_again_without_having_been_taken_away_stops_nothing() {
    const RECORDS: u64 = 10;
    let (done, is_done) = mpsc::channel();
    // On a thread of its own, since what is stopped would never end.
    let running = thread::spawn(move || {
        let world = World::new();
        let stream = world.stream();
        let assign = || {
            let mut partitions = TopicPartitionList::new();
            partitions.add_partition("t", 0);
            stream.rebalance(Rebalance::Assign(partitions), &world.stop).unwrap();
        };
        let copy = || {
            for _ in 0..RECORDS {
                let message = stream.consumer.poll(DEADLINE).unwrap().unwrap();
                assert!(stream.receive(message).and_then(|held| stream.send(held)).is_none());
            }
        };
        assign();
        world.produce(RECORDS as usize);
        copy();
        // The reports of these records are read by nobody before their lane ends.
        assign();
        let given_up = world.meters.snapshot();
        // A consumer that ends while it still stops for an assignment aborts the process (librdkafka issue 5573).
        copy();
        stream.complete(None).unwrap();
        done.send((given_up, world.meters.snapshot())).unwrap();
    });
    let (given_up, copied) = match is_done.recv_timeout(DEADLINE) {
        Ok(done) => done,
        Err(RecvTimeoutError::Timeout) => panic!("it stands still"),
        Err(RecvTimeoutError::Disconnected) => {
            panic::resume_unwind(running.join().unwrap_err());
        }
    };
    assert_eq!((given_up.in_flight, given_up.copied), (0, 0));
    assert_eq!((copied.in_flight, copied.copied), (0, RECORDS));
}

/// What lies behind the last record are markers of transactions, and no more records may come.
#[test]
fn a_position_behind_markers_is_stored_without_a_record() {
    let world = World::new();
    let stream = world.stream();
    let mut partitions = TopicPartitionList::new();
    partitions.add_partition("t", 0);
    stream.rebalance(Rebalance::Assign(partitions), &world.stop).unwrap();
    let slot = stream.notes.progress().slot("t", 0).unwrap();
    stream.lanes.as_ref().unwrap().follow(slot, slot, 7);
    stream.complete(None).unwrap();
    let keys = BTreeSet::from([origin().key("t", 0)]);
    let stored = reading::read(&world.settings, &origin(), &keys, &mut || Ok(true)).unwrap();
    let offsets: Vec<i64> = stored.unwrap().into_values().map(|stored| stored.offset).collect();
    assert_eq!(offsets, [7]);
    leave(vec![stream]);
}
