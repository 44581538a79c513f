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
//! gone with it. It is enough if there is an account for one such number.
//!
//! If there is none, something is wrong, and the account goes on behind it: a copy that is neither the
//! next record nor an explained repeat is of the next of its equals that is still to come, the first
//! that was passed over, or the last that is there; of that from which the most of the following copies
//! go on one by one.

use super::explanation::Explanations;
use crate::history::{Completion, DestinationBounds, History, TopicPartition};
use std::collections::{HashMap, HashSet};

/// The records of one lane of a source partition, and their copies in one of the destination, in order.
#[derive(Clone, Copy)]
pub(super) struct Lane<'l> {
    pub(super) originals: &'l [u32],
    pub(super) copies: &'l [u32],
    pub(super) at: TopicPartition,
}

/// A copy, and the source record that it is a copy of.
type Account = Vec<(u32, u32)>;

/// With how many records gone at most an account is looked for: enough for what a person looks at,
/// and an end for lanes of millions.
const ATTEMPTS: usize = 1_000;
/// How many of the following copies tell what a copy is of.
const LOOK_AHEAD: usize = 32;

/// The account of a lane; a lawful one, if there is any. `members`: of which source records a copy may
/// be.
pub(super) fn account<'g>(
    history: &History,
    lane: Lane<'_>,
    members: impl Fn(u32) -> &'g [u32],
) -> Account {
    let named: HashSet<u32> = lane.copies.iter().flat_map(|copy| members(*copy)).copied().collect();
    let walk = |gone, lawful| walk(history, lane, gone, lawful, &members, &named);
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
fn walk<'g>(
    history: &History,
    lane: Lane<'_>,
    gone: usize,
    lawful: bool,
    members: impl Fn(u32) -> &'g [u32],
    named: &HashSet<u32>,
) -> Option<Account> {
    let (mut account, mut explanations) = (Account::new(), Explanations::default());
    let mut there = HashMap::<u32, Vec<u32>>::new();
    let (last_gone, mut next) = (lane.originals[..gone].last(), gone);
    for (position, copy) in lane.copies.iter().enumerate() {
        let equals = members(*copy);
        let is_copy = |source: &u32| equals.binary_search(source).is_ok();
        let open = &lane.originals[next..];
        let passed = open.iter().take_while(|source| !named.contains(source)).count();
        let there = there.entry(equals[0]).or_default();
        if let Some(source) = open.get(passed).filter(|source| is_copy(source)) {
            next += passed + 1;
            there.push(*source);
            account.push((*copy, *source));
            continue;
        }
        let gone = equals.iter().filter(|source| last_gone.is_some_and(|last| *source <= last));
        let mut repeated = gone.chain(&*there).rev().copied();
        let repeat =
            repeated.find(|source| explanations.find(history, *copy, *source, None).is_some());
        let source = match repeat {
            Some(source) => {
                explanations.take(history, *copy, source, None);
                source
            }
            None if lawful => return None,
            None => {
                let source = likely(lane, position, next, there, &members);
                next = next.max(lane.originals.partition_point(|other| *other <= source));
                there.push(source);
                source
            }
        };
        account.push((*copy, source));
    }
    let arrived = lane.originals[next..].iter().all(|source| !named.contains(source));
    (arrived || !lawful || !is_whole(history)).then_some(account)
}

/// Of which of its equals a copy most likely is, where no account is lawful. `next`: the record that
/// should have come. `there`: those that have a copy.
fn likely<'g>(
    lane: Lane<'_>,
    position: usize,
    next: usize,
    there: &[u32],
    members: impl Fn(u32) -> &'g [u32],
) -> u32 {
    let equals = members(lane.copies[position]);
    let following = &lane.copies[position + 1..];
    let fit = |source: &&u32| {
        let behind = lane.originals.partition_point(|other| other <= source);
        let pairs = lane.originals[behind..].iter().zip(following).take(LOOK_AHEAD);
        pairs.take_while(|(next, copy)| members(**copy).binary_search(next).is_ok()).count()
    };
    let open = lane.originals.get(next);
    let to_come = equals.iter().find(|source| open.is_some_and(|open| *source >= open));
    let there_: HashSet<&u32> = there.iter().collect();
    let passed_over = equals.iter().find(|source| !there_.contains(source));
    let candidates = [there.last(), passed_over, to_come];
    // A record has at least one equal: itself.
    *candidates.into_iter().flatten().max_by_key(fit).unwrap_or(&equals[0])
}

/// Whether everything had to arrive: who was still copying need not have come to the end.
fn is_whole(history: &History) -> bool {
    matches!(history.completion, Some(Completion::Completed | Completion::Idle { .. }))
}
