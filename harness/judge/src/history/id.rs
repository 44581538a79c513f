//! The identity of a generated record: how a copy is recognised.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The identity that the generator gave to a record; it travels in a header and in the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RecordId {
    /// The run that generated the record, so that leftovers of another run are recognised.
    pub run: u64,
    /// Which of the run's producers.
    pub producer: u16,
    /// Index of the key among the keys of the workload.
    pub key: u32,
    /// Dense count of this producer's records of this key, from 0.
    pub sequence: u32,
}

impl fmt::Display for RecordId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:x}.{}.{}.{}", self.run, self.producer, self.key, self.sequence)
    }
}

impl std::str::FromStr for RecordId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.split('.');
        let mut next = || parts.next().ok_or(());
        let id = RecordId {
            run: u64::from_str_radix(next()?, 16).map_err(drop)?,
            producer: next()?.parse().map_err(drop)?,
            key: next()?.parse().map_err(drop)?,
            sequence: next()?.parse().map_err(drop)?,
        };
        if parts.next().is_some() { Err(()) } else { Ok(id) }
    }
}
