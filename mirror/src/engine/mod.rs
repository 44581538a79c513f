//! The data path. The rest of the program sees [`run`], its [`Settings`], [`Totals`] and [`EngineError`].
//!
//! ```text
//!  preflight: both clusters answer, can be reached, are not the same
//!  supervise: finds topics, and waits for the streams
//!  guard: does the source still hold what is being read?
//!  stream (one thread each): consumer -> producer -> acknowledgement -> progress -> commit
//! ```
//! Only this folder knows Kafka's client library. It knows no files, flags or ZooKeeper.

mod absent;
mod assignment;
mod chores;
mod client;
mod commit;
mod custody;
mod data_loss;
mod drain;
mod elsewhere;
mod error;
mod exactly_once;
mod furthest;
mod guard;
mod headers;
mod lag;
mod last_commit;
mod latest;
mod lifeline;
mod limits;
mod listing;
mod notes;
mod once;
mod preflight;
mod reader;
mod refused;
mod revoke;
mod room;
mod stamps;
mod stream;
mod supervise;
mod terms;
mod troubles;
mod writer;

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

pub(crate) use error::EngineError;
pub(crate) use once::INTERVAL as ONCE_INTERVAL;
use rdkafka::consumer::Consumer;

use lifeline::Connected;
use supervise::{Subscription, Watched, publish, selected, supervise};

use crate::{
    cli::OnDataLoss, config, meters::Meters, report::Report, route::Partitioning, shutdown::Stop,
    topics::TopicFilter,
};

/// How long leaving the group may take: a broker that is away does not keep the mirror from ending.
const LEAVE: Duration = Duration::from_secs(5);

/// Where to begin in a partition without a committed offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reset {
    Earliest,
    Latest,
    Refuse,
}

/// Everything a run needs to know.
#[derive(Debug)]
pub(crate) struct Settings {
    /// One for each stream.
    pub(crate) consumers: Vec<config::Settings>,
    /// One for each stream.
    pub(crate) producers: Vec<config::Settings>,
    /// Named when librdkafka refuses a value.
    pub(crate) consumer_file: PathBuf,
    pub(crate) producer_file: PathBuf,
    pub(crate) filter: TopicFilter,
    pub(crate) partitioning: Partitioning,
    pub(crate) reset: Reset,
    pub(crate) on_data_loss: OnDataLoss,
    pub(crate) abort_on_send_failure: bool,
    pub(crate) commit_interval: Duration,
    /// How often the source's topics are listed.
    pub(crate) topic_refresh: Duration,
    pub(crate) once: bool,
    /// In transactions on the destination.
    pub(crate) exactly_once: bool,
    /// How often librdkafka tells how far it has read, if somebody wants to know.
    pub(crate) statistics: Option<Duration>,
}

/// What a run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) copied: u64,
    pub(crate) dropped: u64,
    /// The group has not taken all positions: some may be copied again.
    pub(crate) is_uncommitted: bool,
}

impl fmt::Display for Totals {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let committed = if self.is_uncommitted { ", not all of them" } else { " and" };
        write!(formatter, "{} records copied{committed} committed", self.copied)?;
        if self.dropped > 0 { write!(formatter, ", {} dropped", self.dropped) } else { Ok(()) }
    }
}

/// Mirrors until `stop` is requested, a stream cannot go on, or (with `--once`) everything is copied. The
/// report tells what `--once` copied, however it ended; there is none if it did not come to copying.
pub(crate) fn run(
    settings: &Settings,
    meters: &Meters,
    stop: &Stop,
) -> (Result<Totals, EngineError>, Option<Report>) {
    let mut goal = None;
    let ended = mirror(settings, meters, &mut goal, stop);
    let report = goal.as_ref().map(|goal| goal.report(ended.is_ok()));
    let is_cut_short = settings.once && !goal.is_some_and(|goal| goal.is_reached());
    let ended = match ended {
        Ok(totals) if is_cut_short => Err(EngineError::CutShort { totals }),
        ended => ended,
    };
    (ended, report)
}

fn mirror(
    settings: &Settings,
    meters: &Meters,
    goal: &mut Option<Arc<once::Goal>>,
    stop: &Stop,
) -> Result<Totals, EngineError> {
    let shared = Shared::default();
    // Made before a cluster is asked: a property that is refused is told at once.
    let mut made = Some(make_streams(settings, meters, &shared, None)?);
    let mut limits = limits::Limits::new(settings, &shared.terms);
    let look_out = client::look_out(settings)?;
    let Some(both) = preflight::check(settings, &look_out, stop)? else {
        return Ok(Totals::default());
    };
    let origin = match settings.exactly_once {
        true => Some(exactly_once::prepare(settings, both.source.cluster)?),
        false => None,
    };
    let mut topics = match settings.once {
        true => listing::listed_twice(&look_out, settings, both.source.topics),
        false => both.source.topics,
    };
    for name in settings.filter.unmatched(&topics) {
        tracing::warn!("the source lists no topic {name} now, which is in the include list");
    }
    if settings.once && !topics.iter().any(|topic| settings.filter.matches(topic)) {
        let list = settings.filter.list();
        tracing::warn!(
            "no topic of the source matches {list:?}: there is nothing to copy (brokers list no topic that the mirror may not describe)"
        );
        *goal = Some(Arc::new(once::Goal::new(&[])));
        return Ok(Totals::default());
    }
    if settings.reset == Reset::Latest
        && !latest::begin_at_the_end(settings, selected(settings, &topics), &shared.custody, stop)?
    {
        return Ok(Totals::default());
    }
    if settings.once {
        *goal = once::goal(&look_out, selected(settings, &topics), stop)?;
    }
    let established = Arc::new(both.destination.topics.into_iter().collect());
    limits.ask(&selected(settings, &topics));
    loop {
        let batch_size = limits.batch_size();
        let streams = match made.take() {
            Some(streams) if batch_size.is_none() => streams,
            _ => make_streams(settings, meters, &shared, batch_size)?,
        };
        for stream in &streams {
            stream.begin(&established, goal.as_ref());
        }
        let mut watched = Watched {
            goal: goal.as_deref(),
            look_out: &look_out,
            limits: &mut limits,
            batch_size,
            custody: &shared.custody,
        };
        match copy(settings, streams, origin.as_ref(), &mut topics, &mut watched, stop)? {
            Ended::Done(totals) => return Ok(totals),
            Ended::SmallerBatches => {}
        }
    }
}

/// What all streams know together, whatever is made anew.
#[derive(Debug, Default)]
struct Shared {
    furthest: Arc<furthest::Furthest>,
    custody: Arc<custody::Custody>,
    terms: Arc<terms::Terms>,
}

fn make_streams<'s>(
    settings: &'s Settings,
    meters: &Meters,
    shared: &Shared,
    batch_size: Option<u64>,
) -> Result<Vec<stream::Stream<'s>>, EngineError> {
    let make =
        |index| stream::Stream::new(settings, index, meters.stream(index), shared, batch_size);
    (0..settings.consumers.len()).map(make).collect()
}

/// How a round of copying ended.
enum Ended {
    /// It was asked to, or everything is copied.
    Done(Totals),
    /// A topic has appeared that takes only smaller batches, and all clients are to be made anew.
    SmallerBatches,
}

/// Copies until a stop is requested, or until the clients no longer fit the topics.
fn copy(
    settings: &Settings,
    mut streams: Vec<stream::Stream<'_>>,
    origin: Option<&exactly_once::Origin>,
    topics: &mut Vec<String>,
    watched: &mut Watched<'_, '_>,
    stop: &Stop,
) -> Result<Ended, EngineError> {
    let notes: Vec<_> = streams.iter().map(|stream| Arc::clone(&stream.notes)).collect();
    let mut elsewhere = watched.goal.zip(streams.first()).map(|(goal, stream)| {
        elsewhere::Elsewhere::new(goal, &notes, Arc::clone(&stream.consumer))
    });
    let subscription = Subscription::default();
    publish(settings, &subscription, topics);
    let round = stop.of_a_part();
    if let Some(origin) = origin {
        let lanes = || exactly_once::Lanes::new(origin.clone(), round.clone());
        streams.iter_mut().for_each(|stream| stream.write_in(lanes()));
    }
    thread::scope(|scope| {
        let handles: Vec<_> = streams
            .into_iter()
            .map(|stream| {
                let (subscription, round) = (&subscription, &round);
                scope.spawn(move || {
                    let _ended = RequestOnDrop(round);
                    let outcome = stream.run(subscription, round);
                    (outcome, stream)
                })
            })
            .collect();
        let mut guard = guard::Guard::new(watched.custody, &notes, watched.goal);
        let (guarded, notes) = (&round, &notes);
        scope.spawn(move || guard.watch(settings, guarded));
        let look_elsewhere = || {
            if let Some(elsewhere) = &mut elsewhere {
                elsewhere.look();
            }
        };
        let fits =
            supervise(settings, &subscription, topics, (notes, watched), look_elsewhere, &round);
        // A consumer leaves the group when nobody holds it any more.
        drop(elsewhere);
        let mut totals = Totals::default();
        let mut failure = None;
        let mut ended = Vec::new();
        for handle in handles {
            match handle.join() {
                Ok((outcome, stream)) => {
                    ended.push(stream);
                    match outcome {
                        Ok(of_stream) => {
                            totals.copied += of_stream.copied;
                            totals.dropped += of_stream.dropped;
                            totals.is_uncommitted |= of_stream.is_uncommitted;
                        }
                        // The next round copies what was aborted.
                        Err(EngineError::Aborted { .. }) if !fits && !stop.requested() => {}
                        Err(error) => failure = failure.or(Some(error)),
                    }
                }
                Err(_) => failure = Some(EngineError::Panicked),
            }
        }
        failure = failure.or_else(|| watched.look_out.context().troubles().denial());
        // Nobody leaves the group before all have committed: a member that leaves makes it rebalance.
        leave(ended);
        match failure {
            Some(failure) => Err(failure),
            None if fits || stop.requested() => Ok(Ended::Done(totals)),
            None => {
                for notes in notes {
                    notes.meters.joined(false);
                    notes.meters.lags().clear();
                }
                Ok(Ended::SmallerBatches)
            }
        }
    })
}

/// A stream ends, even by a panic: the others finish what they have and commit it.
struct RequestOnDrop<'s>(&'s Stop);

impl Drop for RequestOnDrop<'_> {
    fn drop(&mut self) {
        self.0.request();
    }
}

/// Lets all streams leave the group at once. Everything is delivered and committed by now, so an answer
/// that librdkafka waits for in vain (it drops a partition that is given back just after it has left) must
/// not keep the program from ending.
fn leave(streams: Vec<stream::Stream<'_>>) {
    let (leaving, left) = mpsc::channel::<()>();
    for stream in streams {
        let leaving = leaving.clone();
        let (consumer, producer) = stream.into_clients();
        thread::spawn(move || {
            client::leave(consumer);
            drop((producer, leaving));
        });
    }
    drop(leaving);
    // Nothing is ever sent: the channel closes when the last has left.
    if left.recv_timeout(LEAVE) == Err(mpsc::RecvTimeoutError::Timeout) {
        tracing::warn!("the group was not left in {LEAVE:?}: it will notice that we are gone");
    }
}
