//! The subject of `spec`, `fuzz` and `replay`.

use super::{contract, print_error};
use crate::selftest;
use harness::{
    cluster::Backend,
    subject::{
        self, Kind,
        bad::{Awkward, Fault, SOUND},
        properties::{self, Properties},
    },
};
use mirror::config;
use std::path::{Path, PathBuf};

/// Which mirror, and how.
#[derive(Debug, clap::Args)]
pub(super) struct SubjectArgs {
    /// Which mirror is judged: mirror (ours), mirrormaker1, mirrormaker2, command with --command, or bad with
    /// --fault.
    #[arg(long, default_value = "mirror", value_name = "NAME")]
    subject: String,
    /// The command line of --subject command, with {consumer_config}, {producer_config} and
    /// {topics}.
    #[arg(long, value_name = "LINE")]
    command: Option<String>,
    /// What is wrong with --subject bad: a name of `selftest --list`.
    #[arg(long, value_name = "NAME")]
    fault: Option<String>,
    /// Your consumer.properties, laid on top of ours, except addresses, group and security.
    #[arg(long = "consumer.config", value_name = "FILE")]
    consumer_config: Option<PathBuf>,
    /// Your producer.properties, laid on top of ours, except addresses, group and security.
    #[arg(long = "producer.config", value_name = "FILE")]
    producer_config: Option<PathBuf>,
    /// What the program of --subject command promises, in TOML.
    #[arg(long, value_name = "FILE")]
    contract: Option<PathBuf>,
}

impl SubjectArgs {
    /// The subject, or what is wrong with the words. The seed picks the victims of a bad mirror.
    pub(super) fn spec(&self, backend: Backend, seed: u64) -> Result<subject::Spec, String> {
        let kind = self.kind(backend, seed)?;
        let of_kafka = matches!(kind, Kind::MirrorMaker1 | Kind::MirrorMaker2);
        if of_kafka && backend == Backend::Embedded {
            return Err(format!("--subject {} needs --clusters containers", kind.name()));
        }
        let overlay = |file: Option<&PathBuf>, side| match file {
            Some(file) => read_properties(file, side, &kind),
            None => Ok(Properties::new()),
        };
        let consumer = overlay(self.consumer_config.as_ref(), config::Kind::Consumer)?;
        let producer = overlay(self.producer_config.as_ref(), config::Kind::Producer)?;
        let executable = std::env::current_exe()
            .map_err(|error| format!("failed to find the program's own file: {error}"))?;
        if self.contract.is_some() && !matches!(kind, Kind::Command(_)) {
            return Err(format!(
                "--contract goes with --subject command: what {} promises is built in",
                kind.name()
            ));
        }
        let contract = match (&self.contract, &kind) {
            (Some(file), _) => Some(contract::read(file)?),
            // What is unusual about it is in its contract.
            (None, Kind::Bad { fault, .. }) => {
                let awkward = Awkward::ALL.iter().find(|awkward| awkward.name == fault);
                awkward.map(selftest::contract_of)
            }
            (None, _) => None,
        };
        Ok(subject::Spec { kind, executable, consumer, producer, contract })
    }

    fn kind(&self, backend: Backend, seed: u64) -> Result<Kind, String> {
        let command = self.command.as_deref();
        let fault = match (self.subject.as_str(), &self.fault, command) {
            ("bad", Some(fault), None) => fault,
            ("bad", None, _) => return Err("--subject bad needs --fault NAME".into()),
            (other, Some(_), _) if other != "bad" => {
                return Err(format!("--fault goes with --subject bad, not with {other}"));
            }
            (name, _, command) => return kind(name, command),
        };
        let faults = Fault::ALL.iter().map(|fault| fault.name);
        let known = faults.chain(Awkward::ALL.iter().map(|one| one.name)).chain([SOUND]);
        if !known.into_iter().any(|name| name == fault) {
            return Err(format!(
                "no mirror of the self test is called {fault:?}; `mirrorproof selftest --list` \
                 names them"
            ));
        }
        if Fault::ALL.iter().any(|one| one.name == fault && !one.shows_on(backend)) {
            print_error(&format!(
                "{fault} shows its defect on real brokers alone, so that it holds here proves nothing; use --clusters \
                 containers"
            ));
        }
        Ok(Kind::Bad { fault: fault.clone(), seed })
    }

    /// The same words again, each with a space before it; but for secrets, because reports are handed on.
    pub(super) fn repeat(&self) -> String {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let subject = Some(self.subject.clone()).filter(|subject| subject != "mirror");
        let words = [
            ("--subject", subject),
            ("--command", self.command.as_deref().map(without_secrets)),
            ("--fault", self.fault.clone()),
            ("--consumer.config", path(&self.consumer_config)),
            ("--producer.config", path(&self.producer_config)),
            ("--contract", path(&self.contract)),
        ];
        let given = words.into_iter().filter_map(|(flag, value)| Some((flag, value?)));
        given.map(|(flag, value)| format!(" {flag} {}", quoted(&value))).collect()
    }
}

/// A user's properties file. What stays the harness's is told, and what nobody knows is refused
/// before anything starts; values are never shown, for some are passwords.
fn read_properties(file: &Path, side: config::Kind, kind: &Kind) -> Result<Properties, String> {
    let read = properties::read(file).map_err(|error| format!("failed to {error}"))?;
    let ignored = properties::overlay(&mut Properties::new(), &read);
    if !ignored.is_empty() {
        print_error(&format!(
            "{}: the harness's own instead of yours: {}",
            file.display(),
            ignored.join(", ")
        ));
    }
    // Other subjects may know properties of their own.
    let unknown = read.keys().find(|name| config::known(side, name).is_none());
    match unknown {
        Some(name) if *kind == Kind::Mirror => {
            let nearest = config::nearest(side, name);
            let hint =
                nearest.map_or_else(String::new, |nearest| format!("; the nearest is {nearest}"));
            Err(format!(
                "{}: neither Java's client nor librdkafka knows the property {name}{hint}",
                file.display()
            ))
        }
        _ => Ok(read),
    }
}

fn kind(name: &str, command: Option<&str>) -> Result<Kind, String> {
    match (name, command) {
        ("mirror", None) => Ok(Kind::Mirror),
        ("mirrormaker1", None) => Ok(Kind::MirrorMaker1),
        ("mirrormaker2", None) => Ok(Kind::MirrorMaker2),
        ("command", Some(line)) => {
            subject::words(line).map_err(|error| format!("failed to {error}"))?;
            Ok(Kind::Command(line.to_owned()))
        }
        ("command", None) => Err("--subject command needs --command 'PROGRAM …'".into()),
        (other, Some(_)) => Err(format!("--command goes with --subject command, not with {other}")),
        (other, None) => Err(format!(
            "no subject is called {other:?}; --subject takes one of {}",
            Kind::NAMES.join(", ")
        )),
    }
}

/// A command line with stars in place of what is given to a name of something secret.
fn without_secrets(command: &str) -> String {
    /// `name=value`, and a flag with its value behind it.
    const PAIRS: [&str; 2] = [
        r#"(?<name>[\w.-]+)(?<between>=)("[^"]*"|'[^']*'|\S+)"#,
        r#"(?<name>-[\w.-]+)(?<between>\s+)("[^"]*"|'[^']*'|[^\s-]\S*)"#,
    ];
    let hide = |command: String, pairs: &str| match regex::Regex::new(pairs) {
        Ok(pairs) => pairs
            .replace_all(&command, |found: &regex::Captures<'_>| {
                let name = &found["name"];
                let is_secret = config::is_secret(name.trim_start_matches('-'));
                let hidden = || format!("{name}{}********", &found["between"]);
                if is_secret { hidden() } else { found[0].to_owned() }
            })
            .into_owned(),
        Err(_) => "********".to_owned(),
    };
    PAIRS.into_iter().fold(command.to_owned(), hide)
}

/// A word as a shell takes it.
pub(super) fn quoted(word: &str) -> String {
    shlex::try_quote(word).map_or_else(|_| word.to_owned(), |quoted| quoted.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_is_told_without_its_secrets() {
        let table = [
            ("mirror --from {consumer_config}", "mirror --from {consumer_config}"),
            ("m --sasl.password=s3cret --to x", "m --sasl.password=******** --to x"),
            ("m --quiet --password s3cret x", "m --quiet --password ******** x"),
            ("PASSWORD=s3cret m", "PASSWORD=******** m"),
            ("m -X ssl.key.password='s3 cret' y", "m -X ssl.key.password=******** y"),
            (
                r#"m --sasl.jaas.config='x required password="s3cret";' z"#,
                "m --sasl.jaas.config=******** z",
            ),
            ("sh -c 'm --a=b --password=s3cret'", "sh -c 'm --a=b --password=********"),
            ("m --secret-name x --keys 3", "m --secret-name ******** --keys 3"),
        ];
        for (command, shown) in table {
            assert_eq!(without_secrets(command), shown);
        }
    }
}
