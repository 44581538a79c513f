//! What a person needs to see an anomaly with their own eyes: places, neighbours, and how a key's
//! sequence differs between the two sides.

use super::scene::Scene;
use crate::{
    contract::OrderScope,
    correspondence::{NONE, Recognition},
    history::{Content, Outcome, Payload, TopicPartition},
    verdict::{Evidence, Place},
};
use std::fmt::Write;

/// How many neighbours are shown on each side.
const NEIGHBOURS: u32 = 2;
/// How many records of a sequence are compared on each side of the instance.
const SEQUENCE: usize = 12;

/// Bytes for people: quoted text where that is lossless, else hexadecimal.
pub(super) fn printable(bytes: &[u8]) -> String {
    const MOST: usize = 64;
    let more =
        if bytes.len() > MOST { format!("… ({} bytes)", bytes.len()) } else { String::new() };
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => {
            format!("{:?}{more}", &text[..text.floor_char_boundary(MOST)])
        }
        _ => {
            let shown = &bytes[..bytes.len().min(MOST)];
            let hex = shown.iter().fold(String::from("0x"), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            });
            hex + &more
        }
    }
}

/// A key for people, if it is not null.
pub(super) fn key(content: &Content) -> Option<String> {
    content.key().map(printable)
}

/// A value for people.
pub(super) fn value(payload: Payload<'_>) -> String {
    match payload {
        Payload::Null => "null".into(),
        Payload::Whole([]) => "empty".into(),
        Payload::Whole(bytes) => printable(bytes),
        Payload::Large { length, head, .. } => {
            // The head may end within a character.
            let whole = match std::str::from_utf8(head) {
                Err(error) if error.error_len().is_none() => &head[..error.valid_up_to()],
                Ok(_) | Err(_) => head,
            };
            format!("{}… ({length} bytes)", printable(whole))
        }
    }
}

/// One record in a line: key, and id or value.
pub(super) fn brief(content: &Content) -> String {
    let key = key(content).unwrap_or_else(|| "null key".into());
    match content.id() {
        Some(id) => format!("{key} id {id}"),
        None => format!("{key} value {}", value(content.value())),
    }
}

/// Where a source record lies.
pub(super) fn source_place(scene: &Scene<'_>, index: u32) -> Place {
    let record = scene.source(index);
    let topic = scene.history.topics[record.at.topic as usize].source.clone();
    Place { topic, partition: record.at.partition, offset: record.offset.0 }
}

/// Where a destination record lies.
pub(super) fn destination_place(scene: &Scene<'_>, index: u32) -> Place {
    let record = scene.destination(index);
    let topic = scene.history.topics[record.at.topic as usize].destination.clone();
    Place { topic, partition: record.at.partition, offset: record.offset.0 }
}

/// A source record, its neighbours on the source, and which of them have a copy.
pub(super) fn on_source(scene: &Scene<'_>, index: u32, detail: String) -> Evidence {
    let record = scene.source(index);
    let neighbours = around(index, scene.history.source.len())
        .filter(|near| scene.source(*near).at == record.at)
        .map(|near| {
            let copy = match scene.correspondence.first[near as usize] {
                NONE => "no copy".into(),
                copy => format!("copied to {}", destination_place(scene, copy)),
            };
            let here = if near == index { ">" } else { " " };
            let near_record = scene.source(near);
            format!("{here} @{} {}: {copy}", near_record.offset.0, brief(&near_record.content))
        });
    Evidence {
        key: key(&record.content),
        source: Some(source_place(scene, index)),
        detail: format!("{}: {detail}", brief(&record.content)),
        neighbours: neighbours.collect(),
        ..Evidence::default()
    }
}

/// A destination record and its neighbours there, with what each is a copy of.
pub(super) fn on_destination(scene: &Scene<'_>, index: u32, detail: String) -> Evidence {
    let record = scene.destination(index);
    let neighbours = around(index, scene.history.destination.len())
        .filter(|near| scene.destination(*near).at == record.at)
        .map(|near| {
            let what = match scene.recognised(near) {
                Recognition::Copy(source) => format!("copy of {}", source_place(scene, source)),
                Recognition::Prefilled => "there before the start".into(),
                Recognition::Unselected => "of a topic not selected".into(),
                Recognition::Aborted(_) => "of an aborted transaction".into(),
                Recognition::Absent(Outcome::Failed) => "never on the source".into(),
                Recognition::Absent(Outcome::Acknowledged | Outcome::Indeterminate)
                | Recognition::Forgotten => "no longer on the source".into(),
                Recognition::Stranger => "nobody's copy".into(),
            };
            let here = if near == index { ">" } else { " " };
            let near_record = scene.destination(near);
            format!("{here} @{} {}: {what}", near_record.offset.0, brief(&near_record.content))
        });
    let source = scene.correspondence.source_of(index);
    Evidence {
        key: key(&record.content),
        source: source.map(|source| source_place(scene, source)),
        destination: Some(destination_place(scene, index)),
        detail: format!("{}: {detail}", brief(&record.content)),
        neighbours: neighbours.collect(),
        diff: None,
    }
}

/// A copy, with how the sequence of its order differs between the two sides.
pub(super) fn in_sequence(scene: &Scene<'_>, index: u32, detail: String) -> Evidence {
    let diff = scene.correspondence.source_of(index).map(|source| diff(scene, index, source));
    Evidence { diff, ..on_destination(scene, index, detail) }
}

fn around(index: u32, length: usize) -> std::ops::Range<u32> {
    index.saturating_sub(NEIGHBOURS)..(index + NEIGHBOURS + 1).min(length as u32)
}

/// The records of one order (source partition and key) as the source holds them, against their
/// copies in one destination partition, both near the instance.
fn diff(scene: &Scene<'_>, destination: u32, source: u32) -> String {
    let (at, from) = (scene.destination(destination).at, scene.source(source).at);
    let keys = &scene.correspondence.keys;
    let whole = scene.contract.order == OrderScope::Partition;
    let same = |other: u32| whole || keys[other as usize] == keys[source as usize];
    let line = |source: u32| {
        let record = scene.source(source);
        format!("@{} {}\n", record.offset.0, brief(&record.content))
    };
    let copies = partition_range(scene, at)
        .filter_map(|index| Some((index, scene.correspondence.source_of(index)?)))
        .filter(|(_, source)| scene.source(*source).at == from && same(*source));
    let copies = window(copies, |(index, _)| *index >= destination);
    let (lowest, highest) = copies.iter().fold((source, source), |(lowest, highest), (_, copy)| {
        (lowest.min(*copy), highest.max(*copy))
    });
    let originals =
        (lowest..=highest).filter(|index| scene.source(*index).at == from && same(*index));
    let originals = window(originals, |index| *index >= source);
    let left: String = originals.into_iter().map(line).collect();
    let right: String = copies.into_iter().map(|(_, source)| line(source)).collect();
    similar::TextDiff::from_lines(&left, &right)
        .unified_diff()
        .context_radius(3)
        .header("source", "destination")
        .to_string()
}

/// Indices of all records of a destination partition.
fn partition_range(scene: &Scene<'_>, at: TopicPartition) -> std::ops::Range<u32> {
    let records = &scene.history.destination;
    let begin = records.partition_point(|record| record.at < at);
    let end = records.partition_point(|record| record.at <= at);
    begin as u32..end as u32
}

/// The items before and after the first for which `reached` holds, as it does for all behind it.
fn window<T>(items: impl Iterator<Item = T>, reached: impl Fn(&T) -> bool) -> Vec<T> {
    let mut window = std::collections::VecDeque::new();
    let mut behind = 0;
    for item in items {
        if reached(&item) {
            behind += 1;
        } else if window.len() == SEQUENCE {
            window.pop_front();
        }
        window.push_back(item);
        if behind > SEQUENCE {
            break;
        }
    }
    window.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(head: &[u8], expected: &str) {
        assert_eq!(value(Payload::Large { length: 900, head, digest: 0 }), expected);
    }

    #[test]
    fn of_a_large_value_the_head_is_shown_and_its_last_character_whole() {
        check(b"abc", "\"abc\"… (900 bytes)");
        check("ab…".as_bytes().split_last().unwrap().1, "\"ab\"… (900 bytes)");
        check(b"ab\xffc", "0x6162ff63… (900 bytes)");
    }
}
