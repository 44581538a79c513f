//! `mirrorproof up` and `mirrorproof down`: clusters for use by hand.

use super::{interrupts::Interrupts, print, print_error};
use harness::cluster::containers::{
    Cluster, Engine, EngineError, KafkaVersion, RunLabel, Scope, SweepReport, Topology,
};
use judge::report::exit::ExitCode;

/// What `up` takes.
#[derive(Debug, clap::Args)]
pub(super) struct UpArgs {
    /// Brokers of each cluster, 1 to 3.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=3))]
    brokers: u8,
    /// ZooKeepers of each cluster, 1 to 3.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=3))]
    zookeepers: u8,
    /// Kafka's version: one that docker/versions.env lists, such as 3.9 or 1.1.
    #[arg(long, value_name = "VERSION", value_parser = version)]
    version: Option<KafkaVersion>,
    /// Lets topics come to be when somebody asks for them.
    #[arg(long)]
    auto_create_topics: bool,
    /// Prints the addresses as JSON instead of shell exports.
    #[arg(long)]
    json: bool,
    /// Returns at once; `mirrorproof down` removes the clusters.
    #[arg(long)]
    detach: bool,
}

/// A version in full, or the beginning of one that docker/versions.env names.
fn version(text: &str) -> Result<KafkaVersion, String> {
    let known = [KafkaVersion::scenarios(), KafkaVersion::walkthrough()];
    let begins = format!("{text}.");
    match known.into_iter().find(|known| known.number().starts_with(&begins)) {
        Some(known) => Ok(known),
        None => text.parse().map_err(|error| format!("{error}")),
    }
}

/// What `down` takes.
#[derive(Debug, clap::Args)]
pub(super) struct DownArgs {
    /// Also what living runs use: everything of mirrorproof.
    #[arg(long)]
    all: bool,
}

/// Starts a pair of clusters and prints its addresses.
pub(super) async fn up(args: UpArgs) -> ExitCode {
    match start(args).await {
        Ok(()) => ExitCode::Holds,
        Err(error) => {
            print_error(&format!("failed to {error}"));
            ExitCode::Environment
        }
    }
}

async fn start(args: UpArgs) -> Result<(), EngineError> {
    let name = format!("up-{:08x}", rand::random::<u32>());
    let run = if args.detach { RunLabel::detached(&name)? } else { RunLabel::held(&name)? };
    let engine = Engine::connect(run).await?;
    let topology = Topology {
        version: args.version.unwrap_or_default(),
        zookeepers: args.zookeepers,
        brokers: args.brokers,
        auto_create_topics: args.auto_create_topics,
        ..Topology::default()
    };
    // Ctrl-C must be caught before the first container: a start that is cut short removes itself.
    let mut interrupts = Interrupts::watch();
    let note = |text: &str| print_error(text);
    let started = tokio::select! {
        started = engine.start_pair(&topology, &topology, &note) => started,
        () = interrupts.next() => {
            engine.remove_run().await?;
            return Ok(());
        }
    };
    let pair = started?;
    let text = if args.json {
        json(&pair.source, &pair.destination)
    } else {
        exports(&pair.source, &pair.destination)
    };
    print(&text);
    if args.detach {
        print_error("the clusters run until `mirrorproof down`");
        pair.detach();
        return Ok(());
    }
    print_error("the clusters run until Ctrl-C");
    interrupts.next().await;
    print_error("removing the clusters");
    pair.remove().await?;
    engine.remove_run().await.map(drop)
}

/// The article's variables: the first two hosts with port, comma between.
fn exports(source: &Cluster, destination: &Cluster) -> String {
    let first_two = |hosts: String| hosts.split(',').take(2).collect::<Vec<_>>().join(",");
    format!(
        "export SOURCE_ZKHOSTS={}\nexport SOURCE_BROKERHOSTS={}\nexport DEST_ZKHOSTS={}\n\
         export DEST_BROKERHOSTS={}\n",
        first_two(source.zookeeper()),
        first_two(source.bootstrap()),
        first_two(destination.zookeeper()),
        first_two(destination.bootstrap()),
    )
}

fn json(source: &Cluster, destination: &Cluster) -> String {
    let side = |cluster: &Cluster| {
        let hosts = |hosts: String| hosts.split(',').map(str::to_owned).collect::<Vec<_>>();
        serde_json::json!({
            "zookeeper": hosts(cluster.zookeeper()),
            "brokers": hosts(cluster.bootstrap()),
            "zookeeper_in_network": hosts(cluster.zookeeper_internal()),
            "brokers_in_network": hosts(cluster.bootstrap_internal()),
            "network": cluster.network(),
            "version": cluster.version().number(),
        })
    };
    let addresses = serde_json::json!({
        "schema_version": 1,
        "source": side(source),
        "destination": side(destination),
    });
    format!("{addresses:#}\n")
}

/// Removes what runs left behind.
pub(super) async fn down(args: DownArgs) -> ExitCode {
    let scope = if args.all { Scope::All } else { Scope::Detached };
    let swept = async {
        let run = RunLabel::held(&format!("down-{:08x}", rand::random::<u32>()))?;
        Engine::connect(run).await?.sweep(scope).await
    };
    match swept.await {
        Ok(report) => {
            print(&told(&report));
            ExitCode::Holds
        }
        Err(error) => {
            print_error(&format!("failed to {error}"));
            ExitCode::Environment
        }
    }
}

fn told(report: &SweepReport) -> String {
    let kept = if report.kept_runs.is_empty() {
        String::new()
    } else {
        let runs: Vec<&str> = report.kept_runs.iter().map(String::as_str).collect();
        format!("left alone, because their owners live: {}\n", runs.join(", "))
    };
    format!(
        "removed {} containers, {} networks, {} volumes\n{kept}",
        report.containers.len(),
        report.networks.len(),
        report.volumes.len()
    )
}
