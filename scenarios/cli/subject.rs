//! The subject of `fuzz` and `replay`: the same words as `spec` takes, and the self test's mirrors.

use super::{contract, spec};
use harness::{
    cluster::Backend,
    subject::{
        self, Kind,
        bad::{Awkward, Fault, SOUND},
        properties::Properties,
    },
};
use mirror::config;
use std::path::PathBuf;

/// Which mirror, and how.
#[derive(Debug, clap::Args)]
pub(super) struct SubjectArgs {
    /// Which mirror is judged: mirror (ours), mirrormaker1, command with --command, or bad with
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
    /// What the mirror promises, in TOML, instead of the built-in contract.
    #[arg(long, value_name = "FILE")]
    contract: Option<PathBuf>,
}

impl SubjectArgs {
    /// The subject, or what is wrong with the words.
    pub(super) fn spec(&self, backend: Backend) -> Result<subject::Spec, String> {
        let kind = self.kind()?;
        if kind == Kind::MirrorMaker1 && backend == Backend::Embedded {
            return Err("--subject mirrormaker1 needs --clusters containers".into());
        }
        let overlay = |file: Option<&PathBuf>, side| match file {
            Some(file) => {
                spec::read_properties(file, side, &kind).map_err(|spec::Usage(text)| text)
            }
            None => Ok(Properties::new()),
        };
        let consumer = overlay(self.consumer_config.as_ref(), config::Kind::Consumer)?;
        let producer = overlay(self.producer_config.as_ref(), config::Kind::Producer)?;
        let executable = std::env::current_exe()
            .map_err(|error| format!("failed to find the program's own file: {error}"))?;
        let contract = self.contract.as_deref().map(contract::read).transpose()?;
        Ok(subject::Spec { kind, executable, consumer, producer, contract })
    }

    fn kind(&self) -> Result<Kind, String> {
        let command = self.command.as_deref();
        let fault = match (self.subject.as_str(), &self.fault, command) {
            ("bad", Some(fault), None) => fault,
            ("bad", None, _) => return Err("--subject bad needs --fault NAME".into()),
            (other, Some(_), _) if other != "bad" => {
                return Err(format!("--fault goes with --subject bad, not with {other}"));
            }
            (name, _, command) => {
                return spec::kind(name, command).map_err(|spec::Usage(text)| text);
            }
        };
        let faults = Fault::ALL.iter().map(|fault| fault.name);
        let known = faults.chain(Awkward::ALL.iter().map(|one| one.name)).chain([SOUND]);
        if !known.into_iter().any(|name| name == fault) {
            return Err(format!(
                "no mirror of the self test is called {fault:?}; `mirrorproof selftest --list` \
                 names them"
            ));
        }
        // The seed is each plan's own.
        Ok(Kind::Bad { fault: fault.clone(), seed: 0 })
    }

    /// The same words again, each with a space before it.
    pub(super) fn repeat(&self) -> String {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let subject = Some(self.subject.clone()).filter(|subject| subject != "mirror");
        let words = [
            ("--subject", subject),
            ("--command", self.command.clone()),
            ("--fault", self.fault.clone()),
            ("--consumer.config", path(&self.consumer_config)),
            ("--producer.config", path(&self.producer_config)),
            ("--contract", path(&self.contract)),
        ];
        let given = words.into_iter().filter_map(|(flag, value)| Some((flag, value?)));
        given.map(|(flag, value)| format!(" {flag} {}", quoted(&value))).collect()
    }
}

/// A word as a shell takes it.
pub(super) fn quoted(word: &str) -> String {
    shlex::try_quote(word).map_or_else(|_| word.to_owned(), |quoted| quoted.into())
}
