//! Which of several equal source records a copy is of, where their order tells it.
//!
//! The records of a *lane* must all come to one destination partition in order: those of a key, or of a
//! whole partition. So a copy of one of several equals is told by what comes before and behind it. The
//! rule of the design is: the first such record after the copy's predecessor, else the earliest. Taken
//! literally it accuses lawful mirrors, because it looks back only:
//!
//! ```text
//! source       x y x             no ids: both x are equal
//! destination  x | x y x         killed at |: the second x is the first once more, not the third record
//!
//! source       x y y
//! destination  x y x y           two writers: the old owner's x came late; the second y is the third record
//! ```
//!
//! So a lane is looked at as a whole. Its first copies must be its source records one by one, in order;
//! taken as early as possible they leave most to the rest. Each of the others must be a repeat, of an
//! equal record that was there, which an event explains. If all of that can be had, it is the account,
//! whatever the mirror really did: nobody could tell the difference. Records of which there is no copy
//! at all are passed over: they are lost, or belong to another partition.
//!
//! Where the beginning of the destination's partition has expired, any number of first copies may be
//! gone with it. It is enough if there is an account for one such number. What is missing at the end
//! makes no difference to what the copies are: it is lost, or not yet there.
//!
//! If there is none, something is wrong, and the account goes on behind it: a copy that is neither the
//! next record nor an explained repeat is of the next of its equals that is still to come, the first
//! that was passed over, or the last that is there; of that from which the most of the following copies
//! go on one by one.

use super::explanation::Explanations;
use crate::history::{DestinationBounds, History, TopicPartition};
use std::collections::{HashMap, HashSet, VecDeque};

/// The records of one lane of a source partition, and their copies in one of the destination, in order.
#[derive(Clone, Copy)]
pub(super) struct Lane<'l> {
    pub(super) originals: &'l [u32],
    pub(super) copies: &'l [u32],
    pub(super) at: TopicPartition,
}

/// A copy, and the source record that it is a copy of.
type Account = Vec<(u32, u32)>;

/// The source records that a copy may be of. A record with an id is also among those of its content, of which a
/// copy without an id may be.
#[derive(Clone, Copy)]
pub(super) struct Equals<'g> {
    /// What tells them from others.
    pub(super) group: u32,
    /// The records, in order.
    pub(super) records: &'g [u32],
}

impl Equals<'_> {
    /// Where partitions are kept, a group is more than the equals of one partition.
    fn key(&self) -> (u32, u32) {
        (self.group, self.records[0])
    }
}

/// With how many records gone at most an account is looked for: enough for what a person looks at,
/// and an end for lanes of millions.
const ATTEMPTS: usize = 1_000;
/// How many of the following copies tell what a copy is of.
const LOOK_AHEAD: usize = 32;

/// The account of a lane; a lawful one, if there is any. `equals`: of which source records a copy may
/// be.
pub(super) fn account<'g>(
    history: &History,
    lane: Lane<'_>,
    equals: impl Fn(u32) -> Equals<'g>,
) -> Account {
    let (mut named, mut seen) = (HashMap::new(), HashSet::new());
    for equals in lane.copies.iter().map(|copy| equals(*copy)) {
        if seen.insert(equals.key()) {
            for source in equals.records {
                named.entry(*source).or_insert(equals.key());
            }
        }
    }
    let walk = |gone, lawful| walk(history, lane, gone, lawful, &equals, &named);
    let account = gone(history, lane).take(ATTEMPTS).find_map(|gone| walk(gone, true));
    account.or_else(|| walk(0, false)).unwrap_or_default()
}

/// How many first copies may be gone. Most likely it is what is not there, or a little more.
fn gone(history: &History, lane: Lane<'_>) -> impl Iterator<Item = usize> {
    let bounds = history.destination_bounds.get(&lane.at);
    let expired = bounds.is_some_and(DestinationBounds::have_copies_expired);
    let most = if expired { lane.originals.len() } else { 0 };
    let likely = most.saturating_sub(lane.copies.len());
    (likely..=most).chain(0..likely)
}

/// The account, if the first copies of so many records are gone. `lawful`: none but a lawful one.
/// `named`: the records of which there are copies, with what they are equals of.
fn walk<'g>(
    history: &History,
    lane: Lane<'_>,
    gone: usize,
    lawful: bool,
    equals_of: impl Fn(u32) -> Equals<'g>,
    named: &HashMap<u32, (u32, u32)>,
) -> Option<Account> {
    let (mut account, mut explanations) = (Account::new(), Explanations::default());
    let unused = Explanations::default();
    let mut there = HashMap::<_, Vec<u32>>::new();
    let mut passed_over = HashMap::<_, VecDeque<u32>>::new();
    let (last_gone, mut next) = (lane.originals[..gone].last(), gone);
    for (position, copy) in lane.copies.iter().enumerate() {
        let equals = equals_of(*copy);
        let (key, equals) = (equals.key(), equals.records);
        let is_copy = |source: &u32| equals.binary_search(source).is_ok();
        let open = &lane.originals[next..];
        let passed = open.iter().take_while(|source| !named.contains_key(source)).count();
        let there = there.entry(key).or_default();
        if let Some(source) = open.get(passed).filter(|source| is_copy(source)) {
            next += passed + 1;
            there.push(*source);
            account.push((*copy, *source));
            continue;
        }
        let gone = equals.partition_point(|source| last_gone.is_some_and(|last| source <= last));
        let repeated = equals[..gone].iter().chain(&*there).rev().copied();
        // If no event explains a repeat of a record, none explains one of an earlier one.
        let is_explained = |source: &u32| unused.find(history, *copy, *source, None).is_some();
        let mut repeated = repeated.take_while(is_explained);
        let repeat =
            repeated.find(|source| explanations.find(history, *copy, *source, None).is_some());
        let source = match repeat {
            Some(source) => {
                explanations.take(history, *copy, source, None);
                source
            }
            None if lawful => return None,
            None => {
                let late = passed_over.get(&key).and_then(VecDeque::front);
                let is_before = |source: &u32| open.first().is_none_or(|open| source < open);
                let to_come = equals.get(equals.partition_point(is_before));
                let source = likely(lane, position, [there.last(), late, to_come], &equals_of);
                let late = passed_over.entry(key).or_default();
                late.pop_front_if(|late| *late == source);
                let behind = lane.originals.partition_point(|other| *other <= source);
                for skipped in lane.originals.iter().take(behind).skip(next) {
                    if let Some(group) = named.get(skipped).filter(|_| *skipped != source) {
                        passed_over.entry(*group).or_default().push_back(*skipped);
                    }
                }
                next = next.max(behind);
                there.push(source);
                source
            }
        };
        account.push((*copy, source));
    }
    Some(account)
}

/// Of which of the candidates a copy most likely is, where no account is lawful: of that from which
/// most of the following copies go on.
fn likely<'g>(
    lane: Lane<'_>,
    position: usize,
    candidates: [Option<&u32>; 3],
    equals: impl Fn(u32) -> Equals<'g>,
) -> u32 {
    let following = &lane.copies[position + 1..];
    let fit = |source: &&u32| {
        let behind = lane.originals.partition_point(|other| other <= source);
        let pairs = lane.originals[behind..].iter().zip(following).take(LOOK_AHEAD);
        pairs.take_while(|(next, copy)| equals(**copy).records.binary_search(next).is_ok()).count()
    };
    let likely = candidates.into_iter().flatten().max_by_key(fit);
    // A record is one of its equals, so it is there, was passed over, or is to come.
    likely.copied().unwrap_or(equals(lane.copies[position]).records[0])
}
