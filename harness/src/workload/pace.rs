//! How fast records are written.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// How often it is looked whether it is somebody's turn.
const LOOK: Duration = Duration::from_millis(1);

/// How fast records are written.
#[derive(Clone, Debug)]
pub enum Pace {
    /// As fast as the cluster takes them.
    AtOnce,
    /// Evenly.
    Even {
        /// So many, of all producers together.
        records_per_second: u32,
        /// Whether nobody needs them any more: then what is left is written at once.
        stop: Arc<AtomicBool>,
    },
}

/// When a producer may write its next record.
pub(super) struct Turns {
    pace: Option<(Duration, Arc<AtomicBool>)>,
    next: Instant,
}

impl Turns {
    /// Of one of `producers` that share a pace.
    pub(super) fn of(pace: &Pace, producers: u32) -> Turns {
        let pace = match pace {
            Pace::AtOnce => None,
            Pace::Even { records_per_second, stop } => {
                let pause = Duration::from_secs(1) * producers / (*records_per_second).max(1);
                Some((pause, stop.clone()))
            }
        };
        Turns { pace, next: Instant::now() }
    }

    /// Waits for the turn, and does `meanwhile` again and again.
    pub(super) fn wait(&mut self, meanwhile: impl Fn()) {
        let Some((pause, stop)) = &self.pace else { return };
        while Instant::now() < self.next && !stop.load(Ordering::Relaxed) {
            meanwhile();
            std::thread::sleep(LOOK);
        }
        self.next += *pause;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn producers_share_a_pace() {
        let stop = Arc::new(AtomicBool::new(false));
        let pace = Pace::Even { records_per_second: 200, stop: stop.clone() };
        let began = Instant::now();
        let mut turns = Turns::of(&pace, 2);
        (0..6).for_each(|_| turns.wait(|| ()));
        // The first at once, the others each a hundredth of a second later.
        assert!(began.elapsed() >= Duration::from_millis(50));
        stop.store(true, Ordering::Relaxed);
        let slow = Pace::Even { records_per_second: 1, stop };
        let mut turns = Turns::of(&slow, 1_000_000);
        // Nobody waits for what nobody needs.
        (0..3).for_each(|_| turns.wait(|| ()));
    }
}
