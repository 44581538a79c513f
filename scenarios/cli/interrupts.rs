//! Ctrl-C and SIGTERM: once ends what was started and reports, twice ends at once.

use super::print_error;
use judge::report::exit;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Ctrl-C and SIGTERM, remembered from the moment of [`Interrupts::watch`] on.
pub(super) struct Interrupts(Option<[Signal; 2]>);

impl Interrupts {
    pub(super) fn watch() -> Interrupts {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate()];
        let [interrupt, terminate] = kinds.map(|kind| signal(kind).ok());
        Interrupts(interrupt.zip(terminate).map(<[Signal; 2]>::from))
    }

    /// Waits for the next.
    pub(super) async fn next(&mut self) {
        match &mut self.0 {
            Some([interrupt, terminate]) => tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            },
            None => std::future::pending().await,
        }
    }

    /// Works until it is done; `None`: the user cut it short.
    pub(super) async fn unless<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            () = self.next_told() => None,
        }
    }

    /// Waits for the next, and says that it was heard.
    pub(super) async fn next_told(&mut self) {
        self.next().await;
        print_error("interrupted: ending what was started; a second Ctrl-C ends at once");
    }

    /// Removes what was started, unless the user does not want to wait for it.
    pub(super) async fn while_closing<Error: std::fmt::Display>(
        &mut self,
        closing: impl Future<Output = Result<(), Error>>,
    ) {
        tokio::select! {
            closed = closing => {
                if let Err(error) = closed {
                    print_error(&format!("failed to remove the containers of this run: {error}"));
                }
            }
            () = self.next() => {
                print_error("ended at once; `mirrorproof down` removes what is left");
                std::process::exit(exit::ABANDONED.into());
            }
        }
    }
}
