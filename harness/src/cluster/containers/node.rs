//! One container of a cluster: what it is given, and starting it on host ports that never change.
//!
//! A broker advertises its host port, so the port is chosen before the container exists and stays
//! for its life; a port that somebody else took in between is replaced and the start repeated.

use super::{EngineError, ImageName, cluster::join, command, engine::is_gone, listeners::Listener};
use bollard::{
    Docker,
    models::{HostConfig, PortBinding},
    query_parameters::RemoveContainerOptionsBuilder,
};
use std::{
    collections::HashMap,
    net::{Ipv4Addr, TcpListener},
    time::Duration,
};
use testcontainers::{GenericImage, ImageExt, core::ContainerPort, runners::AsyncRunner};

/// ZooKeeper's port for clients.
pub(super) const ZOOKEEPER_PORT: u16 = 2181;
/// A broker's listener for clients in its network.
pub(super) const INTERNAL_PORT: u16 = 19092;
/// A broker's listener for clients on the host, inside the container; others follow.
const EXTERNAL_PORT: u16 = 9092;

/// Creating and starting a container, not the server in it; an engine under load needs seconds.
const START_DEADLINE: Duration = Duration::from_secs(60);
/// Ports taken in between are rare; so many in a row mean something else.
const ATTEMPTS: u32 = 5;
/// ZooKeeper holds a few kilobytes, and writes its log in steps of 64 MiB.
pub(super) const ZOOKEEPER_BYTES: u64 = 256 << 20;

/// What a container is.
#[derive(Clone, Debug)]
pub(super) struct Spec {
    pub(super) name: String,
    pub(super) network: String,
    pub(super) labels: HashMap<String, String>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) role: Role,
    /// A broker's listeners beside the plain ones.
    pub(super) listeners: Vec<Listener>,
    /// How much its state may take, in bytes.
    pub(super) state_bytes: u64,
}

/// Which server it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    ZooKeeper,
    Broker,
}

impl Role {
    fn verb(self) -> &'static str {
        match self {
            Role::ZooKeeper => "zookeeper",
            Role::Broker => "broker",
        }
    }

    fn port(self) -> u16 {
        match self {
            Role::ZooKeeper => ZOOKEEPER_PORT,
            Role::Broker => EXTERNAL_PORT,
        }
    }
}

/// Starts the container and returns its host port, and those of its further listeners.
pub(super) async fn start(
    docker: &Docker,
    image: &ImageName,
    spec: &Spec,
) -> Result<(u16, Vec<u16>), EngineError> {
    let mut refusal = String::new();
    for _ in 0..ATTEMPTS {
        let ports = free_ports(1 + spec.listeners.len());
        let ports = ports.map_err(EngineError::file("127.0.0.1:0"))?;
        match request(image, spec, &ports).start().await {
            Ok(container) => {
                // Its owner is the pair's guard from here on. testcontainers' own removal on drop
                // needs a runtime, and reports an error when the container is gone already.
                std::mem::forget(container);
                return Ok((ports[0], ports[1..].to_vec()));
            }
            Err(error) => refusal = with_causes(&error),
        }
        // The container exists although it did not start, and its name would be taken.
        let log = command::log_tail(docker, &spec.name).await;
        remove(docker, &spec.name).await?;
        if !is_port_taken(&refusal) {
            return Err(EngineError::Start { container: spec.name.clone(), reason: refusal, log });
        }
        tracing::debug!(container = spec.name, ?ports, "a port was taken meanwhile");
    }
    let reason = format!("no free port in {ATTEMPTS} attempts: {refusal}");
    Err(EngineError::Start { container: spec.name.clone(), reason, log: Default::default() })
}

/// Removes a container with its volumes, running or not, there or not.
pub(super) async fn remove(docker: &Docker, name: &str) -> Result<(), EngineError> {
    let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
    match docker.remove_container(name, Some(options)).await {
        Err(error) if !is_gone(&error) => {
            Err(EngineError::request(format!("remove the container {name}"))(error))
        }
        _ => Ok(()),
    }
}

fn request(
    image: &ImageName,
    spec: &Spec,
    ports: &[u16],
) -> testcontainers::ContainerRequest<GenericImage> {
    let (role, state_bytes) = (spec.role, spec.state_bytes);
    let bound: Vec<(u16, u16)> = (role.port()..).zip(ports.iter().copied()).collect();
    let listeners = spec.listeners.iter().zip(&bound[1..]).map(|(listener, (inside, outside))| {
        format!("{}:{}:{inside}:{outside}", listener.name, listener.protocol)
    });
    let listeners = join(listeners);
    let image = bound
        .iter()
        .fold(GenericImage::new(&image.repository, &image.tag), |image, (inside, _)| {
            image.with_exposed_port(ContainerPort::Tcp(*inside))
        });
    let mut request = image
        .with_cmd([role.verb()])
        .with_container_name(&spec.name)
        .with_network(&spec.network)
        .with_labels(&spec.labels)
        .with_startup_timeout(START_DEADLINE)
        .with_host_config_modifier(move |config| bind(config, &bound, state_bytes));
    if role == Role::Broker {
        request = request
            .with_env_var("BROKER_EXTERNAL_PORT", ports[0].to_string())
            .with_env_var("MORE_LISTENERS", listeners);
    }
    for (key, value) in &spec.environment {
        request = request.with_env_var(key, value);
    }
    request
}

/// On 127.0.0.1 alone, since not all of this is secured; and state in memory of limited size, since a
/// broker at full rate fills a disk in minutes. `ports` are pairs: inside and on this machine.
fn bind(config: &mut HostConfig, ports: &[(u16, u16)], state_bytes: u64) {
    let binding = |(inside, outside): &(u16, u16)| {
        let host_port = Some(outside.to_string());
        let binding = PortBinding { host_ip: Some("127.0.0.1".into()), host_port };
        (format!("{inside}/tcp"), Some(vec![binding]))
    };
    config.publish_all_ports = Some(false);
    config.port_bindings = Some(ports.iter().map(binding).collect());
    let options = format!("rw,size={state_bytes},mode=1777");
    config.tmpfs = Some(HashMap::from([("/var/lib/kafka".into(), options)]));
}

/// Ports that are free now. The system hands them out in turn, so two calls rarely meet.
fn free_ports(count: usize) -> std::io::Result<Vec<u16>> {
    // All are held until each is known, so that they differ.
    let held: std::io::Result<Vec<_>> =
        (0..count).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect();
    held?.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}

fn is_port_taken(reason: &str) -> bool {
    reason.contains("port is already allocated") || reason.contains("address already in use")
}

/// testcontainers puts what the engine said into the causes.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
