//! Sentences about an application that moves to the destination.

use crate::world::{Step, World};
use cucumber::{then, when};
use judge::{contract::Offsets, plan::Action, verdict::Anomaly};

#[when(expr = "an application has read {int} percent of {word} on the source")]
async fn application_reads(world: &mut World, percent: u8, topic: String) -> Step {
    world.moving = Some(topic.clone());
    world.act(Action::ConsumeOnSource { topic, percent }).await
}

#[when("the application goes on at the destination with its source offsets")]
async fn application_moves(world: &mut World) -> Step {
    let topic = world.moving.clone().ok_or("no application has read on the source")?;
    world.act(Action::ResumeOnDestination { topic }).await
}

#[then("it skips records or reads them twice, exactly as the placements say")]
async fn offsets_differ(world: &mut World) -> Step {
    world.ask(&[Anomaly::OffsetsMispredicted])?;
    let testbed = world.testbed()?;
    if testbed.history().resumes.is_empty() {
        return world.doubt("no application went on at the destination".into());
    }
    Ok(())
}

#[when("the mirror has carried its position over to the destination")]
async fn position_carried_over(world: &mut World) -> Step {
    let topic = world.moving.clone().ok_or("no application has read on the source")?;
    world.act(Action::AwaitTranslation { topic }).await
}

#[then("an application that goes on there skips nothing, and gets no more again than is promised")]
async fn offsets_translated(world: &mut World) -> Step {
    world.ask(&[Anomaly::TranslationSkips, Anomaly::TranslationRewinds])?;
    let testbed = world.testbed()?;
    if testbed.contract().offsets == Offsets::Independent {
        return world.doubt("the mirror promises nothing: its contract says no offsets".into());
    }
    if testbed.history().translations.is_empty() {
        return world.doubt("nobody waited for a position to be carried over".into());
    }
    Ok(())
}
