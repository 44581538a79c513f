//! Sentences about the mirror's life.

use crate::world::{Step, World};
use cucumber::{given, when};
use judge::plan::Action;

#[given("the mirror commits as often as it does by default")]
async fn commits_by_default(world: &mut World) {
    world.options.commit_interval_ms = None;
}

#[given(expr = "the mirror runs with {int} streams")]
async fn with_streams(world: &mut World, streams: u32) {
    world.options.streams = streams;
}

#[given("the mirror keeps partition numbers")]
async fn keeps_partitions(world: &mut World) {
    world.options.preserve = true;
}

#[given("the mirror begins at the end of what is there")]
async fn begins_at_end(world: &mut World) {
    world.options.begins_at_end = true;
}

#[given("the mirror goes on when records are lost")]
#[when("the mirror goes on when records are lost")]
async fn accepts_loss(world: &mut World) {
    world.options.accepts_loss = true;
}

#[given("the mirror is running")]
#[when("the mirror is started again")]
async fn running(world: &mut World) -> Step {
    let options = world.options.clone();
    world.act(Action::StartSubject(options)).await?;
    world.act(Action::AwaitReady).await
}

#[when("the mirror is started")]
async fn started(world: &mut World) -> Step {
    let options = world.options.clone();
    world.act(Action::StartSubject(options)).await
}

#[when("the mirror is stopped")]
async fn stopped(world: &mut World) -> Step {
    world.act(Action::StopSubject).await
}

#[when("the mirror is killed")]
async fn killed(world: &mut World) -> Step {
    world.act(Action::KillSubject).await
}

#[given("the mirror copies exactly once")]
async fn exactly_once(world: &mut World) {
    world.options.exactly_once = true;
}

#[when("the mirror is frozen")]
async fn frozen(world: &mut World) -> Step {
    world.act(Action::FreezeSubject).await
}

#[when(expr = "the mirror goes on after {int} seconds")]
async fn thawed(world: &mut World, seconds: u64) -> Step {
    world.act(Action::ThawSubject { after_ms: seconds * 1000 }).await
}

#[when("another instance of the mirror joins")]
async fn joined(world: &mut World) -> Step {
    let options = world.options.clone();
    world.act(Action::AddInstance(options)).await
}

#[when("the other instance leaves")]
async fn left(world: &mut World) -> Step {
    world.act(Action::RemoveInstance).await
}

#[when(expr = "an operator sets the mirror's positions in {word} behind what is gone")]
async fn gap_skipped(world: &mut World, topic: String) -> Step {
    world.act(Action::SkipGap { topic }).await
}

#[when(expr = "{int} records have arrived at {word}")]
async fn arrived(world: &mut World, records: u64, topic: String) -> Step {
    world.act(Action::AwaitRecords { topic, records }).await
}

#[when(expr = "the mirror has ended by itself, saying {string}")]
async fn ended(world: &mut World, saying: String) -> Step {
    world.act(Action::AwaitExit { saying }).await
}

#[when("the mirror has ended by itself with an error")]
async fn failed(world: &mut World) -> Step {
    world.act(Action::AwaitExit { saying: String::new() }).await
}

#[when("the mirror has caught up")]
async fn caught_up(world: &mut World) -> Step {
    world.act(Action::Finish).await
}
