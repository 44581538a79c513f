//! Copies that may be of a record which the source has forgotten, and of which it holds an equal.
//!
//! ```text
//! source       . x               no id; the first x was superseded, or has expired, when it had been copied
//! destination  x x               the one or the other: nobody can tell this from a repeat
//! ```
//!
//! Further copies without an id that no event explains, and copies that are not as their record must become (or not in
//! its partition, where numbers are kept), though another one is, is still to come, or need not be there. They accuse
//! nobody, and leave a doubt. Which of several copies is of what the source still holds cannot be told either; but all
//! that a partition has forgotten of a key was older, so that the last one is.

use super::{repeated::unexplained, scene::Scene};
use crate::{
    history::{Completeness, DestinationRecord},
    likeness::is_like,
};
use std::collections::{HashMap, HashSet};

/// Copies of which there are more than records.
#[derive(Default)]
pub(crate) struct Spare {
    /// Those that are too many.
    pub(crate) copies: HashSet<u32>,
    /// All copies of the source records of which some are.
    copies_of: HashMap<u32, Vec<u32>>,
}

impl Spare {
    pub(super) fn of(scene: &Scene<'_>) -> Spare {
        if !scene.correspondence.forgetful.contains(&true) {
            return Spare::default();
        }
        let source_of = |copy: &u32| {
            let source = scene.correspondence.source_of(*copy)?;
            scene.may_have_equals(*copy, source).then_some(source)
        };
        let is_like = |copy: u32, source: u32| {
            let (copy, source) = (scene.destination(copy), scene.source(source));
            scene.has_its_number(copy, source)
                && is_like(&source.content, &copy.content, scene.contract)
        };
        let mut copies: HashSet<u32> =
            unexplained(scene).into_iter().filter(|copy| source_of(copy).is_some()).collect();
        let all = || {
            let time = scene.correspondence.time.iter();
            time.filter_map(|copy| Some((*copy, source_of(copy)?)))
        };
        let (like, unlike): (Vec<_>, Vec<_>) =
            all().partition(|(copy, source)| is_like(*copy, *source));
        let are_like: HashSet<u32> = like.into_iter().map(|(_, source)| source).collect();
        let may_come = scene.history.completeness() != Completeness::Final;
        let is_not_missed =
            |source: &u32| are_like.contains(source) || !scene.had_to_arrive(*source);
        let unlike = unlike.into_iter().filter(|(_, source)| may_come || is_not_missed(source));
        copies.extend(unlike.map(|(copy, _)| copy));
        let sources = copies.iter().filter_map(source_of);
        let mut copies_of: HashMap<u32, Vec<u32>> =
            sources.map(|source| (source, Vec::new())).collect();
        for (copy, source) in all() {
            copies_of.entry(source).and_modify(|copies| copies.push(copy));
        }
        Spare { copies, copies_of }
    }

    /// Whether there is another copy of the record that may have been written later.
    pub(super) fn has_later(
        &self,
        scene: &Scene<'_>,
        source: u32,
        copy: &DestinationRecord,
    ) -> bool {
        self.copies_of.get(&source).is_some_and(|copies| {
            // In the order of time, so that the last of them tells.
            let mut others = copies.iter().rev().map(|other| scene.destination(*other));
            others.any(|other| other.at != copy.at || other.offset > copy.offset)
        })
    }
}
