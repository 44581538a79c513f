//! `duplicated` and `rewound`: a record has a further copy that nothing explains.
//!
//! ```text
//! source       1 2 3 4
//! destination  1 2 3 | 2 3 4     killed at |, position 2 committed: explained
//! destination  1 2 3 | 1 2 3 4   the same kill: 1 was committed, so its repeat is rewound
//! destination  1 2 | 2 3 4 3     3 was first copied when the kill was over: rewound
//! destination  1 2 2 3 4         no event: duplicated
//! ```
//!
//! An event explains a repeat that lies at or beyond the destination's end offsets as read when the
//! event began, if the source offset is not below the position committed by then, and the first copy
//! was written before the event was over. Each event explains one repeat of a record; a produce fault
//! any number. Explained repeats are reported as `rewound` with the event as circumstance, so that a
//! contract can tolerate them or not. An unexplained repeat is `rewound` if any event precedes it, else
//! `duplicated`.
//!
//! Where the first copy may be gone (expired, or removed by compaction), the first one that is seen may
//! be a repeat as well. There are two accounts then, and the one that leaves fewer repeats unexplained
//! counts. What is one too many in both is one too many.
//!
//! ```text
//! source       1 2 3
//! destination  . . 2 2 3         two freezes, over before what is seen: 2 has expired, and came twice
//! destination  . . 2 2 2 3       the same: one is rewound, wherever 2 was first
//! ```
//!
//! Events that can explain only one repeat are used up first, so a repeat is put down to a produce
//! fault only if nothing else explains it.

use super::{Check, Observation, evidence::in_sequence, scene::Scene, tally::Tally};
use crate::{
    correspondence::explanation::Explanations,
    history::EventKind,
    verdict::{Anomaly, Circumstance, Finding},
};
use std::collections::BTreeMap;

pub(super) fn check<'s>(scene: &'s Scene<'s>) -> Box<dyn Check + 's> {
    Box::new(Repeated {
        scene,
        explanations: Explanations::default(),
        uncertain: BTreeMap::new(),
        duplicated: Tally::of(Anomaly::Duplicated),
        rewound: Tally::of(Anomaly::Rewound),
    })
}

struct Repeated<'s> {
    scene: &'s Scene<'s>,
    explanations: Explanations,
    /// Further copies of records whose first copy may be gone.
    uncertain: BTreeMap<u32, Vec<u32>>,
    duplicated: Tally<u32>,
    rewound: Tally<u32>,
}

impl Repeated<'_> {
    fn add(&mut self, destination: u32, explained: Option<EventKind>) {
        let copy = self.scene.destination(destination);
        if let Some(kind) = explained {
            self.rewound.add(Circumstance::Explained(kind), destination);
        } else if self.scene.history.events.iter().any(|event| event.precedes(copy)) {
            self.rewound.add(Circumstance::Plain, destination);
        } else {
            self.duplicated.add(Circumstance::Plain, destination);
        }
    }

    /// What explains the further copies of a record of which the first copy that is seen may be a
    /// repeat itself: the account that leaves fewer of them unexplained.
    fn explain(&self, source: u32, repeats: &[u32]) -> Vec<Option<EventKind>> {
        let history = self.scene.history;
        let seen = self.scene.correspondence.first[source as usize];
        let mut explanations = Explanations::default();
        let mut take = |copy: &u32, first| explanations.take(history, *copy, source, first);
        let known: Vec<_> = repeats.iter().map(|copy| take(copy, Some(seen))).collect();
        let mut explanations = Explanations::default();
        let mut take = |copy: &u32| explanations.take(history, *copy, source, None);
        if take(&seen).is_none() {
            return known;
        }
        let gone: Vec<_> = repeats.iter().map(take).collect();
        let unexplained = |account: &[Option<EventKind>]| {
            account.iter().filter(|explained| explained.is_none()).count()
        };
        if unexplained(&gone) < unexplained(&known) { gone } else { known }
    }
}

impl Check for Repeated<'_> {
    fn step(&mut self, observation: Observation) {
        let Observation::Copy { destination, source, first: false } = observation else { return };
        let (history, correspondence) = (self.scene.history, &self.scene.correspondence);
        // Of equal records nobody saw which was copied first.
        let known = !correspondence.equal.contains_key(&source);
        if known && self.scene.first_may_be_gone(source) {
            self.uncertain.entry(source).or_default().push(destination);
            return;
        }
        let first = known.then(|| correspondence.first[source as usize]);
        let explained = self.explanations.take(history, destination, source, first);
        self.add(destination, explained);
    }

    fn finish(mut self: Box<Self>) -> Vec<Finding> {
        let scene = self.scene;
        for (source, repeats) in std::mem::take(&mut self.uncertain) {
            for (copy, explained) in repeats.iter().zip(self.explain(source, &repeats)) {
                self.add(*copy, explained);
            }
        }
        let show = |what: &'static str| {
            move |destination| in_sequence(scene, destination, what.to_string())
        };
        let mut findings = self.duplicated.findings(show("copied again, and no event precedes it"));
        findings.extend(self.rewound.findings(show("copied again after an event")));
        findings
    }
}
