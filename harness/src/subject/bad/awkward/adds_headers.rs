//! Adds a header that its contract declares.

use super::Awkward;
use crate::subject::bad::{Force, defect::Every};

pub(super) const AWKWARD: Awkward = Awkward {
    name: "adds-headers",
    does: "adds a header that its contract declares",
    forced_by: Force::Load,
    contract: "added-headers = [\"provenance\"]",
    defect: |_| {
        Box::new(Every(|record| {
            record.headers.insert(0, ("provenance".into(), Some(b"west".to_vec())));
        }))
    },
};
