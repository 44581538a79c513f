//! Real Kafka and ZooKeeper in containers: two clusters, and tools of the same image beside them.
//!
//! ```text
//! Engine::connect ─> ensure_image ─> start_pair ─> Pair { source, destination }
//!                     (image)         (node)        │      Cluster: addresses, exec, kill, pause
//!                                                   └ start_tool ─> Tool: a mirror in a container
//! ```
//!
//! Each side has a network of its own, as two sites have; a tool runs on the destination's and
//! reaches the source only if it is given the way. Everything is labelled with its run and owner
//! ([`RunLabel`]), bound to 127.0.0.1, kept on memory of limited size, and removed by its guard,
//! by [`Engine::remove_run`] or, after a crash, by [`Engine::sweep`].
//!
//! Containers are started by testcontainers; what it does not offer (labelled networks, signals,
//! images from memory) is asked of its own engine client. This module does not know topics,
//! records or what is being proven.

mod cluster;
mod command;
mod engine;
mod error;
mod image;
mod listeners;
mod node;
mod owner;
mod pair;
mod ready;
mod sweep;
mod tool;
mod usage;
mod version;

pub use cluster::{Cluster, Node};
pub use command::ExecOutput;
pub use engine::{Engine, Progress};
pub use error::{EngineError, Tail};
pub use image::ImageName;
pub use listeners::{Listener, Listeners};
pub use owner::{DETACHED, LABEL, OWNER_LABEL, RUN_LABEL, RunLabel};
pub use pair::{Capacity, Pair, Topology};
pub use sweep::{Scope, SweepReport};
pub use tool::{Reach, Signal, Tool, ToolSpec};
pub use usage::Usage;
pub use version::KafkaVersion;
