//! Before the first record: do both clusters answer, can their brokers be reached, are they two?
//!
//! A mirror that waits for ever for a misspelt host helps nobody, so all of this has a deadline. Once
//! started, outages are outlived: nothing here runs again.

use std::{
    collections::BTreeMap,
    net::{TcpStream, ToSocketAddrs},
    path::Path,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    client::Client,
    consumer::{BaseConsumer, Consumer},
    metadata::Metadata,
    producer::Producer,
};

use super::{
    EngineError, Settings,
    client::{self, Quiet},
    error::Hindrance,
    lifeline::Connected,
    troubles::Troubles,
};
use crate::shutdown::Stop;

/// How long a cluster may take to answer, and its brokers to be reached.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(3);
/// How long it may take to find out what is wrong with a certificate.
const PROBE: Duration = Duration::from_secs(3);
/// How long callbacks are waited for after an attempt.
const MOMENT: Duration = Duration::from_millis(50);
/// The first attempt; short, so that a signal is seen.
const ATTEMPT: Duration = Duration::from_millis(500);
/// Each lasts twice as long as the one before, at most this: a late answer is lost, and a busy cluster gives no other.
const LONGEST_ATTEMPT: Duration = Duration::from_secs(4);

/// What both sides say at the start.
pub(super) struct Both {
    pub(super) source: Answer,
    pub(super) destination: Answer,
}

/// What both sides say, once everything is in order; `None` if a stop was requested meanwhile.
pub(super) fn check(
    settings: &Settings,
    look_out: &BaseConsumer<Quiet>,
    stop: &Stop,
) -> Result<Option<Both>, EngineError> {
    let producer = client::look_at_destination(settings)?;
    let (source, destination) = thread::scope(|scope| {
        let destination = scope.spawn(|| {
            let serve = || for_a_moment(|wait| producer.poll(wait));
            let troubles = &producer.client().context().troubles;
            answer("destination", &settings.producers[0], producer.client(), serve, troubles, stop)
        });
        let serve = || for_a_moment(|wait| drop(look_out.poll(wait)));
        let troubles = look_out.context().troubles();
        let source =
            answer("source", &settings.consumers[0], look_out.client(), serve, troubles, stop);
        (source, destination.join().unwrap_or(Err(EngineError::Panicked)))
    });
    // Its end takes a moment, and nobody needs to wait for it.
    thread::spawn(move || drop(producer));
    // Who asked for an end wants no reason for one.
    if stop.requested() {
        return Ok(None);
    }
    let (Some(source), Some(destination)) = (source?, destination?) else { return Ok(None) };
    if let (Some(one), Some(other)) = (&source.cluster, &destination.cluster)
        && one == other
    {
        return Err(EngineError::SameCluster { cluster: one.clone() });
    }
    Ok(Some(Both { source, destination }))
}

/// What a cluster says of itself.
pub(super) struct Answer {
    /// `None` before Kafka 0.10.1 (KIP-78).
    pub(super) cluster: Option<String>,
    pub(super) topics: Vec<String>,
}

/// Asks until there is an answer and a broker can be reached, or until the deadline.
fn answer<Context: rdkafka::ClientContext>(
    side: &'static str,
    properties: &crate::config::Settings,
    client: &Client<Context>,
    serve: impl Fn(),
    troubles: &Troubles,
    stop: &Stop,
) -> Result<Option<Answer>, EngineError> {
    let deadline = Instant::now() + DEADLINE;
    let mut attempt = ATTEMPT;
    while !stop.requested() {
        let left = deadline.saturating_duration_since(Instant::now());
        match client.fetch_metadata(None, attempt.min(left).max(ATTEMPT)) {
            Ok(metadata) => {
                reach(side, &metadata, deadline.max(Instant::now() + CONNECT))?;
                return Ok(Some(Answer {
                    cluster: client.fetch_cluster_id(ATTEMPT),
                    topics: client::topic_names(&metadata),
                }));
            }
            Err(error) if Instant::now() > deadline => {
                serve();
                let reason = troubles.last().unwrap_or_else(|| client::reason(&error));
                return Err(no_answer(side, properties, reason));
            }
            Err(_) => serve(),
        }
        attempt = LONGEST_ATTEMPT.min(2 * attempt);
        if let Some(denial) = troubles.denial() {
            return Err(denial);
        }
    }
    Ok(None)
}

/// Lets a client's callbacks be called. A poll calls one of them, and the error that tells why may lie behind
/// hundreds of lines of librdkafka's log.
fn for_a_moment(poll: impl Fn(Duration)) {
    let since = Instant::now();
    while since.elapsed() < MOMENT {
        poll(MOMENT / 10);
    }
}

fn no_answer(
    side: &'static str,
    properties: &crate::config::Settings,
    reason: String,
) -> EngineError {
    let servers = properties.get("bootstrap.servers").unwrap_or_default().to_owned();
    let mut hindrance = Hindrance::of(&reason);
    if hindrance == Hindrance::Authority && is_trusted_under_another_name(side, properties) {
        hindrance = Hindrance::Name;
    }
    EngineError::NoAnswer { side, servers, waited: DEADLINE, reason, hindrance }
}

/// Whether a certificate that was refused is signed as it should be, and of another host. librdkafka tells one
/// from the other nowhere, so it is asked again without looking at the name; no password is sent that way.
fn is_trusted_under_another_name(side: &'static str, properties: &crate::config::Settings) -> bool {
    let mut probe = crate::config::Settings::default();
    let is_needed = |name: &str| name == "bootstrap.servers" || name.starts_with("ssl.");
    for setting in properties.effective().filter(|setting| is_needed(&setting.name)) {
        probe.set(setting.clone());
    }
    let more = [("security.protocol", "ssl"), ("ssl.endpoint.identification.algorithm", "none")];
    // The file was good enough a moment ago.
    let made =
        client::make::<_, BaseConsumer<Quiet>>(&probe, &more, Path::new(""), Quiet::new(side));
    let Ok(probe) = made else { return false };
    if probe.fetch_metadata(None, PROBE).is_ok() {
        return true;
    }
    for_a_moment(|wait| drop(probe.poll(wait)));
    // A listener with SASL ends the connection, but after the handshake.
    probe.context().troubles().last().is_some_and(|reason| reason.contains("in state UP"))
}

/// Tries to open a connection to each advertised address. One broker that can be reached is enough to
/// start: the others may be down for now.
fn reach(side: &'static str, metadata: &Metadata, deadline: Instant) -> Result<(), EngineError> {
    let mut failures = BTreeMap::new();
    let (report, reports) = mpsc::channel();
    for broker in metadata.brokers() {
        let address = (broker.host().to_owned(), broker.port() as u16);
        let name = format!("broker {} advertises {}:{}", broker.id(), address.0, address.1);
        failures.insert(name.clone(), "which does not answer".to_owned());
        let report = report.clone();
        // Not joined: looking up a name may take longer than we are ready to wait.
        thread::spawn(move || {
            loop {
                let outcome = connect(&address);
                let give_up = outcome.is_ok() || Instant::now() > deadline;
                let gone = report.send((name.clone(), outcome)).is_err();
                if give_up || gone {
                    return;
                }
                thread::sleep(ATTEMPT);
            }
        });
    }
    drop(report);
    let mut reached = false;
    let mut tried = std::collections::BTreeSet::new();
    while tried.len() < failures.len() + usize::from(reached) || !reached {
        let left = deadline.saturating_duration_since(Instant::now());
        // Those that answer late are only warned of, and only those that have had their chance.
        let patience = if reached { left.min(ATTEMPT) } else { left };
        match reports.recv_timeout(patience) {
            Ok((name, Ok(()))) => {
                failures.remove(&name);
                reached = true;
            }
            Ok((name, Err(reason))) => {
                tried.insert(name.clone());
                failures.insert(name, reason);
            }
            Err(_) => break,
        }
        if reached && failures.keys().all(|name| tried.contains(name)) {
            break;
        }
    }
    let all: Vec<String> = failures.iter().map(|(name, why)| format!("{name}, {why}")).collect();
    if !reached && !all.is_empty() {
        return Err(EngineError::Unreachable { side, waited: DEADLINE, reason: all.join("; ") });
    }
    for failure in all {
        tracing::warn!("{side}: {failure}; going on with the other brokers");
    }
    Ok(())
}

fn connect((host, port): &(String, u16)) -> Result<(), String> {
    let addresses = (host.as_str(), *port)
        .to_socket_addrs()
        .map_err(|error| format!("which does not resolve ({error})"))?;
    let mut failure = "which resolves to no address".to_owned();
    for address in addresses {
        match TcpStream::connect_timeout(&address, CONNECT) {
            Ok(_) => return Ok(()),
            Err(error) => failure = format!("which cannot be connected to ({error})"),
        }
    }
    Err(failure)
}
