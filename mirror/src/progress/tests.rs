//! Properties of progress: whatever the order of acknowledgements, a commit never passes an open record.

use proptest::prelude::*;

use super::*;

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
fn a_token_names_its_record() {
    let mut progress = Progress::default();
    let slot = progress.assign("t", 1, 0, None);
    progress.received(slot, 4).unwrap();
    let token = progress.received(slot, 9).unwrap();
    let place = progress.place(Token::from_word(token.to_word())).unwrap();
    assert_eq!((place.topic.as_str(), place.partition, place.offset), ("t", 1, 9));
}

#[test]
fn sequence_numbers_may_wrap() {
    let mut progress = Progress::default();
    let slot = progress.assign("t", 0, 0, None);
    progress.slots[0].as_mut().unwrap().first_sequence = u32::MAX - 1;
    let tokens: Vec<Token> = (0..5).map(|o| progress.received(slot, o).unwrap()).collect();
    for token in tokens.iter().rev() {
        assert!(progress.acknowledged(*token));
    }
    assert_eq!(only(progress.take_commits()), Some(5));
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
