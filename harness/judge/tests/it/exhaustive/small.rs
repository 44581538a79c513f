//! Tiny histories: all there are of some size, and their text.

use super::{
    Scope,
    oracle::{Kill, Log, Places, Record, Seen},
};
use std::fmt::Write;

/// The text of a history, as `format` reads it.
pub(super) fn text(seen: &Seen) -> String {
    text_with(seen, |_, _| String::new())
}

fn name(record: &Record) -> String {
    match record {
        (key, None) => format!("{key}:null"),
        (key, Some(value)) => format!("{key}:{value}"),
    }
}

/// `mark`: what is added to a record on either side, by its number among all.
pub(super) fn text_with(seen: &Seen, mark: impl Fn(bool, usize) -> String) -> String {
    let places = match seen.places {
        Places::Any => "any",
        Places::Preserve => "preserve",
        Places::ByKey => "murmur2",
    };
    let order = if seen.whole { "partition" } else { "key" };
    let mut text = format!("contract {{\"partitioning\": \"{places}\", \"order\": \"{order}\"}}\n");
    let (from, to) = (seen.source.len(), seen.destination.len());
    let compacted = if seen.compacted { " compacted" } else { "" };
    let _ = writeln!(text, "topic t {from} -> {to}{compacted}");
    for (side, logs) in [("source", &seen.source), ("destination", &seen.destination)] {
        let mut number = 0;
        for (partition, log) in logs.iter().enumerate() {
            let _ = write!(text, "{side} t/{partition}:");
            let mut next = 0;
            for (offset, shown) in log.iter().enumerate() {
                let Some(record) = shown else { continue };
                if offset != next {
                    let _ = write!(text, " @{offset}");
                }
                let _ = write!(text, " {}{}", name(record), mark(side == "source", number));
                (number, next) = (number + 1, offset + 1);
            }
            if next != log.len() {
                let _ = write!(text, " @{}", log.len());
            }
            text.push('\n');
        }
    }
    if let Some(kill) = &seen.kill {
        let list = |numbers: &[usize]| {
            let one = |(partition, number): (usize, &usize)| format!("t/{partition}={number} ");
            numbers.iter().enumerate().map(one).collect::<String>()
        };
        let (ends, committed) = (list(&kill.ends), list(&kill.committed));
        let _ = writeln!(text, "event kill when {ends}committed {committed}");
    }
    text
}

/// All sequences of at most so many of the items, shortest first.
fn sequences<T: Clone>(items: &[T], most: usize) -> Vec<Vec<T>> {
    let mut all = vec![Vec::new()];
    let mut last: Vec<Vec<T>> = all.clone();
    for _ in 0..most {
        let longer = |head: &Vec<T>| {
            let one = |item: &T| [head.as_slice(), std::slice::from_ref(item)].concat();
            items.iter().map(one).collect::<Vec<_>>()
        };
        last = last.iter().flat_map(longer).collect();
        all.extend(last.clone());
    }
    all
}

/// All ways to put so many records in so many partitions.
pub(super) fn spreads(records: &[Record], partitions: usize, most: usize) -> Vec<Vec<Vec<Record>>> {
    let of_one = sequences(records, most);
    let mut all: Vec<Vec<Vec<Record>>> = vec![Vec::new()];
    for _ in 0..partitions {
        let longer = |head: &Vec<Vec<Record>>| {
            let used: usize = head.iter().map(Vec::len).sum();
            let fits = of_one.iter().filter(|one| one.len() + used <= most);
            fits.map(|one| [head.as_slice(), std::slice::from_ref(one)].concat())
                .collect::<Vec<_>>()
        };
        all = all.iter().flat_map(longer).collect();
    }
    all
}

/// Whether keys and values come in the order of the alphabet: the others are the same by other names.
pub(super) fn is_canonical(source: &[Vec<Record>]) -> bool {
    let (mut keys, mut values) = (vec![], vec![]);
    for (key, value) in source.iter().flatten() {
        if *key != '_' && !keys.contains(key) {
            keys.push(*key);
        }
        if let Some(value) = value.filter(|value| !values.contains(value)) {
            values.push(value);
        }
    }
    keys.is_sorted()
        && values.is_sorted()
        && keys.first().is_none_or(|key| *key == 'a')
        && values.first().is_none_or(|value| *value == 'x')
}

pub(super) fn log(records: &[Record], roomy: bool) -> Log {
    let room = if roomy { vec![None] } else { Vec::new() };
    let mut log = room.clone();
    for record in records {
        log.push(Some(*record));
        log.extend(room.clone());
    }
    log
}

/// A log that was so long at a mark, with room on both sides of it.
fn cut(records: &[Record], at: usize, roomy: bool) -> (Log, usize) {
    let mut before = log(&records[..at], roomy);
    let end = before.len();
    before.extend(log(&records[at..], roomy));
    (before, end)
}

pub(super) fn kills(
    scope: &Scope,
    source: &[Log],
    records: &[Vec<Record>],
) -> Vec<(Vec<Log>, Option<Kill>)> {
    if !scope.killed {
        return vec![(records.iter().map(|one| log(one, scope.room.1)).collect(), None)];
    }
    let mut all = vec![(Vec::new(), Vec::new())];
    for one in records {
        let longer = |(logs, ends): &(Vec<Log>, Vec<usize>)| {
            let cuts = (0..=one.len()).map(|at| cut(one, at, scope.room.1));
            let add = |(log, end): (Log, usize)| {
                let (mut logs, mut ends) = (logs.clone(), ends.clone());
                logs.push(log);
                ends.push(end);
                (logs, ends)
            };
            cuts.map(add).collect::<Vec<_>>()
        };
        all = all.iter().flat_map(longer).collect();
    }
    let mut positions = vec![Vec::new()];
    for log in source {
        // Positions before records and at the end.
        let places = (0..=log.len()).filter(|at| log.get(*at).is_none_or(Option::is_some));
        let places: Vec<usize> = places.collect();
        let longer = |head: &Vec<usize>| {
            places.iter().map(|at| [head.as_slice(), &[*at]].concat()).collect::<Vec<_>>()
        };
        positions = positions.iter().flat_map(longer).collect();
    }
    let with = |(logs, ends): (Vec<Log>, Vec<usize>)| {
        let kill = |committed: &Vec<usize>| {
            (logs.clone(), Some(Kill { ends: ends.clone(), committed: committed.clone() }))
        };
        positions.iter().map(kill).collect::<Vec<_>>()
    };
    all.into_iter().flat_map(with).collect()
}
