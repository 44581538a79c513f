//! The sentences of the features, by the noun they are about. Each parses its words and performs
//! one action or asks one question.

mod offsets;
mod promises;
mod subject;
mod topics;
mod walkthrough;
mod workload;
