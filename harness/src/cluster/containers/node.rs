//! One container of a cluster: what it is given, and starting it on host ports that never change.
//!
//! A broker advertises its host port, so the port is chosen before the container exists and stays
//! for its life; a port that somebody else took in between is replaced and the start repeated.

use super::{EngineError, ImageName, command, engine::is_gone};
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
/// A broker's listener for clients on the host, inside the container.
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

/// Starts the container and returns its host port.
pub(super) async fn start(
    docker: &Docker,
    image: &ImageName,
    spec: &Spec,
) -> Result<u16, EngineError> {
    let mut refusal = String::new();
    for _ in 0..ATTEMPTS {
        let port = free_port().map_err(EngineError::file("127.0.0.1:0"))?;
        match request(image, spec, port).start().await {
            Ok(container) => {
                // Its owner is the pair's guard from here on. testcontainers' own removal on drop
                // needs a runtime, and reports an error when the container is gone already.
                std::mem::forget(container);
                return Ok(port);
            }
            Err(error) => refusal = with_causes(&error),
        }
        // The container exists although it did not start, and its name would be taken.
        let log = command::log_tail(docker, &spec.name).await;
        remove(docker, &spec.name).await?;
        if !is_port_taken(&refusal) {
            return Err(EngineError::Start { container: spec.name.clone(), reason: refusal, log });
        }
        tracing::debug!(container = spec.name, port, "the port was taken meanwhile");
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
    port: u16,
) -> testcontainers::ContainerRequest<GenericImage> {
    let (role, state_bytes) = (spec.role, spec.state_bytes);
    let mut request = GenericImage::new(&image.repository, &image.tag)
        .with_exposed_port(ContainerPort::Tcp(role.port()))
        .with_cmd([role.verb()])
        .with_container_name(&spec.name)
        .with_network(&spec.network)
        .with_labels(&spec.labels)
        .with_startup_timeout(START_DEADLINE)
        .with_host_config_modifier(move |config| bind(config, role, state_bytes, port));
    if role == Role::Broker {
        request = request.with_env_var("BROKER_EXTERNAL_PORT", port.to_string());
    }
    for (key, value) in &spec.environment {
        request = request.with_env_var(key, value);
    }
    request
}

/// On 127.0.0.1 alone, since none of this is secured; and state in memory of limited size, since a
/// broker at full rate fills a disk in minutes.
fn bind(config: &mut HostConfig, role: Role, state_bytes: u64, port: u16) {
    let binding =
        PortBinding { host_ip: Some("127.0.0.1".into()), host_port: Some(port.to_string()) };
    config.publish_all_ports = Some(false);
    config.port_bindings =
        Some(HashMap::from([(format!("{}/tcp", role.port()), Some(vec![binding]))]));
    let options = format!("rw,size={state_bytes},mode=1777");
    config.tmpfs = Some(HashMap::from([("/var/lib/kafka".into(), options)]));
}

/// A port that is free now. The system hands them out in turn, so two calls rarely meet.
fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
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
