//! Broker look-up in ZooKeeper, for properties that give `zookeeper.connect` and no `bootstrap.servers`.
//!
//! Runs once, before the engine. It reads `/brokers/ids`; it does not know which endpoint of a broker can be
//! reached from here (one in a container lists one for inside and one for outside), so it gives all of them.

use std::{collections::HashMap, fmt, time::Duration};

use serde::Deserialize;
use zookeeper_client::Client;

/// Where ZooKeeper keeps a cluster's live brokers, below the chroot.
const BROKERS: &str = "/brokers/ids";

/// One address that a broker listens on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// The broker's id.
    pub broker: i32,
    /// Host name as advertised.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.host, self.port)
    }
}

/// Why no brokers were found.
#[derive(Debug, thiserror::Error)]
pub enum LookUpError {
    /// Nothing answered in time.
    #[error(
        "look up brokers: no ZooKeeper answered at {connect} within {} ms; check zookeeper.connect, or give \
         bootstrap.servers instead", timeout.as_millis()
    )]
    NoAnswer {
        /// The connect string.
        connect: String,
        /// How long it was tried.
        timeout: Duration,
    },
    /// ZooKeeper refused.
    #[error(
        "look up brokers in ZooKeeper at {connect}: {reason}; check zookeeper.connect and its chroot"
    )]
    Refused {
        /// The connect string.
        connect: String,
        /// What it said.
        reason: String,
    },
    /// There is no broker, or none that speaks the protocol.
    #[error(
        "look up brokers in ZooKeeper at {connect}: no broker lists an endpoint for {protocol} (found {found}); check \
         that the brokers run, the chroot, and security.protocol"
    )]
    NoBrokers {
        /// The connect string.
        connect: String,
        /// The wanted protocol.
        protocol: String,
        /// What was there.
        found: String,
    },
}

/// [`brokers`] for callers without an async runtime.
pub(crate) fn look_up(
    connect: &str,
    protocol: &str,
    timeout: Duration,
) -> Result<Vec<Endpoint>, LookUpError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
            LookUpError::Refused { connect: connect.to_owned(), reason: error.to_string() }
        })?;
    runtime.block_on(brokers(connect, protocol, timeout))
}

/// The endpoints of all live brokers that speak `protocol` (`plaintext`, `ssl`, …, in any case). `connect`
/// may name several hosts and end in a chroot: `host:2181,host:2181/kafka`.
pub async fn brokers(
    connect: &str,
    protocol: &str,
    timeout: Duration,
) -> Result<Vec<Endpoint>, LookUpError> {
    let registrations = match tokio::time::timeout(timeout, registrations(connect)).await {
        Ok(Ok(registrations)) => registrations,
        Ok(Err(zookeeper_client::Error::NoNode)) => Vec::new(),
        Ok(Err(zookeeper_client::Error::NoHosts | zookeeper_client::Error::Timeout)) | Err(_) => {
            return Err(LookUpError::NoAnswer { connect: connect.to_owned(), timeout });
        }
        Ok(Err(error)) => {
            return Err(LookUpError::Refused {
                connect: connect.to_owned(),
                reason: error.to_string(),
            });
        }
    };
    let mut endpoints = Vec::new();
    for (broker, text) in &registrations {
        let listed =
            endpoints_of(*broker, text, protocol).map_err(|error| LookUpError::Refused {
                connect: connect.to_owned(),
                reason: format!("broker {broker} is registered as {text}: {error}"),
            })?;
        endpoints.extend(listed);
    }
    endpoints.sort();
    if endpoints.is_empty() {
        let found = match registrations.len() {
            0 => "no brokers".to_owned(),
            _ => registrations.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join(", "),
        };
        return Err(LookUpError::NoBrokers {
            connect: connect.to_owned(),
            protocol: protocol.to_uppercase(),
            found,
        });
    }
    Ok(endpoints)
}

async fn registrations(connect: &str) -> Result<Vec<(i32, String)>, zookeeper_client::Error> {
    let client = Client::connect(connect).await?;
    let mut registrations = Vec::new();
    for id in client.list_children(BROKERS).await? {
        // A broker may go while it is being read.
        let data = match client.get_data(&format!("{BROKERS}/{id}")).await {
            Ok((data, _)) => data,
            Err(zookeeper_client::Error::NoNode) => continue,
            Err(error) => return Err(error),
        };
        registrations.push((id.parse().unwrap_or(-1), String::from_utf8_lossy(&data).into_owned()));
    }
    Ok(registrations)
}

/// What a broker writes about itself. Before 0.9 only `host` and `port`.
#[derive(Debug, Deserialize)]
struct Registration {
    #[serde(default)]
    endpoints: Vec<String>,
    #[serde(default)]
    listener_security_protocol_map: HashMap<String, String>,
    host: Option<String>,
    #[serde(default)]
    port: i64,
}

fn endpoints_of(
    broker: i32,
    text: &str,
    protocol: &str,
) -> Result<Vec<Endpoint>, serde_json::Error> {
    let registration: Registration = serde_json::from_str(text)?;
    if registration.endpoints.is_empty() {
        let port = u16::try_from(registration.port).ok();
        return Ok(match (registration.host, port) {
            (Some(host), Some(port)) if protocol.eq_ignore_ascii_case("plaintext") => {
                vec![Endpoint { broker, host, port }]
            }
            _ => Vec::new(),
        });
    }
    let wanted = registration.endpoints.iter().filter_map(|endpoint| {
        let (listener, address) = endpoint.split_once("://")?;
        let speaks = registration.listener_security_protocol_map.get(listener);
        let speaks = speaks.map_or(listener, String::as_str);
        let (host, port) = address.rsplit_once(':')?;
        let endpoint = Endpoint { broker, host: host.to_owned(), port: port.parse().ok()? };
        speaks.eq_ignore_ascii_case(protocol).then_some(endpoint)
    });
    Ok(wanted.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, protocol: &str, expected: &[&str]) {
        let endpoints = endpoints_of(1, text, protocol).unwrap();
        let found: Vec<String> = endpoints.iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn gives_every_endpoint_of_the_protocol() {
        let text = r#"{"listener_security_protocol_map":{"INTERNAL":"PLAINTEXT","EXTERNAL":"PLAINTEXT","SECURE":"SSL"},
            "endpoints":["INTERNAL://kafka:9092","EXTERNAL://localhost:19092","SECURE://[::1]:9093"],
            "host":"kafka","port":9092,"version":5}"#;
        check(text, "plaintext", &["kafka:9092", "localhost:19092"]);
        check(text, "ssl", &["[::1]:9093"]);
        check(text, "sasl_ssl", &[]);
    }

    #[test]
    fn reads_old_registrations() {
        check(r#"{"jmx_port":-1,"host":"a","version":1,"port":9092}"#, "PLAINTEXT", &["a:9092"]);
        check(r#"{"endpoints":["PLAINTEXT://b:1"],"host":"b","port":1}"#, "plaintext", &["b:1"]);
        check(r#"{"endpoints":["SSL://b:1"],"host":null,"port":-1}"#, "ssl", &["b:1"]);
    }

    #[test]
    fn says_who_did_not_answer() {
        let error =
            look_up("127.0.0.1:1/kafka", "plaintext", Duration::from_millis(300)).unwrap_err();
        assert!(error.to_string().contains("127.0.0.1:1/kafka"), "{error}");
    }
}
