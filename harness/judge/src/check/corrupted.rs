//! `corrupted`: a copy differs from its record in key, value, headers or timestamp.
//!
//! ```text
//! source       key "a"  value "x"   headers h=1 h=2
//! destination  key "a"  value ""    headers h=2         value and headers differ
//! ```
//!
//! Every copy is compared, repeats too, and copies of what was aborted, whether the contract allows them or not.
//! Null and empty differ. What a subject may change is said in `likeness`.
//!
//! Equal records may differ in headers that the subject may add as well. Which of them a copy is of is chosen
//! where they have no order, or may have been copied twice: one that is as another of them must become is not damaged, if there is a record for each copy.

use super::{
    Check, Observation,
    evidence::{on_destination, printable, value},
    scene::Scene,
    tally::Tally,
};
use crate::{
    contract::Contract,
    correspondence::Recognition,
    history::{Content, HeaderRef, Headers, Payload, Timestamp},
    likeness::{has_headers, has_time, is_like, may_be_added},
    verdict::{Anomaly, Circumstance, Finding},
};
use std::collections::{BTreeMap, HashMap, HashSet};

pub(super) fn check<'s>(scene: &'s Scene<'s>) -> Box<dyn Check + 's> {
    let borrowed = Borrowed::of(scene);
    Box::new(Corrupted { scene, borrowed, tally: Tally::of(Anomaly::Corrupted) })
}

struct Corrupted<'s> {
    scene: &'s Scene<'s>,
    borrowed: Borrowed,
    /// Destination record and what it is a copy of.
    tally: Tally<(u32, &'s Content)>,
}

/// So many different headers of equal records are tried on a copy.
const MOST_LOOKS: usize = 64;
/// So many copies may find no record before the rest are not tried.
const MOST_IN_VAIN: usize = 1000;

/// Copies of records that nothing tells apart and that are not as their record must become, but as one of its equals
/// must.
#[derive(Default)]
pub(crate) struct Borrowed {
    /// There may be one for each record that had to arrive.
    lawful: HashSet<u32>,
    /// Nobody has found out how that could be.
    pub(crate) doubtful: HashSet<u32>,
}

/// Records of a set that have the same headers and time.
struct Look {
    source: u32,
    /// How many of them had to arrive.
    required: usize,
}

impl Borrowed {
    pub(crate) fn of(scene: &Scene<'_>) -> Borrowed {
        let mut borrowed = Borrowed::default();
        if scene.contract.added_headers.is_empty() {
            return borrowed;
        }
        let sets = sets_with_odd_copies(scene);
        let looks = looks(scene, &sets);
        for (set, copies) in &sets {
            borrowed.account(scene, copies, &looks[set]);
        }
        borrowed
    }

    /// Looks for a copy of its own for each record of a set that had to arrive, or so many as have copies. What is found shows that all is well; what
    /// is not found shows nothing.
    fn account(&mut self, scene: &Scene<'_>, copies: &[u32], looks: &[Look]) {
        let odd = copies.iter().copied().filter(|copy| is_odd(scene, *copy));
        if looks.len() > MOST_LOOKS {
            self.doubtful.extend(odd);
            return;
        }
        let may_be_of = |copy: &u32| -> Vec<usize> {
            let content = &scene.destination(*copy).content;
            let is_of =
                |look: &Look| is_like(&scene.source(look.source).content, content, scene.contract);
            (0..looks.len()).filter(|index| is_of(&looks[*index])).collect()
        };
        let mut candidates: Vec<(u32, Vec<usize>)> =
            copies.iter().map(|copy| (*copy, may_be_of(copy))).collect();
        // What is like none of them is damaged.
        candidates.retain(|(_, looks)| !looks.is_empty());
        let is_known: HashSet<u32> = candidates.iter().map(|(copy, _)| *copy).collect();
        let is_counted = |copy: &&u32| is_known.contains(*copy) && is_first(scene, **copy);
        // The others repeat one of them, or are of records that need not have arrived.
        let required: usize = looks.iter().map(|look| look.required).sum();
        let wanted = required.min(copies.iter().filter(is_counted).count());
        let may_be_of: Vec<Vec<usize>> = candidates.into_iter().map(|(_, looks)| looks).collect();
        let all_found = Places::new(looks, &may_be_of).find(wanted);
        let known = odd.filter(|copy| is_known.contains(copy));
        if all_found { self.lawful.extend(known) } else { self.doubtful.extend(known) }
    }
}

/// Which copies are taken for records of each look: a matching that grows by changing places (Kuhn's algorithm).
struct Places<'p> {
    required: Vec<usize>,
    may_be_of: &'p [Vec<usize>],
    taken: Vec<Vec<usize>>,
}

impl<'p> Places<'p> {
    fn new(looks: &[Look], may_be_of: &'p [Vec<usize>]) -> Places<'p> {
        let required = looks.iter().map(|look| look.required).collect();
        Places { required, may_be_of, taken: vec![Vec::new(); looks.len()] }
    }

    /// Whether so many copies find a place; it gives up after many that find none.
    fn find(mut self, wanted: usize) -> bool {
        let (mut found, mut in_vain) = (0, 0);
        for copy in 0..self.may_be_of.len() {
            if found >= wanted || in_vain > MOST_IN_VAIN {
                break;
            }
            let mut seen = vec![false; self.required.len()];
            if self.place(copy, &mut seen) { found += 1 } else { in_vain += 1 }
        }
        found >= wanted
    }

    fn place(&mut self, copy: usize, seen: &mut [bool]) -> bool {
        let may_be_of = self.may_be_of;
        for look in may_be_of[copy].iter().copied() {
            if std::mem::replace(&mut seen[look], true) {
                continue;
            }
            if self.taken[look].len() < self.required[look] {
                self.taken[look].push(copy);
                return true;
            }
            for index in 0..self.taken[look].len() {
                if self.place(self.taken[look][index], seen) {
                    self.taken[look][index] = copy;
                    return true;
                }
            }
        }
        false
    }
}

fn source_of(scene: &Scene<'_>, copy: u32) -> Option<u32> {
    scene.correspondence.source_of(copy)
}

fn is_first(scene: &Scene<'_>, copy: u32) -> bool {
    let first = |source: u32| scene.correspondence.first[source as usize];
    source_of(scene, copy).is_some_and(|source| first(source) == copy)
}

fn is_odd(scene: &Scene<'_>, copy: u32) -> bool {
    source_of(scene, copy).is_some_and(|source| {
        let original = &scene.source(source).content;
        !is_like(original, &scene.destination(copy).content, scene.contract)
    })
}

/// The copies of each set of records that nothing tells apart, if one of them is not as its record must become.
fn sets_with_odd_copies(scene: &Scene<'_>) -> BTreeMap<u32, Vec<u32>> {
    let correspondence = &scene.correspondence;
    let set_of = |copy: u32| {
        let source = source_of(scene, copy)?;
        // In an order, with nothing copied twice and nothing gone, each copy has its place.
        let is_chosen = correspondence.unordered.contains(&source)
            || !scene.history.events.is_empty()
            || scene.may_have_expired(source);
        is_chosen.then(|| correspondence.equal.get(&source).copied()).flatten()
    };
    let copies = || 0..scene.history.destination.len() as u32;
    let odd: HashSet<u32> =
        copies().filter(|copy| is_odd(scene, *copy)).filter_map(set_of).collect();
    let mut sets = BTreeMap::<u32, Vec<u32>>::new();
    if !odd.is_empty() {
        for copy in copies() {
            if let Some(set) = set_of(copy).filter(|set| odd.contains(set)) {
                sets.entry(set).or_default().push(copy);
            }
        }
    }
    sets
}

/// How the records of these sets look.
fn looks(scene: &Scene<'_>, sets: &BTreeMap<u32, Vec<u32>>) -> HashMap<u32, Vec<Look>> {
    let (mut looks, mut known) = (HashMap::<u32, Vec<Look>>::new(), HashMap::new());
    for source in 0..scene.history.source.len() as u32 {
        let Some(set) = scene.correspondence.equal.get(&source) else { continue };
        if !sets.contains_key(set) {
            continue;
        }
        let content = &scene.source(source).content;
        let headers: Vec<_> = content.headers().collect();
        let of_set = looks.entry(*set).or_default();
        let index = *known.entry((*set, headers, content.timestamp())).or_insert_with(|| {
            of_set.push(Look { source, required: 0 });
            of_set.len() - 1
        });
        of_set[index].required +=
            usize::from(scene.is_judged(source) && scene.had_to_arrive(source));
    }
    looks
}

impl Check for Corrupted<'_> {
    fn step(&mut self, observation: Observation) {
        let (destination, original) = match observation {
            Observation::Copy { destination, source, .. } => {
                (destination, &self.scene.source(source).content)
            }
            Observation::Other(destination, Recognition::Aborted(aborted)) => {
                let original = &self.scene.history.aborted[aborted as usize].content;
                if original.ids().next().is_none() {
                    // Found by its content, of which there may be more, written at another time.
                    return;
                }
                (destination, original)
            }
            Observation::Source(_) | Observation::Other(..) | Observation::Commit(_) => return,
        };
        let copy = &self.scene.destination(destination).content;
        let is_borrowed = self.borrowed.lawful.contains(&destination)
            || self.borrowed.doubtful.contains(&destination);
        if !is_borrowed && !is_like(original, copy, self.scene.contract) {
            self.tally.add(Circumstance::Plain, (destination, original));
        }
    }

    fn finish(self: Box<Self>) -> Vec<Finding> {
        let scene = self.scene;
        self.tally.findings(|(destination, original)| {
            let copy = &scene.destination(destination).content;
            let detail = differences(original, copy, scene.contract).join("; ");
            on_destination(scene, destination, detail)
        })
    }
}

/// What differs, a fragment for each field.
fn differences(original: &Content, copy: &Content, contract: &Contract) -> Vec<String> {
    let mut differences = Vec::new();
    let key = |key: Option<&[u8]>| match key {
        None => "null".to_string(),
        Some([]) => "empty".to_string(),
        Some(key) => printable(key),
    };
    if original.key() != copy.key() {
        differences.push(format!(
            "key differs: {} became {}",
            key(original.key()),
            key(copy.key())
        ));
    }
    if original.value() != copy.value() {
        differences.push(value_difference(original.value(), copy.value()));
    }
    if !has_headers(original.headers(), copy.headers(), contract) {
        let what = header_difference(original.headers(), copy.headers(), contract);
        differences.push(format!("headers differ: {what}"));
    }
    if !has_time(original.timestamp(), copy.timestamp(), contract) {
        let time = |timestamp| match timestamp {
            Timestamp::None => "none".to_string(),
            Timestamp::Create(time) => format!("{time} (set by a producer)"),
            Timestamp::Append(time) => format!("{time} (set by a broker)"),
        };
        let (from, to) = (time(original.timestamp()), time(copy.timestamp()));
        differences.push(format!("timestamp differs: {from} became {to}"));
    }
    differences
}

fn value_difference(original: Payload<'_>, copy: Payload<'_>) -> String {
    let length = |payload: Payload<'_>| match payload.length() {
        None => "null".to_string(),
        Some(0) => "empty".to_string(),
        Some(length) => format!("{length} bytes"),
    };
    if length(original) == length(copy) {
        format!("value differs: {} became {}", value(original), value(copy))
    } else {
        format!("value differs: {} became {}", length(original), length(copy))
    }
}

/// What happened to the headers, as far as it has a name.
fn header_difference(original: Headers<'_>, copy: Headers<'_>, contract: &Contract) -> String {
    fn count(headers: Headers<'_>) -> BTreeMap<HeaderRef<'_>, i64> {
        let mut counts = BTreeMap::new();
        for header in headers {
            *counts.entry(header).or_default() += 1;
        }
        counts
    }
    let (mut dropped, mut extra) = (count(original), count(copy));
    for (header, count) in &mut dropped {
        let there = extra.entry(*header).or_default();
        let common = (*count).min(*there);
        *count -= common;
        *there -= common;
    }
    dropped.retain(|_, count| *count > 0);
    extra.retain(|header, count| *count > 0 && !may_be_added(header, contract));
    if dropped.is_empty() && extra.is_empty() {
        return "reordered".into();
    }
    let mut what = Vec::new();
    let many = |headers: Headers<'_>, name: &str| headers.filter(|h| h.name == name).count();
    for header in dropped.into_keys() {
        let became = extra.keys().find(|other| other.name == header.name).copied();
        let name = header.name;
        let (before, after) = (many(original, name), many(copy, name));
        what.push(match became {
            Some(other) => {
                extra.remove(&other);
                let value = |header: HeaderRef<'_>| match header.value {
                    None => "null".to_string(),
                    Some([]) => "empty".to_string(),
                    Some(value) => printable(value),
                };
                format!("{name:?}: {} became {}", value(header), value(other))
            }
            None if after > 0 && before > after => {
                format!("{before} headers {name:?} merged into {after}")
            }
            None => format!("{name:?} dropped"),
        });
    }
    what.extend(extra.into_keys().map(|header| format!("{:?} added", header.name)));
    what.dedup();
    what.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Header;

    fn headers(text: &str) -> Content {
        let header = |(name, value): (&str, &str)| Header {
            name: name.into(),
            value: (value != "null").then(|| value.into()),
        };
        let words = text.split_whitespace();
        let headers = words.map(|word| header(word.split_once('=').unwrap())).collect();
        Content::of(None, None, headers, Timestamp::None)
    }

    #[track_caller]
    fn check(original: &str, copy: &str, expected: Option<&str>) {
        let (original, copy) = (headers(original), headers(copy));
        let (original, copy) = (original.headers(), copy.headers());
        let contract = Contract { added_headers: vec!["trace".into()], ..Contract::default() };
        let found = (!has_headers(original, copy, &contract))
            .then(|| header_difference(original, copy, &contract));
        assert_eq!(found.as_deref(), expected);
    }

    #[test]
    fn what_happened_to_headers_has_a_name() {
        check("a=1 b=2", "a=1 b=2", None);
        check("a=1 b=2", "trace=9 a=1 trace=8 b=2", None);
        check("trace=1", "trace=1 trace=2", None);
        check("trace=1", "trace=2", Some("\"trace\" dropped"));
        check("a=1 b=2", "b=2 a=1", Some("reordered"));
        check("a=1 b=2", "a=1", Some("\"b\" dropped"));
        check("a=1", "a=1 b=2", Some("\"b\" added"));
        check("a=1 a=2", "a=2", Some("2 headers \"a\" merged into 1"));
        check("a=null", "a=", Some("\"a\": null became empty"));
        check("a=1", "a=1 a=1", Some("\"a\" added"));
    }
}
