//! Sends a record that nobody produced.

use super::super::{
    Fault, Force, Shows, Times,
    defect::{Defect, Once},
};
use judge::verdict::Anomaly;
use rand::RngExt;

pub(super) const FAULT: Fault = Fault {
    name: "invents-one",
    does: "sends a record that nobody produced",
    forced_by: Force::Load,
    shows: Shows::Everywhere,
    found_as: Anomaly::Phantom,
    times: Times::Exactly(1),
    entails: &[],
    defect,
};

fn defect(seed: u64) -> Box<dyn Defect> {
    Box::new(Once::new(
        seed,
        |_| true,
        |record, out, random| {
            let number: u32 = random.random();
            let mut invented = record.again();
            invented.headers.clear();
            invented.key = Some(format!("invented-{number}").into_bytes());
            invented.value = Some(b"out of nothing".to_vec());
            invented.timestamp = Some(1_000);
            out.send(record);
            out.send(invented);
        },
    ))
}
