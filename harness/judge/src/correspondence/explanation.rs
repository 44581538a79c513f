//! Which event explains that a record was copied again, and which have been used up.

use crate::history::{EventKind, History};
use std::collections::HashMap;

/// For each source record the events that have explained a repeat of it already.
#[derive(Default)]
pub(crate) struct Explanations(HashMap<u32, Vec<usize>>);

impl Explanations {
    /// The event that explains a further copy, if any is left. One that explains a single repeat is
    /// taken before a produce fault, which explains any number. `first`: the record's first copy,
    /// where it is known; what was copied only after an event was over is not repeated because of it.
    /// Which of two copies in two partitions came first may be unknown, so either will do.
    pub(crate) fn find(
        &self,
        history: &History,
        copy: u32,
        source: u32,
        first: Option<u32>,
    ) -> Option<usize> {
        let used = self.0.get(&source).map_or(&[][..], Vec::as_slice);
        let copy = &history.destination[copy as usize];
        let original = &history.source[source as usize];
        let first = first.map(|first| &history.destination[first as usize]);
        let explaining = |fault: bool| {
            history.events.iter().enumerate().position(|(number, event)| {
                (event.kind == EventKind::ProduceFault) == fault
                    && (fault || !used.contains(&number))
                    && event.explains(copy, original)
                    && first
                        .is_none_or(|first| event.was_not_over(first) || event.was_not_over(copy))
            })
        };
        explaining(false).or_else(|| explaining(true))
    }

    /// Finds the event, and uses it up.
    pub(crate) fn take(
        &mut self,
        history: &History,
        copy: u32,
        source: u32,
        first: Option<u32>,
    ) -> Option<EventKind> {
        let number = self.find(history, copy, source, first)?;
        self.0.entry(source).or_default().push(number);
        Some(history.events[number].kind)
    }
}
