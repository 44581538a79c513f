//! From two `.properties` files to the settings of each client.
//!
//! ```text
//!  file (grammar) -> synonyms (two names of one thing) -> translate (one property; java: which exist; jaas)
//!       -> values (numbers and words) -> compression, security (TLS and SASL together) -> defaults (what we add)
//!       -> pairs (what librdkafka takes only together) -> Config
//! ```
//! Everything the mirror sets, changes or ignores is a [`Setting`] with its reason, and is announced. This part
//! knows no cluster and no client library; what is left to judge, librdkafka judges when the engine makes its clients.

mod addresses;
mod compression;
mod defaults;
mod file;
mod jaas;
mod java;
mod memory;
mod pairs;
mod risks;
mod security;
mod setting;
mod synonyms;
mod translate;
mod values;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

pub use java::{Kind, Known, known, names, nearest};
pub use setting::{Origin, Setting, Settings, is_secret};
pub use translate::Refusal;

use crate::{cli::Args, engine, topics::TopicFilter, zookeeper::Endpoint};

/// Our commit interval: what a crash may repeat, against a request a stream.
const COMMIT_INTERVAL: Duration = Duration::from_secs(5);
/// The same in transactions: readers of committed records wait for so long.
const COMMIT_INTERVAL_EXACTLY_ONCE: Duration = Duration::from_secs(1);
/// MirrorMaker's commit interval.
const COMMIT_INTERVAL_STRICT: Duration = Duration::from_secs(60);
/// Java's default for zookeeper.connection.timeout.ms.
const ZOOKEEPER_TIMEOUT_MS: &str = "6000";

/// Why the properties cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("read the properties file {}: {source}; check the path and its permissions", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not in Java's grammar.
    #[error("read {}, line {line}: a \\u is not followed by four hexadecimal digits; correct it, or double the backslash", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// A property cannot be honoured.
    #[error("use {}: {refusal}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Which property and why.
        refusal: Refusal,
    },
    /// A property is missing.
    #[error("use {}: {name} is missing; {way_out}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The property.
        name: &'static str,
        /// What to write.
        way_out: &'static str,
    },
    /// The budget does not do for so many streams.
    #[error(
        "stay within --memory {megabytes}: {streams} streams need at least {least} MB; allow that, or use fewer \
         streams (--num.streams)"
    )]
    TooLittleMemory {
        /// What was given.
        megabytes: u64,
        /// How many streams share it.
        streams: u64,
        /// What they need.
        least: u64,
    },
}

/// Brokers are to be asked of ZooKeeper.
#[derive(Debug, Clone)]
pub struct LookUp {
    /// `host:port,host:port/chroot`.
    pub connect: String,
    /// The protocol of the endpoints wanted.
    pub protocol: String,
    /// How long to wait for an answer.
    pub timeout: Duration,
}

/// The configuration of a mirror.
#[derive(Debug)]
pub struct Config {
    /// Settings of every consumer (client.id apart).
    pub consumer: Settings,
    /// Settings of every producer.
    pub producer: Settings,
    /// Set if the source's brokers have to be looked up.
    pub zookeeper: Option<LookUp>,
    /// Time between two commits.
    pub commit_interval: Duration,
}

impl Config {
    /// Reads both files and completes them.
    pub fn read(args: &Args) -> Result<Self, ConfigError> {
        let mut consumer = load(Kind::Consumer, &args.consumer_config)?;
        let mut producer = load(Kind::Producer, &args.producer_config)?;
        let zookeeper = look_up(&mut consumer);
        let missing = |path: &Path, name, way_out| {
            Err(ConfigError::Missing { path: path.to_owned(), name, way_out })
        };
        if consumer.get("bootstrap.servers").is_none() && zookeeper.is_none() {
            let way_out =
                "give the source's brokers as host:port,host:port (or its zookeeper.connect)";
            return missing(&args.consumer_config, "bootstrap.servers", way_out);
        }
        if producer.get("bootstrap.servers").is_none() {
            let way_out = "give the destination's brokers as host:port,host:port";
            return missing(&args.producer_config, "bootstrap.servers", way_out);
        }
        if consumer.get("group.id").is_none_or(str::is_empty) {
            let way_out = "progress is kept under this name, so give each mirror its own";
            return missing(&args.consumer_config, "group.id", way_out);
        }
        if let Some(megabytes) = args.memory {
            memory::split(&mut consumer, &mut producer, megabytes, args.num_streams)?;
        }
        if args.exactly_once {
            defaults::small_queues(&mut producer);
        }
        defaults::consumer(&mut consumer, args.strict_mm1);
        defaults::producer(&mut producer, args.strict_mm1);
        let default = match args {
            Args { strict_mm1: true, .. } => COMMIT_INTERVAL_STRICT,
            Args { exactly_once: true, .. } => COMMIT_INTERVAL_EXACTLY_ONCE,
            _ => COMMIT_INTERVAL,
        };
        let asked = args.offset_commit_interval_ms.map(Duration::from_millis);
        let mut commit_interval = asked.unwrap_or(default);
        if args.exactly_once {
            commit_interval = pairs::transactions(&mut producer, asked, default)
                .map_err(refused(&args.producer_config))?;
            defaults::exactly_once(&mut consumer, &mut producer);
        } else if args.abort_on_send_failure {
            defaults::end_at_a_gap(&mut producer);
        }
        pairs::consumer(&mut consumer).map_err(refused(&args.consumer_config))?;
        pairs::producer(&mut producer).map_err(refused(&args.producer_config))?;
        Ok(Self { consumer, producer, zookeeper, commit_interval })
    }

    /// Takes the brokers that ZooKeeper listed.
    pub fn use_brokers_of_zookeeper(&mut self, connect: &str, brokers: &[Endpoint]) {
        let list = brokers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let reason = format!("registered in ZooKeeper at {connect}");
        let servers = Setting::new("bootstrap.servers", &list, Origin::Mapped, reason);
        self.consumer.set(servers.written_as("zookeeper.connect"));
    }

    /// Says what differs from what the user wrote and why, then what each stream runs with.
    pub fn announce(&self, streams: u16) {
        for (client, settings) in [("consumer", &self.consumer), ("producer", &self.producer)] {
            for setting in settings.all().iter().filter(|s| s.origin != Origin::User) {
                tracing::info!("{client} {:<7} {setting}", setting.origin);
            }
        }
        if let Some(risk) = risks::of_positions(&self.consumer) {
            tracing::warn!("consumer yours   {risk}");
        }
        for risk in risks::of_consumer(&self.consumer) {
            tracing::warn!("consumer yours   {risk}");
        }
        for risk in risks::of_producer(&self.producer) {
            tracing::warn!("producer yours   {risk}");
        }
        for (client, settings) in [("consumer", &self.consumer), ("producer", &self.producer)] {
            if let Some(unused) = security::unused_login(settings) {
                tracing::warn!("{client} yours   {unused}");
            }
        }
        tracing::info!("commits every {} ms", self.commit_interval.as_millis());
        for stream in 0..streams {
            let consumer = self.consumer_of(stream, streams);
            tracing::info!("stream {stream} consumer: {}", one_line(&consumer));
            tracing::info!("stream {stream} producer: {}", one_line(&self.producer_of(stream)));
        }
    }

    /// What the engine needs to know.
    pub(crate) fn engine_settings(&self, args: &Args, filter: TopicFilter) -> engine::Settings {
        let age = self.consumer.number("topic.metadata.refresh.interval.ms");
        let age = age.and_then(|ms| u64::try_from(ms).ok());
        engine::Settings {
            consumers: (0..args.num_streams)
                .map(|stream| self.consumer_of(stream, args.num_streams))
                .collect(),
            producers: (0..args.num_streams).map(|stream| self.producer_of(stream)).collect(),
            consumer_file: args.consumer_config.clone(),
            producer_file: args.producer_config.clone(),
            filter,
            partitioning: args.partitioning,
            reset: match self.consumer.get("auto.offset.reset") {
                Some("latest") => engine::Reset::Latest,
                Some("none") => engine::Reset::Refuse,
                _ => engine::Reset::Earliest,
            },
            on_data_loss: args.on_data_loss,
            abort_on_send_failure: args.abort_on_send_failure,
            commit_interval: self.commit_interval,
            topic_refresh: Duration::from_millis(age.unwrap_or(30_000).max(100)),
            once: args.once,
            exactly_once: args.exactly_once,
            statistics: args.statistics_interval(),
        }
    }

    fn consumer_of(&self, stream: u16, streams: u16) -> Settings {
        let mut settings = self.consumer.clone();
        let group = settings.get("group.id").unwrap_or_default();
        let id = format!("{group}-{stream}");
        let reason = match settings.get("client.id") {
            Some(yours) => format!("group.id and stream; your {yours} has no effect"),
            None => "group.id and stream".to_owned(),
        };
        settings.set(Setting::new("client.id", &id, Origin::Forced, reason));
        if streams > 1
            && let Some(instance) = settings.get("group.instance.id")
        {
            let reason = "yours and stream: two members of one id would fence each other (KIP-345)";
            let instance = format!("{instance}-{stream}");
            settings.set(Setting::new("group.instance.id", &instance, Origin::Mapped, reason));
        }
        settings
    }

    fn producer_of(&self, stream: u16) -> Settings {
        let mut settings = self.producer.clone();
        let group = self.consumer.get("group.id").unwrap_or_default();
        let id = format!("{group}-{stream}-producer");
        settings.set_default(Setting::new(
            "client.id",
            &id,
            Origin::Default,
            "group.id and stream",
        ));
        settings
    }
}

/// The file's settings, as the user means them.
fn load(kind: Kind, path: &Path) -> Result<Settings, ConfigError> {
    let properties = file::read(path)?;
    let mut settings = settle(kind, &properties).map_err(refused(path))?;
    if kind == Kind::Producer {
        compression::resolve(&mut settings).map_err(refused(path))?;
    }
    security::resolve(&mut settings).map_err(refused(path))?;
    Ok(settings)
}

/// Each property by itself, and none that has no effect beside another name for the same.
fn settle(kind: Kind, properties: &[file::Property]) -> Result<Settings, Refusal> {
    let mut settings = Settings::default();
    let mut before = None;
    for (index, property) in properties.iter().enumerate() {
        let file::Property { name, value } = property;
        let before = before.replace(property);
        // Of several lines of one name the last one counts, and what has no effect is not judged.
        if properties[index + 1..].iter().any(|later| later.name == *name) {
            continue;
        }
        if let Some(javas) = synonyms::in_place_of(kind, name, properties) {
            let reason = format!("{javas} is given");
            settings.set(Setting::new(name, value, Origin::Ignored, reason));
            continue;
        }
        let translated = translate::translate(kind, name, value);
        for setting in translated.map_err(|refusal| without_secret(refusal, property, before))? {
            settings.set(values::checked(kind, setting)?);
        }
    }
    Ok(settings)
}

/// The refusal, unless it would show what may be the value of the secret before it, on a line of its own.
fn without_secret(
    refusal: Refusal,
    property: &file::Property,
    before: Option<&file::Property>,
) -> Refusal {
    let is_like_no_other = match refusal {
        Refusal::Unknown { nearest, .. } => nearest.is_none() || property.value.is_empty(),
        Refusal::Value { .. } => false,
    };
    let is_cut_off = |value: &str| {
        value.is_empty() || value.starts_with("-----BEGIN ") && !value.contains("-----END ")
    };
    match before.filter(|one| is_secret(&one.name) && is_cut_off(&one.value)) {
        Some(secret) if is_like_no_other => Refusal::Value {
            name: secret.name.clone(),
            reason: "is cut off at the end of its line, and no Kafka client has a property of the next line's name (not shown: \
                     it may be the secret); write the value on one line, or a \\ at the end of each line but the last"
                .to_owned(),
        },
        _ => refusal,
    }
}

/// The file with the refusal.
fn refused(path: &Path) -> impl Fn(Refusal) -> ConfigError + '_ {
    |refusal| ConfigError::Refused { path: path.to_owned(), refusal }
}

/// Takes the ZooKeeper properties out: librdkafka has none. With brokers given they have no effect.
fn look_up(consumer: &mut Settings) -> Option<LookUp> {
    let timeout = consumer.take("zookeeper.connection.timeout.ms");
    let connect = consumer.take("zookeeper.connect")?;
    if let Some(brokers) = consumer.get("bootstrap.servers") {
        tracing::warn!("both zookeeper.connect and bootstrap.servers are given: using {brokers}");
        let reason = "bootstrap.servers is given";
        consumer.set(Setting { origin: Origin::Ignored, reason: reason.to_owned(), ..connect });
        return None;
    }
    let timeout = timeout.map_or(ZOOKEEPER_TIMEOUT_MS.to_owned(), |setting| setting.value);
    Some(LookUp {
        connect: connect.value,
        protocol: consumer.get("security.protocol").unwrap_or("plaintext").to_owned(),
        timeout: Duration::from_millis(timeout.parse().unwrap_or(6000)),
    })
}

fn one_line(settings: &Settings) -> String {
    let mut all: Vec<String> =
        settings.effective().map(|s| format!("{}={}", s.name, s.shown())).collect();
    all.sort();
    all.join(" ")
}

#[cfg(test)]
mod tests;
