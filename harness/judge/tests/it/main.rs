//! The checkers, seen to find what is wrong and to leave alone what is not: histories written by
//! hand (`golden`), lawful ones from a generator (`lawful`), and those with faults put in
//! (`faults`).

#![expect(clippy::unwrap_used, reason = "in tests a panic is the message")]

mod exhaustive;
mod faults;
mod format;
mod generate;
mod golden;
mod judged;
mod large;
mod lawful;
mod mutate;
