//! The subject's consumer.properties and producer.properties: the harness's own, with the user's
//! laid on top, except what must stay the harness's.

use super::SubjectError;
use std::{collections::BTreeMap, fs::File, path::Path};

/// Properties in order of their names.
pub type Properties = BTreeMap<String, String>;

/// Reads a user's file in Java's grammar.
pub fn read(path: &Path) -> Result<Properties, SubjectError> {
    let unreadable = |reason: String| SubjectError::Properties { path: path.to_owned(), reason };
    // Read as a whole first: the parser tells that reading failed, but not why.
    let bytes = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
    let read =
        java_properties::read(bytes.as_slice()).map_err(|error| unreadable(error.to_string()))?;
    Ok(read.into_iter().collect())
}

/// Writes a file that Java and our mirror read back unchanged.
pub fn write(path: &Path, properties: &Properties) -> Result<(), SubjectError> {
    let unwritable = |reason: String| SubjectError::Properties { path: path.to_owned(), reason };
    let file = File::create(path).map_err(|error| unwritable(error.to_string()))?;
    let mut writer = java_properties::PropertiesWriter::new(file);
    for (name, value) in properties {
        writer.write(name, value).map_err(|error| unwritable(error.to_string()))?;
    }
    writer.finish().map_err(|error| unwritable(error.to_string()))
}

/// Whether a property stays the harness's: addresses, group and security, so that a trial can
/// never reach a production cluster.
fn is_ours(name: &str) -> bool {
    const NAMES: [&str; 7] = [
        "bootstrap.servers",
        "metadata.broker.list",
        "zookeeper.connect",
        "group.id",
        "group.instance.id",
        "security.protocol",
        "transactional.id",
    ];
    const PREFIXES: [&str; 4] = ["ssl.", "sasl.", "security.", "zookeeper.ssl."];
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Lays `user` on top of `ours`, and returns the names that were ignored.
pub fn overlay(ours: &mut Properties, user: &Properties) -> Vec<String> {
    let (ignored, taken): (Vec<_>, Vec<_>) = user.iter().partition(|(name, _)| is_ours(name));
    ours.extend(taken.into_iter().map(|(name, value)| (name.clone(), value.clone())));
    ignored.into_iter().map(|(name, _)| name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties(pairs: &[(&str, &str)]) -> Properties {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_users_file_never_moves_a_trial_to_another_cluster() {
        let mut ours = properties(&[("bootstrap.servers", "127.0.0.1:1"), ("group.id", "trial")]);
        let user = properties(&[
            ("bootstrap.servers", "production:9092"),
            ("zookeeper.connect", "production:2181"),
            ("group.id", "live"),
            ("sasl.jaas.config", "secret"),
            ("ssl.keystore.password", "secret"),
            ("auto.offset.reset", "latest"),
        ]);
        let ignored = overlay(&mut ours, &user);
        assert_eq!(
            ours,
            properties(&[
                ("auto.offset.reset", "latest"),
                ("bootstrap.servers", "127.0.0.1:1"),
                ("group.id", "trial"),
            ])
        );
        assert_eq!(ignored.len(), 5);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("consumer.properties");
        let original = properties(&[("a", " leading blank"), ("b", "back\\slash"), ("c", "ü=#!")]);
        write(&path, &original).unwrap();
        assert_eq!(read(&path).unwrap(), original);
    }
}
