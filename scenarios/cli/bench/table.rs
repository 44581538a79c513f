//! The tables of a comparison, for people.

use super::figures::{Away, Comparison, Figures, OfBounds, Ratio, Recoveries, Spread};
use harness::bench::FULL;
use std::fmt::Write;

/// How mirrors come out of an outage.
const OUTAGE_HEAD: [&str; 6] =
    ["", "records/s before", "next record after s", "full rate after s", "repeated", "memory MB"];
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
pub(super) fn render(comparison: &Comparison) -> String {
    let Comparison { records, value_bytes, compression, rounds, contenders, .. } = comparison;
    let topics = match comparison.topics {
        1 => String::new(),
        topics => format!("{topics} topics, each of "),
    };
    let mut text = format!(
        "{records} records of {value_bytes} bytes, {topics}{} to {} partitions, compression {compression}, \
         {rounds} round(s), medians\n",
        comparison.source_partitions, comparison.destination_partitions,
    );
    // Writing to a string cannot fail.
    if let Some(Away { side, seconds }) = &comparison.outage {
        let _ = writeln!(
            text,
            "the {side}'s broker is away for {seconds} s once a third is copied; times count from its return, and {:.0} % of \
             the rate before is full",
            FULL * 100.0
        );
    }
    if !comparison.complete {
        let runs: usize = contenders.iter().map(Figures::runs).sum();
        let all = contenders.len() * *rounds as usize;
        let _ = writeln!(text, "\nincomplete: {runs} of {all} runs");
    }
    for (tuned, title) in [(false, "as they come"), (true, "tuned for throughput")] {
        let of_table: Vec<&Figures> =
            contenders.iter().filter(|row| row.bound || row.tuned == tuned).collect();
        if of_table.iter().any(|row| !row.bound) {
            let figures = match comparison.outage {
                Some(_) => recoveries(&of_table),
                None => speeds(&of_table),
            };
            let _ = write!(text, "\n{title}\n\n{figures}\n");
            let ratios = comparison.ratios.iter().filter(|ratio| ratio.tuned == tuned);
            let bounds = comparison.bounds.iter().filter(|bounds| bounds.tuned == tuned);
            text.extend(ratios.filter_map(against).chain(bounds.filter_map(of_bounds)));
        }
    }
    for row in contenders {
        for trouble in &row.troubles {
            let _ = writeln!(text, "\n✗ {}: {trouble}", row.contender);
        }
    }
    text
}

fn figure(spread: Option<Spread>, decimals: usize) -> String {
    spread.map_or_else(|| "-".to_owned(), |spread| format!("{:.decimals$}", spread.median))
}

fn speeds(rows: &[&Figures]) -> String {
    let lines = rows.iter().map(|row| {
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
    });
    table(HEAD, lines)
}

fn recoveries(rows: &[&Figures]) -> String {
    let lines = rows.iter().map(|row| {
        let of = |one: fn(&Recoveries) -> Option<Spread>| row.recovery.as_ref().and_then(one);
        [
            row.contender.clone(),
            figure(of(|one| one.rate_before), 0),
            figure(of(|one| one.next_record_seconds), 1),
            figure(of(|one| one.full_rate_seconds), 1),
            figure(of(|one| one.repeated), 0),
            figure(row.memory_megabytes, 0),
        ]
    });
    table(OUTAGE_HEAD, lines)
}

fn table<const COLUMNS: usize>(
    head: [&str; COLUMNS],
    rows: impl Iterator<Item = [String; COLUMNS]>,
) -> String {
    let lines: Vec<_> = std::iter::once(head.map(str::to_owned)).chain(rows).collect();
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

/// The first mirror against another, in a line.
fn against(ratio: &Ratio) -> Option<String> {
    let Ratio { contender, against, rate, cpu_per_record, memory, .. } = ratio;
    Some(format!(
        "{contender} has {:.1} times the rate of {against}, 1/{:.1} of its CPU per record and 1/{:.1} of its memory\n",
        (*rate)?,
        1.0 / (*cpu_per_record)?,
        1.0 / (*memory)?,
    ))
}

/// The first mirror against the bounds, in a line.
fn of_bounds(bounds: &OfBounds) -> Option<String> {
    Some(format!(
        "{} has {:.0} % of the rate of produce-only, and {:.0} % of the CPU per record of both bounds together\n",
        bounds.contender,
        bounds.rate_of_produce_only? * 100.0,
        bounds.cpu_of_both_bounds? * 100.0,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use harness::{
        bench::{Bench, Contender, Limit, Load, Measured, Outage, Recovery, Row, Who},
        subject::Kind,
    };
    use judge::plan::Side;
    use serde_json::Value;
    use std::time::Duration;

    fn bench(rounds: u32) -> Bench {
        Bench {
            subjects: vec![Kind::Mirror, Kind::MirrorMaker1],
            load: Load { records: 1_000, size: 100 },
            topics: 50,
            source_partitions: 8,
            destination_partitions: 3,
            compression: "none".into(),
            rounds,
            tuned: false,
            outage: None,
            executable: "mirrorproof".into(),
            folder: "runs".into(),
        }
    }

    /// A run of a second, in which so much was copied and used.
    fn run(records: u64, cpu_seconds: f64, memory: u64) -> Measured {
        Measured {
            copied: records,
            timed: records,
            seconds: 1.0,
            cpu_seconds,
            broker_cpu_seconds: 1.0,
            memory,
            first_record_seconds: None,
            recovery: None,
            trouble: None,
        }
    }

    fn rows() -> Vec<Row> {
        let row = |who, runs| Row { contender: Contender { who, tuned: false }, runs };
        let bound = |limit, run| row(Who::Limit(limit), vec![run]);
        vec![
            bound(Limit::ConsumeOnly, run(2_000_000, 1.0, 80_000_000)),
            bound(Limit::ProduceOnly, run(1_000_000, 1.0, 40_000_000)),
            row(Who::Subject(Kind::Mirror), vec![run(500_000, 0.6, 50_000_000)]),
            row(Who::Subject(Kind::MirrorMaker1), vec![run(200_000, 0.96, 400_000_000)]),
        ]
    }

    #[test]
    fn the_text_says_the_ratios_that_the_json_has() {
        let comparison = Comparison::of(&bench(1), &rows());
        let text = render(&comparison);
        let says = |words: &str| assert!(text.contains(words), "no {words:?} in\n{text}");
        says("50 topics, each of 8 to 3 partitions");
        says(
            "mirror has 2.5 times the rate of mirrormaker1, 1/4.0 of its CPU per record and 1/8.0 of its memory",
        );
        says(
            "mirror has 50 % of the rate of produce-only, and 80 % of the CPU per record of both bounds together",
        );
        assert!(!text.contains("incomplete"), "{text}");
        let json: Value = serde_json::from_str(&comparison.json()).unwrap();
        let (ratio, bounds) = (&json["ratios"][0], &json["bounds"][0]);
        let near = |found: &Value, expected: f64| {
            assert!((found.as_f64().unwrap() - expected).abs() < 1e-9, "{found} is not {expected}");
        };
        assert_eq!(
            (&ratio["contender"], &ratio["against"]),
            (&"mirror".into(), &"mirrormaker1".into())
        );
        near(&ratio["rate"], 2.5);
        near(&ratio["cpu_per_record"], 0.25);
        near(&ratio["memory"], 0.125);
        near(&bounds["rate_of_consume_only"], 0.25);
        near(&bounds["rate_of_produce_only"], 0.5);
        near(&bounds["cpu_of_both_bounds"], 0.8);
        assert_eq!((&json["complete"], &json["topics"]), (&true.into(), &50.into()));
        assert_eq!(json["contenders"][3]["runs"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn after_an_outage_nobody_is_compared_by_its_speed() {
        let mut bench = bench(1);
        bench.outage = Some(Outage { side: Side::Source, time: Duration::from_secs(30) });
        let mut rows = rows().split_off(2);
        let recovery = |full_rate_seconds| Recovery {
            rate_before: 900_000.0,
            next_record_seconds: 0.5,
            full_rate_seconds,
            repeated: 7,
        };
        rows[0].runs[0].recovery = Some(recovery(Some(1.25)));
        rows[1].runs[0].recovery = Some(recovery(None));
        let comparison = Comparison::of(&bench, &rows);
        let text = render(&comparison);
        let line = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap();
        let words =
            |name: &str| line(name).split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert!(text.contains("the source's broker is away for 30 s"), "{text}");
        assert_eq!(words("mirror "), ["mirror", "900000", "0.5", "1.2", "7", "50"], "{text}");
        assert_eq!(
            words("mirrormaker1"),
            ["mirrormaker1", "900000", "0.5", "-", "7", "400"],
            "{text}"
        );
        assert!(!text.contains("times the rate"), "{text}");
        let json: Value = serde_json::from_str(&comparison.json()).unwrap();
        assert_eq!(json["outage"], serde_json::json!({ "side": "source", "seconds": 30 }));
        assert_eq!(json["contenders"][0]["recovery"]["full_rate_seconds"]["median"], 1.25);
    }

    #[test]
    fn what_is_cut_short_is_marked_in_both() {
        let mut rows = rows();
        rows[3].runs.clear();
        let comparison = Comparison::of(&bench(2), &rows);
        let text = render(&comparison);
        assert!(text.contains("\nincomplete: 3 of 8 runs\n"), "{text}");
        let json: Value = serde_json::from_str(&comparison.json()).unwrap();
        assert_eq!(json["complete"], false);
        assert_eq!(json["ratios"][0]["rate"], Value::Null, "nothing to compare with");
        assert!(!text.contains("of mirrormaker1"), "{text}");
        assert!(!Comparison::of(&bench(1), &[]).complete, "nothing was measured");
    }

    #[test]
    fn a_table_of_tuned_mirrors_has_its_own_ratios() {
        let mut rows = rows();
        let tuned: Vec<Row> = rows[2..].to_vec();
        rows.extend(tuned.into_iter().map(|row| Row {
            contender: Contender { tuned: true, ..row.contender },
            runs: vec![run(400_000, 1.0, 100_000_000)],
        }));
        let comparison = Comparison::of(&bench(1), &rows);
        let named: Vec<&str> = comparison.ratios.iter().map(|one| one.against.as_str()).collect();
        assert_eq!(named, ["mirrormaker1", "mirrormaker1-tuned"]);
        let text = render(&comparison);
        assert!(
            text.contains("mirror-tuned has 1.0 times the rate of mirrormaker1-tuned"),
            "{text}"
        );
        assert!(text.contains("mirror-tuned has 40 % of the rate of produce-only"), "{text}");
    }
}
