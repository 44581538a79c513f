//! Tells a client of its brokers again when it has lost all of them.
//!
//! A broker that has just started may answer, before it has heard from the controller, that there are no brokers and
//! no topics. librdkafka then forgets all brokers that it knows, and may never go back to `bootstrap.servers`: that
//! the answer was an answer cancels the re-bootstrap that the loss has begun, and marks it as going on for ever
//! (librdkafka issue 5301, open; 2.12.1 and later). A client without brokers asks nobody, so it would wait until it is
//! made anew. Here it is told of them again. Whoever has brokers after all keeps them, has a connection more until
//! the next answer, and a few bytes more for ever: so it is not done often.

use std::{
    ffi::CString,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext,
    bindings::rd_kafka_brokers_add,
    client::Client,
    error::{KafkaError, RDKafkaErrorCode},
};

use super::{client, troubles::Troubles};

/// How long it may take librdkafka to find brokers by itself.
const PATIENCE: Duration = Duration::from_secs(2);
/// At most so long lies between two times that a client without an answer is told.
const LONGEST_PATIENCE: Duration = Duration::from_secs(300);
/// A login that fails for so long was not cut off by a moment's outage.
const FAILED_LOGINS: Duration = Duration::from_secs(30);

/// A context that notes what goes wrong with the connections.
pub(super) trait Connected: ClientContext {
    fn troubles(&self) -> &Troubles;
}

/// Tells the client of its brokers again if it has lost them all a while ago, and has not lost others since.
pub(super) fn hold<C: Connected>(client: &Client<C>) {
    if client.context().troubles().has_lost_all_brokers(PATIENCE) {
        pull(client);
    }
}

#[expect(unsafe_code, reason = "rdkafka 0.39 gives no other access to rd_kafka_brokers_add")]
fn pull<C: Connected>(client: &Client<C>) {
    let Some(servers) = client.context().troubles().servers() else { return };
    let Ok(servers) = CString::new(servers) else { return };
    // SAFETY: the handle lives as long as `client`, the string is copied (`rd_kafka_brokers_add`, 2.12.1), and the
    // function takes the client's own lock, so it may be called from any thread.
    let added = unsafe { rd_kafka_brokers_add(client.native_ptr(), servers.as_ptr()) };
    tracing::debug!("all brokers are lost: told of {added} again");
}

/// A client that is asked again and again, while nobody reads what it says of its brokers.
pub(super) struct Asking {
    since: Instant,
    patience: Duration,
    /// Since when nothing but failed logins is heard.
    denied: Option<Instant>,
}

impl Asking {
    pub(super) fn new() -> Self {
        Self { since: Instant::now(), patience: PATIENCE, denied: None }
    }

    /// Whether asking again changes nothing. A login that fails may only be cut off, and nobody reads the words that say so.
    pub(super) fn is_refused(&mut self, error: &KafkaError) -> bool {
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::Authentication) {
            self.denied = None;
            return client::is_refusal(error);
        }
        self.denied.get_or_insert_with(Instant::now).elapsed() >= FAILED_LOGINS
    }

    /// It has not answered once more.
    pub(super) fn in_vain<C: Connected>(&mut self, client: &Client<C>) {
        if self.since.elapsed() >= self.patience {
            pull(client);
            self.patience = LONGEST_PATIENCE.min(self.patience * 2);
            self.since = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::{TcpListener, TcpStream},
        path::Path,
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
        thread,
    };

    use rdkafka::consumer::{BaseConsumer, Consumer};

    use super::*;
    use crate::{
        config::{Origin, Setting, Settings},
        engine::client::{self, Quiet},
    };

    /// So many clients are told that there are no brokers: some would find back by themselves.
    const CLIENTS: usize = 8;
    /// librdkafka measures the memory for an answer by its length, and refuses very short ones.
    const TOPIC: &str = "a-topic-with-a-name-that-is-long-enough-for-the-answer-to-be-read-whole";

    #[test]
    fn a_login_that_fails_for_long_is_refused() {
        use RDKafkaErrorCode::{Authentication, BrokerTransportFailure, GroupAuthorizationFailed};
        let mut asking = Asking::new();
        let is_refused =
            |code, asking: &mut Asking| asking.is_refused(&KafkaError::OffsetFetch(code));
        assert!(is_refused(GroupAuthorizationFailed, &mut asking));
        assert!(!is_refused(BrokerTransportFailure, &mut asking));
        assert!(!is_refused(Authentication, &mut asking));
        let long_ago = Instant::now().checked_sub(FAILED_LOGINS);
        asking.denied = long_ago;
        assert!(is_refused(Authentication, &mut asking));
        asking.denied = long_ago;
        assert!(!is_refused(BrokerTransportFailure, &mut asking));
        assert!(!is_refused(Authentication, &mut asking), "it is not the login alone");
    }

    /// A broker that answers requests for metadata alone (version 0), and knows no broker while it is `young`.
    fn broker() -> (u16, Arc<AtomicBool>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let young = Arc::new(AtomicBool::new(false));
        let is_young = Arc::clone(&young);
        thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                let is_young = Arc::clone(&is_young);
                thread::spawn(move || serve(connection, port, &is_young));
            }
        });
        (port, young)
    }

    /// Answers until the client hangs up.
    fn serve(mut connection: TcpStream, port: u16, is_young: &AtomicBool) -> Option<()> {
        loop {
            let mut length = [0; 4];
            connection.read_exact(&mut length).ok()?;
            let mut request = vec![0; u32::from_be_bytes(length) as usize];
            connection.read_exact(&mut request).ok()?;
            assert_eq!(request[..4], [0, 3, 0, 0], "not a request for metadata of version 0");
            let mut answer = request[4..8].to_vec();
            if is_young.load(Ordering::SeqCst) {
                answer.extend([0, 0, 0, 0]);
                // One topic, which is unknown (3) and has no partitions.
                answer.extend([0, 0, 0, 1, 0, 3, 0, TOPIC.len() as u8]);
                answer.extend(TOPIC.as_bytes());
                answer.extend([0, 0, 0, 0]);
            } else {
                let host = b"127.0.0.1";
                answer.extend([0, 0, 0, 1, 0, 0, 0, 1, 0, host.len() as u8]);
                answer.extend(host);
                answer.extend(u32::from(port).to_be_bytes());
                answer.extend([0, 0, 0, 0]);
            }
            connection.write_all(&(answer.len() as u32).to_be_bytes()).ok()?;
            connection.write_all(&answer).ok()?;
        }
    }

    fn client_of(port: u16) -> BaseConsumer<Quiet> {
        let mut settings = Settings::default();
        let servers = format!("127.0.0.1:{port}");
        settings.set(Setting::new("bootstrap.servers", &servers, Origin::Forced, ""));
        let old = [("api.version.request", "false"), ("broker.version.fallback", "0.9.0")];
        client::make(&settings, &old, Path::new(""), Quiet::new("source")).unwrap()
    }

    #[test]
    fn a_client_that_was_told_that_there_are_no_brokers_finds_them_again() {
        let (port, young) = broker();
        let moment = Duration::from_secs(5);
        let clients: Vec<_> = (0..CLIENTS).map(|_| client_of(port)).collect();
        for client in &clients {
            assert_eq!(client.fetch_metadata(None, moment).unwrap().brokers().len(), 1);
        }
        young.store(true, Ordering::SeqCst);
        for client in &clients {
            // It may have asked by itself just before, and then there is nobody left to ask.
            let told = client.fetch_metadata(Some(TOPIC), Duration::from_secs(1));
            assert!(told.map_or(true, |told| told.brokers().is_empty()));
        }
        young.store(false, Ordering::SeqCst);
        let deadline = Instant::now() + 10 * PATIENCE;
        for (index, client) in clients.iter().enumerate() {
            while client.fetch_metadata(None, Duration::from_millis(100)).is_err() {
                assert!(Instant::now() < deadline, "client {index} has no brokers for ever");
                for client in &clients {
                    (0..32).for_each(|_| drop(client.poll(Duration::ZERO)));
                    hold(client.client());
                }
            }
        }
    }
}
