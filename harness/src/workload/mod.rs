//! Producing: what is written to the source, and what its producers were told.

pub mod generate;
pub mod pace;
pub mod produce;
