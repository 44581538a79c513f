//! The experiment, a folder a stage and a file a variant, in the order in which it happens:
//!
//! ```text
//! cluster ─> workload ─> subject ─> observe ─> judge::History
//!              └──────── testbed (the interpreter of a plan) ────────┘
//! ```
//!
//! `bench` is an experiment of its own: how fast, instead of whether.
//!
//! All the I/O of an experiment is here. Nothing here decides whether a promise was kept: that is
//! the crate `judge`'s alone.

pub mod bench;
pub mod cluster;
pub mod observe;
pub mod run_dir;
pub mod subject;
pub mod testbed;
pub mod workload;
