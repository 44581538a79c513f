//! What Java's regular expressions have and ours lack, or take for something else: what to write in its place.
//!
//! Only constructs that an include list may hold for a reason. It knows no topic.

use fancy_regex::Regex;

/// Java's own classes of characters, and what takes the same of topics' names.
const CLASSES: &[(&str, &str)] = &[
    ("javaLowerCase", r"\p{Ll}"),
    ("javaUpperCase", r"\p{Lu}"),
    ("javaTitleCase", r"\p{Lt}"),
    ("javaAlphabetic", r"\p{L}"),
    ("javaLetter", r"\p{L}"),
    ("javaDigit", r"\p{Nd}"),
    ("javaLetterOrDigit", r"[\p{L}\p{Nd}]"),
    ("javaJavaIdentifierStart", r"[\p{L}_]"),
    ("javaJavaIdentifierPart", r"[\p{L}\p{Nd}_]"),
    ("javaWhitespace", r"\s"),
    ("javaSpaceChar", r"\s"),
    ("XDigit", "[0-9a-fA-F]"),
    ("L1", r"[\x00-\xFF]"),
];

/// The first such construct of a pattern, with what to write in its place.
pub(super) fn foreign(pattern: &str) -> Option<String> {
    let (construct, instead) = find(pattern)?;
    Some(format!("{construct} is Java's alone; write {instead} in its place"))
}

/// A repetition that a comma has cut in two: `{1,2}` has become `{1|2}`, which Java refuses, and ours takes for text.
pub(super) fn cut_repetition(pattern: &str) -> Option<&str> {
    braces(pattern).into_iter().find_map(|braced| {
        let end = digits(braced)?;
        let is_cut = braced[end..].starts_with('|');
        let length = braced.find('}').unwrap_or(end);
        is_cut.then(|| &braced[..=length])
    })
}

/// A brace that begins no repetition, which Java refuses, and ours takes for text.
pub(super) fn lone_brace(pattern: &str) -> Option<&str> {
    let is_repetition =
        |braced: &&str| digits(braced).is_some_and(|end| braced[end..].starts_with('}'));
    braces(pattern).into_iter().find(|braced| !is_repetition(braced))
}

/// Where the digits behind the brace end, if there are any.
fn digits(braced: &str) -> Option<usize> {
    let end = 1 + braced[1..].find(|inner: char| !inner.is_ascii_digit())?;
    (end > 1).then_some(end)
}

/// What begins with each brace that stands for itself: in no class, and neither escaped nor of an escape such as `\p{L}`.
fn braces(pattern: &str) -> Vec<&str> {
    let (mut found, mut classes, mut before) = (Vec::new(), 0_u32, None);
    for (at, character) in pattern.char_indices() {
        // What a backslash escapes, and what it does not.
        let escaped = before == Some('\\');
        match character {
            _ if escaped => {}
            '[' => classes += 1,
            ']' => classes = classes.saturating_sub(1),
            '{' if classes == 0 && before != Some('p') => found.push(&pattern[at..]),
            _ => {}
        }
        before = match character {
            '\\' if escaped => None,
            'p' | 'P' | 'x' | 'N' if escaped => Some('p'),
            '\\' => Some('\\'),
            _ => None,
        };
    }
    found
}

fn find(pattern: &str) -> Option<(String, String)> {
    let mut rest = pattern;
    while let Some(at) = rest.find(['\\', '(']) {
        let found = &rest[at..];
        if let Some(one) = flags(found).or_else(|| escape(found)) {
            return Some(one);
        }
        // A backslash and what it escapes are one.
        let step = if found.starts_with('\\') { 2 } else { 1 };
        let next = found.char_indices().nth(step).map_or(found.len(), |(next, _)| next);
        rest = &found[next..];
    }
    None
}

/// The flags that only Java has: unix lines, which a name has none of.
fn flags(found: &str) -> Option<(String, String)> {
    let flags = found.strip_prefix("(?")?;
    let end = flags.find(|c: char| !c.is_ascii_alphabetic() && c != '-')?;
    let (flags, after) = flags.split_at(end);
    let is_java_s = flags.contains('d') && after.starts_with([')', ':']);
    is_java_s.then(|| (format!("(?{flags}"), "it without the flag d".to_owned()))
}

fn escape(found: &str) -> Option<(String, String)> {
    let after = found.strip_prefix('\\')?;
    let letter = after.chars().next()?;
    let construct = |length: usize| found[..length].to_owned();
    match letter {
        'Q' => {
            let quoted = after[1..].split("\\E").next().unwrap_or_default();
            let length = 3 + quoted.len();
            let is_closed = found[length - 1..].starts_with("\\E");
            let length = if is_closed { length + 1 } else { length - 1 };
            Some((construct(length), fancy_regex::escape(quoted).into_owned()))
        }
        'p' | 'P' => class(found, letter),
        'h' => Some((construct(2), r"[ \t], which no topic has in its name".to_owned())),
        'H' | 'V' | 'X' => Some((construct(2), ". (any character)".to_owned())),
        '0' | 'c' => {
            Some((construct(2), r"the character itself, or its code as in \x41".to_owned()))
        }
        _ => None,
    }
}

fn class(found: &str, letter: char) -> Option<(String, String)> {
    let name = found[2..].strip_prefix('{')?.split_once('}')?.0;
    let construct = format!("\\{letter}{{{name}}}");
    if Regex::new(&construct).is_ok() {
        return None;
    }
    let known = CLASSES.iter().find(|(java, _)| *java == name);
    let instead = match known {
        Some((_, class)) if letter == 'p' => (*class).to_owned(),
        Some((_, class)) => format!("[^{class}]"),
        None => "the characters in brackets, as in [a-z0-9]".to_owned(),
    };
    Some((construct, instead))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repetition_with_a_comma_is_found() {
        for (pattern, expected) in [
            ("a{1|2}b", Some("{1|2}")),
            ("a{1|}", Some("{1|}")),
            ("a|b{10|", Some("{10|")),
            ("a{2}|b", None),
            (r"a\{1|2}", None),
            (r"\\{1|2}", Some("{1|2}")),
            ("[{1|2}]", None),
            (r"\p{L}|{|", None),
        ] {
            assert_eq!(cut_repetition(pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn a_brace_that_repeats_nothing_is_found() {
        for (pattern, expected) in [
            ("orders{", Some("{")),
            ("a{b}", Some("{b}")),
            ("a{}", Some("{}")),
            ("a{2}b{3", Some("{3")),
            ("a{2}", None),
            (r"a\\{2}", None),
            (r"a\{", None),
            (r"\p{L}\P{Lu}\x{41}", None),
            ("[{]", None),
            ("a}", None),
        ] {
            assert_eq!(lone_brace(pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn each_construct_of_java_comes_with_what_to_write() {
        for (pattern, construct, instead) in [
            (r"a\.\p{javaLowerCase}+", r"\p{javaLowerCase} is Java's alone", r"write \p{Ll}"),
            (r"\P{javaUpperCase}", r"\P{javaUpperCase} is Java's alone", r"write [^\p{Lu}]"),
            (r"[\p{XDigit}_]", r"\p{XDigit} is Java's alone", "write [0-9a-fA-F]"),
            (r"\p{InGreek}", r"\p{InGreek} is Java's alone", "write the characters in brackets"),
            (r"x\Qa.b\E.*", r"\Qa.b\E is Java's alone", r"write a\.b"),
            (r"\Qa.b", r"\Qa.b is Java's alone", r"write a\.b"),
            (r"\h", r"\h is Java's alone", r"write [ \t]"),
            (r"\X*", r"\X is Java's alone", "write . (any"),
            (r"\0101", r"\0 is Java's alone", "write the character itself"),
            ("(?id)a", "(?id is Java's alone", "without the flag d"),
        ] {
            let found = foreign(pattern).unwrap_or_default();
            assert!(found.starts_with(construct) && found.contains(instead), "{pattern}: {found}");
        }
    }

    #[test]
    fn what_is_known_is_passed_over() {
        for pattern in [
            r"\p{Ll}\p{IsAlphabetic}\p{Alnum}\pL",
            r"a\\Qb",
            r"(?i)a(?!d)(?<d>x)",
            r"\d+\.[a-z&&[^b]]",
            "ü(",
            "\\",
            "(?",
        ] {
            assert_eq!(foreign(pattern), None, "{pattern}");
        }
    }

    #[test]
    fn what_is_to_be_written_is_known() {
        for (_, class) in CLASSES {
            assert!(Regex::new(class).is_ok() && Regex::new(&format!("[^{class}]")).is_ok());
        }
    }
}
