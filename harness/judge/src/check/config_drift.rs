//! `config-drift`: a topic setting that the subject promises to keep equal is not.
//!
//! ```text
//! source       cleanup.policy=compact
//! destination  cleanup.policy=delete      the destination forgets what the source keeps
//! ```
//!
//! Only names that the contract lists are compared, of selected topics. Not set is a value of its
//! own. One instance for each topic and name.

use super::{Check, scene::Scene, tally::Tally};
use crate::verdict::{Anomaly, Circumstance, Evidence, Finding};

pub(super) fn check<'s>(scene: &'s Scene<'s>) -> Box<dyn Check + 's> {
    Box::new(ConfigDrift { scene })
}

struct ConfigDrift<'s> {
    scene: &'s Scene<'s>,
}

impl Check for ConfigDrift<'_> {
    fn finish(self: Box<Self>) -> Vec<Finding> {
        let (history, promised) = (self.scene.history, &self.scene.contract.copied_configs);
        let mut tally = Tally::of(Anomaly::ConfigDrift);
        for config in &history.configs {
            if promised.contains(&config.name)
                && history.topics[config.topic as usize].selected
                && config.source != config.destination
            {
                tally.add(Circumstance::Plain, config);
            }
        }
        tally.findings(|config| {
            let topic = &history.topics[config.topic as usize].source;
            let value = |value: &Option<String>| match value {
                Some(value) => format!("{value:?}"),
                None => "not set".into(),
            };
            let (source, destination) = (value(&config.source), value(&config.destination));
            let name = &config.name;
            let detail = format!(
                "{name} of {topic}: {source} on the source, {destination} on the destination"
            );
            Evidence { detail, ..Evidence::default() }
        })
    }
}
