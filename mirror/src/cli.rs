//! The command line: MirrorMaker 1's flags, and a few of our own.
//!
//! [`Args`] is what the user wrote; [`Args::checked`] refuses what cannot be honoured. It reads no file.

use std::{path::PathBuf, time::Duration};

use clap::{
    ArgAction, Args as ClapArgs, ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser},
};

use crate::{
    engine,
    route::Partitioning,
    topics::{BadFilter, TopicFilter},
};

/// Copies topics of one Kafka cluster to another, keeping each key's order.
#[derive(Debug, Clone, ClapArgs)]
#[command(
    after_help = "Exit codes: 0 stopped when asked, or --once is done (also if there was nothing to copy; what you let it \
                        drop or lose is in its report), 1 it could not go on, or --once was stopped before its end, 2 wrong usage or \
                        configuration, 130 ended at once by a second Ctrl-C. RUST_LOG=debug shows more in the log."
)]
pub struct Args {
    /// Properties of the consumers, which read the source cluster (Java .properties grammar).
    #[arg(long = "consumer.config", value_name = "FILE")]
    pub consumer_config: PathBuf,

    /// Properties of the producers, which write to the destination cluster.
    #[arg(long = "producer.config", value_name = "FILE")]
    pub producer_config: PathBuf,

    /// Topics to mirror (required): a Java regular expression that matches a name in full; a comma is an alternative.
    #[arg(long = "include", value_name = "REGEX")]
    pub include: Option<String>,

    /// The older name of --include.
    #[arg(long = "whitelist", value_name = "REGEX")]
    pub whitelist: Option<String>,

    /// How many consumers read in parallel.
    #[arg(long = "num.streams", value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub num_streams: u16,

    /// Time between two commits [default: 5000, with --exactly-once 1000, with --strict-mm1 60000].
    #[arg(long = "offset.commit.interval.ms", value_name = "MS", value_parser = clap::value_parser!(u64).range(1..))]
    pub offset_commit_interval_ms: Option<u64>,

    /// Memory for all streams together; without it each has queues of the sizes that the start announces.
    #[arg(long, value_name = "MB", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub memory: Option<u64>,

    /// Stop with an error if a record cannot be sent; `false` logs it, counts it and goes on.
    #[arg(
        long = "abort.on.send.failure",
        value_name = "BOOL",
        default_value_t = true,
        action = ArgAction::Set,
        ignore_case = true,
        value_parser = boolean()
    )]
    pub abort_on_send_failure: bool,

    /// Accepted for old scripts; there is no other consumer.
    #[arg(long = "new.consumer", hide = true)]
    pub new_consumer: bool,

    /// How the destination partition is chosen.
    #[arg(long, value_enum, default_value_t = Partitioning::Key)]
    pub partitioning: Partitioning,

    /// What to do when the source no longer holds what is to be read next.
    #[arg(long, value_enum, default_value_t = OnDataLoss::Fail)]
    pub on_data_loss: OnDataLoss,

    /// Use MirrorMaker 1's literal defaults instead of the safe ones, to compare.
    #[arg(long)]
    pub strict_mm1: bool,

    /// Copy up to the end offsets as they are at the start, print a report for each partition, and exit.
    #[arg(long)]
    pub once: bool,

    /// Copy each record once, whatever is killed: in transactions on the destination, for readers of committed records.
    #[arg(long)]
    pub exactly_once: bool,

    /// Print the report of --once as JSON.
    #[arg(long)]
    pub json: bool,

    /// Time between two lines of progress in the log; 0 for none.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(..=86_400))]
    pub progress_interval: u32,

    /// Serve Prometheus' metrics at /metrics, and at /ready whether all streams have joined the group.
    #[arg(long, value_name = "HOST:PORT")]
    pub metrics: Option<String>,

    /// How the log on stderr is written.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,

    #[command(flatten)]
    refused: Refused,
}

/// What to do when the source no longer holds what is to be read next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnDataLoss {
    /// Exit with an error that names topic, partition and the lost range.
    Fail,
    /// Log the same and go on with what is left.
    Continue,
}

/// How the log on stderr is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// A JSON object a line.
    Json,
}

/// MirrorMaker's flags that cannot be honoured: they are parsed, so that the error can say why.
#[derive(Debug, Clone, ClapArgs)]
struct Refused {
    #[arg(long = "message.handler", hide = true)]
    message_handler: Option<String>,
    #[arg(long = "message.handler.args", hide = true)]
    message_handler_args: Option<String>,
    #[arg(long = "consumer.rebalance.listener", hide = true)]
    consumer_rebalance_listener: Option<String>,
    #[arg(long = "rebalance.listener.args", hide = true)]
    rebalance_listener_args: Option<String>,
    #[arg(long = "blacklist", hide = true)]
    blacklist: Option<String>,
    #[arg(long = "num.producers", hide = true)]
    num_producers: Option<String>,
    #[arg(long = "queue.size", hide = true)]
    queue_size: Option<String>,
    #[arg(long = "new.producer", hide = true)]
    new_producer: bool,
}

/// A command line that cannot be honoured.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// A flag whose meaning lies outside this program.
    #[error("honour {flag}: {reason}; {way_out}")]
    Refused {
        /// The flag as written.
        flag: &'static str,
        /// Why not.
        reason: &'static str,
        /// What to do instead.
        way_out: &'static str,
    },
    /// Neither --include nor --whitelist.
    #[error(
        "know what to mirror: the include list must be specified, with --include or --whitelist"
    )]
    NoTopics,
    /// --json without --once.
    #[error(
        "print JSON: --json is the format of the report that --once prints; add --once, or remove --json"
    )]
    JsonOfNothing,
    /// --exactly-once with a flag that asks for less.
    #[error("copy exactly once with {flag}: {reason}; remove one of the two")]
    NotExactlyOnce {
        /// The other flag.
        flag: &'static str,
        /// Why not.
        reason: &'static str,
    },
    /// The include list does not compile.
    #[error(transparent)]
    BadFilter(#[from] BadFilter),
}

/// MirrorMaker's `toBoolean`, for which `True` is true.
fn boolean() -> impl TypedValueParser<Value = bool> {
    PossibleValuesParser::new(["true", "false"]).map(|word| word.eq_ignore_ascii_case("true"))
}

impl Args {
    /// The topics to mirror, if every flag given can be honoured.
    pub fn checked(&self) -> Result<TopicFilter, UsageError> {
        self.refused.check()?;
        if self.json && !self.once {
            return Err(UsageError::JsonOfNothing);
        }
        self.check_exactly_once()?;
        let list = self.include.as_ref().or(self.whitelist.as_ref()).ok_or(UsageError::NoTopics)?;
        Ok(TopicFilter::parse(list)?)
    }

    fn check_exactly_once(&self) -> Result<(), UsageError> {
        let drops =
            "a transaction is committed with all its records or not at all, so none can be dropped";
        let strict = "MirrorMaker has no such promise";
        let memory = "each source partition has a queue of its own, and how many there will be is not known; set \
                      queue.buffering.max.kbytes in the producer's properties, which bounds each";
        let (flag, reason) = match self {
            Self { exactly_once: false, .. } => return Ok(()),
            Self { abort_on_send_failure: false, .. } => ("--abort.on.send.failure false", drops),
            Self { strict_mm1: true, .. } => ("--strict-mm1", strict),
            Self { memory: Some(_), .. } => ("--memory", memory),
            _ => return Ok(()),
        };
        Err(UsageError::NotExactlyOnce { flag, reason })
    }
}

impl Args {
    /// Time between two lines of progress, if there are any.
    pub fn progress_interval(&self) -> Option<Duration> {
        let interval = Duration::from_secs(self.progress_interval.into());
        (!interval.is_zero()).then_some(interval)
    }

    /// How often the lag is to be known, if it is: before each line of progress, and for each scrape.
    pub(crate) fn statistics_interval(&self) -> Option<Duration> {
        /// Making and reading statistics takes a while where there are thousands of partitions.
        const METRICS: Duration = Duration::from_secs(5);
        let once = self.once.then_some(engine::ONCE_INTERVAL);
        let lines = self.progress_interval().map(|interval| interval / 2);
        let metrics = self.metrics.as_ref().map(|_| METRICS);
        [once, lines, metrics].into_iter().flatten().min()
    }
}

impl Refused {
    fn check(&self) -> Result<(), UsageError> {
        const CLASS: &str = "it names a Java class, and this mirror runs none";
        const UNCHANGED: &str =
            "remove it (records are copied unchanged), or keep MirrorMaker for this";
        const REBALANCE: &str = "remove it (a rebalance loses and skips nothing without it)";
        const EXCLUDE: &str =
            "use --include with a negative lookahead, as in --include '(?!secret).*'";
        const STREAMS: &str =
            "remove it (each stream has a producer of its own: use --num.streams)";
        let given: [(bool, &str, &str, &str); 8] = [
            (self.message_handler.is_some(), "--message.handler", CLASS, UNCHANGED),
            (self.message_handler_args.is_some(), "--message.handler.args", CLASS, UNCHANGED),
            (
                self.consumer_rebalance_listener.is_some(),
                "--consumer.rebalance.listener",
                CLASS,
                REBALANCE,
            ),
            (self.rebalance_listener_args.is_some(), "--rebalance.listener.args", CLASS, REBALANCE),
            (
                self.blacklist.is_some(),
                "--blacklist",
                "MirrorMaker itself dropped it in 2.0",
                EXCLUDE,
            ),
            (
                self.num_producers.is_some(),
                "--num.producers",
                "MirrorMaker dropped it in 0.9",
                STREAMS,
            ),
            (
                self.queue_size.is_some(),
                "--queue.size",
                "MirrorMaker dropped it in 0.9",
                "use queue.buffering.max.messages in the producer's properties",
            ),
            (
                self.new_producer,
                "--new.producer",
                "MirrorMaker dropped it in 0.9",
                "remove it (there is no other)",
            ),
        ];
        match given.into_iter().find(|(given, ..)| *given) {
            Some((_, flag, reason, way_out)) => Err(UsageError::Refused { flag, reason, way_out }),
            None => Ok(()),
        }
    }
}

/// Arguments with these files, for other modules' tests.
#[cfg(test)]
pub(crate) fn test_args(consumer: &std::path::Path, producer: &std::path::Path) -> Args {
    let mut args = tests::parse(&["--whitelist=.*"]);
    args.consumer_config = consumer.to_owned();
    args.producer_config = producer.to_owned();
    args
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        args: Args,
    }

    pub(super) fn parse(more: &[&str]) -> Args {
        let common = ["mirror", "--consumer.config", "c", "--producer.config=p"];
        Program::try_parse_from(common.iter().chain(more)).unwrap().args
    }

    fn refused(more: &[&str]) -> String {
        parse(more).checked().unwrap_err().to_string()
    }

    #[test]
    fn takes_the_article_s_command_line() {
        let args = parse(&["--whitelist", "testtopic", "--num.streams", "4", "--new.consumer"]);
        assert_eq!(args.num_streams, 4);
        assert!(args.abort_on_send_failure);
        assert!(args.checked().unwrap().matches("testtopic"));
    }

    #[test]
    fn a_word_in_capitals_means_what_it_says() {
        for (word, expected) in [("True", true), ("FALSE", false), ("true", true)] {
            let args = parse(&[&format!("--abort.on.send.failure={word}")]);
            assert_eq!(args.abort_on_send_failure, expected, "{word}");
        }
        let common = ["mirror", "--consumer.config=c", "--producer.config=p"];
        let yes = common.into_iter().chain(["--abort.on.send.failure=yes"]);
        let error = Program::try_parse_from(yes).unwrap_err().to_string();
        assert!(error.contains("[possible values: true, false]"), "{error}");
    }

    #[test]
    fn include_wins() {
        let filter = parse(&["--whitelist=a", "--include=b"]).checked().unwrap();
        assert!(filter.matches("b") && !filter.matches("a"));
    }

    #[test]
    fn the_lag_is_measured_only_for_those_who_look() {
        let interval = |more: &[&str]| parse(more).statistics_interval();
        assert_eq!(interval(&[]), Some(Duration::from_secs(5)));
        assert_eq!(interval(&["--progress-interval=0"]), None);
        assert_eq!(parse(&["--progress-interval=0"]).progress_interval(), None);
        assert_eq!(interval(&["--progress-interval=60"]), Some(Duration::from_secs(30)));
        let watched = ["--progress-interval=60", "--metrics=127.0.0.1:0"];
        assert_eq!(interval(&watched), Some(Duration::from_secs(5)));
    }

    #[test]
    fn every_flag_that_cannot_be_honoured_is_refused_by_name() {
        let refusals = [
            ("--message.handler=X", "records are copied unchanged"),
            ("--message.handler.args=x", "this mirror runs none"),
            ("--consumer.rebalance.listener=X", "a rebalance loses and skips nothing"),
            ("--rebalance.listener.args=x", "a rebalance loses and skips nothing"),
            ("--blacklist=a", "negative lookahead"),
            ("--num.producers=2", "--num.streams"),
            ("--queue.size=9", "queue.buffering.max.messages"),
            ("--new.producer", "there is no other"),
        ];
        for (flag, words) in refusals {
            let text = refused(&["--whitelist=a", flag]);
            let name = flag.split('=').next().unwrap();
            assert!(text.starts_with(&format!("honour {name}: ")), "{text}");
            assert!(text.contains(words), "{words} is not in {text}");
        }
        assert!(parse(&["--whitelist=a", "--new.consumer"]).checked().is_ok());
    }

    #[test]
    fn flags_are_not_abbreviated() {
        for flag in
            ["--white=a", "--incl=a", "--num.str=2", "--offset.commit.interval=5", "--abort=false"]
        {
            let common = ["mirror", "--consumer.config=c", "--producer.config=p", flag];
            let error = Program::try_parse_from(common).unwrap_err();
            assert_eq!(error.kind(), clap::error::ErrorKind::UnknownArgument, "{flag}");
        }
    }

    #[test]
    fn refusals_name_the_flag_and_the_way_out() {
        let text = refused(&["--whitelist=a", "--message.handler", "com.example.X"]);
        assert!(text.contains("--message.handler:") && text.contains("remove it"), "{text}");
        assert!(refused(&["--blacklist=a"]).contains("--include '(?!"));
        assert!(refused(&[]).contains("--whitelist"));
        assert!(refused(&["--whitelist=*"]).contains("'.*'"));
        let less = ["--whitelist=a", "--exactly-once", "--abort.on.send.failure=false"];
        assert!(refused(&less).contains("--abort.on.send.failure false"), "{}", refused(&less));
        assert!(refused(&["--whitelist=a", "--exactly-once", "--strict-mm1"]).contains("--strict"));
        assert!(refused(&["--whitelist=a", "--exactly-once", "--memory=90"]).contains("--memory"));
    }
}
