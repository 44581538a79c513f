//! The checkers, seen to find what is wrong and to leave alone what is not: histories written by
//! hand (`golden`), lawful ones from a generator (`lawful`), and those with faults put in
//! (`faults`).

mod faults;
mod format;
mod generate;
mod golden;
mod lawful;
