//! The plan of a long run: records at an even pace, and something that happens every few seconds.
//!
//! It is made of pieces. In each, records are written while one event after the other comes; then the next begins.

use judge::plan::{Action, Headers, KeyStyle, Plan, Side, Sizes, Skew, SubjectOptions, Workload};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng, seq::IndexedRandom};
use std::time::Duration;

/// What a long run is like.
#[derive(Clone, Debug)]
pub struct Soak {
    /// Of every random choice.
    pub seed: u64,
    /// How long records are written.
    pub time: Duration,
    /// How many of all topics together.
    pub records_per_second: u32,
    /// How the subject is started.
    pub options: SubjectOptions,
}

/// How long records are written in one piece, in seconds.
const PIECE: u32 = 30;
/// How long after the piece's begin its last event may begin.
const LAST_EVENT: u32 = 18;
/// How many brokers each side has.
const BROKERS: u8 = 3;
/// Partitions on the source and on the destination: both ways.
const TOPICS: [(&str, u32, u32); 2] = [("orders", 8, 3), ("payments", 3, 8)];
/// Longer than a group waits for a member on real brokers.
const FREEZE: Duration = Duration::from_secs(9);

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// A broker of a side dies, and comes back.
    Broker,
    /// The subject is killed, and started again.
    Kill,
    /// The subject is killed while a broker is away.
    KillWithoutBroker,
    /// It is asked to stop, and started again.
    Stop,
    /// It is frozen for so long that its group gives its partitions away.
    Freeze,
}

const EVENTS: [Event; 10] = [
    Event::Broker,
    Event::Broker,
    Event::Broker,
    Event::Broker,
    Event::Kill,
    Event::Kill,
    Event::KillWithoutBroker,
    Event::KillWithoutBroker,
    Event::Stop,
    Event::Freeze,
];

impl Soak {
    /// The plan: a function of the seed, time and pace.
    pub fn plan(&self) -> Plan {
        let random = &mut ChaCha8Rng::seed_from_u64(self.seed);
        let mut actions = Vec::new();
        for (topic, source, destination) in TOPICS {
            let sides = [(Side::Source, source), (Side::Destination, destination)];
            actions.extend(sides.map(|(side, partitions)| Action::CreateTopic {
                side,
                topic: topic.into(),
                partitions,
            }));
        }
        actions.extend([Action::StartSubject(self.options.clone()), Action::AwaitReady]);
        let seconds = u32::try_from(self.time.as_secs()).unwrap_or(u32::MAX).max(1);
        let pieces = seconds.div_ceil(PIECE);
        for piece in 0..pieces {
            let length = PIECE.min(seconds - piece * PIECE);
            self.begin_loads(length, random, &mut actions);
            // Memory that grows is seen of a process that lives for long: the last third of the time.
            let lives = 3 * piece >= 2 * pieces;
            let mut passed = 0;
            while passed < LAST_EVENT.min(length) {
                let pause = random.random_range(2..=6);
                actions.push(Action::Wait { seconds: pause });
                let event = EVENTS.choose(random).copied().unwrap_or(Event::Broker);
                let event = if lives { Event::Broker } else { event };
                passed += pause + self.happens(event, random, &mut actions);
            }
            actions.push(Action::AwaitLoad);
        }
        actions.push(Action::Finish);
        Plan { version: Plan::VERSION, seed: self.seed, actions }
    }

    fn begin_loads(&self, seconds: u32, random: &mut ChaCha8Rng, actions: &mut Vec<Action>) {
        let records_per_second = (self.records_per_second / TOPICS.len() as u32).max(1);
        let loads = TOPICS.map(|(topic, ..)| Action::BeginLoad {
            topic: topic.into(),
            workload: Workload {
                records: records_per_second.saturating_mul(seconds),
                producers: random.random_range(1..=3),
                keys: random.random_range(10..=2_000),
                skew: if random.random() { Skew::Uniform } else { Skew::Zipf(1.1) },
                key_style: if random.random() { KeyStyle::Plain } else { KeyStyle::Varied },
                null_keys: random.random_range(0..=10),
                null_values: random.random_range(0..=10),
                // What lies on six brokers lies in memory.
                sizes: if random.random_ratio(1, 5) { Sizes::Varied } else { Sizes::Small },
                headers: if random.random() { Headers::Id } else { Headers::Varied },
                ..Workload::default()
            },
            records_per_second,
        });
        actions.extend(loads);
    }

    /// Returns about how many seconds it takes.
    fn happens(&self, event: Event, random: &mut ChaCha8Rng, actions: &mut Vec<Action>) -> u32 {
        let away = random.random_range(1..=8);
        let side = if random.random() { Side::Source } else { Side::Destination };
        let broker = random.random_range(1..=BROKERS);
        let wait = |seconds| Action::Wait { seconds };
        let start = || [Action::StartSubject(self.options.clone()), Action::AwaitReady];
        match event {
            Event::Broker => actions.extend([
                Action::KillBroker { side, broker },
                wait(away),
                Action::StartBroker { side, broker },
            ]),
            Event::Kill => {
                actions.extend([Action::KillSubject, wait(away)]);
                actions.extend(start());
            }
            Event::KillWithoutBroker => {
                let [start, ready] = start();
                let back = Action::StartBroker { side, broker };
                actions.extend([
                    Action::KillBroker { side, broker },
                    wait(away),
                    Action::KillSubject,
                    wait(away),
                ]);
                // Who is in a group is known only where all brokers of the source answer.
                actions.extend(match side {
                    Side::Source => [back, start],
                    Side::Destination => [start, back],
                });
                actions.push(ready);
            }
            Event::Stop => {
                actions.extend([Action::StopSubject, wait(away)]);
                actions.extend(start());
            }
            Event::Freeze => {
                let after_ms = FREEZE.as_millis() as u64;
                actions.extend([Action::FreezeSubject, Action::ThawSubject { after_ms }]);
                actions.push(Action::AwaitReady);
            }
        }
        away
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soak(seconds: u64) -> Soak {
        let options = SubjectOptions::default();
        Soak { seed: 7, time: Duration::from_secs(seconds), records_per_second: 1_000, options }
    }

    #[test]
    fn whoever_is_killed_comes_back() {
        let plan = soak(1_800).plan();
        assert_eq!(plan, soak(1_800).plan(), "nothing but the seed decides");
        let (mut down, mut runs) = (Vec::new(), false);
        let mut kinds = [0; 4];
        for action in &plan.actions {
            match action {
                Action::KillBroker { side, broker } => {
                    assert!(down.is_empty(), "one broker at a time: records must survive");
                    down.push((*side, *broker));
                    kinds[0] += 1;
                }
                Action::StartBroker { side, broker } => {
                    assert_eq!(down.pop(), Some((*side, *broker)));
                }
                Action::StartSubject(_) => assert!(!std::mem::replace(&mut runs, true)),
                Action::KillSubject | Action::StopSubject => {
                    assert!(std::mem::replace(&mut runs, false));
                    kinds[if *action == Action::KillSubject { 1 } else { 2 }] += 1;
                }
                Action::FreezeSubject => kinds[3] += 1,
                _ => {}
            }
        }
        assert!(down.is_empty() && runs);
        assert!(kinds.into_iter().all(|count| count > 0), "{kinds:?}");
        assert_eq!(plan.actions.last(), Some(&Action::Finish));
    }

    #[test]
    fn records_are_written_for_as_long_as_is_asked_for() {
        for seconds in [1, 30, 31, 100] {
            let plan = soak(seconds).plan();
            let records = plan.actions.iter().map(|action| match action {
                Action::BeginLoad { workload, .. } => workload.records,
                _ => 0,
            });
            assert_eq!(u64::from(records.sum::<u32>()), seconds * 1_000);
        }
    }

    #[test]
    fn the_subject_lives_through_the_last_third() {
        let plan = soak(900).plan();
        let last = plan.actions.len() * 2 / 3 + 30;
        let ends = |action: &Action| {
            matches!(action, Action::KillSubject | Action::StopSubject | Action::FreezeSubject)
        };
        assert!(plan.actions.iter().any(ends) && !plan.actions[last..].iter().any(ends));
    }
}
