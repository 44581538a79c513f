//! How the values of a contract are read. What no mirror can keep and no cluster has is refused here, before
//! anything runs: the mirror would be blamed for it.

mod shapes;

use super::{Offsets, settings};
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Unexpected, Visitor, value::MapAccessDeserializer},
};
pub(super) use shapes::word;
use shapes::{Whole, list};
use std::fmt;

/// A topic's name has 249 characters at most, of which the names of scenarios need some.
const LONGEST_PREFIX: usize = 200;
/// In milliseconds.
const LONGEST_COMMIT_INTERVAL: u64 = 600_000;

/// What names of topics may begin with.
pub(super) fn topic_prefix<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let prefix = String::deserialize(from)?;
    let may_be = |char: &char| char.is_ascii_alphanumeric() || "._-".contains(*char);
    if let Some(wrong) = prefix.chars().find(|char| !may_be(char)) {
        return Err(D::Error::custom(format!(
            "topic-prefix {prefix:?} has {wrong:?}, and the name of a topic has only the letters a to z and A \
             to Z, digits, '.', '_' and '-'"
        )));
    }
    if prefix.len() > LONGEST_PREFIX {
        let length = prefix.len();
        return Err(D::Error::custom(format!(
            "topic-prefix has {length} characters, and at most {LONGEST_PREFIX} leave room for a topic's name"
        )));
    }
    Ok(prefix)
}

/// From delivery to commit. A run waits for so long before it says that nothing is committed.
pub(super) fn commit_interval<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    const CLAUSE: &str = "commit-interval-ms";
    let value = milliseconds(from, CLAUSE)?;
    if value > LONGEST_COMMIT_INTERVAL {
        return Err(D::Error::custom(format!(
            "{CLAUSE} is {value}, and must be {LONGEST_COMMIT_INTERVAL} (ten minutes) at most: a run waits for it"
        )));
    }
    Ok(value)
}

/// For how long an old number of partitions is used.
pub(super) fn metadata_age<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    milliseconds(from, "metadata-age-ms")
}

fn milliseconds<'de, D: Deserializer<'de>>(from: D, clause: &str) -> Result<u64, D::Error> {
    let Whole(value) = Whole::deserialize(from)?;
    u64::try_from(value).ok().filter(|value| *value > 0).ok_or_else(|| {
        D::Error::custom(format!(
            "{clause} is {value}, and must be a number of milliseconds above 0"
        ))
    })
}

/// What a process can end with, and one at least.
pub(super) fn graceful_exit_codes<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Vec<i32>, D::Error> {
    let codes = list::<Whole, D>(from, "[0, 143]")?;
    if codes.is_empty() {
        return Err(D::Error::custom(
            "graceful-exit-codes is [], and must have one exit code at least, such as [0]",
        ));
    }
    let code = |Whole(code)| {
        u8::try_from(code).map(i32::from).map_err(|_| {
            D::Error::custom(format!(
                "graceful-exit-codes has {code}, and an exit code is from 0 to 255"
            ))
        })
    };
    codes.into_iter().map(code).collect()
}

/// Settings that topics have.
pub(super) fn copied_configs<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let names = list::<String, D>(from, "[\"retention.ms\"]")?;
    let Some(unknown) = names.iter().find(|name| !settings::is_known(name)) else {
        return Ok(names);
    };
    let hint = match settings::nearest(unknown) {
        Some(nearest) => format!("did you mean {nearest:?}?"),
        None => "they are called as in Kafka's documentation, such as \"retention.ms\"".into(),
    };
    Err(D::Error::custom(format!(
        "copied-configs has {unknown:?}, which is no setting of a topic; {hint}"
    )))
}

/// A word, or a table with what that word needs to be known.
pub(super) fn offsets<'de, D: Deserializer<'de>>(from: D) -> Result<Offsets, D::Error> {
    from.deserialize_any(OffsetsVisitor)
}

struct OffsetsVisitor;

impl<'de> Visitor<'de> for OffsetsVisitor {
    type Value = Offsets;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("\"independent\", \"preserved\" or { translated = { max-rewind = 0 } }")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Offsets, E> {
        match word {
            "independent" => Ok(Offsets::Independent),
            "preserved" => Ok(Offsets::Preserved),
            "translated" => Err(E::custom(
                "\"translated\" needs to say how many records a group may get again, such as \
                 offsets = { translated = { max-rewind = 0 } }",
            )),
            _ => Err(E::invalid_value(Unexpected::Str(word), &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Offsets, A::Error> {
        let table = OffsetsTable::deserialize(MapAccessDeserializer::new(map))?;
        let Whole(most) = table.translated.max_rewind;
        let max_rewind = u64::try_from(most).map_err(|_| {
            A::Error::custom(format!(
                "max-rewind is {most}, and must be a number of records: 0 or more"
            ))
        })?;
        Ok(Offsets::Translated { max_rewind })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "{ translated = { max-rewind = 0 } }")]
struct OffsetsTable {
    translated: Translated,
}

#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a table such as { max-rewind = 0 }"
)]
struct Translated {
    max_rewind: Whole,
}

/// Any names.
pub(super) fn added_headers<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    list(from, "[\"trace\"]")
}

#[cfg(test)]
mod tests {
    use crate::contract::Contract;

    /// `refusal`: parts of what is said; none: it is read, and written again as it was.
    #[track_caller]
    fn check(clause: &str, value: &str, refusal: &[&str]) {
        let json = format!("{{\"{clause}\": {value}}}");
        match serde_json::from_str::<Contract>(&json) {
            Ok(contract) => {
                assert!(refusal.is_empty(), "{clause} {value} is read");
                let written = serde_json::to_value(contract).unwrap();
                assert_eq!(
                    written[clause],
                    serde_json::from_str::<serde_json::Value>(value).unwrap()
                );
            }
            Err(error) => {
                let error = error.to_string();
                assert!(!refusal.is_empty(), "{error}");
                refusal.iter().for_each(|part| assert!(error.contains(part), "{error}"));
            }
        }
    }

    #[test]
    fn a_prefix_is_one_that_topics_can_have() {
        let check = |value: &str, refusal: &[&str]| check("topic-prefix", value, refusal);
        check(r#""""#, &[]);
        check(r#""West-1_a.""#, &[]);
        check(r#""a b/""#, &["topic-prefix", "\"a b/\"", "has ' '", "'.', '_' and '-'"]);
        check(r#""ä""#, &["topic-prefix", "has 'ä'"]);
        check(&format!("{:?}", "a".repeat(200)), &[]);
        check(&format!("{:?}", "a".repeat(201)), &["topic-prefix", "201", "200"]);
        check("3", &["expected a string"]);
    }

    #[test]
    fn times_are_above_0() {
        for clause in ["commit-interval-ms", "metadata-age-ms"] {
            check(clause, "1", &[]);
            check(clause, "0", &[clause, "is 0", "above 0"]);
            check(clause, "-5", &[clause, "is -5", "above 0"]);
            check(clause, "\"5s\"", &["\"5s\"", "expected a whole number"]);
            check(clause, "18446744073709551615", &["18446744073709551615"]);
        }
        check("commit-interval-ms", "600000", &[]);
        check("commit-interval-ms", "600001", &["is 600001", "600000 (ten minutes) at most"]);
        check("metadata-age-ms", "600001", &[]);
    }

    #[test]
    fn exit_codes_are_those_that_processes_have() {
        let check = |value: &str, refusal: &[&str]| check("graceful-exit-codes", value, refusal);
        check("[0,143,255]", &[]);
        check("[]", &["graceful-exit-codes", "[]", "such as [0]"]);
        check("[0,300]", &["graceful-exit-codes", "has 300", "from 0 to 255"]);
        check("[-1]", &["has -1"]);
        check("[0.5]", &["expected a whole number"]);
    }

    #[test]
    fn copied_settings_are_those_that_topics_have() {
        let check = |value: &str, refusal: &[&str]| check("copied-configs", value, refusal);
        check("[]", &[]);
        check(r#"["cleanup.policy","remote.storage.enable","message.format.version"]"#, &[]);
        check(
            r#"["retention.ms","retention.hours"]"#,
            &["copied-configs", "\"retention.hours\"", "did you mean \"retention."],
        );
        check(r#"["no.such.thing"]"#, &["copied-configs", "no.such.thing", "such as"]);
        check(r#"["Cleanup.Policy"]"#, &["did you mean \"cleanup.policy\""]);
    }

    #[test]
    fn words_are_named_with_all_that_there_are() {
        let words = "expected a word in quotation marks: \"key\" or \"partition\"";
        check("order", "\"key\"", &[]);
        check("order", "3", &["integer `3`", words]);
        check("order", "true", &["boolean `true`", words]);
        check("order", "[\"key\"]", &["sequence", words]);
        check("order", "{\"key\": 1}", &["map", words]);
        check("order", "\"keys\"", &["\"keys\"", words]);
        let four = "one of \"murmur2\", \"preserve\", \"crc32\", \"any\"";
        check("partitioning", "3", &[four]);
        check("partitioning", "\"md5\"", &["\"md5\"", four]);
        for clause in ["delivery", "start", "progress", "timestamps", "isolation"] {
            check(clause, "7", &["integer `7`", "expected a word in quotation marks: "]);
        }
    }

    #[test]
    fn offsets_are_a_word_or_a_table() {
        let check = |value: &str, refusal: &[&str]| check("offsets", value, refusal);
        let all = "expected \"independent\", \"preserved\" or { translated = { max-rewind = 0 } }";
        check("\"independent\"", &[]);
        check("\"preserved\"", &[]);
        check("{\"translated\":{\"max-rewind\":7}}", &[]);
        check("\"translated\"", &["how many records", "{ translated = { max-rewind = 0 } }"]);
        check("\"kept\"", &["\"kept\"", all]);
        check("3", &["integer `3`", all]);
        check("{}", &["missing field `translated`"]);
        check("{\"preserved\":{}}", &["unknown field `preserved`", "`translated`"]);
        check("{\"translated\":5}", &["integer `5`", "{ max-rewind = 0 }"]);
        check("{\"translated\":{\"max-rewind\":-1}}", &["max-rewind is -1", "0 or more"]);
    }

    #[test]
    fn lists_stand_in_brackets() {
        for clause in ["added-headers", "copied-configs", "graceful-exit-codes"] {
            check(clause, "\"x\"", &["\"x\"", "expected a list in brackets, such as ["]);
            check(clause, "0", &["`0`", "expected a list in brackets, such as ["]);
        }
        check("added-headers", "[\"trace\",\"origin\"]", &[]);
    }
}
