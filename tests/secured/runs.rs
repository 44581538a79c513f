//! What the mirror can be told of TLS and SASL, each told to a real run between real brokers.
//!
//! `--once` copies some records, which must be equal on both sides; or it must end soon, say why, and what to do.
//! All run with `RUST_LOG=trace` and librdkafka's `debug`, and none may show a secret.

use super::{
    cases::{Case, End, copied, refused, scram, side},
    ground::Ground,
    logins::{LEAVER, SCRAMMER, STORE_PASSWORD},
};
use crate::support::mirroring::Ended;
use harness::cluster::containers::RunLabel;
use libtest_mimic::Trial;
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, LazyLock, Mutex, PoisonError},
    thread,
};
use tokio::runtime::Runtime;

/// How many mirrors run at once.
const AT_ONCE: usize = 4;
type Outcome = Result<(), String>;
type Outcomes = BTreeMap<&'static str, Outcome>;

/// The names of all cases; each is a trial.
const NAMES: &[&str] = &[
    "TLS by a PEM truststore",
    "TLS by PEM in the properties, on one line",
    "TLS with Java's names of cipher suites",
    "a client certificate as PEM",
    "a client certificate as certificate and key",
    "a client certificate as PKCS12",
    "a client certificate with an encrypted key",
    "PLAIN by a JAAS line",
    "PLAIN by name and password",
    "SCRAM-SHA-256",
    "SCRAM-SHA-512",
    "SCRAM on the source, plain on the destination",
    "plain on the source, TLS and SCRAM on the destination",
    "another host's certificate where that is allowed",
    "a wrong password of PLAIN",
    "a wrong password of SCRAM",
    "a user whom nobody knows",
    "a mechanism that the broker does not have",
    "an authority that is not trusted",
    "another host's certificate",
    "no client certificate",
    "PLAINTEXT where TLS is spoken",
    "a wrong password of the keystore",
    "a login that is refused later on",
    "JKS, and the way out that is told",
    "every codec",
];

/// A trial for each case. All of them run when the first is asked for.
pub(crate) fn trials(runtime: &'static Runtime, folder: PathBuf, run: String) -> Vec<Trial> {
    let outcomes = Arc::new(LazyLock::new(move || perform_all(runtime, folder, &run)));
    let trial = |name: &&'static str| {
        let (name, outcomes) = (*name, outcomes.clone());
        Trial::test(format!("secured::{name}"), move || match &**outcomes {
            Ok(outcomes) => match outcomes.get(name) {
                Some(outcome) => outcome.clone().map_err(Into::into),
                None => Err("there is no such case".into()),
            },
            Err(reason) => Err(reason.into()),
        })
    };
    NAMES.iter().map(trial).collect()
}

fn perform_all(runtime: &'static Runtime, folder: PathBuf, run: &str) -> Result<Outcomes, String> {
    let label = RunLabel::held(run).map_err(|error| format!("failed to {error}"))?;
    let ground = runtime.block_on(Ground::start(label, &folder))?;
    let mut todo = copied(&ground);
    todo.extend(refused(&ground));
    let (todo, outcomes) = (Mutex::new(todo), Mutex::new(Outcomes::new()));
    let next = || todo.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let note = |name, outcome| {
        outcomes.lock().unwrap_or_else(PoisonError::into_inner).insert(name, outcome);
    };
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(case) = next() {
                    note(case.name, case.perform(&ground, runtime));
                }
            });
        }
        scope.spawn(|| note("JKS, and the way out that is told", way_out_of_jks(&ground, runtime)));
        scope.spawn(|| note("a login that is refused later on", locked_out(&ground, runtime)));
        scope.spawn(|| note("every codec", every_codec(&ground, runtime)));
    });
    runtime.block_on(ground.remove())?;
    Ok(outcomes.into_inner().unwrap_or_else(PoisonError::into_inner))
}

impl Case {
    fn perform(&self, ground: &Ground, runtime: &Runtime) -> Outcome {
        let none = BTreeMap::new();
        let ended = ground.mirror(runtime.handle(), &none, &self.consumer, &self.producer)?;
        match &self.end {
            End::Copied => expect(&ended, 0, &[]),
            End::Refused(within, code, words) => {
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                expect(&ended, *code, &words)?;
                if ended.took < *within {
                    return Ok(());
                }
                Err(format!("it took {:?}:\n{}", ended.took, tail(&ended.output)))
            }
        }
    }
}

/// The exit code, and what the one line with an error must have.
fn expect(ended: &Ended, code: i32, words: &[&str]) -> Outcome {
    let last = ended.output.lines().rfind(|line| line.contains("ERROR")).unwrap_or_default();
    let missing = words.iter().find(|word| !last.contains(**word));
    match missing {
        None if ended.code == Some(code) => Ok(()),
        Some(word) if ended.code == Some(code) => Err(format!("{word:?} is not in:\n{last}")),
        _ => Err(format!("it ended with {:?}:\n{last}\n{}", ended.code, tail(&ended.output))),
    }
}

/// The end of a log, without what is only said in detail.
fn tail(output: &str) -> String {
    let said: Vec<&str> = output.lines().filter(|line| !line.contains("TRACE")).collect();
    said[said.len().saturating_sub(25)..].join("\n")
}

/// Java's stores are refused with a command that converts them; it is run as printed, and what it makes is taken.
fn way_out_of_jks(ground: &Ground, runtime: &Runtime) -> Outcome {
    let mirror = |consumer: &str| {
        let none = BTreeMap::new();
        ground.mirror(runtime.handle(), &none, consumer, &side(&ground.destination("PLAIN"), ""))
    };
    let store = |name: &str| ground.path(&format!("jks/{name}"));
    let keystore = |path: &str| {
        format!(
            "security.protocol=SSL\nssl.keystore.location={path}\nssl.keystore.password={STORE_PASSWORD}"
        )
    };
    let address = ground.source("MUTUAL");
    let trust = format!("ssl.truststore.location={}", store("authority.jks"));
    let ended = mirror(&side(&address, &format!("{}\n{trust}", keystore(&store("client.jks")))))?;
    expect(&ended, 2, &["consumer.properties", "ssl.keystore.location", "client.jks", "(JKS)"])?;
    run_as_printed(ground, runtime, &ended, &format!("{0}\n{0}\n{0}\n", STORE_PASSWORD))?;
    runtime.block_on(ground.fetch("jks/client.p12"))?;
    let ended = mirror(&side(&address, &format!("{}\n{trust}", keystore(&store("client.p12")))))?;
    expect(
        &ended,
        2,
        &["consumer.properties", "ssl.truststore.location", "authority.jks", "(JKS)"],
    )?;
    run_as_printed(ground, runtime, &ended, &format!("{STORE_PASSWORD}\n"))?;
    runtime.block_on(ground.fetch("jks/authority.pem"))?;
    let trust = format!("ssl.truststore.location={}", store("authority.pem"));
    let ended = mirror(&side(&address, &format!("{}\n{trust}", keystore(&store("client.p12")))))?;
    expect(&ended, 0, &[])
}

/// A mirror that runs and cannot log in any more does not try for ever.
fn locked_out(ground: &Ground, runtime: &Runtime) -> Outcome {
    let login = scram("SASL_PLAINTEXT", "SCRAM-SHA-512").replace(SCRAMMER, LEAVER);
    let address = ground.destination("SASL");
    let consumer = side(&ground.source("PLAIN"), "");
    let ended = ground.lock_out(runtime.handle(), &consumer, &side(&address, &login))?;
    expect(&ended, 1, &["log in to the destination", &address, "know the user"])
}

/// The command between backquotes in the error, with what a person types when it asks.
fn run_as_printed(ground: &Ground, runtime: &Runtime, ended: &Ended, typed: &str) -> Outcome {
    let error = ended.output.lines().rfind(|line| line.contains("ERROR")).unwrap_or_default();
    let command = error.split('`').nth(1).ok_or_else(|| format!("no command in {error}"))?;
    runtime.block_on(ground.shell(command, typed)).map(drop)
}

/// Records that the source holds in a codec are read, and written in it.
fn every_codec(ground: &Ground, runtime: &Runtime) -> Outcome {
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let on_source = if codec == "none" { "uncompressed" } else { codec };
        let settings = BTreeMap::from([("compression.type".to_owned(), on_source.to_owned())]);
        let consumer = side(&ground.source("PLAIN"), "");
        let producer = side(&ground.destination("PLAIN"), &format!("compression.type={codec}"));
        let ended = ground.mirror(runtime.handle(), &settings, &consumer, &producer)?;
        expect(&ended, 0, &[]).map_err(|error| format!("{codec}: {error}"))?;
        let report: serde_json::Value =
            serde_json::from_str(&ended.report).map_err(|error| error.to_string())?;
        let topic = &report["topics"][0];
        if topic["source"]["digest"] != topic["destination"]["digest"] {
            return Err(format!("{codec}: the digests differ: {topic}"));
        }
        let name = topic["topic"].as_str().unwrap_or_default();
        let found = runtime.block_on(ground.codecs(name))?;
        if !found.contains(&format!("compresscodec: {codec}")) {
            return Err(format!("{codec} is not what {name} has:\n{found}"));
        }
    }
    Ok(())
}
