//! The sentences of the features, by the noun they are about. Each parses its words and performs
//! one action or asks one question.

mod offsets;
mod promises;
mod subject;
mod topics;
mod walkthrough;
mod workload;

use judge::plan::Side;

/// A side by its name in a sentence.
fn side(name: &str) -> Result<Side, String> {
    match name {
        "source" => Ok(Side::Source),
        "destination" => Ok(Side::Destination),
        other => Err(format!("there is no side called {other}")),
    }
}
