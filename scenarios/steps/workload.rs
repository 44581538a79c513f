//! Sentences about what is produced.

use crate::world::{Step, World};
use cucumber::{given, when};
use judge::plan::{Action, Headers, KeyStyle, Placement, Sizes, Skew, TimestampStyle, Workload};

#[given(expr = "{int} records over {int} keys are produced to {word}")]
#[when(expr = "{int} records over {int} keys are produced to {word}")]
async fn produced(world: &mut World, records: u32, keys: u32, topic: String) -> Step {
    let workload = Workload { records, keys, ..Workload::default() };
    world.act(Action::Produce { topic, workload }).await
}

#[given(expr = "{int} records of the mix {string} are produced to {word}")]
#[when(expr = "{int} records of the mix {string} are produced to {word}")]
async fn produced_mix(world: &mut World, records: u32, mix: String, topic: String) -> Step {
    let workload = Workload { records, ..named(&mix).ok_or(format!("no mix is called {mix:?}"))? };
    world.act(Action::Produce { topic, workload }).await
}

#[given(expr = "{int} records over {int} keys are produced to {word} in transactions of {int}")]
#[when(expr = "{int} records over {int} keys are produced to {word} in transactions of {int}")]
async fn produced_in_transactions(
    world: &mut World,
    records: u32,
    keys: u32,
    topic: String,
    size: u32,
) -> Step {
    let workload =
        Workload { records, keys, transaction_records: Some(size), ..Workload::default() };
    world.act(Action::Produce { topic, workload }).await
}

#[when(
    expr = "{int} records over {int} keys are produced to {word} in transactions of {int}, {int} \
            percent of them aborted"
)]
async fn produced_and_aborted(
    world: &mut World,
    records: u32,
    keys: u32,
    topic: String,
    size: u32,
    percent: u8,
) -> Step {
    let workload = Workload {
        records,
        keys,
        transaction_records: Some(size),
        aborted_transactions: percent,
        ..Workload::default()
    };
    world.act(Action::Produce { topic, workload }).await
}

#[when(expr = "all that {word} holds on the source is deleted before the mirror could copy it")]
async fn outrun(world: &mut World, topic: String) -> Step {
    world.act(Action::Outrun { topic }).await
}

#[given(expr = "all that {word} holds on the source has expired")]
async fn trimmed(world: &mut World, topic: String) -> Step {
    world.act(Action::TrimSource { topic }).await
}

/// The mixes that features name.
fn named(mix: &str) -> Option<Workload> {
    let plain = Workload::default();
    let varied_values =
        Workload { null_values: 10, empty_values: 10, sizes: Sizes::Varied, ..plain.clone() };
    Some(match mix {
        "everything" => Workload {
            producers: 3,
            skew: Skew::Zipf(1.1),
            key_style: KeyStyle::Varied,
            null_keys: 10,
            empty_key: true,
            headers: Headers::Varied,
            timestamps: TimestampStyle::Varied,
            ..varied_values
        },
        "tombstones" => Workload { null_values: 50, empty_values: 10, ..plain },
        "large values" => Workload { sizes: Sizes::WithLarge, ..plain },
        "null keys" => Workload { null_keys: 50, ..varied_values },
        "hot keys" => Workload { skew: Skew::Zipf(1.5), ..plain },
        "one key" => Workload { keys: 1, ..plain },
        "varied keys" => Workload { key_style: KeyStyle::Varied, ..plain },
        "the empty key" => Workload { empty_key: true, ..plain },
        "several producers" => Workload { producers: 4, ..plain },
        "one key in many partitions" => Workload { placement: Placement::RoundRobin, ..plain },
        "no headers" => Workload { headers: Headers::None, ..varied_values },
        "old timestamps" => Workload { timestamps: TimestampStyle::Varied, ..plain },
        _ => return None,
    })
}
