//! Copies with the headers of an equal record: whose are they?
//!
//! Equal records may differ in headers that the subject may add as well. Which of them a copy is of is chosen where they
//! have no order, or may have been copied twice. So one that is as another of them must become is not damaged, if each record
//! that had to arrive can have a copy of its own.
//!
//! ```text
//! source       x             x with h=1        where h may be added
//! destination  x with h=1    x with h=2        the first is of the second, and h=2 was added to the other
//! ```

use super::scene::Scene;
use crate::likeness::is_like;
use std::collections::{BTreeMap, HashMap, HashSet};

/// So many different headers of equal records are tried on a copy.
const MOST_LOOKS: usize = 64;
/// So many copies may find no record before the rest are not tried.
const MOST_IN_VAIN: usize = 1000;

/// Copies of records that nothing tells apart and that are not as their record must become, but as one of its equals
/// must.
#[derive(Default)]
pub(crate) struct Borrowed {
    /// There may be one for each record that had to arrive.
    pub(super) lawful: HashSet<u32>,
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

    /// Looks for a copy of its own for each record of a set that had to arrive, or for so many as have copies. What is
    /// found shows that all is well; what is not found shows nothing.
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

fn is_first(scene: &Scene<'_>, copy: u32) -> bool {
    let first = |source: u32| scene.correspondence.first[source as usize];
    scene.correspondence.source_of(copy).is_some_and(|source| first(source) == copy)
}

fn is_odd(scene: &Scene<'_>, copy: u32) -> bool {
    scene.correspondence.source_of(copy).is_some_and(|source| {
        let original = &scene.source(source).content;
        !is_like(original, &scene.destination(copy).content, scene.contract)
    })
}

/// The copies of each set of records that nothing tells apart, if one of them is not as its record must become.
fn sets_with_odd_copies(scene: &Scene<'_>) -> BTreeMap<u32, Vec<u32>> {
    let correspondence = &scene.correspondence;
    let set_of = |copy: u32| {
        let source = correspondence.source_of(copy)?;
        // In an order, with nothing copied twice and nothing gone, each copy has its place.
        let is_chosen = correspondence.unordered.contains(&source)
            || !scene.history.events.is_empty()
            || scene.may_have_expired(source);
        is_chosen.then(|| correspondence.equal.get(&source).copied()).flatten()
    };
    let copies = || 0..scene.history.destination.len() as u32;
    let odd: HashSet<u32> =
        copies().filter_map(|copy| set_of(copy).filter(|_| is_odd(scene, copy))).collect();
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
