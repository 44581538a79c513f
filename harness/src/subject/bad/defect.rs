//! Where a mirror can be wrong: the hooks that a defect overrides. Each does the right thing by
//! default, so a defect says only what is wrong about it.

use super::{
    filter::Filter,
    record::{Outbox, Record},
};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use rdkafka::ClientConfig;

/// Which position is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Commits {
    /// Up to which every record is acknowledged.
    Contiguous,
    /// Behind the last record that was read.
    Received,
    /// Behind the highest record that is acknowledged.
    Highest,
    /// None.
    Never,
}

/// What is done when the producer's queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WhenFull {
    Wait,
    Drop,
}

/// What is done when the destination refuses a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WhenRefused {
    Stop,
    Ignore,
}

/// What is done when the source no longer holds the position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WhenGone {
    Stop,
    Jump,
}

/// Where a partition begins that has no committed position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    Earliest,
    Latest,
}

/// Which positions an application's group is given on the destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Translation {
    /// Before the first record that it has not read.
    Exact,
    /// Those that it has on the source.
    Raw,
    /// Behind everything.
    End,
    /// Before everything.
    Start,
}

/// What is done where the destination lacks a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Creates {
    /// Nothing: somebody else creates it.
    Nothing,
    /// It is created with the settings of the source.
    WithSettings,
    /// It is created with the destination's defaults.
    Bare,
}

/// What is decided once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    pub(super) commits: Commits,
    pub(super) when_full: WhenFull,
    pub(super) when_refused: WhenRefused,
    pub(super) when_gone: WhenGone,
    pub(super) begin: Begin,
    pub(super) translation: Translation,
    pub(super) creates: Creates,
    /// Whether what it wrote to the destination is read there and written to the source.
    pub(super) loops: bool,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            commits: Commits::Contiguous,
            when_full: WhenFull::Wait,
            when_refused: WhenRefused::Stop,
            when_gone: WhenGone::Stop,
            begin: Begin::Earliest,
            translation: Translation::Exact,
            creates: Creates::Nothing,
            loops: false,
        }
    }
}

/// What is wrong with a mirror, or what is unusual about it.
pub(super) trait Defect {
    fn policy(&self) -> Policy {
        Policy::default()
    }

    /// Changes the consumer's settings.
    fn consumer(&self, _config: &mut ClientConfig) {}

    /// Changes the producer's settings.
    fn producer(&self, _config: &mut ClientConfig) {}

    /// Whether a topic of the source is copied.
    fn wants(&self, filter: &Filter, topic: &str) -> bool {
        filter.matches(topic)
    }

    /// Another topic of the destination that a topic is copied to as well.
    fn also_to(&self, _topic: &str) -> Option<String> {
        None
    }

    /// Told once how many partitions a topic of the destination has.
    fn learn(&mut self, _topic: &str, _partitions: u32) {}

    /// Where a partition begins that was committed up to here.
    fn begins_at(&self, committed: i64) -> i64 {
        committed
    }

    /// What becomes of a record that was read.
    fn copy(&mut self, record: Record, out: &mut Outbox) {
        out.send(record);
    }

    /// Called often, with records or without.
    fn tick(&mut self, _out: &mut Outbox) {}
}

/// The mirror that does all of it right.
pub(super) struct Sound;

impl Defect for Sound {}

/// Only the policy is wrong.
pub(super) struct Policed(pub(super) Policy);

impl Defect for Policed {
    fn policy(&self) -> Policy {
        self.0
    }
}

/// Something is done to every record.
pub(super) struct Every(pub(super) fn(&mut Record));

impl Defect for Every {
    fn copy(&mut self, mut record: Record, out: &mut Outbox) {
        self.0(&mut record);
        out.send(record);
    }
}

/// Something is done once, to a data record of the seed's choice.
pub(super) struct Once {
    random: ChaCha8Rng,
    /// How many possible victims are passed over.
    wait: u32,
    struck: bool,
    can: fn(&Record) -> bool,
    strike: fn(Record, &mut Outbox, &mut ChaCha8Rng),
}

/// Which of the possible victims it is: late enough that the mirror has shown itself ready, and early
/// enough that a dense scenario has so many.
const VICTIMS: std::ops::Range<u32> = 600..1_200;

impl Once {
    /// `can` tells whether a data record can be the victim.
    pub(super) fn new(
        seed: u64,
        can: fn(&Record) -> bool,
        strike: fn(Record, &mut Outbox, &mut ChaCha8Rng),
    ) -> Once {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let wait = random.random_range(VICTIMS);
        Once { random, wait, struck: false, can, strike }
    }
}

impl Defect for Once {
    fn copy(&mut self, record: Record, out: &mut Outbox) {
        if self.struck || !record.is_data() || !(self.can)(&record) {
            out.send(record);
        } else if self.wait > 0 {
            self.wait -= 1;
            out.send(record);
        } else {
            self.struck = true;
            (self.strike)(record, out, &mut self.random);
        }
    }
}

/// One record of a key is held back until so many later ones of the key have passed it.
pub(super) struct HoldsOne {
    random: ChaCha8Rng,
    pass: u32,
    held: Option<(Record, u32)>,
    done: bool,
}

impl HoldsOne {
    pub(super) fn new(seed: u64, pass: u32) -> HoldsOne {
        HoldsOne { random: ChaCha8Rng::seed_from_u64(seed), pass, held: None, done: false }
    }
}

impl Defect for HoldsOne {
    fn copy(&mut self, record: Record, out: &mut Outbox) {
        let Some((held, passed)) = &mut self.held else {
            let victim = !self.done && record.key.is_some() && record.is_data();
            if victim && self.random.random_range(0..50) == 0 {
                self.held = Some((record, 0));
            } else {
                out.send(record);
            }
            return;
        };
        let place =
            |record: &Record| record.origin.as_ref().map(|at| (at.topic.clone(), at.partition));
        let same = record.key == held.key && place(&record) == place(held);
        // A record of the harness lies behind all data of its partition: nothing more will come.
        let over = !record.is_data() && place(&record) == place(held);
        out.send(record);
        *passed += u32::from(same);
        if over || *passed == self.pass {
            self.done = *passed > 0;
            out.0.extend(self.held.take().map(|(held, _)| super::record::Step::Send(held)));
        }
    }
}
