//! Copies every record to a second topic as well, that nobody asked for.

use super::super::{
    Fault, Force, Shows, Times,
    defect::Defect,
    record::{Outbox, Record},
};
use judge::verdict::Anomaly;

pub(super) const FAULT: Fault = Fault {
    name: "copies-elsewhere",
    does: "copies every record to a topic that nobody knows of, too",
    forced_by: Force::Load,
    shows: Shows::Everywhere,
    found_as: Anomaly::Leaked,
    times: Times::Many,
    entails: &[],
    defect,
};

fn defect(_seed: u64) -> Box<dyn Defect> {
    Box::new(CopiesElsewhere)
}

struct CopiesElsewhere;

impl Defect for CopiesElsewhere {
    fn also_to(&self, topic: &str) -> Option<String> {
        Some(elsewhere(topic))
    }

    fn copy(&mut self, record: Record, out: &mut Outbox) {
        let mut second = record.again();
        second.topic = elsewhere(&record.topic);
        out.send(record);
        out.send(second);
    }
}

fn elsewhere(topic: &str) -> String {
    format!("copy-of-{topic}")
}
