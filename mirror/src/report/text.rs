//! The report for people: a table, and what is odd below it.
//!
//! ```text
//! copied 5 records of 2 partitions up to the end offsets of the start
//!
//! topic   partition  records  bytes  source offsets  digest                            destination offsets
//! orders          0        5     40  3-7             9f0c…                             0: 10-12, 4: 7-8
//! orders          1        0      0  -               00000000000000000000000000000000  -
//! orders        all        5     40                  9f0c…
//! ```

use std::fmt;

use super::{Partition, Report};

const COLUMNS: [&str; 7] =
    ["topic", "partition", "records", "bytes", "source offsets", "digest", "destination offsets"];
/// Columns of numbers, which are aligned to the right.
const NUMBERS: std::ops::Range<usize> = 1..4;

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let records: u64 = self.topics.iter().map(|topic| topic.destination.records).sum();
        let elsewhere = self.partitions.iter().filter(|partition| partition.elsewhere).count();
        let partitions = self.partitions.len() - elsewhere;
        writeln!(
            formatter,
            "copied {records} records of {partitions} partitions up to the end offsets of the start"
        )?;
        if elsewhere > 0 {
            writeln!(
                formatter,
                "{elsewhere} more partitions were read to their ends by other members of the group: see their reports"
            )?;
        }
        if !self.partitions.is_empty() {
            writeln!(formatter)?;
            table(formatter, &self.rows())?;
        }
        if !self.complete {
            writeln!(formatter, "\nnot complete")?;
        }
        for partition in &self.partitions {
            notes(formatter, partition)?;
        }
        Ok(())
    }
}

impl Report {
    fn rows(&self) -> Vec<[String; COLUMNS.len()]> {
        let mut rows = vec![COLUMNS.map(str::to_owned)];
        for topic in &self.topics {
            let of_topic = self.partitions.iter().filter(|one| one.topic == topic.topic);
            rows.extend(of_topic.map(row));
            rows.push([
                topic.topic.clone(),
                "all".to_owned(),
                topic.destination.records.to_string(),
                topic.destination.bytes.to_string(),
                String::new(),
                topic.destination.digest.to_string(),
                String::new(),
            ]);
        }
        rows
    }
}

fn row(partition: &Partition) -> [String; COLUMNS.len()] {
    let places = partition.destination_partitions.iter();
    let places: Vec<String> = places
        .map(|to| format!("{}: {}", to.partition, range(to.first_offset, to.last_offset)))
        .collect();
    [
        partition.topic.clone(),
        partition.partition.to_string(),
        partition.destination.records.to_string(),
        partition.destination.bytes.to_string(),
        range(partition.first_offset, partition.last_offset),
        partition.destination.digest.to_string(),
        if places.is_empty() { "-".to_owned() } else { places.join(", ") },
    ]
}

fn range(first: Option<i64>, last: Option<i64>) -> String {
    match (first, last) {
        (Some(first), Some(last)) => format!("{first}-{last}"),
        _ => "-".to_owned(),
    }
}

fn table(formatter: &mut fmt::Formatter<'_>, rows: &[[String; COLUMNS.len()]]) -> fmt::Result {
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: [usize; COLUMNS.len()] = std::array::from_fn(width);
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            line += &if NUMBERS.contains(&column) {
                format!("{cell:>width$}  ")
            } else {
                format!("{cell:<width$}  ")
            };
        }
        writeln!(formatter, "{}", line.trim_end())?;
    }
    Ok(())
}

fn notes(formatter: &mut fmt::Formatter<'_>, partition: &Partition) -> fmt::Result {
    let Partition { topic, partition: number, changed, dropped, lost, repeated, .. } = partition;
    if partition.elsewhere {
        writeln!(
            formatter,
            "{topic} [{number}]: read to its end by another member of the group; this line has only what was copied here"
        )?;
    }
    if *dropped > 0 {
        writeln!(formatter, "{topic} [{number}]: {dropped} records were dropped, see the log")?;
    }
    if *lost > 0 {
        writeln!(formatter, "{topic} [{number}]: {lost} offsets were gone from the source")?;
    }
    if *repeated > 0 {
        writeln!(
            formatter,
            "{topic} [{number}]: {repeated} records were copied twice because of a rebalance"
        )?;
    }
    if *dropped == 0 && partition.source != partition.destination {
        writeln!(
            formatter,
            "{topic} [{number}]: what was read has the digest {}: {changed} records were changed on their way, see the log",
            partition.source.digest
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        digest::Digest,
        progress::account::{Copied, Range, Sum},
    };

    fn copied(values: &[&str]) -> Copied {
        let mut sum = Sum::default();
        for value in values {
            let digest = Digest::of(None, Some(value.as_bytes()), None, std::iter::empty());
            sum.add(Sum { records: 1, bytes: value.len() as u64, digest });
        }
        let range = |first, last| Range { records: 1, first: Some(first), last: Some(last) };
        Copied {
            read: sum,
            acknowledged: sum,
            source: range(7, 12),
            destinations: [(0, range(3, 3)), (11, range(1, 2))].into(),
            ..Copied::default()
        }
    }

    fn report(complete: bool, of_first: &Copied) -> Report {
        let partitions = vec![
            Partition::new("orders", 0, 13, false, of_first),
            Partition::new("orders", 10, 0, false, &Copied::default()),
        ];
        Report::new(complete, partitions)
    }

    #[test]
    fn each_partition_has_a_line_and_each_topic_a_sum() {
        let text = report(true, &copied(&["a", "bc"])).to_string();
        let expected = "\
copied 2 records of 2 partitions up to the end offsets of the start

topic   partition  records  bytes  source offsets  digest                            destination offsets
orders          0        2      3  7-12            DIGEST  0: 3-3, 11: 1-2
orders         10        0      0  -               00000000000000000000000000000000  -
orders        all        2      3                  DIGEST
";
        let digest = copied(&["a", "bc"]).read.digest.to_string();
        assert_eq!(text, expected.replace("DIGEST", &digest));
    }

    #[test]
    fn what_is_odd_is_said() {
        let mut odd = copied(&["a"]);
        (odd.dropped, odd.repeated, odd.lost) = (4, 5, 6);
        let text = report(false, &odd).to_string();
        for words in [
            "not complete",
            "[0]: 4 records were dropped",
            "[0]: 5 records were copied twice",
            "[0]: 6 offsets were gone",
        ] {
            assert!(text.contains(words), "no {words:?} in\n{text}");
        }
        let changed = Copied { read: copied(&["b"]).read, changed: 7, ..copied(&["a"]) };
        let text = report(true, &changed).to_string();
        assert!(text.contains("orders [0]: what was read has the digest"), "{text}");
        assert!(text.contains(": 7 records were changed on their way"), "{text}");
        assert!(!text.contains("not complete"), "{text}");
    }

    #[test]
    fn what_others_copied_is_told_apart() {
        let partitions = vec![
            Partition::new("orders", 0, 13, false, &copied(&["a"])),
            Partition::new("orders", 1, 9, true, &Copied::default()),
        ];
        let text = Report::new(true, partitions).to_string();
        for words in [
            "copied 1 records of 1 partitions",
            "1 more partitions were read to their ends by other members",
            "orders [1]: read to its end by another member",
        ] {
            assert!(text.contains(words), "no {words:?} in\n{text}");
        }
        assert!(!text.contains("orders [0]: read to its end"), "{text}");
    }
}
