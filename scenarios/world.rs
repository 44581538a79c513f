//! The state of one scenario: its testbed, and what was asked of it.

use harness::{
    cluster::pool::Lease,
    testbed::{Testbed, TestbedError},
};
use judge::{
    contract::Contract,
    plan::{Action, Side, SubjectOptions},
    verdict::{Anomaly, Judgement},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One scenario's state.
#[derive(Debug, Default, cucumber::World)]
pub struct World {
    /// The clusters and the subject. `None` only before the scenario's start and after its end.
    pub testbed: Option<Testbed>,
    /// The clusters' lease; it is given back after the testbed's end.
    pub lease: Option<Lease>,
    /// How the subject will be started.
    pub options: SubjectOptions,
    /// The pattern that the subject is asked for, and the topics that it selects.
    pub selected: Option<(String, Vec<String>)>,
    /// Settings that topics were given one by one: the next one must not replace them.
    pub settings: BTreeMap<(Side, String), BTreeMap<String, String>>,
    /// The topic of the application that moves to the destination.
    pub moving: Option<String>,
    /// Lines that were typed into a console producer.
    pub typed: Vec<String>,
    /// How many questions were asked.
    pub questions: u32,
    /// What ended the scenario early.
    pub failure: Option<Failure>,
}

/// What ended a scenario before all its questions were answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    /// The environment failed.
    Broken(String),
    /// It could not be told.
    Inconclusive(String),
    /// It was not run, because an earlier promise was violated.
    NotRun,
}

impl From<TestbedError> for Failure {
    fn from(error: TestbedError) -> Failure {
        let text = error.to_string();
        match error {
            TestbedError::Deadline { .. } | TestbedError::Plan(_) => Failure::Inconclusive(text),
            TestbedError::Cluster(_) | TestbedError::Read(_) | TestbedError::Subject(_) => {
                Failure::Broken(text)
            }
        }
    }
}

/// What a step returns: an error ends the scenario.
pub type Step = Result<(), String>;

impl World {
    /// Performs one action.
    pub async fn act(&mut self, action: Action) -> Step {
        let testbed = self.testbed.as_mut().ok_or("the scenario has no clusters")?;
        match testbed.apply(action).await {
            Ok(()) => Ok(()),
            Err(error) => {
                let text = error.to_string();
                self.failure = Some(error.into());
                Err(text)
            }
        }
    }

    /// Where the scenario is performed.
    pub fn testbed(&self) -> Result<&Testbed, String> {
        self.testbed.as_ref().ok_or_else(|| "the scenario has no clusters".into())
    }

    /// What the judge says of the history so far.
    pub fn judgement(&mut self) -> Result<Judgement, String> {
        if self.testbed()?.history().completion.is_none() {
            return Err("the step asks before the mirror has caught up".into());
        }
        self.questions += 1;
        Ok(self.testbed()?.judge())
    }

    /// Asks whether none of `anomalies` was found.
    pub fn ask(&mut self, anomalies: &[Anomaly]) -> Step {
        let judgement = self.judgement()?;
        let found: Vec<String> = anomalies
            .iter()
            .map(|anomaly| (anomaly, judgement.violations.count(*anomaly)))
            .filter(|(_, count)| *count > 0)
            .map(|(anomaly, count)| format!("{count} {anomaly}"))
            .collect();
        if found.is_empty() { Ok(()) } else { Err(found.join(", ")) }
    }

    /// Ends the scenario as inconclusive where the contract does not promise what is asked for: no mirror
    /// would be accused, whatever it does. `clause`: what the contract would have to say.
    pub fn promised(&mut self, clause: &str, is_promised: impl Fn(&Contract) -> bool) -> Step {
        let testbed = self.testbed()?;
        if is_promised(&testbed.contract()) {
            return Ok(());
        }
        self.doubt(format!("the mirror does not promise it: its contract does not say {clause}"))
    }

    /// Ends the scenario as inconclusive: what it should show was not there to be shown.
    pub fn doubt(&mut self, reason: String) -> Step {
        self.failure = Some(Failure::Inconclusive(reason.clone()));
        Err(reason)
    }
}
