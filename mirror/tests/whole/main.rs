//! Whole runs of the real binary between two mock clusters: what a user would see.
//!
//! The first member of a mock's group waits three seconds, and its session must outlast that; tests run in
//! parallel.

#![expect(clippy::unwrap_used, reason = "a test may panic, and so may its helpers")]

mod copying;
mod damage;
mod gaps;
mod groups;
mod headers;
mod once;
mod outages;
mod refusals;
mod refusing;
mod sizes;
mod stamps;
mod strangers;
mod support;
mod trouble;
mod watching;
mod wire;
