//! The cases of the self test: each a mirror and a scenario, the same on every backend.

use super::plans;
use harness::{
    cluster::Backend,
    subject::{
        Kind,
        bad::{Awkward, Fault, Force, SOUND},
        properties::Properties,
    },
};
use judge::{
    contract::{Contract, Offsets},
    plan::Plan,
};

/// Whom a case is about.
#[derive(Clone, Copy, Debug)]
pub(super) enum Suspect {
    /// It must be caught.
    Bad(&'static Fault),
    /// It must hold.
    Sound,
}

/// A mirror and a scenario.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) name: String,
    /// What the mirror does, completing "a mirror that …".
    pub(super) does: String,
    pub(super) suspect: Suspect,
    pub(super) kind: Kind,
    pub(super) consumer: Properties,
    pub(super) contract: Option<Contract>,
    pub(super) plan: Plan,
    /// What is needed to show it, in a word.
    pub(super) force: &'static str,
    /// Whether only real brokers can show it.
    pub(super) real_brokers: bool,
}

impl Case {
    fn sound(name: &str, does: &str, kind: Kind, force: Force, plan: Plan) -> Case {
        Case {
            name: name.into(),
            does: does.into(),
            suspect: Suspect::Sound,
            kind,
            consumer: Properties::new(),
            contract: None,
            plan,
            force: plans::name(force),
            real_brokers: !plans::runs_on(force, Backend::Embedded),
        }
    }

    /// Whether a backend can show what the case is about.
    pub(super) fn shows_on(&self, backend: Backend) -> bool {
        !self.real_brokers || backend == Backend::Containers
    }
}

/// All cases, in the order of the table.
pub(super) fn cases(seed: u64) -> Vec<Case> {
    let bad = Fault::ALL.iter().map(|fault| bad(fault, seed));
    // The same scenarios, with the same seed, without a defect.
    let controls = Force::ALL.into_iter().flat_map(|force| controls(force, seed));
    let awkward = Awkward::ALL.iter().map(|awkward| self::awkward(awkward, seed));
    bad.chain(controls).chain(awkward).chain(lives(seed)).collect()
}

fn bad(fault: &'static Fault, seed: u64) -> Case {
    let kind = Kind::Bad { fault: fault.name.into(), seed };
    let plan = plans::plan(fault.forced_by, seed);
    Case {
        suspect: Suspect::Bad(fault),
        contract: contract_for(fault.forced_by),
        real_brokers: !fault.shows_on(Backend::Embedded),
        ..Case::sound(fault.name, fault.does, kind, fault.forced_by, plan)
    }
}

fn controls(force: Force, seed: u64) -> Vec<Case> {
    let name = plans::name(force);
    let plan = plans::plan(force, seed);
    let small = |fault: &str| Case {
        contract: contract_for(force),
        ..Case::sound(
            &format!("small-{name}"),
            &format!("has no defect: {name}"),
            Kind::Bad { fault: fault.into(), seed },
            force,
            plan.clone(),
        )
    };
    let ours = || {
        let does = format!("is ours, and sound: {name}");
        Case::sound(&format!("ours-{name}"), &does, Kind::Mirror, force, plan.clone())
    };
    match force {
        // Ours translates no positions and creates no topics, and its contract does not say so.
        Force::Failover => vec![small(SOUND)],
        Force::Settings => vec![small("copies-settings")],
        Force::Load
        | Force::Restart
        | Force::Kill
        | Force::Growth
        | Force::Aborts
        | Force::Outrun => vec![ours(), small(SOUND)],
    }
}

fn awkward(awkward: &Awkward, seed: u64) -> Case {
    let kind = Kind::Bad { fault: awkward.name.into(), seed };
    let plan = plans::plan(awkward.forced_by, seed);
    Case {
        contract: Some(contract_of(awkward)),
        ..Case::sound(awkward.name, awkward.does, kind, awkward.forced_by, plan)
    }
}

/// What an awkward mirror promises.
pub fn contract_of(awkward: &Awkward) -> Contract {
    Contract { idempotent: true, ..parse(awkward.contract) }
}

/// Unusual lives of a usual mirror.
fn lives(seed: u64) -> [Case; 4] {
    let ours = |name, does, plan| Case {
        force: "its own life",
        ..Case::sound(name, does, Kind::Mirror, Force::Load, plan)
    };
    let earliest = [("auto.offset.reset".to_owned(), "earliest".to_owned())];
    let mirrormaker1 = Case {
        consumer: earliest.into(),
        real_brokers: true,
        ..Case::sound(
            "mirrormaker1",
            "is MirrorMaker 1 with auto.offset.reset=earliest",
            Kind::MirrorMaker1,
            Force::Load,
            plans::plan(Force::Load, seed),
        )
    };
    [
        ours(
            "restarted",
            "is stopped by SIGTERM and started again ten times",
            plans::restarted_ten_times(seed),
        ),
        ours(
            "joined",
            "is joined by a second instance, which leaves again",
            plans::joined_and_left(seed),
        ),
        ours("keeps-partitions", "keeps partition numbers", plans::partitions_kept(seed)),
        mirrormaker1,
    ]
}

/// What the mirrors of a force promise beyond what ours does.
fn contract_for(force: Force) -> Option<Contract> {
    let promised = Contract { idempotent: true, ..Contract::default() };
    match force {
        Force::Failover => {
            Some(Contract { offsets: Offsets::Translated { max_rewind: 0 }, ..promised })
        }
        Force::Settings => {
            Some(Contract { copied_configs: vec!["max.message.bytes".into()], ..promised })
        }
        Force::Load
        | Force::Restart
        | Force::Kill
        | Force::Growth
        | Force::Aborts
        | Force::Outrun => None,
    }
}

/// A contract of ours: that it can be read is tested.
fn parse(contract: &str) -> Contract {
    toml::from_str(contract).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contracts_of_awkward_mirrors_can_be_read() {
        for awkward in Awkward::ALL {
            let read = toml::from_str::<Contract>(awkward.contract);
            assert!(read.is_ok(), "{}: {read:?}", awkward.name);
        }
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<String> = cases(1).into_iter().map(|case| case.name).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
