//! When to stop: SIGINT, SIGTERM or SIGHUP once ends gracefully, twice at once.
//!
//! The engine looks at [`Stop`] between records. It does not know why it is asked to stop.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The exit status after a second signal, as a shell reports SIGINT.
const ABANDONED: i32 = 130;

/// Whoever signals a process and its group signals it twice, at once, and means one request.
const ONE_REQUEST: Duration = Duration::from_millis(300);

/// A request to stop, seen by every stream.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    own: Arc<AtomicBool>,
    above: Option<Arc<AtomicBool>>,
}

impl Stop {
    /// Asks everybody to stop.
    pub fn request(&self) {
        self.own.store(true, Ordering::Relaxed);
    }

    /// Is it time to stop?
    pub fn requested(&self) -> bool {
        let is_set = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        is_set(&self.own) || self.above.as_deref().is_some_and(is_set)
    }

    /// A request for a part of the whole, which is also asked when the whole is.
    pub fn of_a_part(&self) -> Self {
        Self { own: Arc::default(), above: Some(Arc::clone(&self.own)) }
    }
}

/// A [`Stop`] that signals request, watched by a thread of its own.
pub fn on_signals() -> io::Result<Stop> {
    let stop = Stop::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut signals = {
        let _inside = runtime.enter();
        Signals::watch()?
    };
    let requested = stop.clone();
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            let name = signals.next().await;
            tracing::info!("{name}: stopping; what is in flight is finished first, a second signal ends at once");
            requested.request();
            let since = Instant::now();
            let name = loop {
                let name = signals.next().await;
                if since.elapsed() >= ONE_REQUEST {
                    break name;
                }
            };
            tracing::warn!("{name} again: ending at once; uncommitted records will be copied again");
            std::process::exit(ABANDONED);
        });
    })?;
    Ok(stop)
}

/// The signals that ask for a stop.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// The terminal is gone. `None` if whoever started us wants that ignored, as nohup does. A JVM does both, too.
    hangup: Option<Signal>,
}

impl Signals {
    fn watch() -> io::Result<Self> {
        // To be looked at before anything is watched.
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let hangup = (!ignores_hangups(&status)).then(|| signal(SignalKind::hangup()));
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: hangup.transpose()?,
        })
    }

    async fn next(&mut self) -> &'static str {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
            _ = hangup => "SIGHUP",
        }
    }
}

/// Whether a process ignores SIGHUP, by its `/proc/PID/status`: the least bit of a mask is signal 1.
fn ignores_hangups(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nohup_is_seen_in_the_mask_of_ignored_signals() {
        let status = |mask: &str| format!("Name:\tmirror\nSigBlk:\t00ff\nSigIgn:\t{mask}\nx:\t1\n");
        assert!(ignores_hangups(&status("0000000000000001")));
        assert!(ignores_hangups(&status("0000000000001001")));
        assert!(!ignores_hangups(&status("0000000000001000")));
        assert!(!ignores_hangups(""));
    }
}
