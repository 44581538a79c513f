//! Mutations that leave a history lawful: what one of the faults does, where the contract or an
//! event allows it.

use super::{Bench, strangers::stranger};
use crate::format::{RUN, generated};
use judge::{contract::*, history::*};
use rand::{RngExt, seq::IndexedRandom};

/// Whether a copy has neither a place nor an order, and no time: its key is null, nobody promised those of
/// its partition, and no sample says that it was there.
fn is_free(bench: &Bench, copy: usize) -> bool {
    bench.history.destination[copy].content.key().is_none()
        && bench.contract.partitioning != Partitioning::Preserve
        && bench.contract.order == OrderScope::Key
        && !bench.is_sampled(copy)
}

/// `misplace` of a null key.
pub(crate) fn move_unplaced(bench: &mut Bench) -> Option<()> {
    let free: Vec<_> = bench.sole_copies().into_iter().filter(|c| is_free(bench, *c)).collect();
    let index = *free.choose(&mut bench.random)?;
    let copy = bench.history.destination[index].clone();
    let count = bench.history.topics[copy.at.topic as usize].destination_partitions[0];
    let partition = (copy.at.partition + 1) % count;
    let at = TopicPartition { partition, ..copy.at };
    bench.history.destination.remove(index);
    let end = bench.end(at);
    bench.write(at, end, copy.content);
    Some(())
}

/// `rewind` of what an event did not find committed.
pub(crate) fn repeat_explained(bench: &mut Bench) -> Option<()> {
    // With a key it would have to be the last of it: that is `stale`.
    let explained = |copy: &usize| {
        let ((from, offset), record) = (bench.original(*copy), &bench.history.destination[*copy]);
        let open = |event: &Event| {
            event.was_not_over(record) && event.committed.get(&from).is_none_or(|at| offset >= *at)
        };
        record.content.key().is_none() && bench.history.events.iter().any(open)
    };
    let copies: Vec<_> = bench.sole_copies().into_iter().filter(explained).collect();
    let copy = bench.history.destination[*copies.choose(&mut bench.random)?].clone();
    let end = bench.end(copy.at);
    bench.write(copy.at, end, copy.content);
    Some(())
}

/// `reorder` of two keys.
pub(crate) fn swap_unordered(bench: &mut Bench) -> Option<()> {
    if bench.contract.order != OrderScope::Key {
        return None;
    }
    let (sole, records) = (bench.sole_copies(), &bench.history.destination);
    let neighbours = sole.windows(2).filter(|pair| {
        let (one, other) = (&records[pair[0]], &records[pair[1]]);
        pair[0] + 1 == pair[1]
            && one.at == other.at
            && one.content.key() != other.content.key()
            && !pair.iter().any(|copy| bench.has_rivals(*copy))
            && bench.are_seen_together(one.at, [one.offset, other.offset])
    });
    let neighbours: Vec<_> = neighbours.map(|pair| (pair[0], pair[1])).collect();
    let (left, right) = *neighbours.choose(&mut bench.random)?;
    let content = records[left].content.clone();
    bench.history.destination[left].content = records[right].content.clone();
    bench.history.destination[right].content = content;
    Some(())
}

/// `leak` of a record of which its producer was not told that it failed.
pub(crate) fn show_undecided(bench: &mut Bench) -> Option<()> {
    let at = bench.history.destination.choose(&mut bench.random)?.at;
    let sequence = bench.random.random_range(3_000_000..4_000_000);
    let id = RecordId { run: RUN, producer: 8, key: 9, sequence };
    let outcome = Outcome::Indeterminate;
    bench.history.produced.push(Produced { topic: at.topic, id, outcome });
    stranger(bench, at, id);
    Some(())
}

/// `leak_aborted` where the contract reads uncommitted records, in its order and in its place: right behind
/// another record of its key.
pub(crate) fn show_aborted(bench: &mut Bench) -> Option<()> {
    bench.contract.isolation = Isolation::ReadUncommitted;
    let index = bench.pick()?;
    let (from, offset) = bench.original(index);
    let copy = bench.history.destination[index].clone();
    let sequence = bench.random.random_range(6_000_000..7_000_000);
    let id = RecordId { run: RUN, producer: 5, key: 9, sequence };
    let content = generated(copy.content.key(), id, None);
    let offset = bench.behind(from, offset)?;
    bench.history.aborted.push(SourceRecord { at: from, offset, content: content.clone() });
    bench.write(copy.at, copy.offset.0 + 1, content);
    Some(())
}
