//! Records that the destination refuses for what they are: nothing may get there before them.

use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use crate::support::{Record, TOPIC, World, produce, read, world};

const FINE: RDKafkaRespErr = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;
const REFUSED: RDKafkaRespErr = RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_RECORD;
/// What brokers answer to a batch on its way behind one that was refused: its sequence numbers do not follow. A mock
/// would take it. librdkafka makes up to twice as many requests as may be in flight before it hears of the refusal.
const OUT_OF_ORDER: RDKafkaRespErr = RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;

/// Records of one key.
fn records(count: usize) -> Vec<Record> {
    let record = |i: usize| Record {
        partition: 0,
        key: Some(b"key".to_vec()),
        value: Some(format!("value-{i}").into_bytes()),
        headers: Vec::new(),
        timestamp: 1_500_000_000_000 + i as i64,
    };
    (0..count).map(record).collect()
}

/// The mirror ends at the refused record, which is named; what the destination holds then.
fn ends_at(world: &World, offset: usize, answers: &[RDKafkaRespErr]) -> Vec<Record> {
    world.destination.request_errors(RDKafkaApiKey::Produce, answers);
    let place = format!("{TOPIC} [0] at offset {offset}:");
    world.mirror(&[]).fails(1, &["send the record", &place, "InvalidRecord"]);
    world.destination.clear_request_errors(RDKafkaApiKey::Produce);
    read(&world.destination, TOPIC)
}

/// A start without refusals copies the rest.
fn goes_on(world: &World, records: &[Record]) {
    let mut mirror = world.mirror(&[]);
    let copied = world.wait_for(records.len(), &mut mirror);
    mirror.stop();
    assert_eq!(copied, records, "in order, and once");
}

#[test]
fn nothing_overtakes_a_refused_record() {
    let world = world(1, 1)
        .producer("batch.num.messages=1\nmax.in.flight.requests.per.connection=1\nlinger.ms=0\nretry.backoff.ms=1");
    let records = records(50);
    produce(&world.source, TOPIC, &records);
    assert_eq!(ends_at(&world, 2, &[FINE, FINE, REFUSED, OUT_OF_ORDER]), records[..2]);
    goes_on(&world, &records);
}
