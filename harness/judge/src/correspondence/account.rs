//! Whether a lane has a lawful account, where equal records leave a choice.
//!
//! `position` follows one sequence at a time. Where two writers interleave (the old owner of a
//! partition and the new one), it may take a repeat for a first copy and then accuse a lawful mirror:
//!
//! ```text
//! source       x y y             no ids: both y are equal
//! destination  x y x y           the old owner's x came late; the second y is the source's second
//! ```
//!
//! So each lane with equal records is looked at once more, as a whole. Its first copies must be its
//! source records one by one, in order; taken as early as possible they leave most to the rest. Each
//! of the others must be a repeat, of an equal record that was there, which an event explains. If
//! all of that can be had, it is the account; else nothing is changed, and what `position` found is
//! the better description of what went wrong. Records that may be absent, or of which there is no
//! copy at all, are passed over.
//!
//! Where the beginning of the destination's partition has expired, any number of first copies may be
//! gone with it. It is enough if there is an account for one such number.

use super::explanation::Explanations;
use crate::history::{Completion, DestinationBounds, History, TopicPartition};
use std::collections::HashMap;

/// The records of one lane of a source partition, and their copies in order.
#[derive(Default)]
pub(super) struct Lane {
    pub(super) originals: Vec<u32>,
    pub(super) copies: Vec<u32>,
}

/// A copy, and the source record that it is a copy of.
type Account = Vec<(u32, u32)>;

/// With how many records gone at most an account is looked for: enough for what a person looks at,
/// and an end for lanes of millions.
const ATTEMPTS: usize = 1_000;

/// The lawful account of a lane, if there is one. `members`: of which source records a copy may be.
pub(super) fn account<'g>(
    history: &History,
    lane: &Lane,
    members: impl Fn(u32) -> &'g [u32],
    may_be_absent: impl Fn(u32) -> bool,
) -> Option<Account> {
    let at = |copy: u32| history.destination[copy as usize].at;
    let begin = at(*lane.copies.first()?);
    if lane.copies.iter().any(|copy| at(*copy) != begin) {
        return None;
    }
    let named: std::collections::HashSet<u32> =
        lane.copies.iter().flat_map(|copy| members(*copy)).copied().collect();
    let optional = |source: u32| may_be_absent(source) || !named.contains(&source);
    let bounds = history.destination_bounds.get(&begin);
    let gone = if bounds.is_some_and(DestinationBounds::have_copies_expired) {
        // What is not there must be gone, unless it was still to come.
        let needed = lane.originals.iter().filter(|source| !optional(**source)).count();
        let least = if is_whole(history) { needed.saturating_sub(lane.copies.len()) } else { 0 };
        least..=lane.originals.len()
    } else {
        0..=0
    };
    gone.take(ATTEMPTS).find_map(|gone| account_behind(history, lane, gone, &members, optional))
}

/// The account, if the first copies of so many records are gone.
fn account_behind<'g>(
    history: &History,
    lane: &Lane,
    gone: usize,
    members: impl Fn(u32) -> &'g [u32],
    optional: impl Fn(u32) -> bool,
) -> Option<Account> {
    let (mut account, mut explanations) = (Account::new(), Explanations::default());
    let mut there = HashMap::<u32, Vec<u32>>::new();
    let (last_gone, mut next) = (lane.originals[..gone].last(), gone);
    for copy in &lane.copies {
        let members = members(*copy);
        let is_copy = |source: &u32| members.binary_search(source).is_ok();
        let open = &lane.originals[next..];
        let passed =
            open.iter().take_while(|source| !is_copy(source) && optional(**source)).count();
        if let Some(source) = open.get(passed).filter(|source| is_copy(source)) {
            next += passed + 1;
            there.entry(members[0]).or_default().push(*source);
            account.push((*copy, *source));
            continue;
        }
        let gone = members.iter().filter(|source| last_gone.is_some_and(|last| *source <= last));
        let mut equals = gone.chain(there.get(&members[0]).into_iter().flatten()).rev();
        let source =
            *equals.find(|source| explanations.find(history, *copy, **source, None).is_some())?;
        explanations.take(history, *copy, source, None);
        account.push((*copy, source));
    }
    let arrived = lane.originals[next..].iter().all(|source| optional(*source));
    (arrived || !is_whole(history)).then_some(account)
}

/// Whether everything had to arrive: who was still copying need not have come to the end.
fn is_whole(history: &History) -> bool {
    matches!(history.completion, Some(Completion::Completed | Completion::Idle { .. }))
}

/// Lanes by source partition and number.
pub(super) type Lanes = HashMap<(TopicPartition, u32), Lane>;
