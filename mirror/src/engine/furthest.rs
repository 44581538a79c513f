//! How far each partition was read before it was given back.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use crate::progress::Place;

/// How far this process has read each partition, whichever stream it was.
#[derive(Debug, Default)]
pub(super) struct Furthest(Mutex<BTreeMap<(String, i32), i64>>);

impl Furthest {
    pub(super) fn note(&self, next: Place) {
        let mut furthest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = furthest.entry((next.topic, next.partition)).or_default();
        *known = next.offset.max(*known);
    }

    pub(super) fn of(&self, topic: &str, partition: i32) -> i64 {
        let furthest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        furthest.get(&(topic.to_owned(), partition)).copied().unwrap_or_default()
    }

    /// All that has been given back, and how far it was read.
    pub(super) fn all(&self) -> Vec<Place> {
        let furthest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = |((topic, partition), offset): (&(String, i32), &i64)| Place {
            topic: topic.clone(),
            partition: *partition,
            offset: *offset,
        };
        furthest.iter().map(place).collect()
    }

    /// Its log is another one by now.
    pub(super) fn forget(&self, place: &Place) {
        let mut furthest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        furthest.remove(&(place.topic.clone(), place.partition));
    }
}
