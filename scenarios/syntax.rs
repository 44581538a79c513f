//! Where a text stops being Gherkin, in words.
//!
//! The parser tells how far it looked, which may be lines beyond the mistake, and what it looked for in
//! the terms of its grammar. This reads the text again, line by line, for the first that has no place
//! where it stands. It judges only what the parser has refused; what is Gherkin is the parser's to say.

/// The first line out of place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// Counted from 1.
    pub(crate) line: usize,
    /// What stands there, in quotes.
    pub(crate) found: String,
    /// What could stand there.
    pub(crate) expected: &'static str,
}

const STEPS: [&str; 6] = ["Given ", "When ", "Then ", "And ", "But ", "* "];
const HEADINGS: [&str; 4] = ["Rule", "Background", "Scenario", "Example"];
const COLON: &str = "a colon after the heading, as in Scenario: and a name";
const FEATURE: &str = "Feature: and a name, first of all";
const BELOW_STEP: &str = "a step (Given, When, Then, And, But), a table row between bars (|), a text in \
                          \"\"\", or one of Scenario:, Scenario Outline:, Examples:, Rule:";
const ROW: &str = "a table row: each cell between bars (|), as many as in the row above";
const ANYTHING: &str = "one of Feature:, Rule:, Background:, Scenario:, Scenario Outline:, Examples:, or a \
                        step (Given, When, Then, And, But)";

/// What a line belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Nothing,
    Feature,
    Background,
    Scenario,
    Examples,
}

/// The part that a line begins, if it does.
fn begins(line: &str) -> Option<Part> {
    let (keyword, _) = line.split_once(':')?;
    match keyword {
        "Feature" | "Business Need" | "Ability" => Some(Part::Feature),
        "Rule" => Some(Part::Feature),
        "Background" => Some(Part::Background),
        "Scenario" | "Example" | "Scenario Outline" | "Scenario Template" => Some(Part::Scenario),
        "Examples" | "Scenarios" => Some(Part::Examples),
        _ => None,
    }
}

/// The first mistake of a text that the parser refused having looked as far as the line `reached`.
pub(crate) fn first_mistake(text: &str, reached: usize) -> Mistake {
    let mistake = |line: usize, expected| {
        let found = text.lines().nth(line.saturating_sub(1)).map(str::trim);
        let found =
            found.map_or_else(|| "the end of the file".into(), |found| format!("{found:?}"));
        Mistake { line, found, expected }
    };
    let mut part = Part::Nothing;
    // Below a heading any text may stand, as its description.
    let mut described = false;
    let (mut cells, mut tags, mut quotes) = (None, None, None);
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if let Some((_, mark)) = quotes {
            if line.contains(mark) {
                quotes = None;
            }
            continue;
        }
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let row_above = cells.take();
        if let Some(begun) = begins(line) {
            let first = part == Part::Nothing;
            if first != (begun == Part::Feature && !line.starts_with("Rule")) {
                let expected = if first { FEATURE } else { "one Feature: a file" };
                return mistake(number, expected);
            }
            (part, described, tags) = (begun, true, None);
        } else if part == Part::Nothing && !line.starts_with('@') {
            return mistake(number, FEATURE);
        } else if HEADINGS.iter().any(|heading| line.starts_with(heading)) {
            return mistake(number, COLON);
        } else if line.starts_with('@') {
            tags = tags.or(Some(number));
        } else if STEPS.iter().any(|step| line.starts_with(step)) {
            match part {
                Part::Background | Part::Scenario => described = false,
                // The parser takes it for a part of the description.
                Part::Nothing | Part::Feature => {}
                Part::Examples => return mistake(number, "Scenario: before the next step"),
            }
        } else if line.starts_with('|') {
            let bars = line.replace("\\\\", "").replace("\\|", "").matches('|').count();
            if !line.ends_with('|') || row_above.is_some_and(|above| above != bars) {
                return mistake(number, ROW);
            }
            (described, cells) = (false, Some(bars));
        } else if let Some(mark) = ["\"\"\"", "```"].into_iter().find(|mark| line.starts_with(mark))
        {
            quotes = (!line[mark.len()..].contains(mark)).then_some((number, mark));
        } else if !described {
            return mistake(number, BELOW_STEP);
        }
    }
    match (part, quotes, tags) {
        (_, Some((line, _)), _) => mistake(line, "the same quotes again, at the end of the text"),
        (_, None, Some(line)) => mistake(line, "Scenario: below its tags"),
        (Part::Nothing, None, None) => mistake(text.lines().count() + 1, FEATURE),
        // The parser knows better, and is not sure where.
        _ => mistake(reached.clamp(1, text.lines().count().max(1)), ANYTHING),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cucumber::gherkin::{Feature, GherkinEnv};

    const WHOLE: &str = "# about
@tag
Feature: Small
  Described at length.

  Scenario: all of it arrives
    Given the topic orders
      | a | b |
      | 1 | 2 |
    And a text
      \"\"\"
      Gibberish
      \"\"\"
    When it is so
";

    /// The mistake of `WHOLE` with `old` replaced by `new`.
    fn check(old: &str, new: &str, line: usize, found: &str, expected: &str) {
        let text = WHOLE.replace(old, new);
        assert!(Feature::parse(&text, GherkinEnv::default()).is_err(), "the parser takes {text}");
        let mistake = first_mistake(&text, 99);
        assert_eq!((mistake.line, mistake.found.as_str()), (line, found), "{text}");
        assert!(mistake.expected.contains(expected), "{mistake:?}");
    }

    #[test]
    fn the_line_out_of_place_is_found_with_what_could_stand_there() {
        Feature::parse(WHOLE, GherkinEnv::default()).unwrap();
        check("    When", "    Wehn", 14, "\"Wehn it is so\"", "When");
        check("    And a", "    Gibberish\n    And a", 10, "\"Gibberish\"", "a step (Given");
        check("Scenario:", "Scenario", 6, "\"Scenario all of it arrives\"", "a colon");
        check("Scenario:", "Scenarion:", 6, "\"Scenarion: all of it arrives\"", "a colon");
        check("it is so", "it is so\n  Examples:\n    When so", 16, "\"When so\"", "Scenario:");
        check("When it is so", "When", 14, "\"When\"", "a step (Given");
        check("Feature:", "Featur:", 3, "\"Featur: Small\"", "Feature:");
        check("@tag\nFeature: Small\n", "", 2, "\"Described at length.\"", "Feature:");
        check("| 1 | 2 |", "| 1 | 2", 9, "\"| 1 | 2\"", "between bars");
        check("      \"\"\"\n    When", "    When", 11, r#""\"\"\"""#, "the same quotes");
        check("it is so", "it is so\n  @late", 15, "\"@late\"", "Scenario: below");
        check("it is so", "it is so\nFeature: two", 15, "\"Feature: two\"", "one Feature:");
        check(WHOLE, "", 1, "the end of the file", "Feature:");
        check(WHOLE, "\n\n", 3, "the end of the file", "Feature:");
    }

    #[test]
    fn what_only_the_parser_knows_is_said_where_the_text_is() {
        for (reached, line) in [(0, 1), (6, 6), (99, 14)] {
            let mistake = first_mistake(WHOLE, reached);
            assert_eq!((mistake.line, mistake.expected), (line, ANYTHING));
        }
    }
}
