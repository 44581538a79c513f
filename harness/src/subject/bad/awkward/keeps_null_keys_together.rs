//! Puts all records without a key into one partition.

use super::Awkward;
use crate::subject::bad::{Force, defect::Every};

pub(super) const AWKWARD: Awkward = Awkward {
    name: "keeps-null-keys-together",
    does: "puts all records without a key into one partition",
    forced_by: Force::Load,
    contract: "",
    defect: |_| {
        Box::new(Every(|record| {
            if record.key.is_none() {
                record.partition = Some(0);
            }
        }))
    },
};
