//! The front doors: the command line, the features, and the steps that turn a sentence into one
//! action or one question.
//!
//! Nothing here talks to Kafka: a step performs a [`judge::plan::Action`] on a
//! [`harness::testbed::Testbed`], or asks what [`judge::judge`] found.

pub mod catalogue;
pub mod cli;
pub mod fit;
pub mod fuzz;
pub mod promise;
pub mod run;
pub mod selection;
pub mod selftest;
pub mod soak;
pub mod steps;
mod syntax;
pub mod trial;
pub mod worker;
pub mod world;
