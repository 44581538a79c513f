//! Carries an application's positions over to the destination, exactly.

use super::Awkward;
use crate::subject::bad::{Force, defect::Sound};

pub(super) const AWKWARD: Awkward = Awkward {
    name: "translates",
    does: "carries an application's positions over to the destination",
    forced_by: Force::Failover,
    contract: "offsets = { translated = { max-rewind = 0 } }",
    defect: |_| Box::new(Sound),
};
