//! The text form of a history, for people. A line is one fact:
//!
//! ```text
//! contract {"partitioning": "any"}       what differs from the default (partitioning is `any`)
//! topic t 1 -> 2,4 [compacted] [unselected]   partitions of the source -> of the destination
//! source t/0: a1 a2 @7 b1 _1 a:x         records in order of offset; `@7` sets the next offset
//! destination t/0: x9 | a1 a2            what lies before `|` was there before the start
//! produced failed: a3                    (ok, failed, unknown)
//! event kill when t/0=2 committed t/0=1 [over t/0=3]   destination ends when it began, positions by
//!                                        then, and destination ends when it was over
//! commit t/0=2 when t/0=2                a sample: positions, then destination ends
//! final t/0=2 [abrupt]                   positions at the end
//! ready t/0=2    cut t/0=2    source-low t/0=1    destination-low t/0=1
//! completion completed                   (idle arrived|missing N|unknown, exited, deadline, …)
//! resume t committed t/0=1 at t/0=1 received t/0=1 t/0=2
//! source-ends t/0=5                      log ends of the source at the final read
//! after-cut t/0: @5 a1                   what lies on the source behind the cut
//! aborted t/0: @2 a3                     what only a read_uncommitted reader of the source sees
//! grown t 4 settled t/0=3                destination partitions, and ends when all must know them
//! announced t/0=2                        deleted below, and the subject said so
//! translation t g committed t/0=1 translated t/0=1
//! config t cleanup.policy compact -      a setting on the source and on the destination (`-`: none)
//!
//! expect violated
//! violation lost plain 1                 every violation and every toleration is listed
//! tolerated rewound explained-kill 2
//! doubt deadline                         a part of a doubt's text
//! evidence no copy                       a part of some evidence
//! ```
//!
//! A record `a1` has key `a`, and an id (key `a`, sequence 1) in header and value. `_1` has a null
//! key. `a:x` has the value `x` and no id; `a:null` and `a:empty` are what they say. Braces change
//! one thing: `a1{key=b}`, `{value=x}`, `{headers=none}`, `{header=a2}`, `{extra=h}`, `{extra=h:value}`,
//! `{id=a2}` (in header and value), `{time=7}`, `{time=none}`, `{append=7}` (a broker's time). The last
//! five go for `a:x` as well, apart from the id.

use judge::{
    contract::Contract,
    history::*,
    verdict::{Anomaly, Verdict},
};
use std::collections::BTreeMap;

/// What a file says and expects.
#[derive(Default)]
pub(crate) struct Golden {
    pub(crate) history: History,
    pub(crate) contract: Contract,
    pub(crate) verdict: Option<Verdict>,
    pub(crate) violations: Vec<String>,
    pub(crate) tolerated: Vec<String>,
    pub(crate) doubts: Vec<String>,
    pub(crate) evidence: Vec<String>,
}

pub(crate) const RUN: u64 = 1;

pub(crate) fn parse(text: &str) -> Golden {
    let mut golden = Golden::default();
    golden.history.run = RUN;
    golden.history.completion = Some(Completion::Completed);
    golden.contract = contract("{}");
    let mut cuts = Vec::new();
    for line in text.lines().map(|line| line.split('#').next().unwrap().trim()) {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let history = &mut golden.history;
        match verb {
            "" => {}
            "contract" => golden.contract = contract(rest),
            "topic" => history.topics.push(topic(rest)),
            "source" => source(history, rest),
            "destination" => destination(history, rest),
            "produced" => produced(history, rest),
            "event" => event(history, rest),
            "commit" => {
                let (committed, ends) = rest.split_once("when").unwrap();
                let committed = positions(history, committed);
                history
                    .commits
                    .push(CommitSample { committed, destination_ends: ends_of(history, ends) });
            }
            "final" => {
                let graceful = !rest.contains("abrupt");
                let committed = Some(positions(history, &rest.replace("abrupt", "")));
                history.final_commit = FinalCommit { committed, graceful };
            }
            "written" => {
                let (name, records) = rest.split_once(' ').unwrap();
                history.written.insert(topic_named(history, name), records.parse().unwrap());
            }
            "ready" => history.ready = Some(positions(history, rest)),
            "cut" => cuts.extend(positions(history, rest)),
            "source-low" => {
                for (at, low) in positions(history, rest) {
                    history.source_bounds.get_mut(&at).unwrap().low = low;
                }
            }
            "destination-low" => {
                for (at, low) in ends_of(history, rest) {
                    history.destination_bounds.get_mut(&at).unwrap().low = low;
                }
            }
            "completion" => history.completion = completion(rest),
            "resume" => resume(history, rest),
            "source-ends" => history.source_ends = positions(history, rest),
            "after-cut" => {
                let records = source_records(history, rest).0;
                history.after_cut.extend(records);
            }
            "aborted" => {
                let records = source_records(history, rest).0;
                history.aborted.extend(records);
            }
            "grown" => grown(history, rest),
            "announced" => {
                let (from, to) = rest.split_once("to").unwrap();
                let (from, to) = (positions(history, from), positions(history, to));
                let gap = |(at, to)| (at, Gap { from: from[&at], to });
                history.announced = to.into_iter().map(gap).collect();
            }
            "translation" => translation(history, rest),
            "config" => config(history, rest),
            "expect" => golden.verdict = Some(verdict(rest)),
            "violation" => golden.violations.push(rest.into()),
            "tolerated" => golden.tolerated.push(rest.into()),
            "doubt" => golden.doubts.push(rest.into()),
            "evidence" => golden.evidence.push(rest.into()),
            other => panic!("unknown verb {other}"),
        }
    }
    for (at, cut) in cuts {
        golden.history.source_bounds.get_mut(&at).unwrap().cut = cut;
    }
    golden.history.source.sort_by_key(|record| (record.at, record.offset));
    golden.history.destination.sort_by_key(|record| (record.at, record.offset));
    golden
}

fn contract(json: &str) -> Contract {
    let mut fields: serde_json::Value = serde_json::from_str(json).unwrap();
    let fields_ = fields.as_object_mut().unwrap();
    fields_.entry("partitioning").or_insert_with(|| "any".into());
    serde_json::from_value(fields).unwrap()
}

fn topic(text: &str) -> Topic {
    let words: Vec<&str> = text.split_whitespace().collect();
    let counts = |text: &str| text.split(',').map(|count| count.parse().unwrap()).collect();
    Topic {
        source: words[0].into(),
        destination: words[0].into(),
        source_partitions: counts(words[1]),
        destination_partitions: counts(words[3]),
        selected: !words.contains(&"unselected"),
        compacted: words.contains(&"compacted"),
    }
}

fn partition(history: &History, text: &str) -> TopicPartition {
    let (name, partition) = text.trim().split_once('/').unwrap();
    TopicPartition { topic: topic_named(history, name), partition: partition.parse().unwrap() }
}

fn numbers(history: &History, text: &str) -> Vec<(TopicPartition, i64)> {
    let pair = |word: &str| {
        let (at, number) = word.split_once('=').unwrap();
        (partition(history, at), number.parse().unwrap())
    };
    text.split_whitespace().map(pair).collect()
}

fn positions(history: &History, text: &str) -> Positions {
    numbers(history, text).into_iter().map(|(at, n)| (at, SourceOffset(n))).collect()
}

fn ends_of(history: &History, text: &str) -> Ends {
    numbers(history, text).into_iter().map(|(at, n)| (at, DestinationOffset(n))).collect()
}

/// Records with their offsets, and the next offset.
fn records(text: &str) -> (Vec<(i64, Content)>, i64) {
    let (mut records, mut offset) = (Vec::new(), 0);
    for word in text.split_whitespace() {
        if let Some(next) = word.strip_prefix('@') {
            offset = next.parse().unwrap();
        } else {
            records.push((offset, content(word)));
            offset += 1;
        }
    }
    (records, offset)
}

fn source_records(history: &History, text: &str) -> (Vec<SourceRecord>, TopicPartition, i64) {
    let (at, text) = text.split_once(':').unwrap();
    let at = partition(history, at);
    let (records, end) = records(text);
    let record = |(offset, content)| SourceRecord { at, offset: SourceOffset(offset), content };
    (records.into_iter().map(record).collect(), at, end)
}

fn source(history: &mut History, text: &str) {
    let (records, at, end) = source_records(history, text);
    let zero = SourceOffset(0);
    history
        .source_bounds
        .insert(at, SourceBounds { baseline: zero, low: zero, cut: SourceOffset(end) });
    history.source.extend(records);
}

fn destination(history: &mut History, text: &str) {
    let (at, text) = text.split_once(':').unwrap();
    let at = partition(history, at);
    let baseline = text.split_once(" | ").map_or(0, |(before, _)| records(before).1);
    let (records, end) = records(&text.replace(" | ", " "));
    let [zero, baseline, end] = [0, baseline, end].map(DestinationOffset);
    let bounds = DestinationBounds { low_baseline: zero, baseline, low: zero, end };
    history.destination_bounds.insert(at, bounds);
    history.destination.extend(records.into_iter().map(|(offset, content)| DestinationRecord {
        at,
        offset: DestinationOffset(offset),
        content,
    }));
}

fn produced(history: &mut History, text: &str) {
    let (outcome, text) = text.split_once(':').unwrap();
    let outcome = match outcome {
        "ok" => Outcome::Acknowledged,
        "failed" => Outcome::Failed,
        "unknown" => Outcome::Indeterminate,
        other => panic!("unknown outcome {other}"),
    };
    let log = text.split_whitespace().map(|word| Produced { topic: 0, id: id(word), outcome });
    history.produced.extend(log);
}

fn event(history: &mut History, text: &str) {
    let (kind, rest) = text.split_once(' ').unwrap();
    let kind = serde_json::from_value(kind.into()).unwrap();
    let (ends, committed) = rest.trim_start_matches("when").split_once("committed").unwrap();
    let (committed, over) = match committed.split_once("over") {
        Some((committed, over)) => (committed, Some(ends_of(history, over))),
        None => (committed, None),
    };
    let (destination_ends, committed) = (ends_of(history, ends), positions(history, committed));
    history.events.push(Event { kind, destination_ends, committed, over });
}

fn completion(text: &str) -> Option<Completion> {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words[..] {
        ["completed"] => Some(Completion::Completed),
        ["idle", sentinels, behind] => Some(Completion::Idle {
            sentinels_arrived: sentinels == "arrived",
            behind: behind.parse().ok(),
            seconds: 60,
        }),
        ["exited"] => Some(Completion::Exited {
            status: "exit status: 1".into(),
            output: "out of memory".into(),
        }),
        ["deadline"] => Some(Completion::Deadline { awaited: "10 of 20 records".into() }),
        ["unobservable"] => Some(Completion::Unobservable { reason: "no broker".into() }),
        ["none"] => None,
        _ => panic!("unknown completion {text}"),
    }
}

fn resume(history: &mut History, text: &str) {
    let (topic, rest) = text.split_once("committed").unwrap();
    let (committed, rest) = rest.split_once(" at ").unwrap();
    let (resumed, received) = rest.split_once("received").unwrap();
    let topic = topic_named(history, topic);
    let received = numbers(history, received);
    history.resumes.push(ResumeTrial {
        topic,
        committed: positions(history, committed),
        resumed: ends_of(history, resumed),
        received: received.into_iter().map(|(at, n)| (at, DestinationOffset(n))).collect(),
    });
}

fn topic_named(history: &History, name: &str) -> TopicIndex {
    history.topics.iter().position(|topic| topic.source == name.trim()).unwrap() as TopicIndex
}

fn grown(history: &mut History, text: &str) {
    let (growth, settled) = text.split_once("settled").unwrap();
    let (topic, partitions) = growth.trim().split_once(' ').unwrap();
    let (topic, partitions) = (topic_named(history, topic), partitions.parse().unwrap());
    history.grown.push(Growth { topic, partitions, settled: ends_of(history, settled) });
}

fn translation(history: &mut History, text: &str) {
    let (name, rest) = text.split_once("committed").unwrap();
    let (committed, translated) = rest.split_once("translated").unwrap();
    let (topic, group) = name.trim().split_once(' ').unwrap();
    history.translations.push(Translation {
        topic: topic_named(history, topic),
        group: group.into(),
        committed: positions(history, committed),
        translated: ends_of(history, translated),
    });
}

fn config(history: &mut History, text: &str) {
    let words: Vec<&str> = text.split_whitespace().collect();
    let value = |word: &str| Some(word.to_string()).filter(|word| word != "-");
    let [topic, name, source, destination] = words[..] else { panic!("no setting: {text}") };
    history.configs.push(TopicConfig {
        topic: topic_named(history, topic),
        name: name.into(),
        source: value(source),
        destination: value(destination),
    });
}

fn verdict(text: &str) -> Verdict {
    serde_json::from_value(text.into()).unwrap()
}

fn id(word: &str) -> RecordId {
    let (key, sequence) = word.split_at(1);
    let sequence = sequence.parse().unwrap_or_else(|_| panic!("no record: {word}"));
    RecordId { run: RUN, producer: 0, key: u32::from(key.as_bytes()[0]), sequence }
}

/// What a generated record carries.
pub(crate) fn generated(key: Option<&[u8]>, id: RecordId, value: Option<&str>) -> Content {
    let header =
        Header { name: Content::ID_HEADER.into(), value: Some(id.to_string().into_bytes()) };
    let text = format!("{id}|{}", value.unwrap_or("text"));
    let time = Timestamp::Create(1_000 + i64::from(id.sequence));
    Content::of(key, Some(text.as_bytes()), vec![header], time)
}

fn content(word: &str) -> Content {
    let (name, changes) = word.split_once('{').unwrap_or((word, ""));
    let changes: BTreeMap<&str, &str> =
        changes.split(['{', '}']).filter_map(|change| change.split_once('=')).collect();
    let key = Some(&name[..1]).filter(|key| *key != "_").map(str::as_bytes);
    if let Some((_, value)) = name.split_once(':') {
        let value = match value {
            "null" => None,
            "empty" => Some(""),
            value => Some(value),
        };
        let headers = changes.get("extra").map(|header| extra(header)).into_iter().collect();
        return Content::of(key, value.map(str::as_bytes), headers, timestamp(&changes, 1_000));
    }
    let own = id(name);
    let shown = changes.get("id").map_or(own, |word| id(word));
    let plain = generated(key, shown, None);
    let owned = |header: HeaderRef<'_>| Header {
        name: header.name.into(),
        value: header.value.map(Into::into),
    };
    let mut headers: Vec<_> = plain.headers().map(owned).collect();
    let (mut key, mut value) = (key, format!("{shown}|text"));
    let time = timestamp(&changes, 1_000 + i64::from(own.sequence));
    for (what, how) in changes {
        match what {
            "id" | "time" | "append" => {}
            "key" => key = Some(how).filter(|key| *key != "null").map(str::as_bytes),
            "value" => value = how.into(),
            "headers" => headers.clear(),
            "header" => headers[0].value = Some(id(how).to_string().into_bytes()),
            "extra" => headers.push(extra(how)),
            other => panic!("unknown change {other}"),
        }
    }
    let value = Some(value.as_str()).filter(|value| *value != "null").map(str::as_bytes);
    Content::of(key, value, headers, time)
}

fn extra(text: &str) -> Header {
    let (name, value) = text.split_once(':').map_or((text, None), |(n, value)| (n, Some(value)));
    Header { name: name.into(), value: value.map(Into::into) }
}

fn timestamp(changes: &BTreeMap<&str, &str>, usual: i64) -> Timestamp {
    match (changes.get("time"), changes.get("append")) {
        (None, None) => Timestamp::Create(usual),
        (Some(&"none"), _) => Timestamp::None,
        (Some(time), _) => Timestamp::Create(time.parse().unwrap()),
        (None, Some(time)) => Timestamp::Append(time.parse().unwrap()),
    }
}

/// The anomaly that a line of expectation names.
pub(crate) fn anomaly(line: &str) -> Anomaly {
    let name = line.split(' ').next().unwrap();
    Anomaly::ALL.into_iter().find(|anomaly| anomaly.name() == name).unwrap()
}

/// A history in a few lines, for failures.
pub(crate) fn sketch(history: &History) -> String {
    use std::fmt::Write;
    let name = |content: &Content| {
        let key = content.key().map_or("_".into(), String::from_utf8_lossy).into_owned();
        match (content.id(), content.value()) {
            (Some(id), _) => format!("{key}#{}.{}", id.producer, id.sequence),
            (None, Payload::Null) => format!("{key}:null"),
            (None, value) => format!("{key}:{}", String::from_utf8_lossy(value.head())),
        }
    };
    let mut lines = BTreeMap::<String, String>::new();
    for record in &history.source {
        let line = lines.entry(format!("source {}/{}", record.at.topic, record.at.partition));
        let _ = write!(line.or_default(), " {}={}", record.offset.0, name(&record.content));
    }
    for record in &history.destination {
        let line = lines.entry(format!("to {}/{}", record.at.topic, record.at.partition));
        let _ = write!(line.or_default(), " {}={}", record.offset.0, name(&record.content));
    }
    let mut text: String = lines.into_iter().map(|(at, line)| format!("{at}:{line}\n")).collect();
    for event in &history.events {
        let _ = writeln!(text, "{event:?}");
    }
    text
}
