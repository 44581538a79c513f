//! Renames topics with a prefix, as MirrorMaker 2 does by default.

use super::Awkward;
use crate::subject::bad::{Force, defect::Every};

const PREFIX: &str = "west.";

pub(super) const AWKWARD: Awkward = Awkward {
    name: "prefixes",
    does: "renames topics with a prefix",
    forced_by: Force::Load,
    contract: "topic-prefix = \"west.\"",
    defect: |_| Box::new(Every(|record| record.topic = format!("{PREFIX}{}", record.topic))),
};
