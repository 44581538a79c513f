//! Judging: from a recorded history to a verdict with evidence.
//!
//! ```text
//! History ─> correspondence ─> check/* ─> Findings ─> Guarantees(Contract) ─> Judgement ─> Report
//! ```
//!
//! The crate is pure. It knows no Kafka client, no async runtime, no clock, no file system and no
//! random source, so a verdict depends on nothing but the history; the compiler keeps it so, since
//! the crate has no such dependency.

mod check;
pub mod contract;
pub mod correspondence;
pub mod history;
pub(crate) mod likeness;
pub mod partition;
pub mod plan;
pub mod report;
pub mod verdict;

pub use verdict::judge;
