//! Sentences about Kafka's own tools, typed as the article prints them, and about brokers.

use super::side;
use crate::world::{Step, World};
use cucumber::{gherkin, given, then, when};
use judge::plan::Action;
use std::collections::BTreeMap;

fn text(step: &gherkin::Step) -> Result<String, String> {
    // Gherkin keeps the line break after the opening quotes.
    let text = step.docstring.as_deref().ok_or("the step needs a text in triple quotes")?;
    Ok(text.trim_matches('\n').to_owned())
}

#[when(expr = "this is run on the {word}")]
async fn run(world: &mut World, name: String, step: &gherkin::Step) -> Step {
    let action = Action::Shell { side: side(&name)?, command: text(step)?, input: String::new() };
    world.act(action).await
}

#[when(regex = r#"^these lines are typed on the (\w+) into "(.+)"$"#)]
async fn typed(world: &mut World, name: String, command: String, step: &gherkin::Step) -> Step {
    let input = format!("{}\n", text(step)?);
    world.typed = input.lines().map(str::to_owned).collect();
    world.act(Action::Shell { side: side(&name)?, command, input }).await
}

#[then(expr = "it shows {word}")]
async fn shows(world: &mut World, line: String) -> Step {
    world.questions += 1;
    let testbed = world.testbed()?;
    if testbed.shell_output().lines().any(|shown| shown == line) {
        return Ok(());
    }
    let shown = testbed.shell_output().to_owned();
    world.doubt(format!("the command did not show {line}, but {shown:?}"))
}

/// A console consumer runs until Ctrl-C: it is given this long to show what there is.
const SECONDS_OF_READING: u32 = 25;

#[then(regex = r#"^"(.+)" on the (\w+) shows the same lines$"#)]
async fn shows_the_same(world: &mut World, command: String, name: String) -> Step {
    let command = format!("timeout {SECONDS_OF_READING} {command}");
    world.act(Action::Shell { side: side(&name)?, command, input: String::new() }).await?;
    world.questions += 1;
    let testbed = world.testbed()?;
    let shown = testbed.data_lines();
    if counted(&shown) == counted(&world.typed) {
        return Ok(());
    }
    Err(format!("typed {:?}, shown {shown:?}", world.typed))
}

/// Lines as a set that knows how often each occurs: their order across partitions is not promised.
fn counted(lines: &[String]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for line in lines {
        *counts.entry(line.as_str()).or_default() += 1;
    }
    counts
}

#[given(expr = "the topic {word} is to be mirrored")]
#[when(expr = "the topic {word} is to be mirrored")]
async fn adopted(world: &mut World, topic: String) -> Step {
    world.act(Action::AdoptTopic { topic }).await
}

#[when("the mirror is started as the article says")]
async fn as_the_article_says(world: &mut World) -> Step {
    world.options.as_in_the_article = true;
    world.options.streams = 4;
    world.options.commit_interval_ms = None;
    let options = world.options.clone();
    world.act(Action::StartSubject(options)).await?;
    world.act(Action::AwaitReady).await
}

#[when(expr = "broker {int} of the {word} is killed")]
async fn broker_killed(world: &mut World, broker: u8, name: String) -> Step {
    world.act(Action::KillBroker { side: side(&name)?, broker }).await
}

#[when(expr = "broker {int} of the {word} is started again")]
async fn broker_started(world: &mut World, broker: u8, name: String) -> Step {
    world.act(Action::StartBroker { side: side(&name)?, broker }).await
}

#[when(expr = "all brokers of the {word} are killed")]
async fn cluster_killed(world: &mut World, name: String) -> Step {
    world.act(Action::KillCluster { side: side(&name)? }).await
}

#[when(expr = "all brokers of the {word} are started again")]
async fn cluster_started(world: &mut World, name: String) -> Step {
    world.act(Action::StartCluster { side: side(&name)? }).await
}

#[when(expr = "{int} seconds pass")]
async fn time_passes(world: &mut World, seconds: u32) -> Step {
    world.act(Action::Wait { seconds }).await
}
