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
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The records of one lane of a source partition, and their copies in one of the destination, in order.
#[derive(Clone, Copy)]
pub(super) struct Lane<'l> {
    pub(super) originals: &'l [u32],
    pub(super) copies: &'l [u32],
    pub(super) at: TopicPartition,
}

/// The source records that a copy may be of, and the number of their group. A record may be in two
/// groups, by its id and by its content, and be the first of both: it does not stand for either.
#[derive(Clone, Copy)]
pub(super) struct Equals<'g> {
    pub(super) group: u32,
    pub(super) members: &'g [u32],
}

/// A copy, and the source record that it is a copy of.
type Account = Vec<(u32, u32)>;

/// With how many records gone at most an account is looked for: enough for what a person looks at,
/// and an end for lanes of millions.
const ATTEMPTS: usize = 1_000;
/// How many of the following copies tell what a copy is of.
pub(super) const LOOK_AHEAD: usize = 32;

/// The account of a lane; a lawful one, if there is any.
pub(super) fn account<'g>(
    history: &History,
    lane: Lane<'_>,
    equals: impl Fn(u32) -> Equals<'g>,
) -> Account {
    let named = Named::of(lane.copies.iter().map(|copy| equals(*copy)));
    let walk = |gone, lawful| walk(history, lane, gone, lawful, &equals, &named);
    let account = gone(history, lane).take(ATTEMPTS).find_map(|gone| walk(gone, true));
    account.or_else(|| walk(0, false)).unwrap_or_default()
}

/// The records of which there may be copies, each with its groups.
struct Named(Vec<(u32, u32)>);

impl Named {
    fn of<'g>(equals: impl Iterator<Item = Equals<'g>>) -> Named {
        let groups: BTreeMap<u32, &[u32]> =
            equals.map(|equals| (equals.group, equals.members)).collect();
        let mut named: Vec<_> = groups
            .into_iter()
            .flat_map(|(group, members)| members.iter().map(move |source| (*source, group)))
            .collect();
        named.sort_unstable();
        Named(named)
    }

    fn groups(&self, source: u32) -> impl Iterator<Item = u32> {
        let begin = self.0.partition_point(|(other, _)| *other < source);
        let of_source = self.0[begin..].iter().take_while(move |(other, _)| *other == source);
        of_source.map(|(_, group)| *group)
    }

    fn contains(&self, source: u32) -> bool {
        self.groups(source).next().is_some()
    }
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
    equals: impl Fn(u32) -> Equals<'g>,
    named: &Named,
) -> Option<Account> {
    let (mut account, mut explanations) = (Account::new(), Explanations::default());
    // By group, what copies of it were found to be of, and which of its records were passed over.
    let mut there = HashMap::<u32, There>::new();
    let mut passed_over = BTreeSet::<(u32, u32)>::new();
    let (last_gone, mut next) = (lane.originals[..gone].last(), gone);
    for (position, copy) in lane.copies.iter().enumerate() {
        let Equals { group, members } = equals(*copy);
        let is_copy = |source: &u32| members.binary_search(source).is_ok();
        let open = &lane.originals[next..];
        let passed = open.iter().take_while(|source| !named.contains(**source)).count();
        next += passed;
        let open = &open[passed..];
        let is_gone = |source: &u32| last_gone.is_some_and(|last| source <= last);
        let gone = || There::of(&members[..members.partition_point(is_gone)]);
        let there = there.entry(group).or_insert_with(gone);
        if let Some(source) = open.first().filter(|source| is_copy(source)) {
            next += 1;
            there.push(*source);
            account.push((*copy, *source));
            continue;
        }
        let source = match there.repeated(history, *copy, &mut explanations) {
            Some(source) => source,
            None if lawful => return None,
            None => {
                let late = passed_over.range((group, 0)..=(group, u32::MAX)).next();
                let late = late.map(|(_, source)| source);
                let is_before = |source: &u32| open.first().is_none_or(|open| source < open);
                let to_come = members.get(members.partition_point(is_before));
                let source = likely(lane, position, [there.copied.last(), late, to_come], &equals);
                for group in named.groups(source) {
                    passed_over.remove(&(group, source));
                }
                let behind = lane.originals.partition_point(|other| *other <= source);
                let skipped = lane.originals.iter().take(behind).skip(next);
                for skipped in skipped.filter(|skipped| **skipped != source) {
                    passed_over.extend(named.groups(*skipped).map(|group| (group, *skipped)));
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

/// Records of a group of which there are copies, or were.
#[derive(Default)]
struct There {
    copied: Vec<u32>,
    /// Those of which a copy may be a repeat, as far as known: behind them, all that the events which had begun explain
    /// is used up.
    left: Vec<u32>,
    /// How many events had begun.
    begun: usize,
}

impl There {
    fn of(gone: &[u32]) -> There {
        There { copied: gone.to_vec(), left: gone.to_vec(), begun: 0 }
    }

    fn push(&mut self, source: u32) {
        self.copied.push(source);
        self.left.push(source);
    }

    /// The last record whose repeat the copy may be, by an event that is not used up.
    fn repeated(
        &mut self,
        history: &History,
        copy: u32,
        explanations: &mut Explanations,
    ) -> Option<u32> {
        let record = &history.destination[copy as usize];
        let begun = history.epoch(record.at, record.offset);
        if begun != self.begun {
            self.begun = begun;
            self.left.clone_from(&self.copied);
        }
        let unused = Explanations::default();
        while let Some(source) = self.left.last().copied() {
            if explanations.take(history, copy, source, None).is_some() {
                return Some(source);
            }
            // If no event explains a repeat of a record, none explains one of an earlier one.
            unused.find(history, copy, source, None)?;
            self.left.pop();
        }
        None
    }
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
        pairs.take_while(|(next, copy)| equals(**copy).members.binary_search(next).is_ok()).count()
    };
    let likely = candidates.into_iter().flatten().max_by_key(fit);
    // A record is one of its equals, so it is there, was passed over, or is to come.
    likely.copied().unwrap_or(equals(lane.copies[position]).members[0])
}
