//! Which of several equal source records a copy is of, on a compacted topic, where their order tells it.
//!
//! Compaction leaves holes on both sides. Any copy of a superseded record may be gone, so the first copies of a lane are some of
//! its records, in order, up to the last. Told from the end, each copy is of the latest record that it can be of:
//!
//! ```text
//! source       x y x
//! destination    y x             the x is the third record, which had to stay; not the first, come late
//! ```
//!
//! Behind an event the lane may have begun again, so what lies behind is told from the end once more. And where an offset of the
//! source shows nothing, there may have been a record that a copy without an id is of:
//!
//! ```text
//! source       . x y
//! destination  y x y             the first y is of a record that the source has forgotten
//! ```
//!
//! What does not come out lawful in one of these ways is left to `account`.

use super::{
    account::{Equals, LOOK_AHEAD, Lane},
    explanation::Explanations,
    identity::is_forgettable,
};
use crate::{
    contract::Contract,
    history::{Event, EventKind, History, TopicPartition},
    likeness::is_like,
};
use std::collections::HashMap;

/// Among how many pairs of a copy and a record that it may be of the most held are looked for: enough for what a person looks at.
const MOST_PAIRS: usize = 1_000_000;

/// The offsets of a source partition that show nothing: where each stretch of them begins, and where it ends.
pub(super) type Holes = Vec<(i64, i64)>;

/// The holes of a source partition.
pub(super) fn holes(history: &History, at: TopicPartition) -> Holes {
    let mut next = history.source_bounds.get(&at).map_or(0, |bounds| bounds.low.0);
    let begin = history.source.partition_point(|record| record.at < at);
    let mut holes = Holes::new();
    for record in history.source[begin..].iter().take_while(|record| record.at == at) {
        if record.offset.0 > next {
            holes.push((next, record.offset.0));
        }
        next = record.offset.0 + 1;
    }
    holes
}

/// What is tried.
#[derive(Clone, Copy)]
struct Way {
    forgets: Forgets,
    begins: Begins,
    /// The copy that is of the last record, if that is settled: what lies behind it is of records that the source has forgotten.
    end: Option<u32>,
}

/// Where the lane begins again behind an event, told from the end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Begins {
    /// Where there is no record left that goes before.
    Late,
    /// At a record that no event explains.
    Early,
    /// Where the event began.
    AtTheEvent,
}

/// Whether copies may be of records that the source has forgotten.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Forgets {
    Nothing,
    /// If there is no other.
    AtNeed,
    /// If there is no other, unless the lane begins again.
    Before,
    /// Wherever that leaves more records for what lies before.
    Freely,
}

/// What a copy is of.
#[derive(Clone, Copy)]
enum Was {
    /// A record that the source holds, and its offset.
    Held(u32, i64),
    /// One that it has forgotten, at this offset.
    Forgotten(i64),
    /// One that another partition has forgotten.
    ForgottenElsewhere,
}

/// A copy, and the source record that it is a copy of; `None` for one that the source has forgotten.
type Account = Vec<(u32, Option<u32>)>;

/// A lawful account of a lane, if one is found. `elsewhere`: how many records other partitions of the source may have forgotten,
/// between which and the lane's there is no order.
pub(super) fn account<'g>(
    history: &History,
    contract: &Contract,
    lane: Lane<'_>,
    holes: &Holes,
    elsewhere: u64,
    equals: impl Fn(u32) -> Equals<'g>,
) -> Option<Account> {
    let forgets = [Forgets::Nothing, Forgets::AtNeed, Forgets::Before, Forgets::Freely];
    let forgets = forgets.into_iter().take(if holes.is_empty() && elsewhere == 0 { 1 } else { 4 });
    let begins = [Begins::Late, Begins::Early, Begins::AtTheEvent];
    let begins = &begins[..if history.events.is_empty() { 1 } else { 3 }];
    let ways = forgets.flat_map(|forgets| {
        let one = move |begins: &Begins| Way { forgets, begins: *begins, end: None };
        begins.iter().map(one)
    });
    let end = end(history, contract, lane, &equals);
    let is_behind = end.is_some_and(|end| lane.copies.last() != Some(&end));
    let ends = if is_behind { &[None, end][..] } else { &[None] };
    let ways = ways.flat_map(|way| ends.iter().map(move |end| Way { end: *end, ..way }));
    let by_lives = |late| by_lives(history, lane, holes, elsewhere, end, late, &equals);
    let accounts = ways
        .filter_map(|way| from_the_end(history, contract, lane, holes, elsewhere, way, &equals))
        .chain([false, true].into_iter().filter_map(by_lives));
    let lawful = accounts.filter(|account| is_lawful(history, lane, account, &equals));
    let are_alike = |account: &Account| {
        account.iter().all(|(copy, source)| {
            source.is_none_or(|source| is_copy_like(history, contract, *copy, source))
        })
    };
    let ends_well = |account: &Account| {
        let held = account.iter().rev().find_map(|(_, source)| *source);
        end.is_none() || held == lane.originals.last().copied()
    };
    let held = |account: &Account| account.iter().filter(|(_, source)| source.is_some()).count();
    let mut best: Option<((bool, bool, usize), Account)> = None;
    for account in lawful {
        let worth = (ends_well(&account), are_alike(&account), held(&account));
        if best.as_ref().is_none_or(|(best, _)| worth > *best) {
            best = Some((worth, account));
        }
        if worth == (true, true, lane.copies.len()) {
            break;
        }
    }
    best.map(|(_, account)| account)
}

/// How many events had begun when a copy was written.
fn epoch(history: &History, copy: u32) -> usize {
    let record = &history.destination[copy as usize];
    history.epoch(record.at, record.offset)
}

/// The account in which, of the copies between two events, the most are of records that the source holds; none if the others do not fit
/// into what it may have forgotten.
fn by_lives<'g>(
    history: &History,
    lane: Lane<'_>,
    holes: &Holes,
    mut elsewhere: u64,
    end: Option<u32>,
    late: bool,
    equals: impl Fn(u32) -> Equals<'g>,
) -> Option<Account> {
    let lives = lane.copies.chunk_by(|one, next| epoch(history, *one) == epoch(history, *next));
    let accounts = lives.map(|copies| {
        let end = end.filter(|end| copies.contains(end));
        let account = most_held(history, Lane { copies, ..lane }, end, late, &equals)?;
        fit_in(history, &account, holes, &mut elsewhere).then_some(account)
    });
    accounts.collect::<Option<Vec<Account>>>().map(|accounts| accounts.concat())
}

/// The account in which the most copies are of records that the source holds, in order, where no event comes between them: a
/// longest increasing subsequence of all that each may be of. `end` is of the last record; others are of the first copy that they
/// may have, or of a later one.
fn most_held<'g>(
    history: &History,
    lane: Lane<'_>,
    end: Option<u32>,
    late: bool,
    equals: impl Fn(u32) -> Equals<'g>,
) -> Option<Account> {
    let may_be_forgotten =
        |copy: &u32| is_forgettable(&history.destination[*copy as usize].content);
    let pairs: usize = lane.copies.iter().map(|copy| equals(*copy).members.len()).sum();
    if pairs > MOST_PAIRS || !lane.copies.iter().all(may_be_forgotten) {
        return None;
    }
    let last = lane.originals.len() - 1;
    // What was committed before an event is not read again.
    let is_read = |copy: u32, source: u32| {
        let record = &history.destination[copy as usize];
        epoch(history, copy) == 0 || history.explains(record, &history.source[source as usize])
    };
    let ranks = |copy: u32| {
        let members =
            equals(copy).members.iter().rev().filter(move |source| is_read(copy, **source));
        members.filter_map(|source| lane.originals.binary_search(source).ok())
    };
    // For each length the pair of copy and record that ends such a sequence earliest, and the pair before each.
    let (mut ends, mut pairs) = (Vec::<usize>::new(), Vec::<(usize, usize, Option<usize>)>::new());
    let mut is_over = false;
    for (place, copy) in lane.copies.iter().enumerate() {
        let is_end = end == Some(*copy);
        for rank in
            ranks(*copy).filter(|rank| !is_over && (end.is_none() || is_end == (*rank == last)))
        {
            let length = ends.partition_point(|pair| pairs[*pair].1 < rank);
            pairs.push((place, rank, length.checked_sub(1).map(|before| ends[before])));
            match ends.get_mut(length) {
                Some(end) if late || pairs[*end].1 > rank => *end = pairs.len() - 1,
                Some(_) => {}
                None => ends.push(pairs.len() - 1),
            }
        }
        is_over |= is_end;
    }
    let mut account: Account = lane.copies.iter().map(|copy| (*copy, None)).collect();
    let mut pair = ends.last().copied();
    while let Some((place, rank, before)) = pair.map(|pair| pairs[pair]) {
        account[place].1 = Some(lane.originals[rank]);
        pair = before;
    }
    Some(account)
}

/// Whether the records that an account takes for forgotten fit into the holes before the next that is held, or elsewhere. A key's last
/// record is not among them.
fn fit_in(history: &History, account: &Account, holes: &Holes, elsewhere: &mut u64) -> bool {
    let (mut behind, mut forgotten) = (-1, 0);
    let mut place = |room: u64, forgotten: u64| {
        let left = elsewhere.checked_sub(forgotten.saturating_sub(room));
        left.inspect(|left| *elsewhere = *left).is_some()
    };
    for (_, source) in account {
        let Some(source) = source else {
            forgotten += 1;
            continue;
        };
        let held = history.source[*source as usize].offset.0;
        let first = holes.partition_point(|(_, end)| *end <= behind);
        let between = holes[first..].iter().take_while(|(begin, _)| *begin < held);
        let room = between.map(|(begin, end)| end - begin).sum::<i64>();
        if !place(room.unsigned_abs(), forgotten) {
            return false;
        }
        (behind, forgotten) = (held, 0);
    }
    place(0, forgotten)
}

/// The last copy that may be of the last record of a lane, which must have stayed.
fn end<'g>(
    history: &History,
    contract: &Contract,
    lane: Lane<'_>,
    equals: impl Fn(u32) -> Equals<'g>,
) -> Option<u32> {
    let last = *lane.originals.last()?;
    let may_be_of_last = |copy: &&u32| {
        equals(**copy).members.contains(&last) && is_copy_like(history, contract, **copy, last)
    };
    lane.copies.iter().rev().find(may_be_of_last).copied()
}

fn is_copy_like(history: &History, contract: &Contract, copy: u32, source: u32) -> bool {
    let (original, copy) = (&history.source[source as usize], &history.destination[copy as usize]);
    is_like(&original.content, &copy.content, contract)
}

fn from_the_end<'g>(
    history: &History,
    contract: &Contract,
    lane: Lane<'_>,
    holes: &Holes,
    mut left_elsewhere: u64,
    way: Way,
    equals: impl Fn(u32) -> Equals<'g>,
) -> Option<Account> {
    let offset = |source: u32| history.source[source as usize].offset.0;
    let end = offset(*lane.originals.last()?) + 1;
    let mut account = Account::with_capacity(lane.copies.len());
    let repeats = history.events.iter().any(|event| event.kind == EventKind::ProduceFault);
    let mut begins_left = if repeats { usize::MAX } else { history.events.len() };
    let (mut bound, mut may_begin) = (end, false);
    let mut is_behind = way.end.is_some();
    for copy in lane.copies.iter().rev() {
        let members = equals(*copy).members;
        let record = &history.destination[*copy as usize];
        let latest = |bound: i64| {
            let before = &members[..members.partition_point(|member| offset(*member) < bound)];
            let is_here = |member: &&u32| lane.originals.binary_search(member).is_ok();
            let is_like = |member: &&u32| is_copy_like(history, contract, *copy, **member);
            let mut here = before.iter().rev().filter(is_here);
            here.clone().take(LOOK_AHEAD).find(is_like).or_else(|| here.next()).copied()
        };
        let had_begun = epoch(history, *copy) > 0;
        let is_at_the_event = may_begin && !had_begun && begins_left > 0;
        if is_at_the_event && way.begins == Begins::AtTheEvent {
            bound = end;
        }
        let may_be_forgotten = is_forgettable(&record.content) && way.forgets != Forgets::Nothing;
        let hole = holes[..holes.partition_point(|(begin, _)| *begin < bound)].last();
        let hole = hole.map(|(_, hole)| Was::Forgotten((*hole).min(bound) - 1));
        let elsewhere = (left_elsewhere > 0).then_some(Was::ForgottenElsewhere);
        let is_open = |source: u32| {
            let original = &history.source[source as usize];
            history.explains(record, original)
        };
        let again = || if may_begin && begins_left > 0 { latest(end) } else { None };
        let next = latest(bound);
        let is_last = account.is_empty();
        let is_settled = next.is_some_and(|next| match way.begins {
            Begins::Late => true,
            Begins::Early => !had_begun || is_open(next),
            Begins::AtTheEvent => true,
        });
        let again = if is_settled { None } else { again() };
        let held = again.or(next);
        let is_odd = held.is_some_and(|source| !is_copy_like(history, contract, *copy, source));
        let held = held.map(|source| Was::Held(source, offset(source)));
        let is_later = match (hole, next) {
            (Some(Was::Forgotten(hole)), Some(next)) => hole > offset(next),
            (_, next) => next.is_none(),
        };
        let comes_first = match way.forgets {
            Forgets::Nothing | Forgets::AtNeed => is_odd,
            Forgets::Before => is_odd || (next.is_none() && !is_last),
            Forgets::Freely => is_odd || (is_later && !is_last),
        };
        is_behind &= way.end != Some(*copy);
        let comes_first = comes_first || is_behind;
        let forgotten = if may_be_forgotten { hole.or(elsewhere) } else { None };
        let was = if comes_first { forgotten.or(held) } else { held.or(forgotten) };
        let was = was?;
        begins_left -= usize::from(again.is_some() && matches!(was, Was::Held(..)));
        let source = match was {
            Was::Held(source, place) => {
                bound = place;
                Some(source)
            }
            Was::Forgotten(place) => {
                bound = place;
                None
            }
            Was::ForgottenElsewhere => {
                left_elsewhere -= 1;
                None
            }
        };
        account.push((*copy, source));
        may_begin = had_begun;
    }
    account.reverse();
    Some(account)
}

/// Whether events explain each further copy, and each first one that comes late (it may be a further one, too), and nothing is
/// left out that compaction does not remove.
fn is_lawful<'g>(
    history: &History,
    lane: Lane<'_>,
    account: &Account,
    equals: impl Fn(u32) -> Equals<'g>,
) -> bool {
    let (mut explanations, mut furthest) = (Explanations::default(), 0);
    let mut there = HashMap::<u32, u32>::new();
    let mut told = account.iter().filter_map(|(copy, source)| Some((*copy, (*source)?)));
    let is_explained = told.all(|(copy, source)| {
        let record = &history.destination[copy as usize];
        let original = &history.source[source as usize];
        let explains = |event: &Event| event.explains(record, original);
        let is_late = source < furthest;
        furthest = source.max(furthest);
        let Some(first) = there.get(&source).copied() else {
            there.insert(source, copy);
            return !is_late || history.events.iter().any(explains);
        };
        // Of equal records nobody saw which was copied first.
        let first = Some(first).filter(|_| equals(copy).members.len() == 1);
        explanations.take(history, copy, source, first).is_some()
    });
    // Compaction removes no record without a key.
    let mut before = lane.originals.iter().take_while(|source| **source <= furthest);
    is_explained
        && before.all(|source| {
            let record = &history.source[*source as usize];
            record.content.key().is_some()
                || there.contains_key(source)
                || history.is_announced(record)
                || history.is_before_readiness(record.at, record.offset)
        })
}
