//! What an operator sees of a running mirror: a line of progress in the log, metrics and readiness over HTTP.
//!
//! Both are made from [`Snapshot`](crate::meters::Snapshot)s. Nothing here is asked by the engine or keeps it waiting.

mod line;
mod metrics;
mod server;

pub(crate) use line::Lines;
pub(crate) use server::{CannotListen, Server};
