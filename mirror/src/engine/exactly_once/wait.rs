//! Waiting for the destination: the stream stays in the group meanwhile, and hears of what ends it.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{
    super::{EngineError, room::STAY_IN_GROUP},
    Stream,
    lane::Tried,
};

/// Pause between two looks at what is in flight.
const LOOK: Duration = Duration::from_millis(1);

impl Stream<'_> {
    /// Tries until it is done, and stays in the group meanwhile. False if it is over before that.
    pub(super) fn persist(
        &self,
        is_over: impl Fn() -> bool,
        mut attempt: impl FnMut() -> Result<Tried, EngineError>,
    ) -> Result<bool, EngineError> {
        let mut wait = Wait::new(self);
        let done = loop {
            if let Tried::Done = attempt()? {
                break true;
            }
            if is_over() {
                break false;
            }
            wait.go_on()?;
            thread::sleep(LOOK);
        };
        wait.end()?;
        Ok(done)
    }
}

/// One wait of a stream.
pub(super) struct Wait<'w, 's> {
    stream: &'w Stream<'s>,
    since: Instant,
    paused: bool,
}

impl<'w, 's> Wait<'w, 's> {
    pub(super) fn new(stream: &'w Stream<'s>) -> Self {
        Self { stream, since: Instant::now(), paused: false }
    }

    pub(super) fn go_on(&mut self) -> Result<(), EngineError> {
        self.stream.notes.failure()?;
        if self.since.elapsed() > STAY_IN_GROUP {
            self.paused = true;
            self.stream.stay_in_group()?;
        }
        Ok(())
    }

    pub(super) fn end(self) -> Result<(), EngineError> {
        if self.paused { self.stream.resume_all() } else { Ok(()) }
    }
}
