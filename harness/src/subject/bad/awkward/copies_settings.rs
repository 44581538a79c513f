//! Creates topics with the settings of the source.

use super::Awkward;
use crate::subject::bad::{
    Force,
    defect::{Creates, Policed, Policy},
};

pub(super) const AWKWARD: Awkward = Awkward {
    name: "copies-settings",
    does: "creates topics with the settings of the source",
    forced_by: Force::Settings,
    contract: "copied-configs = [\"max.message.bytes\", \"retention.ms\"]",
    defect: |_| Box::new(Policed(Policy { creates: Creates::WithSettings, ..Policy::default() })),
};
