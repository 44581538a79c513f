//! `mirrorproof soak`: one long plan on real brokers, with a mirror that is killed, stopped and frozen, and brokers
//! that die and come back, while records come at an even pace. What the mirror takes of memory is looked at.

mod plan;

use crate::trial::Watcher;
use harness::subject::Usage;
use judge::plan::{Action, Plan, Side};
use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

pub use plan::Soak;

/// What was seen of a long run.
pub struct Seen<N> {
    began: Instant,
    note: N,
    counts: Counts,
    /// What the subject took, in bytes, with the number of its start.
    memory: Vec<(u32, u64)>,
    /// How many actions have begun, and whether the end is one of them.
    begun: usize,
    finishes: bool,
    enough: Arc<AtomicBool>,
}

/// What happened, and how often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    source_brokers: u32,
    destination_brokers: u32,
    kills: u32,
    stops: u32,
    freezes: u32,
}

impl<N: FnMut(&str) + Send> Seen<N> {
    /// Nothing yet; `note` is told of every event. Once `enough` is set, the piece under way is the last.
    pub fn new(note: N, enough: Arc<AtomicBool>) -> Seen<N> {
        let (began, counts, memory) = (Instant::now(), Counts::default(), Vec::new());
        Seen { began, note, counts, memory, begun: 0, finishes: false, enough }
    }

    /// The plan as it was performed: without the pieces that were given up.
    pub fn performed(&self, mut plan: Plan) -> Plan {
        if self.finishes && self.begun < plan.actions.len() {
            plan.actions.truncate(self.begun - 1);
            plan.actions.push(Action::Finish);
        }
        plan
    }

    /// What happened, and the memory, for people.
    pub fn render(&self) -> String {
        let Counts { source_brokers, destination_brokers, kills, stops, freezes } = self.counts;
        let mut out = String::new();
        let _ = writeln!(
            out,
            "killed       {source_brokers} brokers of the source, {destination_brokers} of the destination, {kills} × the mirror",
        );
        let _ = writeln!(out, "besides      the mirror stopped {stops} ×, frozen {freezes} ×");
        let _ = writeln!(out, "memory       {}", memory(&self.memory));
        out
    }

    fn megabytes(&self) -> String {
        match self.memory.last() {
            Some((_, bytes)) => format!(", the mirror takes {} MB", bytes / 1_000_000),
            None => String::new(),
        }
    }
}

impl<N: FnMut(&str) + Send> Watcher for Seen<N> {
    const LOOKS: bool = true;

    fn begins(&mut self, action: &Action) {
        self.begun += 1;
        self.finishes |= *action == Action::Finish;
        let counts = &mut self.counts;
        let what = match action {
            Action::KillBroker { side, broker } => {
                match side {
                    Side::Source => counts.source_brokers += 1,
                    Side::Destination => counts.destination_brokers += 1,
                }
                format!("broker {broker} of the {side} is killed")
            }
            Action::StartBroker { side, broker } => {
                format!("broker {broker} of the {side} is started again")
            }
            Action::KillSubject => {
                counts.kills += 1;
                "the mirror is killed".into()
            }
            Action::StopSubject => {
                counts.stops += 1;
                "the mirror is asked to stop".into()
            }
            Action::FreezeSubject => {
                counts.freezes += 1;
                "the mirror is frozen".into()
            }
            Action::StartSubject(_) => "the mirror is started".into(),
            Action::Finish => "the end is awaited, and both sides are read".into(),
            _ => return,
        };
        let seconds = self.began.elapsed().as_secs();
        let text = format!("{:3}:{:02}  {what}{}", seconds / 60, seconds % 60, self.megabytes());
        (self.note)(&text);
    }

    fn sees(&mut self, subject: Option<(u32, Usage)>) {
        if let Some((start, usage)) = subject.filter(|(_, usage)| usage.memory > 0) {
            self.memory.push((start, usage.memory));
        }
    }

    fn is_content(&self) -> bool {
        self.enough.load(Ordering::Relaxed)
    }
}

/// How much it was in all, and whether it grew while the last start lived.
fn memory(seen: &[(u32, u64)]) -> String {
    let Some((last, _)) = seen.last() else { return "was not seen".into() };
    let all = || seen.iter().map(|(_, bytes)| bytes / 1_000_000);
    let (least, most) = (all().min().unwrap_or_default(), all().max().unwrap_or_default());
    let lived: Vec<u64> =
        seen.iter().filter(|(start, _)| start == last).map(|(_, bytes)| *bytes).collect();
    let third = lived.len() / 3;
    if third == 0 {
        return format!("{least} to {most} MB");
    }
    format!(
        "{least} to {most} MB; since the last start {} MB in the first third, {} MB in the last (medians of {third} looks)",
        median(&lived[..third]) / 1_000_000,
        median(&lived[lived.len() - third..]) / 1_000_000
    )
}

fn median(values: &[u64]) -> u64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_compared_within_one_start() {
        let megabyte = 1_000_000;
        let before = [(1, 90 * megabyte)];
        let lived = [40, 41, 50, 45, 60, 61].map(|megabytes| (2, megabytes * megabyte));
        let told = memory(&[before.as_slice(), &lived].concat());
        assert_eq!(
            told,
            "40 to 90 MB; since the last start 41 MB in the first third, 61 MB in the last (medians of 2 looks)"
        );
        assert_eq!(memory(&before), "90 to 90 MB");
        assert_eq!(memory(&[]), "was not seen");
    }

    #[test]
    fn events_are_counted_and_told() {
        let mut told = Vec::new();
        let mut seen = Seen::new(|text: &str| told.push(text.to_owned()), Arc::default());
        for action in [
            Action::KillBroker { side: Side::Source, broker: 2 },
            Action::Wait { seconds: 1 },
            Action::KillSubject,
        ] {
            seen.begins(&action);
            seen.sees(Some((1, Usage { memory: 5_000_000, ..Usage::default() })));
        }
        let text = seen.render();
        assert!(
            text.contains("1 brokers of the source, 0 of the destination, 1 × the mirror"),
            "{text}"
        );
        drop(seen);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[1].ends_with("the mirror is killed, the mirror takes 5 MB"), "{told:?}");
    }

    #[test]
    fn pieces_that_are_given_up_are_not_of_the_plan() {
        let plan = |actions| Plan { version: Plan::VERSION, seed: 1, actions };
        let whole = plan(vec![
            Action::AwaitReady,
            Action::AwaitLoad,
            Action::KillSubject,
            Action::AwaitLoad,
            Action::Finish,
        ]);
        let mut seen = Seen::new(|_: &str| (), Arc::default());
        seen.begins(&Action::AwaitReady);
        assert_eq!(seen.performed(whole.clone()), whole, "something failed: all of it is repeated");
        seen.begins(&Action::AwaitLoad);
        seen.begins(&Action::Finish);
        let performed = plan(vec![Action::AwaitReady, Action::AwaitLoad, Action::Finish]);
        assert_eq!(seen.performed(whole), performed);
    }
}
