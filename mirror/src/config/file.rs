//! Reads a `.properties` file in Java's grammar.
//!
//! Java reads such files as ISO-8859-1; people write them as UTF-8. What is valid UTF-8 is read as such, the
//! rest as ISO-8859-1. Java's grammar keeps blanks at the end of a value, but its clients trim each value, passwords too; so they are
//! kept only for the password that is no property of Java's. No other property is known here.

use std::{fmt::Write, path::Path};

use java_properties::{LineContent, PropertiesIter};

use super::ConfigError;

/// librdkafka's own, which takes blanks.
const WITH_BLANKS: &str = "sasl.password";

/// One `name=value` of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Property {
    pub(super) name: String,
    pub(super) value: String,
}

/// The properties of a file, in its order.
pub(super) fn read(path: &Path) -> Result<Vec<Property>, ConfigError> {
    let bytes = std::fs::read(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    parse(&bytes).map_err(|line| ConfigError::Syntax { path: path.to_owned(), line })
}

/// Parses, or tells the line that cannot be read.
fn parse(bytes: &[u8]) -> Result<Vec<Property>, usize> {
    let ascii = ascii(bytes);
    let mut properties = Vec::new();
    for line in PropertiesIter::new(ascii.as_bytes()) {
        let line = line.map_err(|error| error.line_number().unwrap_or(0))?;
        if let LineContent::KVPair(name, value) = line.consume_content() {
            let value = if name == WITH_BLANKS { value } else { trimmed(&value) };
            properties.push(Property { name, value });
        }
    }
    Ok(properties)
}

/// As Java trims (`ConfigDef.parseType`).
fn trimmed(value: &str) -> String {
    value.trim_matches(|character| character <= ' ').to_owned()
}

/// The same file in ASCII with Java's own escapes, and with empty comments: the parser would read escapes in
/// comments too, and stumble over `# C:\users`.
fn ascii(bytes: &[u8]) -> String {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.trim_start_matches('\u{feff}').to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    };
    let mut ascii = String::with_capacity(text.len());
    let mut continued = false;
    for line in text.replace("\r\n", "\n").replace('\r', "\n").split('\n') {
        let comment = !continued && line.trim_start().starts_with(['#', '!']);
        if !comment {
            let mut units = [0; 2];
            for character in line.chars() {
                if character.is_ascii() {
                    ascii.push(character);
                } else {
                    for unit in character.encode_utf16(&mut units) {
                        // Writing to a string cannot fail.
                        let _ = write!(ascii, "\\u{unit:04x}");
                    }
                }
            }
        }
        let backslashes = line.chars().rev().take_while(|character| *character == '\\').count();
        continued = !comment && backslashes % 2 == 1;
        ascii.push('\n');
    }
    ascii
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &[u8], expected: &[(&str, &str)]) {
        let properties = parse(text).unwrap();
        let found: Vec<(&str, &str)> =
            properties.iter().map(|p| (p.name.as_str(), p.value.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn reads_java_s_grammar() {
        check(
            b"a=1\n b : 2\nc 3\n\n# d=4\n! e=5\nf=",
            &[("a", "1"), ("b", "2"), ("c", "3"), ("f", "")],
        );
        check(b"hosts=a:1,\\\n   b:2\r\nx=y  ", &[("hosts", "a:1,b:2"), ("x", "y")]);
        check(b"k=\\u00e9\\t!", &[("k", "\u{e9}\t!")]);
    }

    #[test]
    fn blanks_around_a_value_go_where_java_s_clients_drop_them() {
        check(b"sasl.password = x y  \r\nx=y  ", &[("sasl.password", "x y  "), ("x", "y")]);
        check(b"ssl.keystore.password=x y  \n", &[("ssl.keystore.password", "x y")]);
        check(b"ssl.key.password=\\ x\\ \n", &[("ssl.key.password", "x")]);
    }

    #[test]
    fn reads_utf_8_and_latin_1() {
        check("k=é".as_bytes(), &[("k", "é")]);
        check(b"k=\xe9", &[("k", "é")]);
        check("\u{feff}k=v".as_bytes(), &[("k", "v")]);
    }

    #[test]
    fn comments_may_hold_anything() {
        check(b"# C:\\users\\n \\\na=1\nb=2\\\n#3", &[("a", "1"), ("b", "2#3")]);
    }

    #[test]
    fn tells_the_line_of_an_error() {
        assert_eq!(parse(b"a=1\n# x\nb=\\uzz\n"), Err(3));
    }
}
