//! Observation: what both sides hold, what the subject has committed, and when a run is over.
//!
//! Readers here are fresh consumers of the harness; they never join the subject's group. Nothing
//! is judged here.

pub mod completion;
pub mod progress;
pub mod read;
pub mod rebalance;
pub mod sentinel;
mod side;
pub mod tail;
pub mod unrest;
pub mod zookeeper;
