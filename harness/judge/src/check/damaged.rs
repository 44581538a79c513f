//! Copies without an id that may be of forgotten records, and are damaged copies of lost ones for a better account.
//!
//! Where a compacted source has forgotten records, a copy that is like none of those of its content may be of one of them. If a
//! record of this content is lost, it is most likely that one, damaged. Either account is a violation; this one tells more.
//!
//! ```text
//! source       . x at 9
//! destination  x at 5            of a record that is forgotten, and the other is lost; or that one, with another time
//! ```

use super::scene::Scene;
use crate::{
    correspondence::Recognition, history::TopicIndex, likeness::is_like, verdict::Circumstance,
};
use std::collections::HashMap;

/// Such copies, each with the lost record.
pub(super) fn damaged(scene: &Scene<'_>) -> Vec<(u32, u32)> {
    let mut forgotten = HashMap::<(TopicIndex, u128), Vec<u32>>::new();
    for (index, recognition) in (0..).zip(&scene.correspondence.recognised) {
        let record = scene.destination(index);
        let is_compacted = scene.history.topics[record.at.topic as usize].compacted;
        if *recognition == Recognition::Forgotten && is_compacted {
            let content = (record.at.topic, record.content.digest());
            forgotten.entry(content).or_default().push(index);
        }
    }
    if forgotten.is_empty() {
        return Vec::new();
    }
    let is_lost = |source: &u32| {
        scene.is_judged(*source)
            && scene.is_lost(*source)
            && scene.absence(*source) == Circumstance::Plain
    };
    let lost = (0..scene.history.source.len() as u32).filter(is_lost);
    let pair = |source: u32| {
        let record = scene.source(source);
        let copies = forgotten.get_mut(&(record.at.topic, record.content.digest()))?;
        let is_unlike = |copy: &u32| {
            !is_like(&record.content, &scene.destination(*copy).content, scene.contract)
        };
        let place = copies.iter().rposition(is_unlike)?;
        Some((copies.remove(place), source))
    };
    lost.filter_map(pair).collect()
}
