//! How text is put on paper: colours, escapes, wrapping, numbers.
//!
//! Everything that came from outside (keys, names, a subject's words) passes [`printable`], so that
//! a record can neither move the cursor nor hide what it is.

use std::fmt::Write as _;

/// What a piece of text says, apart from its words.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tone {
    /// A broken promise.
    Bad,
    /// A promise kept.
    Good,
    /// What could not be told.
    Doubt,
    /// What carries the eye.
    Strong,
    /// What may be overlooked.
    Quiet,
}

/// Colours, or none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Palette {
    /// Whether to colour at all.
    pub(super) color: bool,
}

impl Palette {
    /// For files and pipes.
    pub(super) const PLAIN: Palette = Palette { color: false };

    /// Puts `text` into the colour of its tone.
    pub(super) fn paint(self, tone: Tone, text: &str) -> String {
        if !self.color || text.is_empty() {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Bad => "1;31",
            Tone::Good => "32",
            Tone::Doubt => "33",
            Tone::Strong => "1",
            Tone::Quiet => "2",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// One line of text without anything that a terminal or XML would take for more than text: control
/// characters, direction marks, zero-width and non-characters are shown by their escapes.
pub(super) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fffe}'
            | '\u{ffff}' => {
                let _ = write!(out, "{}", character.escape_unicode());
            }
            _ if character.is_control() => {
                let _ = write!(out, "{}", character.escape_unicode());
            }
            _ => out.push(character),
        }
    }
    out
}

/// The lines of a text that may have several, each printable. Tabs, which indent stack traces, become
/// spaces.
pub(super) fn printable_lines(text: &str) -> impl Iterator<Item = String> {
    text.lines().map(|line| printable(&line.replace('\t', "    ")))
}

/// Wraps prose to `width` columns, behind `first` on its first line and spaces below it. Words
/// (paths, commands) are never broken.
pub(super) fn wrap(width: usize, first: &str, text: &str) -> String {
    let hanging = " ".repeat(columns(first));
    let options = textwrap::Options::new(width.max(40))
        .initial_indent(first)
        .subsequent_indent(&hanging)
        .break_words(false)
        .wrap_algorithm(textwrap::WrapAlgorithm::FirstFit)
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    let mut out = textwrap::fill(text, options);
    out.push('\n');
    out
}

/// Puts facts with a dot between them on lines of `width` columns, behind `first` on the first and
/// spaces below it. No fact is broken, whatever spaces a path has.
pub(super) fn wrap_facts(width: usize, first: &str, facts: &[String]) -> String {
    let hanging = " ".repeat(columns(first));
    let (mut out, mut line) = (String::new(), first.to_owned());
    for (index, fact) in facts.iter().enumerate() {
        let dot = if index == 0 { "" } else { " · " };
        let behind = if index + 1 == facts.len() { 0 } else { columns(" ·") };
        if index > 0 && columns(&line) + columns(dot) + columns(fact) + behind > width.max(40) {
            out += &format!("{line} ·\n");
            line = format!("{hanging}{fact}");
        } else {
            line += &format!("{dot}{fact}");
        }
    }
    out + &line + "\n"
}

/// How many columns a text takes; colours take none, wide characters two.
pub(super) fn columns(text: &str) -> usize {
    textwrap::core::display_width(text)
}

/// Fills up with spaces to the right.
pub(super) fn left(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(columns(text))))
}

/// Fills up with spaces to the left.
pub(super) fn right(text: &str, width: usize) -> String {
    format!("{}{text}", " ".repeat(width.saturating_sub(columns(text))))
}

/// `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 record`, `2 records`.
pub(super) fn counted(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// `850 ms`, `12.3 s`, `4 min 05 s`.
pub(super) fn duration(milliseconds: u64) -> String {
    match milliseconds {
        0..1_000 => format!("{milliseconds} ms"),
        1_000..60_000 => format!("{}.{} s", milliseconds / 1_000, milliseconds % 1_000 / 100),
        _ => format!("{} min {:02} s", milliseconds / 60_000, milliseconds % 60_000 / 1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_read_well() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
        for (milliseconds, text) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_050, "1.0 s"),
            (59_999, "59.9 s"),
            (245_000, "4 min 05 s"),
        ] {
            assert_eq!(duration(milliseconds), text);
        }
        assert_eq!(
            (counted(1, "record"), counted(0, "record")),
            ("1 record".into(), "0 records".into())
        );
    }

    #[test]
    fn nothing_from_outside_reaches_the_terminal_raw() {
        for (text, expected) in [
            ("\x1b[2Jgone", "\\u{1b}[2Jgone"),
            ("two\nlines\r\t", "two\\nlines\\r\\t"),
            ("\u{202e}txt.exe", "\\u{202e}txt.exe"),
            ("\u{ffff}\0\u{7f}\u{9b}", "\\u{ffff}\\u{0}\\u{7f}\\u{9b}"),
            ("Größe 鏡 ✓", "Größe 鏡 ✓"),
        ] {
            assert_eq!(printable(text), expected);
        }
    }

    #[test]
    fn facts_are_broken_between_and_never_within() {
        let facts = ["all is well", "a run", "/home/a b/a folder with a long name/runs/1 2"];
        let facts = facts.map(str::to_owned);
        let path = &facts[2];
        for (width, expected) in [
            (200, format!("✓ all is well · a run · {path}\n")),
            (60, format!("✓ all is well · a run ·\n  {path}\n")),
            (0, format!("✓ all is well · a run ·\n  {path}\n")),
        ] {
            assert_eq!(wrap_facts(width, "✓ ", &facts), expected);
        }
    }

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(left("鏡", 4), "鏡  ");
        assert_eq!(right("鏡", 4), "  鏡");
        assert_eq!(left("longer", 2), "longer");
    }
}
