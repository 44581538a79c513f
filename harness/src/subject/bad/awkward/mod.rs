//! Mirrors that look odd and keep their contract: a checker that accuses them cries wolf. To add
//! one: a file, and a line in each list here.

use super::{Force, defect::Defect};

mod adds_headers;
mod copies_settings;
mod keeps_null_keys_together;
mod prefixes;
mod throttled;
mod translates;

/// One of them.
#[derive(Clone, Copy, Debug)]
pub struct Awkward {
    /// Its name on the command line.
    pub name: &'static str,
    /// What the mirror does, completing "a mirror that …".
    pub does: &'static str,
    /// What would make a mistake show.
    pub forced_by: Force,
    /// What its contract says beyond the default, in TOML.
    pub contract: &'static str,
    pub(super) defect: fn(u64) -> Box<dyn Defect>,
}

impl Awkward {
    /// All of them.
    pub const ALL: &'static [Awkward] = &[
        throttled::AWKWARD,
        prefixes::AWKWARD,
        adds_headers::AWKWARD,
        keeps_null_keys_together::AWKWARD,
        translates::AWKWARD,
        copies_settings::AWKWARD,
    ];
}
