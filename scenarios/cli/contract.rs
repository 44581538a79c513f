//! A contract of the user's: what the mirror declares about itself, as a TOML file.

use judge::contract::Contract;
use std::path::Path;

/// Reads a contract; what is wrong with it is named with its line.
pub(super) fn read(path: &Path) -> Result<Contract, String> {
    let failed = |reason: &str| {
        format!("failed to use the contract {}: {}", path.display(), reason.trim_end())
    };
    let text = std::fs::read_to_string(path).map_err(|error| failed(&error.to_string()))?;
    // The heading of a mistake in TOML is that of a wrong value, too.
    let reason = |error: toml::de::Error| error.to_string().replacen("TOML parse error ", "", 1);
    toml::from_str(&text).map_err(|error| failed(&reason(error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use harness::subject::{Kind, Spec, properties::Properties};
    use judge::{
        contract::{Partitioning, Start},
        plan::SubjectOptions,
    };

    fn check(text: &str) -> Result<Contract, String> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("a file that can be written");
        read(file.path())
    }

    #[test]
    fn what_is_not_said_is_the_default() {
        let contract = check("partitioning = \"preserve\"\nstart = \"latest\"\n");
        let expected = Contract {
            partitioning: Partitioning::Preserve,
            start: Start::Latest,
            ..Contract::default()
        };
        assert_eq!(contract, Ok(expected));
        assert_eq!(check(""), Ok(Contract::default()));
    }

    /// A clause more must not loosen another.
    #[test]
    fn what_is_not_said_is_as_without_a_contract() {
        let subject = Spec {
            kind: Kind::Command("mirror".into()),
            executable: "mirrorproof".into(),
            consumer: Properties::new(),
            producer: Properties::new(),
            contract: None,
        };
        let without = subject.contract(&SubjectOptions::default(), false);
        assert_eq!(without.metadata_age_ms, 2_000);
        assert_eq!(check(""), Ok(without.clone()));
        let prefixed = Contract { topic_prefix: "west.".into(), ..without };
        assert_eq!(check("topic-prefix = \"west.\"\n"), Ok(prefixed));
    }

    #[test]
    fn an_unknown_clause_or_value_is_named_with_its_line() {
        let unknown = check("order = \"key\"\npartitions = 3\n").expect_err("refused");
        assert!(unknown.contains("partitions") && unknown.contains("line 2"), "{unknown}");
        let value = check("delivery = \"sometimes\"\n").expect_err("refused");
        assert!(value.contains("sometimes") && value.contains("at-least-once"), "{value}");
    }

    #[test]
    fn a_value_that_nothing_can_have_is_named_with_its_line() {
        let table = [
            ("topic-prefix = \"a b/\"", "name of a topic"),
            ("graceful-exit-codes = [\n  0,\n  300,\n]", "from 0 to 255"),
            ("copied-configs = [\"no.such.thing\"]", "no.such.thing"),
            ("commit-interval-ms = 0", "above 0"),
        ];
        for (clause, allowed) in table {
            let refused = check(&format!("order = \"key\"\n{clause}\n")).expect_err("refused");
            let field = clause.split(' ').next().unwrap_or_default();
            let words = [field, "line 2, column ", allowed];
            assert!(words.iter().all(|word| refused.contains(word)), "{refused}");
        }
    }
}
