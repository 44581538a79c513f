//! Equal records that are only counted: whether their copies can be in order at all.
//!
//! Of which record such a copy is nobody knows, nor of which source partition, so none is judged by itself. But those in one
//! destination partition must be a mixture of the sequences that the source partitions hold, of which some records may be missing: each
//! is copied once, and none behind a later one of its sequence. On a compacted topic of which nothing was removed each sequence
//! comes to its last record.
//!
//! ```text
//! source       t/0: x   t/1: x y
//! destination  x x y             one x is of t/0, the other of t/1
//! destination  y x x             not both are of t/0, and that of t/1 comes too late: nobody can tell which it is
//! ```
//!
//! Told from the end, each copy is of the latest record of a sequence that it can be of. After an event records come again, and of a
//! topic that has forgotten some the sequences are not known: there nothing is said.

use super::scene::{Order, Scene};
use crate::{
    contract::OrderScope,
    history::{Completeness, TopicPartition},
    verdict::Circumstance,
};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Among how many ways to tell the rest of a sequence one is looked for: enough for what a person looks at, and an end for
/// sequences of thousands.
const MOST_WAYS: usize = 100;

/// The earliest record of each source partition that is told by now.
type Way = BTreeMap<TopicPartition, u32>;

/// Equal records of each source partition, in order.
type Equals = BTreeMap<TopicPartition, Vec<u32>>;

/// How many sequences of copies in a destination partition, of a key or of all where the order of partitions is promised, are no
/// such mixture.
pub(crate) fn tangled(scene: &Scene<'_>) -> usize {
    let unordered = &scene.correspondence.unordered;
    if !scene.history.events.is_empty() || unordered.is_empty() {
        return 0;
    }
    let is_known = |source: &&u32| !scene.may_have_forgotten(scene.source(**source).at.topic);
    let counted = unordered.iter().filter(is_known).filter_map(|source| order(scene, *source));
    let counted: HashSet<Order> = counted.collect();
    let mut copied = HashMap::<_, Vec<u32>>::new();
    for index in &scene.correspondence.time {
        if let Some(source) = scene.correspondence.source_of(*index)
            && let Some(order) = order(scene, source).filter(|order| counted.contains(order))
        {
            copied.entry((scene.destination(*index).at, order)).or_default().push(source);
        }
    }
    let (equals, ends) = (equals(scene), ends(scene));
    let is_tangled = |((at, order), copied): &(&(TopicPartition, Order), &Vec<u32>)| {
        let ends = match order {
            Order::OfKey(key) if scene.is_full(*at) => ends.get(key),
            Order::OfKey(_) | Order::OfPartition => None,
        };
        !is_mixture(scene, copied, &equals, ends.unwrap_or(&Way::new()))
    };
    copied.iter().filter(is_tangled).count()
}

/// The order in which a source record must come.
fn order(scene: &Scene<'_>, source: u32) -> Option<Order> {
    let is_compacted = scene.history.topics[scene.source(source).at.topic as usize].compacted;
    match scene.contract.order {
        OrderScope::Partition if !is_compacted => Some(Order::OfPartition),
        OrderScope::Partition | OrderScope::Key => scene.key(source).map(Order::OfKey),
    }
}

/// The records of each set of equals.
fn equals(scene: &Scene<'_>) -> HashMap<u32, Equals> {
    let mut sets = HashMap::<_, Equals>::new();
    for (source, set) in &scene.correspondence.equal {
        let home = scene.source(*source).at;
        sets.entry(*set).or_default().entry(home).or_default().push(*source);
    }
    sets.values_mut().flat_map(Equals::values_mut).for_each(|members| members.sort_unstable());
    sets
}

/// The last records of each key of a compacted topic that must have come to a partition that shows everything.
fn ends(scene: &Scene<'_>) -> HashMap<u32, Way> {
    let must_be_there = |source: u32| {
        scene.history.completeness() == Completeness::Final
            && scene.is_judged(source)
            && !scene.may_be_spread(source)
            && scene.absence_by_place(source) == Circumstance::Plain
    };
    let mut ends = HashMap::<_, Way>::new();
    for ((from, key), source) in &scene.last_of_key {
        if must_be_there(*source) {
            ends.entry(*key).or_default().insert(*from, *source);
        }
    }
    ends
}

/// `copied`: the records that the copies of a sequence were taken for ones of.
fn is_mixture(
    scene: &Scene<'_>,
    copied: &[u32],
    equals: &HashMap<u32, Equals>,
    ends: &Way,
) -> bool {
    let mut known = HashSet::new();
    if !copied.iter().all(|source| known.insert(source)) {
        // What comes twice is found for that.
        return true;
    }
    let mut ways = HashSet::from([Way::new()]);
    for source in copied.iter().rev() {
        let sole = Equals::from([(scene.source(*source).at, vec![*source])]);
        let set = scene.correspondence.equal.get(source);
        let equals = set.map_or(&sole, |set| &equals[set]);
        let longer = |way: &Way| {
            let latest = |(from, members): (&TopicPartition, &Vec<u32>)| {
                let latest = match way.get(from) {
                    Some(told) => members[..members.partition_point(|one| one < told)].last(),
                    None => {
                        members.last().filter(|one| ends.get(from).is_none_or(|end| end == *one))
                    }
                };
                let mut longer = way.clone();
                longer.insert(*from, *latest?);
                Some(longer)
            };
            equals.iter().filter_map(latest).collect::<Vec<_>>()
        };
        ways = ways.iter().flat_map(longer).collect();
        if ways.len() > MOST_WAYS {
            return true;
        }
    }
    ways.iter().any(|way| ends.keys().all(|from| way.contains_key(from)))
}
