//! Faults of copies: one is missing, comes again, too late, elsewhere, or damaged.

use super::{Bench, Victim, id};
use judge::{contract::*, history::*, partition::java_partition};
use rand::{RngExt, seq::IndexedRandom};

pub(crate) fn lose(bench: &mut Bench) -> Option<Victim> {
    let index = bench.pick_needed()?;
    let victim = bench.on_source(index);
    bench.history.destination.remove(index);
    Some(victim)
}

pub(crate) fn duplicate(bench: &mut Bench) -> Option<Victim> {
    if !bench.history.events.is_empty() {
        return None;
    }
    let index = bench.pick()?;
    // The later of the two is the repeat, and this one lies behind the first.
    let victim = bench.on_source(index);
    let copy = bench.history.destination[index].clone();
    let end = bench.end(copy.at);
    let from = bench.random.random_range(copy.offset.0 + 1..=end);
    let place = bench.write(copy.at, from, copy.content);
    Some(Victim { destination: Some(place), ..victim })
}

pub(crate) fn rewind(bench: &mut Bench) -> Option<Victim> {
    let index = bench.pick()?;
    let (copy, (from, offset)) = (bench.history.destination[index].clone(), bench.original(index));
    let committed = |event: &Event| event.committed.get(&from).is_some_and(|at| offset < *at);
    if bench.history.events.is_empty() || !bench.history.events.iter().all(committed) {
        return None;
    }
    let (victim, end) = (bench.on_source(index), bench.end(copy.at));
    let place = bench.write(copy.at, end, copy.content);
    Some(Victim { destination: Some(place), ..victim })
}

pub(crate) fn reorder(bench: &mut Bench) -> Option<Victim> {
    if bench.may_hide_first_copies() {
        return None;
    }
    // Two neighbours of one source partition, key and destination partition.
    let sole = bench.sole_copies();
    let pairs: Vec<(usize, usize)> = sole
        .windows(2)
        .map(|pair| (pair[0], pair[1]))
        .filter(|(left, right)| {
            let (one, other) =
                (&bench.history.destination[*left], &bench.history.destination[*right]);
            let same_lane = match bench.contract.order {
                OrderScope::Key => {
                    one.content.key() == other.content.key() && one.content.key().is_some()
                }
                OrderScope::Partition => true,
            };
            let between = |index: usize| bench.original(index).0 == bench.original(*left).0;
            one.at == other.at
                && same_lane
                && !bench.has_rivals(*left)
                && !bench.has_rivals(*right)
                && between(*right)
                && !(left + 1..*right).any(|index| bench.history.destination[index].at == one.at)
        })
        .collect();
    let (left, right) = *pairs.choose(&mut bench.random)?;
    // The finding is of the record that comes too late: the earlier one, where the later one lay. The
    // later one itself is on time.
    let late = &bench.history.destination[right];
    let place = bench.destination_place(late.at, late.offset);
    let victim = bench.on_source(left);
    let content = bench.history.destination[left].content.clone();
    bench.touched.insert(id(&content));
    bench.touched.insert(id(&bench.history.destination[right].content));
    bench.history.destination[left].content = bench.history.destination[right].content.clone();
    bench.history.destination[right].content = content;
    Some(Victim { destination: Some(place), ..victim })
}

pub(crate) fn make_stale(bench: &mut Bench) -> Option<Victim> {
    if !bench.history.events.is_empty() {
        return None;
    }
    // A record that is not its key's last in that pair of partitions, written once more at the end.
    let history = &bench.history;
    let older: Vec<usize> = bench
        .sole_copies()
        .into_iter()
        .filter(|index| {
            let (copy, (from, offset)) = (&history.destination[*index], bench.original(*index));
            let later = |record: &SourceRecord| {
                record.at == from
                    && record.offset > offset
                    && record.content.key() == copy.content.key()
            };
            // Of equal records nobody can tell which of them came when.
            let once = |record: &SourceRecord| {
                let id = record.content.header_id();
                history.source.iter().filter(|other| other.content.header_id() == id).count() == 1
            };
            let copied = |record: &SourceRecord| {
                history.destination.iter().any(|other| {
                    other.at == copy.at && other.content.header_id() == record.content.header_id()
                })
            };
            copy.content.key().is_some()
                && history
                    .source
                    .iter()
                    .any(|record| later(record) && once(record) && copied(record))
        })
        .collect();
    let index = *older.choose(&mut bench.random)?;
    let (victim, copy) = (bench.on_source(index), history.destination[index].clone());
    // One stale key is one finding, however often: touch the whole key.
    let same = |record: &&SourceRecord| record.content.key() == copy.content.key();
    let touched: Vec<_> = history.source.iter().filter(same).map(|r| id(&r.content)).collect();
    bench.touched.extend(touched);
    // The finding is of the last copy: who reads the key's last value reads this one.
    let end = bench.end(copy.at);
    let place = bench.write(copy.at, end, copy.content);
    Some(Victim { destination: Some(place), ..victim })
}

pub(crate) fn misplace(bench: &mut Bench) -> Option<Victim> {
    let index = bench.pick()?;
    let copy = bench.history.destination[index].clone();
    let topic = &bench.history.topics[copy.at.topic as usize];
    let unplaced =
        copy.content.key().is_none() && bench.contract.partitioning != Partitioning::Preserve;
    if bench.contract.partitioning == Partitioning::Any
        || unplaced
        || topic.destination_partitions.len() > 1
        || topic.destination_partitions[0] < 2
        || bench.has_rivals(index)
    {
        return None;
    }
    let count = topic.destination_partitions[0];
    let partition = (copy.at.partition + bench.random.random_range(1..count)) % count;
    let at = TopicPartition { partition, ..copy.at };
    let victim = bench.on_source(index);
    bench.history.destination.remove(index);
    let end = bench.end(at);
    let place = bench.write(at, end, copy.content);
    Some(Victim { destination: Some(place), ..victim })
}

pub(crate) fn misplace_after_growth(bench: &mut Bench) -> Option<Victim> {
    let index = bench.pick()?;
    let copy = bench.history.destination[index].clone();
    let topic = &bench.history.topics[copy.at.topic as usize];
    let [count] = topic.destination_partitions[..] else { return None };
    let key = copy.content.key()?;
    let grown = count + 2;
    if bench.contract.partitioning != Partitioning::Murmur2
        || java_partition(key, grown) == copy.at.partition
        || bench.has_rivals(index)
    {
        return None;
    }
    // What another fault has misplaced may be in its place by then.
    let touched =
        bench.history.destination.iter().filter(|record| {
            record.content.header_id().is_some_and(|id| bench.touched.contains(&id))
        });
    let mut places = touched.filter_map(|record| Some((record.at, record.content.key()?)));
    if places.any(|(at, key)| {
        at.topic == copy.at.topic
            && java_partition(key, grown) == at.partition
            && java_partition(key, count) != at.partition
    }) {
        return None;
    }
    bench.history.topics[copy.at.topic as usize].destination_partitions.push(grown);
    // It grew behind all copies, and one more comes to where it came before.
    let bounds = bench.history.destination_bounds.iter();
    let settled = bounds.map(|(at, bounds)| (*at, bounds.end)).collect();
    bench.history.grown.push(Growth { topic: copy.at.topic, partitions: grown, settled });
    let victim = bench.on_source(index);
    bench.history.destination.remove(index);
    let end = bench.end(copy.at);
    let place = bench.write(copy.at, end, copy.content);
    Some(Victim { destination: Some(place), ..victim })
}

pub(crate) fn corrupt(bench: &mut Bench) -> Option<Victim> {
    let index = bench.pick()?;
    let how = bench.random.random_range(0..7);
    if how == 4 && bench.has_rivals(index) {
        return None;
    }
    let victim = bench.on_source(index);
    let copy = &mut bench.history.destination[index];
    let (at, offset) = (copy.at, copy.offset);
    let content = &mut copy.content;
    let id = id(content);
    let other = RecordId { sequence: 1_000_000, ..id };
    let own = |id: RecordId| Header {
        name: Content::ID_HEADER.into(),
        value: Some(id.to_string().into_bytes()),
    };
    let extra = Header { name: "extra".into(), value: None };
    let (key, time) = (content.key(), content.timestamp());
    let (value, changed) = (content.value().head().to_vec(), format!("{id}|other").into_bytes());
    let says = ["value", "value", "headers", "timestamp", "key", "headers", "headers"][how];
    *content = match how {
        0 => Content::of(key, Some(&changed), vec![own(id)], time),
        1 => Content::of(key, None, vec![own(id)], time),
        2 => Content::of(key, Some(&value), vec![], time),
        3 => Content::of(key, Some(&value), vec![own(id)], Timestamp::Create(77)),
        4 => Content::of(Some(b"damaged"), Some(&value), vec![own(id)], time),
        5 => Content::of(key, Some(&value), vec![own(other)], time),
        _ => Content::of(key, Some(&value), vec![own(id), extra], time),
    };
    // The key is named as the copy has it, for that is what lies at the place that is named.
    let key = super::key(content);
    let destination = Some(bench.destination_place(at, offset));
    Some(Victim { key, destination, says: format!("{says} differ"), ..victim })
}
