//! Whether a tiny destination can come from a mirror that keeps its contract: by trying all that such a mirror may do.
//!
//! It shares nothing with the judge. A mirror copies the records of each key of a source partition in order, and those of several
//! keys and partitions in any mixture, or each source partition as a whole in order, as its contract says; puts each where its
//! contract allows; is killed once, or not at all, and then begins again where it had committed. What it had on its way to a
//! partition may be lost with it from some record on, but nothing that it had committed. Compacted topics are cleaned on both
//! sides:
//!
//! - a record may be gone if a later one of its key lies in its partition, a tombstone also if nothing older of its key is left;
//! - a record that a later one of its key supersedes need not be copied at all (the design's word);
//! - at an offset of the source that shows nothing there may have been a record that has been forgotten since, and was copied.
//!   Who copied one of a key has also copied the tombstone that the key ended with, if that is gone as well.
//!
//! An offset that shows nothing holds at most one record. A mirror with two writers at a time, or one that retries, is not tried.

use std::collections::{BTreeMap, BTreeSet, HashSet};

/// A key and a value; `null` is none. The key `_` is null: what has it is never removed.
pub(super) type Record = (char, Option<char>);
/// What each offset of a partition shows.
pub(super) type Log = Vec<Option<Record>>;

/// Where a mirror may put a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Places {
    Any,
    Preserve,
    /// By Java's hash: of two partitions both keys belong to the first, and null may lie in any.
    ByKey,
}

/// The mirror was killed once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kill {
    /// The destination's ends when it was killed.
    pub(super) ends: Vec<usize>,
    /// Its positions once it was gone.
    pub(super) committed: Vec<usize>,
}

/// All that is seen of an experiment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Seen {
    pub(super) places: Places,
    /// Whether the order of partitions is promised, not that of keys alone.
    pub(super) whole: bool,
    pub(super) compacted: bool,
    pub(super) source: Vec<Log>,
    pub(super) destination: Vec<Log>,
    pub(super) kill: Option<Kill>,
}

/// Whether a mirror that keeps its contract can leave what is seen.
pub(super) fn is_lawful(seen: &Seen) -> bool {
    let records = records(seen);
    let lanes = lanes(seen, &records);
    let state = State {
        life: if seen.kill.is_some() { Life::First } else { Life::Last },
        next: vec![0; lanes.len()],
        filled: vec![0; seen.destination.len()],
        removed: BTreeMap::new(),
        forgotten: BTreeMap::new(),
        open: BTreeSet::new(),
        gone: vec![false; seen.destination.len()],
    };
    let mut known = HashSet::new();
    let mut left = vec![state];
    while let Some(state) = left.pop() {
        if state.is_end(seen, &lanes) {
            return true;
        }
        if known.insert(state.clone()) {
            left.extend(state.steps(seen, &lanes, &records));
        }
    }
    false
}

/// All that may have been written.
fn records(seen: &Seen) -> Vec<Record> {
    let shown = seen.source.iter().chain(&seen.destination).flatten().flatten();
    let mut records: Vec<_> = shown.copied().collect();
    let keyed = records.clone().into_iter().filter(|record| record.0 != '_');
    records.extend(keyed.map(|(key, _)| (key, None)));
    records.sort_unstable();
    records.dedup();
    records
}

/// What a mirror copies in order: a source partition and a key, or all keys.
type Lane = (usize, Option<char>);

fn lanes(seen: &Seen, records: &[Record]) -> Vec<Lane> {
    let key = |record: &Record| (!seen.whole).then_some(record.0);
    let mut keys: Vec<Option<char>> = records.iter().map(key).collect();
    keys.dedup();
    (0..seen.source.len()).flat_map(|from| keys.iter().map(move |key| (from, *key))).collect()
}

/// Where a mirror is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Life {
    /// Before it is killed.
    First,
    /// The destination's ends have been read, what is on its way arrives.
    Dying,
    /// To the end.
    Last,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    life: Life,
    /// The next offset of each lane.
    next: Vec<usize>,
    /// The next offset of each destination partition.
    filled: Vec<usize>,
    /// Keys whose last record in a destination partition so far has been removed, and whether it was a tombstone.
    removed: BTreeMap<(usize, char), bool>,
    /// What lay at offsets of the source that show nothing, where it was read.
    forgotten: BTreeMap<(usize, usize), Record>,
    /// Keys of a source partition that must still come to a forgotten tombstone.
    open: BTreeSet<(usize, char)>,
    /// Destination partitions to which nothing gets through any more.
    gone: Vec<bool>,
}

impl State {
    fn is_end(&self, seen: &Seen, lanes: &[Lane]) -> bool {
        let read =
            self.next.iter().zip(lanes).all(|(next, lane)| *next == seen.source[lane.0].len());
        let shown = |(filled, log): (&usize, &Log)| log[*filled..].iter().all(Option::is_none);
        let clean = |((to, key), tombstone): (&(usize, char), &bool)| {
            *tombstone && !seen.destination[*to].iter().flatten().any(|record| record.0 == *key)
        };
        self.life == Life::Last
            && read
            && self.open.is_empty()
            && self.filled.iter().zip(&seen.destination).all(shown)
            && self.removed.iter().all(clean)
    }

    fn steps(&self, seen: &Seen, lanes: &[Lane], records: &[Record]) -> Vec<State> {
        let mut steps = Vec::new();
        if let Some(kill) = &seen.kill {
            self.die(seen, lanes, kill, &mut steps);
        }
        for (lane, (from, key)) in lanes.iter().copied().enumerate() {
            let at = self.next[lane];
            let Some(shown) = seen.source[from].get(at) else { continue };
            let mut behind = self.clone();
            behind.next[lane] += 1;
            let is_here = |record: &Record| key.is_none_or(|key| record.0 == key);
            match shown {
                Some(record) if !is_here(record) => steps.push(behind),
                Some(record) => {
                    if seen.compacted && is_followed(seen, from, at, record.0) {
                        steps.push(behind.clone());
                    }
                    behind.write(seen, (from, at), *record, &mut steps);
                }
                None => {
                    steps.push(behind.clone());
                    if seen.compacted {
                        let is_forgettable = |record: &&Record| record.0 != '_' && is_here(record);
                        for record in records.iter().filter(is_forgettable) {
                            behind.read_forgotten(seen, (from, at), *record, &mut steps);
                        }
                    }
                }
            }
        }
        steps
    }

    /// What a kill does.
    fn die(&self, seen: &Seen, lanes: &[Lane], kill: &Kill, steps: &mut Vec<State>) {
        if self.life == Life::First {
            let shown = |to: usize| {
                let log = &seen.destination[to];
                log.get(self.filled[to]..kill.ends[to])
                    .is_some_and(|l| l.iter().all(Option::is_none))
            };
            if (0..seen.destination.len()).all(shown) {
                let filled = kill.ends.clone();
                steps.push(State { life: Life::Dying, filled, ..self.clone() });
            }
        }
        if self.life != Life::Last {
            for to in (0..seen.destination.len()).filter(|to| !self.gone[*to]) {
                let mut blocked = self.clone();
                blocked.gone[to] = true;
                steps.push(blocked);
            }
        }
        let positions: Vec<usize> = lanes.iter().map(|lane| kill.committed[lane.0]).collect();
        if self.life == Life::Dying && self.next.iter().zip(&positions).all(|(n, c)| n >= c) {
            let (next, gone) = (positions, vec![false; self.gone.len()]);
            steps.push(State { life: Life::Last, next, gone, ..self.clone() });
        }
    }

    fn read_forgotten(
        &self,
        seen: &Seen,
        place: (usize, usize),
        record: Record,
        steps: &mut Vec<State>,
    ) {
        let (from, at) = place;
        let (key, value) = record;
        let holds = || seen.source[from].iter().flatten().any(|record| record.0 == key);
        let is_another = |before: &Record| *before != record;
        if self.forgotten.get(&place).is_some_and(is_another) {
            return;
        }
        let mut read = self.clone();
        read.forgotten.insert(place, record);
        if !is_followed(seen, from, at, key) {
            if holds() {
                return;
            }
            read.open.insert((from, key));
            if value.is_none() {
                read.open.remove(&(from, key));
            }
        }
        read.write(seen, place, record, steps);
    }

    /// Writes what was read at a place of the source, wherever that is allowed.
    fn write(&self, seen: &Seen, place: (usize, usize), record: Record, steps: &mut Vec<State>) {
        for to in 0..seen.destination.len() {
            let is_allowed = match seen.places {
                Places::Any => true,
                Places::Preserve => to == place.0,
                Places::ByKey => to == 0 || record.0 == '_',
            };
            if is_allowed {
                self.write_to(seen, place, record, to, steps);
            }
        }
    }

    fn write_to(
        &self,
        seen: &Seen,
        (from, at): (usize, usize),
        record: Record,
        to: usize,
        steps: &mut Vec<State>,
    ) {
        if self.gone[to] {
            // What is committed was delivered.
            if seen.kill.as_ref().is_some_and(|kill| kill.committed[from] <= at) {
                steps.push(self.clone());
            }
            return;
        }
        let (log, filled) = (&seen.destination[to], self.filled[to]);
        let end = match (&seen.kill, self.life) {
            (Some(kill), Life::First) => kill.ends[to],
            _ => log.len(),
        };
        let open = &log[filled.min(end)..end];
        if seen.compacted && record.0 != '_' && open.first() == Some(&None) {
            let mut removed = self.clone();
            removed.filled[to] += 1;
            removed.removed.insert((to, record.0), record.1.is_none());
            steps.push(removed);
        }
        if let Some(place) = open.iter().position(Option::is_some)
            && open[place] == Some(record)
        {
            let mut shown = self.clone();
            shown.filled[to] = filled + place + 1;
            shown.removed.remove(&(to, record.0));
            steps.push(shown);
        }
    }
}

/// Whether the source shows a later record of the key in this partition.
fn is_followed(seen: &Seen, from: usize, at: usize, key: char) -> bool {
    key != '_' && seen.source[from][at + 1..].iter().flatten().any(|record| record.0 == key)
}
