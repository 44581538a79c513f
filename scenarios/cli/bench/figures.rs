//! What follows from the measured runs: the figures of each row, and how the first mirror compares with the others
//! and with the bounds. Tables and JSON show these numbers, and compute none of their own.

use harness::bench::{Bench, Limit, Measured, Recovery, Row, Who};
use judge::plan::Side;
use serde::Serialize;

/// Of the runs that count: the middle one, and how far they lie apart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Spread {
    fn of(figures: impl Iterator<Item = f64>) -> Option<Spread> {
        let mut figures: Vec<f64> = figures.collect();
        figures.sort_by(f64::total_cmp);
        let (min, max) = (*figures.first()?, *figures.last()?);
        let (low, high) = (figures[(figures.len() - 1) / 2], figures[figures.len() / 2]);
        Some(Spread { median: (low + high) / 2.0, min, max })
    }
}

/// How runs came out of an outage: [`harness::bench::Recovery`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Recoveries {
    pub(super) rate_before: Option<Spread>,
    pub(super) next_record_seconds: Option<Spread>,
    pub(super) full_rate_seconds: Option<Spread>,
    pub(super) repeated: Option<Spread>,
}

impl Recoveries {
    fn of(runs: &[Measured]) -> Option<Recoveries> {
        let counting = runs.iter().filter(|run| run.trouble.is_none());
        let seen: Vec<Recovery> = counting.filter_map(|run| run.recovery).collect();
        (!seen.is_empty()).then(|| Recoveries {
            rate_before: Spread::of(seen.iter().map(|one| one.rate_before)),
            next_record_seconds: Spread::of(seen.iter().map(|one| one.next_record_seconds)),
            full_rate_seconds: Spread::of(seen.iter().filter_map(|one| one.full_rate_seconds)),
            repeated: Spread::of(seen.iter().map(|one| one.repeated as f64)),
        })
    }
}

/// The figures of a row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Figures {
    pub(super) contender: String,
    pub(super) tuned: bool,
    /// Whether it is a bound and no mirror.
    pub(super) bound: bool,
    /// How many runs count.
    pub(super) rounds: usize,
    pub(super) seconds: Option<Spread>,
    pub(super) records_per_second: Option<Spread>,
    pub(super) megabytes_per_second: Option<Spread>,
    pub(super) cpu_microseconds_per_record: Option<Spread>,
    pub(super) broker_cpu_microseconds_per_record: Option<Spread>,
    pub(super) memory_megabytes: Option<Spread>,
    pub(super) first_record_seconds: Option<Spread>,
    /// Of the runs that came out of an outage.
    pub(super) recovery: Option<Recoveries>,
    /// Why runs did not count.
    pub(super) troubles: Vec<String>,
    runs: Vec<Measured>,
}

impl Figures {
    fn of(row: &Row, value_bytes: usize) -> Figures {
        let counting = || row.runs.iter().filter(|run| run.trouble.is_none() && run.seconds > 0.0);
        let spread = |figure: fn(&Measured) -> f64| Spread::of(counting().map(figure));
        let size = value_bytes as f64 / 1e6;
        let scaled = |spread: Option<Spread>, by: f64| {
            spread.map(|s| Spread { median: s.median * by, min: s.min * by, max: s.max * by })
        };
        let rate = spread(|run| run.timed as f64 / run.seconds);
        Figures {
            contender: row.contender.name(),
            tuned: row.contender.tuned,
            bound: matches!(row.contender.who, Who::Limit(_)),
            rounds: counting().count(),
            seconds: spread(|run| run.seconds),
            records_per_second: rate,
            megabytes_per_second: scaled(rate, size),
            cpu_microseconds_per_record: spread(|run| run.cpu_seconds * 1e6 / run.timed as f64),
            broker_cpu_microseconds_per_record: spread(|run| {
                run.broker_cpu_seconds * 1e6 / run.copied as f64
            }),
            memory_megabytes: spread(|run| run.memory as f64 / 1e6),
            first_record_seconds: Spread::of(counting().filter_map(|run| run.first_record_seconds)),
            recovery: Recoveries::of(&row.runs),
            troubles: row.runs.iter().filter_map(|run| run.trouble.clone()).collect(),
            runs: row.runs.clone(),
        }
    }

    /// How many there were, whether they count or not.
    pub(super) fn runs(&self) -> usize {
        self.runs.len()
    }
}

/// The first mirror of a table against another one: its median divided by the other's. `None` where one of the two
/// has no run that counts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Ratio {
    pub(super) contender: String,
    pub(super) against: String,
    pub(super) tuned: bool,
    /// Of records per second.
    pub(super) rate: Option<f64>,
    /// Of processor time per record.
    pub(super) cpu_per_record: Option<f64>,
    /// Of the most memory.
    pub(super) memory: Option<f64>,
}

impl Ratio {
    fn of(first: &Figures, other: &Figures) -> Ratio {
        let cpu = |row: &Figures| median(row.cpu_microseconds_per_record);
        Ratio {
            contender: first.contender.clone(),
            against: other.contender.clone(),
            tuned: first.tuned,
            rate: ratio(median(first.records_per_second), median(other.records_per_second)),
            cpu_per_record: ratio(cpu(first), cpu(other)),
            memory: ratio(median(first.memory_megabytes), median(other.memory_megabytes)),
        }
    }
}

/// The first mirror of a table against the bounds: medians again.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct OfBounds {
    pub(super) contender: String,
    pub(super) tuned: bool,
    /// Its rate, divided by that of reading alone.
    pub(super) rate_of_consume_only: Option<f64>,
    /// Its rate, divided by that of writing alone.
    pub(super) rate_of_produce_only: Option<f64>,
    /// Its processor time per record, divided by the sum of both bounds'.
    pub(super) cpu_of_both_bounds: Option<f64>,
}

impl OfBounds {
    fn of(first: &Figures, all: &[Figures]) -> OfBounds {
        let bound =
            |limit: Limit| all.iter().find(|row| row.bound && row.contender == limit.name());
        let rate = |limit| bound(limit).and_then(|row| median(row.records_per_second));
        let cpu = |limit| bound(limit).and_then(|row| median(row.cpu_microseconds_per_record));
        let both = cpu(Limit::ConsumeOnly).zip(cpu(Limit::ProduceOnly)).map(|(one, two)| one + two);
        let mine = median(first.records_per_second);
        OfBounds {
            contender: first.contender.clone(),
            tuned: first.tuned,
            rate_of_consume_only: ratio(mine, rate(Limit::ConsumeOnly)),
            rate_of_produce_only: ratio(mine, rate(Limit::ProduceOnly)),
            cpu_of_both_bounds: ratio(median(first.cpu_microseconds_per_record), both),
        }
    }
}

fn median(spread: Option<Spread>) -> Option<f64> {
    spread.map(|spread| spread.median)
}

fn ratio(mine: Option<f64>, theirs: Option<f64>) -> Option<f64> {
    Some(mine? / theirs?).filter(|ratio| ratio.is_finite())
}

/// A broker that was away.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Away {
    pub(super) side: Side,
    pub(super) seconds: u64,
}

/// All that was measured so far.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Comparison {
    schema_version: u32,
    program_version: &'static str,
    /// Whether every contender has had all its rounds.
    pub(super) complete: bool,
    pub(super) records: u64,
    pub(super) value_bytes: usize,
    pub(super) topics: u32,
    /// Of each topic.
    pub(super) source_partitions: u32,
    /// Of each topic.
    pub(super) destination_partitions: u32,
    pub(super) compression: String,
    pub(super) rounds: u32,
    /// What was away in the middle of each copy, if something was. Times and rates of runs include it.
    pub(super) outage: Option<Away>,
    pub(super) contenders: Vec<Figures>,
    /// Of each table: its first mirror against each of the others.
    pub(super) ratios: Vec<Ratio>,
    /// Of each table: its first mirror.
    pub(super) bounds: Vec<OfBounds>,
}

impl Comparison {
    pub(super) fn of(bench: &Bench, rows: &[Row]) -> Comparison {
        let contenders: Vec<Figures> =
            rows.iter().map(|row| Figures::of(row, bench.load.size)).collect();
        let (mut ratios, mut bounds) = (Vec::new(), Vec::new());
        for tuned in [false, true] {
            let mut mirrors = contenders.iter().filter(|row| !row.bound && row.tuned == tuned);
            // Of whatever was away, times say nothing of a mirror's speed.
            let Some(first) = mirrors.next().filter(|_| bench.outage.is_none()) else { continue };
            ratios.extend(mirrors.map(|other| Ratio::of(first, other)));
            bounds.push(OfBounds::of(first, &contenders));
        }
        let is_done = |row: &Row| row.runs.len() == bench.rounds as usize;
        Comparison {
            schema_version: 1,
            program_version: env!("CARGO_PKG_VERSION"),
            complete: !rows.is_empty() && rows.iter().all(is_done),
            records: bench.load.records,
            value_bytes: bench.load.size,
            topics: bench.topics,
            source_partitions: bench.source_partitions,
            destination_partitions: bench.destination_partitions,
            compression: bench.compression.clone(),
            rounds: bench.rounds,
            outage: bench
                .outage
                .map(|outage| Away { side: outage.side, seconds: outage.time.as_secs() }),
            contenders,
            ratios,
            bounds,
        }
    }

    /// As programs read it.
    pub(super) fn json(&self) -> String {
        format!("{:#}\n", serde_json::json!(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_an_even_number_lies_between_two() {
        let spread = Spread::of([4.0, 1.0, 3.0, 2.0].into_iter());
        assert_eq!(spread, Some(Spread { median: 2.5, min: 1.0, max: 4.0 }));
        assert_eq!(Spread::of(std::iter::empty()), None);
    }
}
