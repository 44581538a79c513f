//! What the self test prints.

use super::{
    Row, SelfTest, Shown,
    cases::{Case, Suspect, cases},
    selected,
};

/// The rows as a table, and what they come to. They are not all that was selected if it was cut short.
pub fn render(rows: &[Row], test: &SelfTest) -> String {
    let mut lines = vec![
        ["mirror", "a mirror that …", "promise", "found as", "rounds", "time"].map(str::to_owned),
    ];
    for row in rows {
        let (rounds, time) = if row.rounds > 0 {
            (format!("{}/{}", row.passed, row.rounds), format!("{:.1} s", row.seconds))
        } else {
            ("–".to_owned(), "–".to_owned())
        };
        lines.push([
            row.name.clone(),
            row.does.clone(),
            row.shown.promise().to_owned(),
            row.shown.to_string(),
            rounds,
            time,
        ]);
    }
    let mut out = columns(&lines);
    let bad = |row: &&Row| row.bad && row.rounds > 0;
    let sound = |row: &&Row| !row.bad && row.rounds > 0;
    let right = |row: &&Row| row.shown.is_right();
    let count = |of: &dyn Fn(&&Row) -> bool| rows.iter().filter(of).count();
    let open = rows.iter().filter(|row| row.rounds == 0).count();
    let on_these = |case: &Case| case.shows_on(test.backend);
    let asked = selected(test, test.seed).into_iter().filter(on_these).count();
    let tried = count(&bad) + count(&sound);
    out.push('\n');
    if tried < asked {
        out.push_str(&format!("It was cut short: {tried} of {asked} mirrors were tried.\n"));
    }
    out.push_str(&format!(
        "{} of {} bad mirrors caught and named, {} of {} sound ones hold, on {} clusters",
        count(&|row| bad(row) && right(row)),
        count(&bad),
        count(&|row| sound(row) && right(row)),
        count(&sound),
        test.backend.name(),
    ));
    if open > 0 {
        out.push_str(&format!("; {open} need --clusters containers"));
    }
    out.push('\n');
    out
}

/// What there is to be tried.
pub fn list() -> String {
    let mut lines =
        vec![["mirror", "a mirror that …", "must be", "shown by", "on"].map(str::to_owned)];
    lines.extend(cases(0).into_iter().map(|case| {
        let must = match case.suspect {
            Suspect::Bad(fault) => format!("found as {}", fault.found_as),
            Suspect::Sound => "left alone".to_owned(),
        };
        let on = if case.real_brokers { "containers" } else { "all clusters" };
        [case.name, case.does, must, case.force.to_owned(), on.to_owned()]
    }));
    columns(&lines)
}

fn columns<const N: usize>(lines: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for line in lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = String::new();
    for line in lines {
        let mut text = String::new();
        for (width, cell) in widths.iter().zip(line) {
            text.push_str(cell);
            text.push_str(&" ".repeat(width - cell.chars().count() + 2));
        }
        out.push_str(text.trim_end());
        out.push('\n');
    }
    out
}

impl std::fmt::Display for Shown {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Shown::Caught { found, entailed } => {
                write!(out, "{} ×{}", found.0, found.1)?;
                for (anomaly, count) in entailed {
                    write!(out, ", {anomaly} ×{count}")?;
                }
                Ok(())
            }
            Shown::Holds { records } => write!(out, "holds, {records} records"),
            Shown::NeedsContainers => out.write_str("needs containers"),
            Shown::Wrong(reason) => write!(out, "WRONG: {reason}"),
            Shown::Doubtful(reason) => write!(out, "INCONCLUSIVE: {reason}"),
            Shown::Broken(reason) => write!(out, "BROKEN: {reason}"),
        }
    }
}
