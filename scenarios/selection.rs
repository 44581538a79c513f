//! Which scenarios are run, and why the others are not: pure.

use cucumber::{
    gherkin::{Feature, Scenario, tagexpr::TagOperation},
    tag::Ext as _,
};
use harness::cluster::Backend;
use judge::contract::{Contract, Offsets};
use std::collections::BTreeSet;

/// What the user selected.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Names of features, such as `ordering`; none: all.
    pub features: Vec<String>,
    /// `--tags`.
    pub tags: Option<TagOperation>,
    /// `--name`.
    pub name: Option<regex::Regex>,
}

/// A selection that names what does not exist.
#[derive(Debug, thiserror::Error)]
#[error("no {kind} is called {name:?}; {hint}")]
pub struct UnknownName {
    kind: &'static str,
    name: String,
    hint: String,
}

/// One scenario, in the context of its feature.
#[derive(Clone, Debug)]
pub struct Found<'a> {
    /// Its feature.
    pub feature: &'a Feature,
    /// The scenario, or a row of an outline.
    pub scenario: &'a Scenario,
    /// All tags: the feature's, the rule's, its own.
    pub tags: Vec<String>,
}

/// All scenarios of the features, in their order.
pub fn scenarios(features: &[Feature]) -> Vec<Found<'_>> {
    features
        .iter()
        .flat_map(|feature| {
            let plain = feature.scenarios.iter().map(|scenario| (scenario, &[] as &[String]));
            let ruled = feature.rules.iter().flat_map(|rule| {
                rule.scenarios.iter().map(|scenario| (scenario, rule.tags.as_slice()))
            });
            plain.chain(ruled).map(move |(scenario, rule_tags)| Found {
                feature,
                scenario,
                tags: feature.tags.iter().chain(rule_tags).chain(&scenario.tags).cloned().collect(),
            })
        })
        .collect()
}

/// A feature's short name: its file without folder and ending.
pub fn short_name(feature: &Feature) -> String {
    let stem = feature.path.as_deref().and_then(|path| path.file_stem());
    stem.map_or_else(|| feature.name.clone(), |stem| stem.to_string_lossy().into_owned())
}

impl Selection {
    /// Whether the user named nothing in particular.
    pub fn is_everything(&self) -> bool {
        self.features.is_empty() && self.tags.is_none() && self.name.is_none()
    }

    /// Refuses names of features and tags that no feature has.
    pub fn check(&self, features: &[Feature]) -> Result<(), UnknownName> {
        let known: BTreeSet<String> = features.iter().map(short_name).collect();
        for name in &self.features {
            check_known("feature", name, &known)?;
        }
        let known = scenarios(features).into_iter().flat_map(|found| found.tags).collect();
        match &self.tags {
            Some(expression) => check_tags(expression, &known),
            None => Ok(()),
        }
    }

    /// Whether a scenario is selected.
    pub fn takes(&self, found: &Found<'_>) -> bool {
        let by_feature =
            self.features.is_empty() || self.features.contains(&short_name(found.feature));
        let by_tags = self.tags.as_ref().is_none_or(|tags| tags.eval(found.tags.iter()));
        let by_name = self.name.as_ref().is_none_or(|name| name.is_match(&found.scenario.name));
        by_feature && by_tags && by_name
    }
}

fn check_tags(expression: &TagOperation, known: &BTreeSet<String>) -> Result<(), UnknownName> {
    match expression {
        TagOperation::And(left, right) | TagOperation::Or(left, right) => {
            check_tags(left, known).and_then(|()| check_tags(right, known))
        }
        TagOperation::Not(inner) => check_tags(inner, known),
        TagOperation::Tag(tag) => check_known("tag", tag, known),
    }
}

fn check_known(
    kind: &'static str,
    name: &str,
    known: &BTreeSet<String>,
) -> Result<(), UnknownName> {
    if known.contains(name) {
        return Ok(());
    }
    let nearest = known
        .iter()
        .map(|other| (strsim::jaro_winkler(other, name), other))
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .filter(|(likeness, _)| *likeness > 0.75);
    let all = || known.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let hint = nearest.map_or_else(
        || format!("there are {}", all()),
        |(_, nearest)| format!("the nearest is {nearest:?}"),
    );
    Err(UnknownName { kind, name: name.to_owned(), hint })
}

/// Why a scenario cannot be run on a backend with a subject that promises this; `None`: it can.
pub fn skip_reason(
    tags: &[String],
    backend: Backend,
    subject: &str,
    contract: &Contract,
) -> Option<String> {
    let has = |tag: &str| tags.iter().any(|other| other == tag);
    if has("containers") && backend == Backend::Embedded {
        return Some("needs real brokers: run it with --clusters containers".into());
    }
    if has("embedded") && backend == Backend::Containers {
        return Some("shown on embedded clusters: real brokers would only repeat it".into());
    }
    if has("walkthrough") && subject == "command" {
        return Some("the article's files name hosts that only its containers resolve".into());
    }
    if has("only-mirror") && subject != "mirror" {
        return Some(format!("about a setting that {subject} does not have"));
    }
    if has("only-mirrormaker1") && subject != "mirrormaker1" {
        return Some(format!("performed with MirrorMaker 1, not with {subject}"));
    }
    if has("translated-offsets") && !matches!(contract.offsets, Offsets::Translated { .. }) {
        return Some(format!("{subject} promises no translated offsets: a contract says offsets"));
    }
    if has("copied-configs") && contract.copied_configs.is_empty() {
        return Some(format!("{subject} promises no settings: a contract says copied-configs"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_is_skipped_only_for_a_reason() {
        let check = |tag: &str, backend, subject, skipped: bool| {
            let reason = skip_reason(&[tag.to_owned()], backend, subject, &Contract::default());
            assert_eq!(reason.is_some(), skipped, "{tag} {backend:?} {subject}");
        };
        check("F1", Backend::Embedded, "mirror", false);
        check("containers", Backend::Embedded, "mirror", true);
        check("containers", Backend::Containers, "mirror", false);
        check("embedded", Backend::Containers, "mirror", true);
        check("only-mirror", Backend::Containers, "mirrormaker1", true);
        check("only-mirrormaker1", Backend::Containers, "mirror", true);
    }

    #[test]
    fn what_a_contract_does_not_promise_is_skipped_with_the_clause_that_would() {
        let check = |tag: &str, contract: &Contract, clause: Option<&str>| {
            let reason = skip_reason(&[tag.to_owned()], Backend::Containers, "command", contract);
            let names = reason.as_deref().map(|reason| clause.is_some_and(|c| reason.ends_with(c)));
            assert_eq!(names, clause.map(|_| true), "{tag} {reason:?}");
        };
        let none = Contract::default();
        check("translated-offsets", &none, Some("a contract says offsets"));
        check("copied-configs", &none, Some("a contract says copied-configs"));
        let preserved = Contract { offsets: Offsets::Preserved, ..Contract::default() };
        check("translated-offsets", &preserved, Some("a contract says offsets"));
        let all = Contract {
            offsets: Offsets::Translated { max_rewind: 100 },
            copied_configs: vec!["retention.ms".into()],
            ..Contract::default()
        };
        check("translated-offsets", &all, None);
        check("copied-configs", &all, None);
    }
}
