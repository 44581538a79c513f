//! Properties of progress: whatever the order of acknowledgements, a commit never passes an open record.

use proptest::prelude::*;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use super::{
    account::{Copied, Landed, Range, Sum},
    *,
};
use crate::digest::Digest;

fn only(places: Vec<Place>) -> Option<i64> {
    assert!(places.len() <= 1, "{places:?}");
    places.first().map(|place| place.offset)
}

#[test]
fn holes_between_offsets_are_passed() {
    let mut progress = Progress::default();
    let slot = progress.assign("t", 0, 5, None);
    assert_eq!(only(progress.take_commits()), Some(5), "the start is worth a commit of its own");
    let a = progress.received(slot, 7).unwrap();
    let b = progress.received(slot, 11).unwrap();
    assert!(progress.acknowledged(b));
    assert_eq!(only(progress.take_commits()), None);
    assert!(progress.acknowledged(a));
    assert_eq!(only(progress.take_commits()), Some(12));
    assert_eq!(only(progress.take_commits()), None, "asked for once");
    progress.commit_failed();
    assert_eq!(only(progress.take_commits()), Some(12), "and again when that failed");
}

#[test]
fn late_acknowledgements_do_not_count_for_a_new_assignment() {
    let mut progress = Progress::default();
    let old = progress.assign("t", 3, 0, Some(0));
    let late = progress.received(old, 0).unwrap();
    progress.revoke("t", 3);
    let new = progress.assign("t", 3, 0, Some(0));
    let fresh = progress.received(new, 0).unwrap();
    assert!(!progress.acknowledged(late));
    assert_eq!(only(progress.take_commits()), None);
    assert_eq!(progress.received(old, 1), None);
    assert!(progress.acknowledged(fresh));
    assert!(!progress.acknowledged(fresh), "once only");
    assert_eq!(only(progress.take_commits()), Some(1));
}

#[test]
fn what_is_read_again_is_counted() {
    let mut progress = Progress::default();
    let slot = progress.assign("t", 0, 3, Some(3));
    progress.expect_again(slot, 6);
    for offset in [3, 5, 6, 7] {
        progress.received(slot, offset).unwrap();
    }
    assert_eq!(progress.take_read_again(), 2);
    progress.assign("t", 0, 8, Some(8));
    assert_eq!(progress.take_read_again(), 0, "each is told once");
}

#[test]
fn a_token_names_its_record() {
    let mut progress = Progress::default();
    let slot = progress.assign("t", 1, 0, None);
    progress.received(slot, 4).unwrap();
    let token = progress.received(slot, 9).unwrap();
    let place = progress.place(Token::from_word(token.to_word())).unwrap();
    assert_eq!((place.topic.as_str(), place.partition, place.offset), ("t", 1, 9));
}

#[test]
fn a_record_that_was_not_sent_is_taken_back() {
    let mut progress = Progress::default();
    let slot = progress.assign("t", 0, 0, None);
    let sent = progress.received(slot, 3).unwrap();
    let not_sent = progress.received(slot, 7).unwrap();
    progress.take_back(sent);
    assert_eq!(progress.in_flight(), 2, "only the last can be");
    progress.take_back(not_sent);
    assert_eq!(progress.next_positions()[0].offset, 7);
    assert!(progress.acknowledged(sent));
    assert_eq!((progress.in_flight(), only(progress.take_commits())), (0, Some(4)));
}

#[test]
fn sequence_numbers_may_wrap() {
    let mut progress = Progress::default();
    let slot = progress.assign("t", 0, 0, None);
    progress.slots[0].1.as_mut().unwrap().first_sequence = u32::MAX - 1;
    let tokens: Vec<Token> = (0..5).map(|o| progress.received(slot, o).unwrap()).collect();
    for token in tokens.iter().rev() {
        assert!(progress.acknowledged(*token));
    }
    assert_eq!(only(progress.take_commits()), Some(5));
}

fn record(value: &[u8]) -> Sum {
    let digest = Digest::of(None, Some(value), None, std::iter::empty());
    Sum { records: 1, bytes: value.len() as u64, digest }
}

/// Reads, and acknowledges at these places.
fn copy(progress: &mut Progress, slot: Slot, offset: i64, landed: Option<(i32, i64)>) {
    let sum = record(&offset.to_le_bytes());
    progress.account(slot).unwrap().read(sum, None);
    let token = progress.received(slot, offset).unwrap();
    if let Some((partition, offset)) = landed {
        let landed = Landed { partition, offset: Some(offset) };
        progress.waiting(token).unwrap().landed(sum, landed);
    }
    progress.acknowledged(token);
}

#[test]
fn an_account_counts_each_record_once_whoever_reads_it() {
    let copied = Arc::new(Mutex::new(Copied::default()));
    let mut progress = Progress::default();
    let assign = |progress: &mut Progress, start| {
        let slot = progress.assign("t", 0, start, Some(start));
        progress.keep_account(slot, Account::new(9, Arc::clone(&copied)));
        slot
    };
    let first = assign(&mut progress, 3);
    copy(&mut progress, first, 3, Some((1, 70)));
    copy(&mut progress, first, 5, Some((0, 40)));
    progress.account(first).unwrap().read(record(b"never acknowledged"), None);
    progress.received(first, 6).unwrap();
    let again = assign(&mut progress, 3);
    copy(&mut progress, again, 3, Some((1, 71)));
    copy(&mut progress, again, 5, Some((0, 41)));
    copy(&mut progress, again, 6, None);
    copy(&mut progress, again, 8, Some((1, 72)));

    let copied = account::lock(&copied).clone();
    let mut expected = Sum::default();
    [3_i64, 5, 8].iter().for_each(|offset| expected.add(record(&offset.to_le_bytes())));
    assert_eq!(copied.acknowledged, expected);
    expected.add(record(&6_i64.to_le_bytes()));
    assert_eq!(copied.read, expected);
    assert_eq!((copied.dropped, copied.repeated), (1, 2));
    let range = |records, first, last| Range { records, first: Some(first), last: Some(last) };
    assert_eq!(copied.source, range(3, 3, 8));
    let places = [(0, range(1, 40, 40)), (1, range(2, 70, 72))];
    assert_eq!(copied.destinations, BTreeMap::from(places));
}

#[test]
fn what_a_jump_leaves_out_is_lost_and_a_log_made_anew_is_counted() {
    let mut copied = Copied::default();
    copied.jump(5, 8);
    assert_eq!((copied.lost, copied.counted), (3, 8));
    copied.jump(8, 0);
    assert_eq!((copied.lost, copied.counted), (3, 0));
}

#[test]
fn an_account_waits_for_what_lies_before() {
    let copied = Arc::new(Mutex::new(Copied::default()));
    let mut progress = Progress::default();
    let slot = progress.assign("t", 0, 0, None);
    progress.keep_account(slot, Account::new(2, Arc::clone(&copied)));
    progress.account(slot).unwrap().read(record(b"first"), None);
    let first = progress.received(slot, 0).unwrap();
    copy(&mut progress, slot, 1, Some((0, 0)));
    assert_eq!(account::lock(&copied).read.records, 0);
    let landed = Landed { partition: 0, offset: None };
    progress.waiting(first).unwrap().landed(record(b"first"), landed);
    progress.acknowledged(first);
    let copied = account::lock(&copied).clone();
    assert_eq!(copied.read, copied.acknowledged);
    let range = Range { records: 2, first: Some(0), last: Some(0) };
    assert_eq!(copied.destinations, BTreeMap::from([(0, range)]));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// After each step the position is exactly the offset after the longest acknowledged prefix.
    #[test]
    fn the_position_is_the_acknowledged_prefix(
        steps in prop::collection::vec((1i64..4, any::<prop::sample::Index>()), 1..60),
        hurry in 1usize..5,
    ) {
        let mut progress = Progress::default();
        let slot = progress.assign("t", 0, 0, None);
        let (mut offset, mut model, mut open) = (-1, Vec::new(), Vec::new());
        for (step, (gap, choice)) in steps.into_iter().enumerate() {
            offset += gap;
            let token = progress.received(slot, offset).unwrap();
            open.push((model.len(), token));
            model.push((offset, false));
            if step % hurry == 0 {
                let (record, token) = open.remove(choice.index(open.len()));
                prop_assert!(progress.acknowledged(token));
                model[record].1 = true;
            }
            let prefix = model.iter().take_while(|(_, acknowledged)| *acknowledged).last();
            let expected = prefix.map_or(0, |(offset, _)| offset + 1);
            prop_assert_eq!(progress.positions()[0].offset, expected);
        }
        for (_, token) in open { progress.acknowledged(token); }
        prop_assert_eq!(progress.in_flight(), 0);
        prop_assert_eq!(progress.positions()[0].offset, offset + 1);
    }
}

#[test]
fn the_witness_is_the_last_record_of_the_acknowledged_prefix() {
    let mut progress = Progress::default();
    let slot = progress.assign("t", 0, 5, None);
    let last =
        |progress: &Progress| progress.followed()[0].last.map(|last| (last.offset, last.print));
    assert_eq!((progress.witness("t", 0), last(&progress)), (None, None));
    let [a, b] = [7, 11].map(|offset| {
        let token = progress.received(slot, offset).unwrap();
        progress.remember(token, 100 + offset as u64);
        token
    });
    assert_eq!((progress.witness("t", 0), last(&progress)), (None, Some((11, 111))));
    progress.acknowledged(b);
    assert_eq!(progress.witness("t", 0), None);
    progress.acknowledged(a);
    assert_eq!(progress.witness("t", 0), Some(Witness { offset: 11, print: 111 }));
    let again = progress.assign("t", 0, 3, None);
    assert_ne!(again, slot);
    assert_eq!((progress.witness("t", 0), last(&progress)), (None, None), "another assignment");
}

#[test]
fn what_holds_no_record_is_passed_once_nothing_is_in_flight() {
    let mut progress = Progress::default();
    let slot = progress.assign("t", 0, 5, Some(5));
    let copied = std::sync::Arc::default();
    progress.keep_account(slot, Account::new(8, std::sync::Arc::clone(&copied)));
    let token = progress.received(slot, 5).unwrap();
    let end = Place { topic: "t".to_owned(), partition: 0, offset: 8 };
    progress.reach(&end);
    assert!(progress.take_commits().is_empty(), "a record is in flight");
    progress.acknowledged(token);
    progress.reach(&end);
    assert_eq!(progress.take_commits(), std::slice::from_ref(&end));
    progress.reach(&Place { offset: 6, ..end.clone() });
    assert!(progress.take_commits().is_empty(), "it goes nowhere back");
    assert_eq!(progress.next_positions(), [end]);
    assert_eq!(account::lock(&copied).counted, 8);
}

#[test]
fn what_was_handed_over_and_is_no_record_is_passed() {
    let mut progress = Progress::default();
    let slot = progress.assign("t", 0, 5, Some(5));
    assert_eq!(progress.handed_over(slot, Some(90)), None, "of the assignment before, perhaps");
    assert_eq!(progress.handed_over(slot, None), None);
    assert_eq!(progress.handed_over(slot, Some(7)), Some(7));
    assert!(!progress.has_moved("t"), "no record has");
    let token = progress.received(slot, 7).unwrap();
    assert_eq!(progress.handed_over(slot, Some(9)), None, "a record is in flight");
    assert_eq!(progress.next_positions()[0].offset, 9);
    assert!(progress.acknowledged(token) && progress.has_moved("t"));
    assert_eq!(progress.handed_over(slot, Some(8)), None, "that is the record");
    assert_eq!(progress.handed_over(slot, Some(9)), Some(9));
    assert_eq!(only(progress.take_commits()), Some(9));

    let not_sent = progress.received(slot, 9).unwrap();
    progress.take_back(not_sent);
    for _ in 0..2 {
        assert_eq!(progress.handed_over(slot, Some(10)), None, "it has no copy");
    }

    let again = progress.assign("t", 0, 3, Some(3));
    assert_eq!(progress.handed_over(slot, None), None);
    assert_eq!(progress.handed_over(again, Some(10)), None, "nothing of it was handed over");
    let token = progress.received(again, 4).unwrap();
    progress.acknowledged(token);
    assert_eq!(progress.handed_over(again, Some(6)), Some(6), "what came says that it is");

    let third = progress.assign("t", 0, 4, Some(4));
    for _ in 0..2 {
        assert_eq!(progress.handed_over(third, Some(6)), None, "still of the one before, perhaps");
    }
    assert_eq!(progress.handed_over(third, Some(5)), Some(5), "it has changed");
    assert_eq!(progress.handed_over(third, Some(6)), Some(6));
}

#[test]
fn what_lies_behind_the_wanted_end_is_not_passed() {
    let mut progress = Progress::default();
    let slot = progress.assign("t", 0, 5, Some(5));
    progress.keep_account(slot, Account::new(8, Arc::default()));
    progress.handed_over(slot, None);
    assert_eq!(progress.handed_over(slot, Some(20)), Some(8));
    assert_eq!(progress.handed_over(slot, Some(30)), None);
}

#[test]
fn a_burst_leaves_no_room_behind_that_nobody_needs() {
    const BURST: i64 = 30_000;
    let mut progress = Progress::default();
    let slot = progress.assign("t", 0, 0, Some(0));
    progress.keep_account(slot, Account::new(BURST, Arc::default()));
    let room = |progress: &Progress| {
        let partition = progress.at(slot).unwrap();
        let account = partition.account.as_ref().unwrap();
        partition.in_flight.capacity().max(account.waiting.capacity())
    };
    let receive = |progress: &mut Progress, offset: i64| {
        progress.account(slot).unwrap().read(Sum::default(), None);
        progress.received(slot, offset).unwrap()
    };
    let tokens: Vec<Token> = (0..BURST).map(|offset| receive(&mut progress, offset)).collect();
    progress.take_commits();
    assert!(room(&progress) >= BURST as usize, "it is in use");
    tokens.into_iter().for_each(|token| assert!(progress.acknowledged(token)));
    assert_eq!(only(progress.take_commits()), Some(BURST));
    assert!(room(&progress) <= 1000, "room for {} is kept for none", room(&progress));
}

#[test]
fn what_is_in_flight_is_read_again_from_behind_what_is_acknowledged() {
    let mut progress = Progress::default();
    let slots: Vec<Slot> = (0..2).map(|i| progress.assign("t", i, 3, Some(3))).collect();
    let tokens: Vec<Token> =
        [3, 5, 6].into_iter().map(|offset| progress.received(slots[1], offset).unwrap()).collect();
    progress.acknowledged(tokens[2]);
    progress.acknowledged(tokens[0]);
    let again = Place { topic: "t".to_owned(), partition: 1, offset: 4 };
    assert_eq!(progress.unfinished(), [again]);
    progress.acknowledged(tokens[1]);
    assert!(progress.unfinished().is_empty());
}

#[test]
fn slots_are_used_again_and_late_acknowledgements_count_for_nothing() {
    let mut progress = Progress::default();
    let mut late = Vec::new();
    for round in 0..1000 {
        for partition in 0..3 {
            let slot = progress.assign("t", partition, 0, Some(0));
            late.push(progress.received(slot, round).unwrap());
        }
        // All at once, or one after the other.
        (0..round % 4).for_each(|partition| progress.revoke("t", partition as i32));
    }
    assert!(progress.slots.len() <= 4, "{} slots for 3 partitions", progress.slots.len());
    let slot = progress.assign("t", 0, 0, Some(0));
    let current = progress.received(slot, 0).unwrap();
    for token in late {
        assert!(!progress.acknowledged(token) && progress.place(token).is_none());
        assert!(!progress.is_current(token.slot()));
    }
    assert!(progress.acknowledged(current));
    assert!(!progress.acknowledged(Token::NONE));
}
