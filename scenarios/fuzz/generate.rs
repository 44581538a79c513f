//! Random plans as a proptest strategy: topics, partition counts, workloads and the mirror's life.
//!
//! A plan is drawn as a draft and then written out as actions, so that a draft that is made smaller
//! is always a plan that makes sense. The parts come in the order in which they are made smaller:
//! what happens first, what records look like last. Nothing is drawn that the clusters cannot judge
//! truthfully.

use super::draft::{Draft, Event, Load, Looks, Topic, Turn};
use harness::{
    cluster::Backend,
    subject::{Kind, Spec},
    testbed,
};
use judge::{
    contract::{Partitioning, Start},
    plan::{
        Action, Headers, KeyStyle, Placement, Plan, Sizes, Skew, SubjectOptions, TimestampStyle,
        Workload,
    },
};
use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::select,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use std::ops::RangeInclusive;

/// Which plans are drawn: what the clusters can judge and the subject can do.
#[derive(Clone, Debug)]
pub struct Space {
    /// Real brokers have transactions, topics that grow, and room for large records that are
    /// copied twice.
    pub real_brokers: bool,
    /// The subject begins at the end of the log: what counts is produced while it runs.
    pub from_latest: bool,
    /// Whether partition numbers are kept; `None`: sometimes.
    pub preserve: Option<bool>,
    /// Whether the subject can be asked to copy exactly once.
    pub exactly_once: bool,
    /// After how long without a word a group takes its member for gone, in milliseconds.
    pub session_ms: u64,
    /// What may happen to the subject.
    pub events: Vec<Event>,
    /// How often something happens to it.
    pub turns: RangeInclusive<usize>,
}

impl Space {
    /// What a subject can be asked on these clusters.
    pub fn of(backend: Backend, subject: &Spec) -> Space {
        let ours = matches!(subject.kind, Kind::Mirror | Kind::Bad { .. });
        let contract = subject.contract(&SubjectOptions::default(), false);
        // The mock has no command to give a topic more partitions.
        let grow = (backend == Backend::Containers).then_some([Event::GrowSource, Event::Grow]);
        let (stop, kill) = ([Event::Stop; 5], [Event::Kill; 3]);
        let events = stop.into_iter().chain(kill).chain([Event::Join]);
        // Any program may be frozen; what a zombie may do is known of ours alone.
        let freeze = ours.then_some([Event::Freeze, Event::Zombie]);
        let events = events.chain(freeze.into_iter().flatten());
        Space {
            real_brokers: backend == Backend::Containers,
            exactly_once: backend == Backend::Containers && subject.kind == Kind::Mirror,
            session_ms: testbed::session_timeout_ms(backend),
            from_latest: contract.start == Start::Latest,
            // Ours can do both.
            preserve: (!ours || subject.contract.is_some())
                .then_some(contract.partitioning == Partitioning::Preserve),
            events: events.chain(grow.into_iter().flatten()).collect(),
            turns: 0..=3,
        }
    }

    /// The plans, without a seed.
    pub fn actions(&self) -> impl Strategy<Value = Vec<Action>> + use<> {
        let space = self.clone();
        self.drafts().prop_map(move |draft| draft.actions(&space))
    }

    /// The plan of this number: nothing else decides about it.
    pub fn plan(&self, seed: u64, number: u64) -> Plan {
        self.tree(seed, number).current()
    }

    /// The same plan, with the ways to make it smaller.
    pub fn tree(&self, seed: u64, number: u64) -> impl ValueTree<Value = Plan> + use<> {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        bytes[8..16].copy_from_slice(&number.to_le_bytes());
        let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let mut runner = TestRunner::new_with_rng(Config::default(), random);
        let plans = (self.actions(), any::<u64>().no_shrink()).prop_map(|(actions, seed)| Plan {
            version: Plan::VERSION,
            seed,
            actions,
        });
        plans.new_tree(&mut runner).expect("no plan is filtered out")
    }

    fn drafts(&self) -> impl Strategy<Value = Draft> + use<> {
        (
            vec(turn(self.events.clone()), self.turns.clone()),
            topics(),
            (option::weighted(0.2, look()), prop::bool::weighted(0.8)),
            options(self.preserve, self.exactly_once),
            vec(workload(self.real_brokers), Looks::COUNT),
        )
            .prop_map(|(turns, topics, (excluded, ready), options, workloads)| Draft {
                turns,
                topics,
                excluded,
                ready,
                options,
                looks: Looks(workloads),
            })
    }
}

/// Which of the plan's workloads. What it looks like is made smaller there.
fn look() -> impl Strategy<Value = usize> {
    (0..Looks::COUNT).no_shrink()
}

fn load() -> impl Strategy<Value = Load> {
    ((0..3_usize).no_shrink(), look()).prop_map(|(topic, look)| Load { topic, look })
}

fn turn(events: Vec<Event>) -> impl Strategy<Value = Turn> {
    let loads = (option::weighted(0.6, load()), option::weighted(0.3, load()));
    let awaited = option::weighted(0.6, (1..=100_u8).no_shrink());
    (select(events), loads, awaited, prop::bool::weighted(0.3)).prop_map(
        |(event, (load, meanwhile), awaited_percent, ready)| Turn {
            event,
            load,
            awaited_percent,
            meanwhile,
            ready,
        },
    )
}

/// One as a rule: what several add is that the subject has several.
fn topics() -> impl Strategy<Value = Vec<Topic>> {
    let further = || (option::weighted(0.3, topic()), option::weighted(0.15, topic()));
    (topic(), further()).prop_map(|(first, (second, third))| {
        [Some(first), second, third].into_iter().flatten().collect()
    })
}

fn topic() -> impl Strategy<Value = Topic> {
    let partitions = || select(&[1_u32, 2, 3, 1, 2, 4, 5, 8][..]);
    let loads = (option::weighted(0.5, look()), option::weighted(0.7, look()), look());
    (loads, option::weighted(0.2, 1..=20_u32), (partitions(), partitions())).prop_map(
        |((before, during, instead), prefill, (source, destination))| Topic {
            before,
            during,
            instead,
            prefill,
            source,
            destination,
        },
    )
}

fn options(preserve: Option<bool>, exactly_once: bool) -> impl Strategy<Value = SubjectOptions> {
    let preserve = preserve.map_or(prop::bool::weighted(0.15).boxed(), |fixed| Just(fixed).boxed());
    // Commits that come often are soon caught in between.
    let commit_interval = select(&[100_u64, 10, 300][..]);
    let streams = prop_oneof![7 => Just(1_u32), 2 => Just(2_u32), 1 => Just(3_u32)];
    // Acknowledgements then come out of order even on a mock, whose partitions are equally quick.
    let small_batches = prop::bool::weighted(0.3);
    let exactly_once = prop::bool::weighted(if exactly_once { 0.4 } else { 0.0 });
    (streams, preserve, commit_interval, small_batches, exactly_once).prop_map(
        |(streams, preserve, interval, small_batches, exactly_once)| SubjectOptions {
            commit_interval_ms: Some(interval),
            streams,
            preserve,
            small_batches,
            exactly_once,
            ..SubjectOptions::default()
        },
    )
}

/// Small on the whole, so that many plans are tried, and now and then enough for a backlog.
fn records() -> impl Strategy<Value = u32> {
    prop_oneof![8 => 1..=150_u32, 3 => 150..=800_u32, 1 => 800..=2_500_u32]
}

fn workload(real_brokers: bool) -> impl Strategy<Value = Workload> {
    let skew = prop_oneof![Just(Skew::Uniform), Just(Skew::Zipf(1.1)), Just(Skew::Zipf(1.5))];
    let key_style = select(&[KeyStyle::Plain, KeyStyle::Varied][..]);
    let sizes =
        prop_oneof![5 => Just(Sizes::Small), 3 => Just(Sizes::Varied), 1 => Just(Sizes::WithLarge)];
    let headers = select(&[Headers::Id, Headers::None, Headers::Varied][..]);
    let timestamps = select(&[TimestampStyle::Now, TimestampStyle::Varied][..]);
    let placement = select(&[Placement::Murmur2, Placement::RoundRobin][..]);
    let percentages = (0..=30_u8, 0..=30_u8, 0..=30_u8);
    let sometimes = option::weighted(0.2, (1..=50_u32, 0..=60_u8));
    let transactions = match real_brokers {
        true => sometimes.boxed(),
        false => Just(None).boxed(),
    };
    (
        (records(), 1..=3_u16, 1..=60_u32),
        (skew, key_style, any::<bool>()),
        percentages,
        (sizes, headers, timestamps, placement),
        transactions,
    )
        .prop_map(|(amounts, keys, percentages, looks, transactions)| Workload {
            records: amounts.0,
            producers: amounts.1,
            keys: amounts.2,
            skew: keys.0,
            key_style: keys.1,
            empty_key: keys.2,
            null_keys: percentages.0.saturating_sub(10),
            null_values: percentages.1,
            empty_values: percentages.2,
            sizes: looks.0,
            headers: looks.1,
            timestamps: looks.2,
            placement: looks.3,
            transaction_records: transactions.map(|(records, _)| records),
            aborted_transactions: transactions.map_or(0, |(_, aborted)| aborted),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fit::unfit,
        fuzz::{disturbed, waits},
    };
    use harness::subject::properties::Properties;
    use judge::contract::Contract;
    use std::collections::BTreeMap;

    fn space(backend: Backend, kind: Kind, contract: Option<Contract>) -> Space {
        let (consumer, producer) = (Properties::new(), Properties::new());
        let executable = "mirrorproof".into();
        Space::of(backend, &Spec { kind, executable, consumer, producer, contract })
    }

    fn embedded() -> Space {
        space(Backend::Embedded, Kind::Mirror, None)
    }

    fn share(plans: &[Plan], of: impl Fn(&Plan) -> bool) -> usize {
        plans.iter().filter(|plan| of(plan)).count() * 100 / plans.len()
    }

    fn plans(space: &Space) -> Vec<Plan> {
        (0..1_000).map(|number| space.plan(7, number)).collect()
    }

    /// What would be a mistake in any plan.
    fn check(plan: &Plan) {
        let mut partitions: BTreeMap<(judge::plan::Side, &str), u32> = BTreeMap::new();
        let mut records: BTreeMap<&str, u32> = BTreeMap::new();
        let (mut instances, mut others, mut frozen) = (0, 0, 0);
        for action in &plan.actions {
            match action {
                Action::CreateTopic { side, topic, partitions: count } => {
                    assert_eq!(partitions.insert((*side, topic), *count), None, "{plan:#?}");
                }
                Action::GrowTopic { side, topic, partitions: count } => {
                    let before = partitions.insert((*side, topic), *count);
                    assert!(before.is_some_and(|before| before < *count), "{plan:#?}");
                }
                Action::Produce { topic, workload } => {
                    assert!(workload.records > 0, "{plan:#?}");
                    *records.entry(topic).or_default() += workload.records;
                }
                Action::StartSubject(_) => instances += 1,
                Action::StopSubject | Action::KillSubject => instances -= 1,
                Action::AddInstance(_) => others += 1,
                Action::RemoveInstance => others -= 1,
                Action::FreezeSubject => frozen += 1,
                Action::ThawSubject { .. } => frozen -= 1,
                Action::AwaitRecords { topic, records: awaited } => {
                    assert!(*awaited <= u64::from(records[topic.as_str()]), "{plan:#?}");
                }
                _ => {}
            }
            assert!((0..=1).contains(&instances) && (0..=1).contains(&others), "{plan:#?}");
            assert!((0..=instances).contains(&frozen), "{plan:#?}");
        }
        assert_eq!(
            (instances, frozen, plan.actions.last()),
            (1, 0, Some(&Action::Finish)),
            "{plan:#?}"
        );
        for (_, topic) in partitions.keys() {
            assert!((1..=5_000).contains(&records[topic]), "{topic}: {plan:#?}");
        }
    }

    #[test]
    fn a_plan_is_a_function_of_seed_and_number() {
        assert_eq!(plans(&embedded()), plans(&embedded()));
        assert_ne!(embedded().plan(7, 0), embedded().plan(7, 1));
        assert_ne!(embedded().plan(7, 0), embedded().plan(8, 0));
    }

    #[test]
    fn every_plan_makes_sense_and_suits_its_clusters() {
        let real = Backend::Containers;
        let preserve = Contract { partitioning: Partitioning::Preserve, ..Contract::default() };
        for (backend, space) in [
            (Backend::Embedded, embedded()),
            (real, space(real, Kind::Mirror, None)),
            (real, space(real, Kind::MirrorMaker1, None)),
            (Backend::Embedded, space(Backend::Embedded, Kind::Mirror, Some(preserve))),
        ] {
            for plan in plans(&space) {
                check(&plan);
                assert_eq!(unfit(&plan, backend), None, "{plan:#?}");
            }
        }
    }

    #[test]
    fn at_least_half_are_stopped_or_killed_and_many_are_quick() {
        let plans = plans(&embedded());
        assert!(share(&plans, disturbed) >= 60, "{}", share(&plans, disturbed));
        let slow = share(&plans, waits);
        assert!((40..=75).contains(&slow), "{slow}");
    }

    #[test]
    fn nothing_happens_to_the_mirror_in_a_calm_plan() {
        let calm = plans(&Space { turns: 0..=0, ..embedded() });
        let starts = |action: &&Action| matches!(action, Action::StartSubject(_));
        assert!(calm.iter().all(|plan| plan.actions.iter().filter(starts).count() == 1));
        assert_eq!(share(&calm, disturbed), 0);
    }

    #[test]
    fn everything_that_can_be_judged_occurs() {
        let real = plans(&space(Backend::Containers, Kind::Mirror, None));
        let any = |plan: &Plan, found: fn(&Action) -> bool| plan.actions.iter().any(found);
        let occurs: [fn(&Action) -> bool; 11] = [
            |action| matches!(action, Action::StartSubject(options) if options.exactly_once),
            |action| matches!(action, Action::FreezeSubject),
            |action| matches!(action, Action::StartSubject(options) if options.small_batches),
            |action| matches!(action, Action::AddInstance(_)),
            |action| matches!(action, Action::GrowTopic { .. }),
            |action| matches!(action, Action::Select { .. }),
            |action| matches!(action, Action::Prefill { .. }),
            |action| matches!(action, Action::StartSubject(options) if options.preserve),
            |action| matches!(action, Action::StartSubject(options) if options.streams > 1),
            |action| matches!(action, Action::Produce { workload, .. } if workload.sizes == Sizes::WithLarge),
            |action| matches!(action, Action::Produce { workload, .. } if workload.aborted_transactions > 0),
        ];
        for (number, found) in occurs.into_iter().enumerate() {
            let share = share(&real, |plan| any(plan, found));
            assert!(share >= 10, "number {number}: {share} %");
        }
    }

    #[test]
    fn the_smallest_plan_of_a_kill_has_fewer_than_ten_actions() {
        let kills = |plan: &Plan| plan.actions.contains(&Action::KillSubject);
        let number = (0..).find(|number| {
            let plan = embedded().plan(7, *number);
            kills(&plan) && plan.actions.len() > 20
        });
        let mut tree = embedded().tree(7, number.expect("a large plan that kills"));
        let mut goes_on = tree.simplify();
        while goes_on {
            goes_on = if kills(&tree.current()) { tree.simplify() } else { tree.complicate() };
        }
        let smallest = tree.current();
        assert!(kills(&smallest) && smallest.actions.len() < 10, "{smallest:#?}");
    }
}
