//! Which record of the source each record of the destination is a copy of.
//!
//! Between history and checkers. `identity` finds the candidates (by id, else by content),
//! `position` chooses between equal ones, and what is left over is paired by what it has in common
//! with a record that has no copy. Here it is not judged whether a copy is right: a copy with a
//! damaged value is still that record's copy.

mod account;
mod cleaned;
mod count;
pub(crate) mod explanation;
mod forgotten;
mod identity;
mod position;
pub(crate) mod timeline;

use crate::{
    contract::{Contract, Isolation},
    history::{Content, EventKind, History, Outcome, Payload, RecordId, Timestamp, TopicIndex},
    likeness::agreement,
};
use std::collections::{HashMap, HashSet, VecDeque};
use timeline::Timeline;

pub(crate) use identity::is_forgettable;

/// No record, no key: a niche that keeps vectors of indices small.
pub(crate) const NONE: u32 = identity::NONE;

/// What a record of the destination is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recognition {
    /// It was there before the subject started.
    Prefilled,
    /// It lies on a topic that the subject was not asked to mirror.
    Unselected,
    /// A copy of the source record with this index.
    Copy(u32),
    /// Its id is in the producers' log, but the source does not hold it.
    Absent(Outcome),
    /// It is the record with this index of those that the source shows to read_uncommitted readers
    /// alone.
    Aborted(u32),
    /// It may be a copy of a record that the source no longer holds: expired or compacted, without
    /// an id that could tell.
    Forgotten,
    /// Nobody produced it.
    Stranger,
}

/// The correspondence of both sides.
#[derive(Debug)]
pub(crate) struct Correspondence {
    /// What each destination record is.
    pub(crate) recognised: Vec<Recognition>,
    /// Destination records at or beyond the baseline, in order of time as far as it is known.
    pub(crate) time: Vec<u32>,
    /// The first copy of each source record in order of time, or [`NONE`].
    pub(crate) first: Vec<u32>,
    /// The key of each source record as a number of its topic's keys; [`NONE`] for a null key.
    pub(crate) keys: Vec<u32>,
    /// Source records that nothing tells apart from others, not even order.
    pub(crate) unordered: HashSet<u32>,
    /// Source records that have equals: which of them a copy is of was chosen, not seen. All that a
    /// copy may be of have the same number.
    pub(crate) equal: HashMap<u32, u32>,
    /// Source records of aborted transactions, if they are part of the history's source.
    pub(crate) aborted: HashSet<u32>,
    /// Records of the producers' log whose ids the source does not hold.
    pub(crate) absent: Vec<u32>,
    /// Marks in time.
    pub(crate) timeline: Timeline,
    /// For each mark, how many records of `time` were written before it.
    pub(crate) before_mark: Vec<usize>,
}

impl Correspondence {
    /// Takes a record of the destination for the copy of a source record that has none.
    pub(crate) fn take_for(&mut self, copy: u32, source: u32) {
        self.recognised[copy as usize] = Recognition::Copy(source);
        self.first[source as usize] = copy;
    }

    /// The source record that destination record `index` is a copy of.
    pub(crate) fn source_of(&self, index: u32) -> Option<u32> {
        match self.recognised[index as usize] {
            Recognition::Copy(source) => Some(source),
            Recognition::Prefilled
            | Recognition::Unselected
            | Recognition::Absent(_)
            | Recognition::Aborted(_)
            | Recognition::Forgotten
            | Recognition::Stranger => None,
        }
    }
}

/// Whether two records are the same, whatever lies between them: by their ids, else by content.
pub(crate) fn same_record(left: &Content, right: &Content) -> bool {
    if left.ids().next().is_none() && right.ids().next().is_none() {
        return left.digest() == right.digest();
    }
    left.ids().any(|id| right.ids().any(|other| other == id))
}

/// Finds the correspondence. The contract says within what order is promised, which is what tells
/// equal records apart.
pub(crate) fn correspond(history: &History, contract: &Contract) -> Correspondence {
    let mut room = room_for_forgotten(history);
    let found = correspond_within(history, contract, &room);
    if !exceed(history, &found, &mut room) {
        return found;
    }
    correspond_within(history, contract, &room)
}

/// How many records each topic's compacted source may have forgotten.
fn room_for_forgotten(history: &History) -> Vec<u64> {
    let topics = history.gaps().into_iter().zip(&history.topics);
    topics.map(|(gaps, topic)| if topic.compacted { gaps } else { 0 }).collect()
}

/// Whether more copies of some topic were taken for ones of forgotten records than these and the events explain. Such a topic's
/// copies are then told as if it had forgotten nothing: `room` has none for it any more.
fn exceed(history: &History, found: &Correspondence, room: &mut [u64]) -> bool {
    if history.events.iter().any(|event| event.kind == EventKind::ProduceFault) {
        // It explains any number of repeats.
        return false;
    }
    let mut forgotten = vec![0_u64; room.len()];
    for (record, recognition) in history.destination.iter().zip(&found.recognised) {
        forgotten[record.at.topic as usize] += u64::from(*recognition == Recognition::Forgotten);
    }
    let mut is_too_much = false;
    for (room, forgotten) in room.iter_mut().zip(forgotten) {
        if forgotten > forgotten::copies_of_forgotten(history, *room) {
            (*room, is_too_much) = (0, true);
        }
    }
    is_too_much
}

/// The same, if each topic may have forgotten so many records.
fn correspond_within(history: &History, contract: &Contract, room: &[u64]) -> Correspondence {
    let timeline = Timeline::of(history);
    let standing: Vec<Standing> =
        (0..history.destination.len()).map(|index| standing(history, index)).collect();
    let time = in_time(history, &timeline, &standing);
    let rank = |index: &u32| {
        let record = &history.destination[*index as usize];
        timeline.rank(record.at, record.offset) as usize
    };
    let before_mark = (0..timeline.marks.len())
        .map(|mark| time.partition_point(|index| rank(index) <= mark))
        .collect();
    let keys = number_keys(history);
    let groups =
        identity::group(history, contract, room, |index| standing[index] == Standing::Judged);
    let resolved = position::resolve(history, contract, &groups, &keys, &time, room);
    let mut recognised =
        recognise(history, contract, &standing, &resolved.copy_of, &groups.absent, room);
    pair_leftovers(history, &time, &mut recognised);
    let mut first = vec![NONE; history.source.len()];
    for index in &time {
        if let Recognition::Copy(source) = recognised[*index as usize]
            && first[source as usize] == NONE
        {
            first[source as usize] = *index;
        }
    }
    Correspondence {
        recognised,
        time,
        first,
        keys,
        unordered: resolved.unordered,
        equal: resolved.equal,
        aborted: groups.aborted,
        absent: groups.absent,
        before_mark,
        timeline,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Prefilled,
    Unselected,
    Judged,
}

fn standing(history: &History, index: usize) -> Standing {
    let record = &history.destination[index];
    let bounds = history.destination_bounds.get(&record.at);
    if bounds.is_some_and(|bounds| record.offset < bounds.baseline) {
        Standing::Prefilled
    } else if history.topics[record.at.topic as usize].selected {
        Standing::Judged
    } else {
        Standing::Unselected
    }
}

fn in_time(history: &History, timeline: &Timeline, standing: &[Standing]) -> Vec<u32> {
    let mut time: Vec<u32> = (0..history.destination.len() as u32)
        .filter(|index| standing[*index as usize] != Standing::Prefilled)
        .collect();
    if !timeline.marks.is_empty() {
        time.sort_by_cached_key(|index| {
            let record = &history.destination[*index as usize];
            (timeline.rank(record.at, record.offset), *index)
        });
    }
    time
}

fn number_keys(history: &History) -> Vec<u32> {
    let mut numbers = HashMap::<(TopicIndex, &[u8]), u32>::new();
    let mut number = |topic, key| {
        let next = numbers.len() as u32;
        *numbers.entry((topic, key)).or_insert(next)
    };
    let records = history.source.iter();
    records
        .map(|record| match record.content.key() {
            Some(key) => number(record.at.topic, key),
            None => NONE,
        })
        .collect()
}

fn recognise(
    history: &History,
    contract: &Contract,
    standing: &[Standing],
    copy_of: &[u32],
    absent: &[u32],
    room: &[u64],
) -> Vec<Recognition> {
    let outcomes = outcomes(history, absent);
    let forgetful = forgetful_topics(history);
    let aborted = Aborted::of(history);
    let stranger = |index: usize| {
        let record = &history.destination[index];
        let topic = record.at.topic as usize;
        // Found by its content, it may as well be of a record that was committed and is forgotten.
        let may_be_forgotten = forgetful[topic]
            && room[topic] > 0
            && record.content.ids().next().is_none()
            && contract.isolation == Isolation::ReadCommitted;
        if may_be_forgotten {
            return Recognition::Forgotten;
        }
        if let Some(aborted) = aborted.find(contract, record.at.topic, &record.content) {
            return Recognition::Aborted(aborted);
        }
        let outcome = record
            .content
            .ids()
            .find_map(|id| outcomes.get(&(record.at.topic, id)))
            .map(|outcome| Recognition::Absent(*outcome));
        let anonymous = record.content.ids().next().is_none();
        match outcome {
            Some(outcome) => outcome,
            None if anonymous && forgetful[record.at.topic as usize] => Recognition::Forgotten,
            None => Recognition::Stranger,
        }
    };
    (0..standing.len())
        .map(|index| match (standing[index], copy_of[index]) {
            (Standing::Prefilled, _) => Recognition::Prefilled,
            (Standing::Unselected, _) => Recognition::Unselected,
            (Standing::Judged, NONE) => stranger(index),
            (Standing::Judged, source) => Recognition::Copy(source),
        })
        .collect()
}

/// The records of aborted transactions, by id, else by content.
struct Aborted<'h> {
    history: &'h History,
    /// Whoever sends a record again keeps its id: it may be aborted several times.
    by_id: HashMap<(TopicIndex, RecordId), Vec<u32>>,
    by_content: HashMap<(TopicIndex, u128), u32>,
}

impl Aborted<'_> {
    fn of(history: &History) -> Aborted<'_> {
        let (mut by_id, mut by_content) = (HashMap::<_, Vec<_>>::new(), HashMap::new());
        for (index, record) in (0..).zip(&history.aborted) {
            let topic = record.at.topic;
            for id in record.content.ids() {
                by_id.entry((topic, id)).or_default().push(index);
            }
            by_content.entry((topic, record.content.digest())).or_insert(index);
        }
        Aborted { history, by_id, by_content }
    }

    /// Of several with its id the one that is most like it.
    fn find(&self, contract: &Contract, topic: TopicIndex, content: &Content) -> Option<u32> {
        if self.by_content.is_empty() {
            return None;
        }
        let likeness = |index: &&u32| {
            let aborted = &self.history.aborted[**index as usize].content;
            std::cmp::Reverse(agreement(aborted, content, contract))
        };
        let by_id = content.ids().find_map(|id| self.by_id.get(&(topic, id)));
        let by_id = by_id.and_then(|indices| indices.iter().min_by_key(likeness));
        by_id.or_else(|| self.by_content.get(&(topic, content.digest()))).copied()
    }
}

/// What the producers know of ids that the source does not hold. Where a record was sent twice, the
/// better outcome counts.
fn outcomes(history: &History, absent: &[u32]) -> HashMap<(TopicIndex, RecordId), Outcome> {
    let certainty = |outcome: Outcome| match outcome {
        Outcome::Failed => 0,
        Outcome::Indeterminate => 1,
        Outcome::Acknowledged => 2,
    };
    let mut known: Vec<_> = absent.iter().map(|index| &history.produced[*index as usize]).collect();
    known.sort_by_key(|produced| certainty(produced.outcome));
    // Of several the last one stays.
    known.into_iter().map(|produced| ((produced.topic, produced.id), produced.outcome)).collect()
}

/// Topics whose source may have forgotten records that carried no id: compacted or expired, and
/// not all of what is left carries one, or what is known to have been produced.
fn forgetful_topics(history: &History) -> Vec<bool> {
    let forgetful = history.forgetful_topics();
    let mut anonymous = vec![true; history.topics.len()];
    history.produced.iter().for_each(|record| anonymous[record.topic as usize] = false);
    history.source.iter().for_each(|record| anonymous[record.at.topic as usize] = false);
    for record in &history.source {
        anonymous[record.at.topic as usize] |= record.content.ids().next().is_none();
    }
    forgetful.iter().zip(anonymous).map(|(forgetful, anonymous)| *forgetful && anonymous).collect()
}

/// A record that nobody produced, and a record without a copy that has the same value, or the same
/// key and timestamp: most likely one that was damaged beyond its ids. Either account is a
/// violation; this one tells more.
fn pair_leftovers(history: &History, time: &[u32], recognised: &mut [Recognition]) {
    if !recognised.contains(&Recognition::Stranger) {
        return;
    }
    let mut copied = vec![false; history.source.len()];
    for recognition in recognised.iter() {
        if let Recognition::Copy(source) = recognition {
            copied[*source as usize] = true;
        }
    }
    let mut leftovers = HashMap::<_, VecDeque<u32>>::new();
    for (index, record) in history.source.iter().enumerate().filter(|(index, _)| !copied[*index]) {
        for trait_ in traits(&record.content).into_iter().flatten() {
            leftovers.entry((record.at.topic, trait_)).or_default().push_back(index as u32);
        }
    }
    for index in time {
        if recognised[*index as usize] != Recognition::Stranger {
            continue;
        }
        let record = &history.destination[*index as usize];
        let found = traits(&record.content).into_iter().flatten().find_map(|trait_| {
            let queue = leftovers.get_mut(&(record.at.topic, trait_))?;
            while let Some(source) = queue.pop_front() {
                if !copied[source as usize] {
                    return Some(source);
                }
            }
            None
        });
        if let Some(source) = found {
            copied[source as usize] = true;
            recognised[*index as usize] = Recognition::Copy(source);
        }
    }
}

/// By what a damaged record can still be recognised.
#[derive(PartialEq, Eq, Hash)]
enum Trait<'h> {
    Value(Payload<'h>),
    KeyAndTime(&'h [u8], i64),
}

fn traits(content: &Content) -> [Option<Trait<'_>>; 2] {
    let value = content.value();
    let value = value.length().filter(|length| *length > 0).map(|_| Trait::Value(value));
    let time = match content.timestamp() {
        Timestamp::Create(time) | Timestamp::Append(time) => {
            content.key().map(|key| Trait::KeyAndTime(key, time))
        }
        Timestamp::None => None,
    };
    [value, time]
}
