//! When to stop: SIGINT or SIGTERM once ends gracefully, twice at once.
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
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let requested = stop.clone();
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            let name = next(&mut interrupt, &mut terminate).await;
            tracing::info!("{name}: stopping; what is in flight is finished first, a second signal ends at once");
            requested.request();
            let since = Instant::now();
            let name = loop {
                let name = next(&mut interrupt, &mut terminate).await;
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

async fn next(interrupt: &mut Signal, terminate: &mut Signal) -> &'static str {
    tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    }
}
