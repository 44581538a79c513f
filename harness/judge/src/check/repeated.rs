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
//! was written before the event was over. Each event explains one repeat of a record; a produce fault any number. Explained repeats are reported as
//! `rewound` with the event as circumstance, so that a contract can tolerate them or not. An
//! unexplained repeat is `rewound` if any event precedes it, else `duplicated`.
//!
//! Events that can explain only one repeat are used up first, so a repeat is put down to a produce
//! fault only if nothing else explains it.

use super::{Check, Observation, evidence::in_sequence, scene::Scene, tally::Tally};
use crate::{
    correspondence::explanation::Explanations,
    verdict::{Anomaly, Circumstance, Finding},
};

pub(super) fn check<'s>(scene: &'s Scene<'s>) -> Box<dyn Check + 's> {
    Box::new(Repeated {
        scene,
        explanations: Explanations::default(),
        duplicated: Tally::of(Anomaly::Duplicated),
        rewound: Tally::of(Anomaly::Rewound),
    })
}

struct Repeated<'s> {
    scene: &'s Scene<'s>,
    explanations: Explanations,
    duplicated: Tally<u32>,
    rewound: Tally<u32>,
}

impl Check for Repeated<'_> {
    fn step(&mut self, observation: Observation) {
        let Observation::Copy { destination, source, first: false } = observation else { return };
        let copy = self.scene.destination(destination);
        let (history, correspondence) = (self.scene.history, &self.scene.correspondence);
        // Of equal records nobody saw which was copied first.
        let known = !correspondence.equal.contains(&source);
        let first = known.then(|| correspondence.first[source as usize]);
        if let Some(kind) = self.explanations.take(history, destination, source, first) {
            self.rewound.add(Circumstance::Explained(kind), destination);
        } else if self.scene.history.events.iter().any(|event| event.precedes(copy)) {
            self.rewound.add(Circumstance::Plain, destination);
        } else {
            self.duplicated.add(Circumstance::Plain, destination);
        }
    }

    fn finish(self: Box<Self>) -> Vec<Finding> {
        let scene = self.scene;
        let show = |what: &'static str| {
            move |destination| in_sequence(scene, destination, what.to_string())
        };
        let mut findings = self.duplicated.findings(show("copied again, and no event precedes it"));
        findings.extend(self.rewound.findings(show("copied again after an event")));
        findings
    }
}
