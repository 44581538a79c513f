//! Sentences about topics.

use super::side;
use crate::world::{Step, World};
use cucumber::{given, then, when};
use judge::{
    plan::{Action, Side},
    verdict::Anomaly,
};

async fn create(world: &mut World, topic: String, source: u32, destination: u32) -> Step {
    let create = |side, partitions| Action::CreateTopic { side, topic: topic.clone(), partitions };
    world.act(create(Side::Source, source)).await?;
    world.act(create(Side::Destination, destination)).await
}

#[given(
    expr = "the topic {word} with {int} partition(s) on the source and {int} on the destination"
)]
async fn topic_on_both(world: &mut World, topic: String, source: u32, destination: u32) -> Step {
    create(world, topic, source, destination).await
}

#[when(
    expr = "the topic {word} is created with {int} partition(s) on the source and {int} on the \
            destination"
)]
async fn topic_created(world: &mut World, topic: String, source: u32, destination: u32) -> Step {
    create(world, topic, source, destination).await
}

#[given(
    expr = "the topic {word} with {int} partition(s) on the source and none on the destination"
)]
async fn topic_on_source(world: &mut World, topic: String, partitions: u32) -> Step {
    world.act(Action::CreateTopic { side: Side::Source, topic, partitions }).await
}

#[when(expr = "the topic {word} is created with {int} partition(s) on the destination")]
async fn topic_created_there(world: &mut World, topic: String, partitions: u32) -> Step {
    world.act(Action::CreateTopic { side: Side::Destination, topic, partitions }).await
}

#[given(expr = "{word} takes at most {int} bytes a batch on the {word}")]
#[when(expr = "{word} takes at most {int} bytes a batch on the {word}")]
async fn takes_at_most(world: &mut World, topic: String, bytes: u64, name: String) -> Step {
    let settings = [("max.message.bytes".to_owned(), bytes.to_string())].into();
    world.act(Action::ConfigureTopic { side: side(&name)?, topic, settings }).await
}

#[given(expr = "{word} has {word} set to {word} on the {word}")]
#[when(expr = "{word} has {word} set to {word} on the {word}")]
async fn configured(
    world: &mut World,
    topic: String,
    setting: String,
    value: String,
    name: String,
) -> Step {
    let side = side(&name)?;
    let settings = world.settings.entry((side, topic.clone())).or_default();
    settings.insert(setting, value);
    let settings = settings.clone();
    world.act(Action::ConfigureTopic { side, topic, settings }).await
}

#[when(expr = "{word} grows to {int} partitions on the {word}")]
async fn grows(world: &mut World, topic: String, partitions: u32, name: String) -> Step {
    world.act(Action::GrowTopic { side: side(&name)?, topic, partitions }).await
}

#[when(expr = "{word} is deleted and made anew with {int} partition(s) on the source")]
async fn recreated(world: &mut World, topic: String, partitions: u32) -> Step {
    world.act(Action::RecreateTopic { topic, partitions }).await
}

#[given(expr = "{int} earlier records in each partition of {word} on the destination")]
async fn prefilled(world: &mut World, records_per_partition: u32, topic: String) -> Step {
    world.act(Action::Prefill { topic, records_per_partition }).await
}

#[given(regex = r#"^the mirror is asked for "(.+)", which selects (.+)$"#)]
async fn asked_for(world: &mut World, pattern: String, topics: String) -> Step {
    let topics: Vec<String> = topics.split(", ").map(str::to_owned).collect();
    world.selected = Some((pattern.clone(), topics.clone()));
    world.act(Action::Select { pattern, topics }).await
}

#[when(expr = "{word} is selected too")]
async fn selected_too(world: &mut World, topic: String) -> Step {
    let (pattern, topics) = world.selected.as_mut().ok_or("no pattern was given before")?;
    topics.push(topic);
    let (pattern, topics) = (pattern.clone(), topics.clone());
    world.act(Action::Select { pattern, topics }).await
}

#[then(expr = "{word} is empty on the destination")]
async fn empty_on_destination(world: &mut World, topic: String) -> Step {
    world.ask(&[Anomaly::Leaked])?;
    let testbed = world.testbed()?;
    match testbed.records_on_destination(&topic) {
        0 => Ok(()),
        records => Err(format!("{topic} holds {records} records on the destination")),
    }
}

#[then("the settings that the mirror promises to copy are the same on both sides")]
async fn settings_copied(world: &mut World) -> Step {
    world.ask(&[Anomaly::ConfigDrift])?;
    let testbed = world.testbed()?;
    if testbed.contract().copied_configs.is_empty() {
        return world.doubt("the mirror promises none: its contract says no copied-configs".into());
    }
    if testbed.history().configs.is_empty() {
        return world.doubt("no settings were read: that takes --clusters containers".into());
    }
    Ok(())
}

#[then(expr = "the destination has {int} partition(s) of {word}")]
async fn destination_partitions(world: &mut World, partitions: u32, topic: String) -> Step {
    world.questions += 1;
    let testbed = world.testbed()?;
    match testbed.destination_partitions(&topic) {
        found if found == partitions => Ok(()),
        found => world.doubt(format!("{topic} has {found} partitions on the destination")),
    }
}
