//! The tables of a comparison, for people and for programs.

use harness::bench::{Bench, Measured, Row, Who};
use serde::Serialize;
use std::fmt::Write;

/// Of the runs that count: the middle one, and how far they lie apart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Spread {
    median: f64,
    min: f64,
    max: f64,
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

/// The figures of a row.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Figures {
    contender: String,
    tuned: bool,
    /// Whether it is a bound and no mirror.
    bound: bool,
    rounds: usize,
    seconds: Option<Spread>,
    records_per_second: Option<Spread>,
    megabytes_per_second: Option<Spread>,
    cpu_microseconds_per_record: Option<Spread>,
    broker_cpu_microseconds_per_record: Option<Spread>,
    memory_megabytes: Option<Spread>,
    first_record_seconds: Option<Spread>,
    /// Why runs did not count.
    troubles: Vec<String>,
    runs: Vec<Measured>,
}

impl Figures {
    fn of(row: &Row, bench: &Bench) -> Figures {
        let counting = || row.runs.iter().filter(|run| run.trouble.is_none() && run.seconds > 0.0);
        let spread = |figure: fn(&Measured) -> f64| Spread::of(counting().map(figure));
        let size = bench.load.size as f64 / 1e6;
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
            troubles: row.runs.iter().filter_map(|run| run.trouble.clone()).collect(),
            runs: row.runs.clone(),
        }
    }
}

/// Everything that was measured, as JSON.
pub(super) fn json(bench: &Bench, rows: &[Row]) -> String {
    let figures: Vec<Figures> = rows.iter().map(|row| Figures::of(row, bench)).collect();
    let all = serde_json::json!({
        "schema_version": 1,
        "program_version": env!("CARGO_PKG_VERSION"),
        "records": bench.load.records,
        "value_bytes": bench.load.size,
        "source_partitions": bench.source_partitions,
        "destination_partitions": bench.destination_partitions,
        "compression": bench.compression,
        "rounds": bench.rounds,
        "contenders": figures,
    });
    format!("{all:#}\n")
}

const HEAD: [&str; 9] = [
    "",
    "records/s",
    "min to max",
    "MB/s",
    "s",
    "CPU µs/rec",
    "brokers µs/rec",
    "memory MB",
    "first s",
];

/// The tables, as text.
pub(super) fn render(bench: &Bench, rows: &[Row]) -> String {
    let figures: Vec<Figures> = rows.iter().map(|row| Figures::of(row, bench)).collect();
    let mut text = format!(
        "{} records of {} bytes, {} to {} partitions, compression {}, {} round(s), medians\n",
        bench.load.records,
        bench.load.size,
        bench.source_partitions,
        bench.destination_partitions,
        bench.compression,
        bench.rounds
    );
    for (tuned, title) in [(false, "as they come"), (true, "tuned for throughput")] {
        let of_table: Vec<&Figures> =
            figures.iter().filter(|row| row.bound || row.tuned == tuned).collect();
        if of_table.iter().any(|row| !row.bound) {
            // Writing to a string cannot fail.
            let _ = write!(text, "\n{title}\n\n{}{}", table(&of_table), ratios(&of_table));
        }
    }
    for row in &figures {
        for trouble in &row.troubles {
            let _ = writeln!(text, "\n✗ {}: {trouble}", row.contender);
        }
    }
    text
}

fn table(rows: &[&Figures]) -> String {
    let figure = |spread: Option<Spread>, decimals: usize| match spread {
        Some(spread) => format!("{:.decimals$}", spread.median),
        None => "-".to_owned(),
    };
    let mut lines = vec![HEAD.map(str::to_owned)];
    lines.extend(rows.iter().map(|row| {
        let range = |spread: Spread| format!("{:.0} to {:.0}", spread.min, spread.max);
        [
            row.contender.clone(),
            figure(row.records_per_second, 0),
            row.records_per_second.map_or_else(|| "-".to_owned(), range),
            figure(row.megabytes_per_second, 1),
            figure(row.seconds, 2),
            figure(row.cpu_microseconds_per_record, 2),
            figure(row.broker_cpu_microseconds_per_record, 2),
            figure(row.memory_megabytes, 0),
            figure(row.first_record_seconds, 2),
        ]
    }));
    let width = |column: usize| {
        lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default()
    };
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().enumerate().map(|(column, cell)| {
            let width = width(column);
            if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        let cells: Vec<String> = cells.collect();
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    text
}

/// The first mirror against each of the others, and against the bounds.
fn ratios(rows: &[&Figures]) -> String {
    let mut mirrors = rows.iter().filter(|row| !row.bound);
    let Some(first) = mirrors.next() else { return String::new() };
    let median = |spread: Option<Spread>| spread.map(|spread| spread.median);
    let mut text = String::from("\n");
    for other in mirrors {
        let ratio = |mine: Option<Spread>, theirs: Option<Spread>| {
            Some(median(mine)? / median(theirs)?).filter(|ratio| ratio.is_finite())
        };
        let rate = ratio(first.records_per_second, other.records_per_second);
        let cpu = ratio(other.cpu_microseconds_per_record, first.cpu_microseconds_per_record);
        let memory = ratio(other.memory_megabytes, first.memory_megabytes);
        if let (Some(rate), Some(cpu), Some(memory)) = (rate, cpu, memory) {
            let _ = writeln!(
                text,
                "{} has {rate:.1} times the rate of {}, 1/{cpu:.1} of its CPU per record and 1/{memory:.1} of \
                 its memory",
                first.contender, other.contender
            );
        }
    }
    let bound = |name: &str| rows.iter().find(|row| row.bound && row.contender == name);
    if let (Some(consume), Some(produce)) = (bound("consume-only"), bound("produce-only"))
        && let Some(rate) = median(first.records_per_second)
        && let Some(most) = median(produce.records_per_second)
        && let Some(cpu) = median(first.cpu_microseconds_per_record)
        && let Some(consuming) = median(consume.cpu_microseconds_per_record)
        && let Some(producing) = median(produce.cpu_microseconds_per_record)
    {
        let _ = writeln!(
            text,
            "{} has {:.0} % of the rate of produce-only, and {:.0} % of the CPU per record of both bounds \
             together",
            first.contender,
            rate * 100.0 / most,
            cpu * 100.0 / (consuming + producing)
        );
    }
    text
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
