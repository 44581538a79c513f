//! `corrupted`: a copy differs from its record in key, value, headers or timestamp.
//!
//! ```text
//! source       key "a"  value "x"   headers h=1 h=2
//! destination  key "a"  value ""    headers h=2         value and headers differ
//! ```
//!
//! Every copy is compared, repeats too, and copies of what was aborted, whether the contract allows them or not.
//! Null and empty differ. What a subject may change is said in `likeness`.
//!
//! A copy that is as an equal of its record must become is looked at in `borrowed`.

use super::{
    Check, Observation,
    borrowed::Borrowed,
    evidence::{on_destination, printable, value},
    scene::Scene,
    tally::Tally,
};
use crate::{
    contract::Contract,
    correspondence::Recognition,
    history::{Content, HeaderRef, Headers, Payload, Timestamp},
    likeness::{has_headers, has_time, is_like, may_be_added},
    verdict::{Anomaly, Circumstance, Finding},
};
use std::collections::BTreeMap;

pub(super) fn check<'s>(scene: &'s Scene<'s>) -> Box<dyn Check + 's> {
    let borrowed = Borrowed::of(scene);
    Box::new(Corrupted { scene, borrowed, tally: Tally::of(Anomaly::Corrupted) })
}

struct Corrupted<'s> {
    scene: &'s Scene<'s>,
    borrowed: Borrowed,
    /// Destination record and what it is a copy of.
    tally: Tally<(u32, &'s Content)>,
}

impl Check for Corrupted<'_> {
    fn step(&mut self, observation: Observation) {
        let (destination, original) = match observation {
            Observation::Copy { destination, source, .. } => {
                (destination, &self.scene.source(source).content)
            }
            Observation::Other(destination, Recognition::Aborted(aborted)) => {
                let original = &self.scene.history.aborted[aborted as usize].content;
                if original.ids().next().is_none() {
                    // Found by its content, of which there may be more, written at another time.
                    return;
                }
                (destination, original)
            }
            Observation::Source(_) | Observation::Other(..) | Observation::Commit(_) => return,
        };
        let copy = &self.scene.destination(destination).content;
        let is_borrowed = self.borrowed.lawful.contains(&destination)
            || self.borrowed.doubtful.contains(&destination);
        if !is_borrowed && !is_like(original, copy, self.scene.contract) {
            self.tally.add(Circumstance::Plain, (destination, original));
        }
    }

    fn finish(self: Box<Self>) -> Vec<Finding> {
        let scene = self.scene;
        self.tally.findings(|(destination, original)| {
            let copy = &scene.destination(destination).content;
            let detail = differences(original, copy, scene.contract).join("; ");
            on_destination(scene, destination, detail)
        })
    }
}

/// What differs, a fragment for each field.
fn differences(original: &Content, copy: &Content, contract: &Contract) -> Vec<String> {
    let mut differences = Vec::new();
    let key = |key: Option<&[u8]>| match key {
        None => "null".to_string(),
        Some([]) => "empty".to_string(),
        Some(key) => printable(key),
    };
    if original.key() != copy.key() {
        differences.push(format!(
            "key differs: {} became {}",
            key(original.key()),
            key(copy.key())
        ));
    }
    if original.value() != copy.value() {
        differences.push(value_difference(original.value(), copy.value()));
    }
    if !has_headers(original.headers(), copy.headers(), contract) {
        let what = header_difference(original.headers(), copy.headers(), contract);
        differences.push(format!("headers differ: {what}"));
    }
    if !has_time(original.timestamp(), copy.timestamp(), contract) {
        let time = |timestamp| match timestamp {
            Timestamp::None => "none".to_string(),
            Timestamp::Create(time) => format!("{time} (set by a producer)"),
            Timestamp::Append(time) => format!("{time} (set by a broker)"),
        };
        let (from, to) = (time(original.timestamp()), time(copy.timestamp()));
        differences.push(format!("timestamp differs: {from} became {to}"));
    }
    differences
}

fn value_difference(original: Payload<'_>, copy: Payload<'_>) -> String {
    let length = |payload: Payload<'_>| match payload.length() {
        None => "null".to_string(),
        Some(0) => "empty".to_string(),
        Some(length) => format!("{length} bytes"),
    };
    if length(original) == length(copy) {
        format!("value differs: {} became {}", value(original), value(copy))
    } else {
        format!("value differs: {} became {}", length(original), length(copy))
    }
}

/// What happened to the headers, as far as it has a name.
fn header_difference(original: Headers<'_>, copy: Headers<'_>, contract: &Contract) -> String {
    fn count(headers: Headers<'_>) -> BTreeMap<HeaderRef<'_>, i64> {
        let mut counts = BTreeMap::new();
        for header in headers {
            *counts.entry(header).or_default() += 1;
        }
        counts
    }
    let (mut dropped, mut extra) = (count(original), count(copy));
    for (header, count) in &mut dropped {
        let there = extra.entry(*header).or_default();
        let common = (*count).min(*there);
        *count -= common;
        *there -= common;
    }
    dropped.retain(|_, count| *count > 0);
    extra.retain(|header, count| *count > 0 && !may_be_added(header, contract));
    if dropped.is_empty() && extra.is_empty() {
        return "reordered".into();
    }
    let mut what = Vec::new();
    let many = |headers: Headers<'_>, name: &str| headers.filter(|h| h.name == name).count();
    for header in dropped.into_keys() {
        let became = extra.keys().find(|other| other.name == header.name).copied();
        let name = header.name;
        let (before, after) = (many(original, name), many(copy, name));
        what.push(match became {
            Some(other) => {
                extra.remove(&other);
                let value = |header: HeaderRef<'_>| match header.value {
                    None => "null".to_string(),
                    Some([]) => "empty".to_string(),
                    Some(value) => printable(value),
                };
                format!("{name:?}: {} became {}", value(header), value(other))
            }
            None if after > 0 && before > after => {
                format!("{before} headers {name:?} merged into {after}")
            }
            None => format!("{name:?} dropped"),
        });
    }
    what.extend(extra.into_keys().map(|header| format!("{:?} added", header.name)));
    what.dedup();
    what.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Header;

    fn headers(text: &str) -> Content {
        let header = |(name, value): (&str, &str)| Header {
            name: name.into(),
            value: (value != "null").then(|| value.into()),
        };
        let words = text.split_whitespace();
        let headers = words.map(|word| header(word.split_once('=').unwrap())).collect();
        Content::of(None, None, headers, Timestamp::None)
    }

    #[track_caller]
    fn check(original: &str, copy: &str, expected: Option<&str>) {
        let (original, copy) = (headers(original), headers(copy));
        let (original, copy) = (original.headers(), copy.headers());
        let contract = Contract { added_headers: vec!["trace".into()], ..Contract::default() };
        let found = (!has_headers(original, copy, &contract))
            .then(|| header_difference(original, copy, &contract));
        assert_eq!(found.as_deref(), expected);
    }

    #[test]
    fn what_happened_to_headers_has_a_name() {
        check("a=1 b=2", "a=1 b=2", None);
        check("a=1 b=2", "trace=9 a=1 trace=8 b=2", None);
        check("trace=1", "trace=1 trace=2", None);
        check("trace=1", "trace=2", Some("\"trace\" dropped"));
        check("a=1 b=2", "b=2 a=1", Some("reordered"));
        check("a=1 b=2", "a=1", Some("\"b\" dropped"));
        check("a=1", "a=1 b=2", Some("\"b\" added"));
        check("a=1 a=2", "a=2", Some("2 headers \"a\" merged into 1"));
        check("a=null", "a=", Some("\"a\": null became empty"));
        check("a=1", "a=1 a=1", Some("\"a\" added"));
    }
}
