//! Which Kafka: read from `docker/versions.env`, the one place where versions stand.

use super::EngineError;
use std::{collections::BTreeMap, fmt, str::FromStr};

const VERSIONS: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docker/versions.env"));

/// A release of Kafka and what its image is made of.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KafkaVersion {
    kafka: String,
    scala: String,
    log4j12: String,
}

impl KafkaVersion {
    /// What scenarios run on unless they say otherwise.
    pub fn scenarios() -> KafkaVersion {
        KafkaVersion::named("DEFAULT")
    }

    /// What the article's walkthrough runs on.
    pub fn walkthrough() -> KafkaVersion {
        KafkaVersion::named("WALKTHROUGH")
    }

    /// The release's number, as in `3.9.1`.
    pub fn number(&self) -> &str {
        &self.kafka
    }

    /// Whether the old consumer (`zookeeper.connect`) and `--zookeeper` in every tool are there.
    pub fn has_old_consumer(&self) -> bool {
        self.major() < 2
    }

    fn major(&self) -> u32 {
        self.kafka.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(u32::MAX)
    }

    fn named(name: &str) -> KafkaVersion {
        let values = values();
        let value =
            |key: &str| values.get(format!("{key}_{name}").as_str()).copied().unwrap_or_default();
        KafkaVersion {
            kafka: value("KAFKA").into(),
            scala: value("SCALA").into(),
            log4j12: value("LOG4J12").into(),
        }
    }

    /// The arguments of the image's build.
    pub(super) fn build_arguments(&self) -> BTreeMap<String, String> {
        let values = values();
        let shared = ["BASE_IMAGE", "JAVA_PACKAGE"]
            .map(|key| (key, values.get(key).copied().unwrap_or_default()));
        shared
            .into_iter()
            .chain([
                ("KAFKA_VERSION", self.kafka.as_str()),
                ("SCALA_VERSION", &self.scala),
                ("LOG4J12_VERSION", &self.log4j12),
            ])
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    }
}

impl Default for KafkaVersion {
    fn default() -> KafkaVersion {
        KafkaVersion::scenarios()
    }
}

impl fmt::Display for KafkaVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kafka)
    }
}

/// A user's choice: any release that the image can be built for, with the companions (Scala, log
/// binding) of the known release of its line.
impl FromStr for KafkaVersion {
    type Err = EngineError;

    fn from_str(text: &str) -> Result<KafkaVersion, EngineError> {
        let numbers: Option<Vec<u32>> = text.split('.').map(|part| part.parse().ok()).collect();
        match numbers.as_deref() {
            Some([1, _, _]) => {
                Ok(KafkaVersion { kafka: text.into(), ..KafkaVersion::walkthrough() })
            }
            Some([2 | 3, _, _]) => {
                Ok(KafkaVersion { kafka: text.into(), ..KafkaVersion::scenarios() })
            }
            _ => Err(EngineError::Unsupported(format!(
                "no image for Kafka `{text}`: give a release with ZooKeeper, from 1.0.0 to 3.9.x"
            ))),
        }
    }
}

fn values() -> BTreeMap<&'static str, &'static str> {
    VERSIONS
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_env_names_every_companion() {
        for version in [KafkaVersion::scenarios(), KafkaVersion::walkthrough()] {
            assert!(!version.kafka.is_empty() && !version.scala.is_empty(), "{version:?}");
            assert_eq!(version.number().parse::<KafkaVersion>().unwrap(), version);
        }
        assert!(!KafkaVersion::scenarios().build_arguments()["BASE_IMAGE"].is_empty());
    }

    #[test]
    fn a_release_without_zookeeper_is_refused() {
        for text in ["4.1.0", "3.9", "latest", ""] {
            let error = text.parse::<KafkaVersion>().unwrap_err().to_string();
            assert!(error.contains(&format!("`{text}`")), "{error}");
        }
    }
}
