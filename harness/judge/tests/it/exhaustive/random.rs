//! Small histories that a mirror leaves, by chance: larger than all there are of a size can be, with as few contents.

use super::oracle::{Kill, Log, Places, Record, Seen};
use rand::{RngExt, SeedableRng, rngs::StdRng};

/// What a source partition held before compaction: each record, whether it is shown, and whether the mirror read it.
type Written = Vec<(Record, bool, bool)>;

/// A history that a mirror which keeps its contract may have left.
pub(super) fn seen(seed: u64, killed: bool) -> Seen {
    let random = &mut StdRng::seed_from_u64(seed);
    let places = [Places::Any, Places::Preserve, Places::ByKey][random.random_range(0..3)];
    let from = random.random_range(1..=2);
    let to = if places == Places::Preserve { from } else { random.random_range(1..=2) };
    let whole = random.random_bool(0.3);
    let compacted = random.random_bool(0.8);
    let contents: &[Record] = &[
        ('a', Some('x')),
        ('a', Some('y')),
        ('a', None),
        ('b', Some('x')),
        ('b', None),
        ('_', Some('x')),
    ];
    let contents = &contents[..random.random_range(2..=contents.len())];
    let written: Vec<Written> = (0..from)
        .map(|_| {
            let length = random.random_range(0..=4);
            let record = |random: &mut StdRng| contents[random.random_range(0..contents.len())];
            let records: Vec<Record> = (0..length).map(|_| record(random)).collect();
            clean(random, compacted, &records)
        })
        .collect();
    let mut keys: Vec<Option<char>> = contents.iter().map(|record| Some(record.0)).collect();
    keys.dedup();
    if whole {
        keys = vec![None];
    }
    let lanes: Vec<(usize, Option<char>)> =
        (0..from).flat_map(|from| keys.iter().map(move |key| (from, *key))).collect();
    let mut next = vec![0; lanes.len()];
    let mut destination: Vec<Vec<Record>> = vec![Vec::new(); to];
    let mut kill = None;
    let steps: usize = lanes.len() * 5;
    let dies_at = random.random_range(0..steps);
    let mut step = 0;
    loop {
        let open: Vec<usize> =
            (0..lanes.len()).filter(|lane| next[*lane] < written[lanes[*lane].0].len()).collect();
        if killed && kill.is_none() && (step == dies_at || open.is_empty()) {
            let committed: Vec<usize> = (0..from)
                .map(|from| {
                    let of = |lane: &usize| lanes[*lane].0 == from;
                    let least = (0..lanes.len()).filter(of).map(|lane| next[lane]).min();
                    random.random_range(0..=least.unwrap_or(0))
                })
                .collect();
            next = lanes.iter().map(|lane| committed[lane.0]).collect();
            kill = Some(Kill { ends: destination.iter().map(Vec::len).collect(), committed });
            continue;
        }
        step += 1;
        if open.is_empty() {
            break;
        }
        let lane = open[random.random_range(0..open.len())];
        let (from, key) = lanes[lane];
        let (record, _, is_read) = written[from][next[lane]];
        next[lane] += 1;
        if !is_read || key.is_some_and(|key| key != record.0) {
            continue;
        }
        let place = match places {
            Places::Preserve => from,
            Places::ByKey if record.0 != '_' => 0,
            Places::Any | Places::ByKey => random.random_range(0..to),
        };
        destination[place].push(record);
    }
    let shown = |written: &Written| -> Log {
        written.iter().map(|(record, is_shown, _)| is_shown.then_some(*record)).collect()
    };
    let removes = compacted && random.random_bool(0.6);
    let destination = destination.iter().map(|one| shown(&clean(random, removes, one))).collect();
    let source = written.iter().map(shown).collect();
    Seen { places, whole, compacted, source, destination, kill }
}

/// What compaction does to a partition.
fn clean(random: &mut StdRng, compacted: bool, records: &[Record]) -> Written {
    let mut written: Written = Vec::new();
    for (place, record) in records.iter().enumerate() {
        let is_followed =
            record.0 != '_' && records[place + 1..].iter().any(|later| later.0 == record.0);
        let is_bare = record.1.is_none()
            && !written.iter().any(|(before, is_shown, _)| *is_shown && before.0 == record.0);
        let may_go = compacted && (is_followed || is_bare);
        let is_shown = !(may_go && random.random_bool(0.5));
        let is_read = is_shown || !is_followed || random.random_bool(0.5);
        written.push((*record, is_shown, is_read));
    }
    written
}
