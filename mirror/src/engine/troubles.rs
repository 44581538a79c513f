//! What goes wrong with the connections to a side: which error tells most, and which is no outage.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{Mutex, OnceLock},
    time::{Duration, Instant},
};

use rdkafka::{
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
};

use super::{EngineError, client::lock};

/// What went wrong with a side's connections.
#[derive(Debug)]
pub(super) struct Troubles {
    side: &'static str,
    /// The last that says most, for the error message of a failing start.
    last: Mutex<Option<(Weight, String)>>,
    /// Since when no broker is known to be up, and nobody has been told.
    lost: Mutex<Option<Instant>>,
    /// The client's `bootstrap.servers`.
    servers: OnceLock<String>,
    /// What was told of an outage, and when.
    told: Mutex<BTreeMap<String, Instant>>,
}

/// How long the same is not told again of an outage: librdkafka says it every second.
const TELL_AGAIN: Duration = Duration::from_secs(30);

/// How much an error says of why there is no connection. A host may have several addresses, and one of them
/// may refuse every connection while another tells what is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Connection,
    Handshake,
    Login,
}

impl Troubles {
    pub(super) fn new(side: &'static str) -> Self {
        let (last, lost, told) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { side, last, lost, servers: OnceLock::new(), told }
    }

    /// Keeps where the client begins to look for brokers.
    pub(super) fn keep_servers(&self, servers: &str) {
        // A client is made once.
        let _ = self.servers.set(servers.to_owned());
    }

    pub(super) fn servers(&self) -> Option<&str> {
        self.servers.get().map(String::as_str)
    }

    /// Whether all brokers were lost so long ago, and none since; true once for each time.
    pub(super) fn has_lost_all_brokers(&self, patience: Duration) -> bool {
        lock(&self.lost).take_if(|since| since.elapsed() >= patience).is_some()
    }

    /// Logs why an outage is outlived, the same not again and again.
    pub(super) fn outage(&self, reason: String) {
        let side = self.side;
        if is_news(&mut lock(&self.told), &reason, Instant::now()) {
            tracing::warn!("{side}: {reason}; it is tried again");
        } else {
            tracing::debug!("{side}: {reason}");
        }
    }

    pub(super) fn last(&self) -> Option<String> {
        lock(&self.last).as_ref().map(|(_, reason)| reason.clone())
    }

    /// That the brokers refused to let us in, if they did.
    pub(super) fn denial(&self) -> Option<EngineError> {
        let last = lock(&self.last);
        let (_, reason) = last.as_ref().filter(|(weight, _)| *weight == Weight::Login)?;
        Some(EngineError::Denied { side: self.side, reason: reason.clone() })
    }

    /// Whether a batch of the source cannot be read. The same code is of an answer that is none of Kafka's, or is larger than
    /// `receive.message.max.bytes`, and that is an outage of one connection; only the words differ (`rdkafka_msgset_reader.c` and
    /// `rd_kafka_recv`, 2.12.1).
    pub(super) fn is_damage(error: &KafkaError, reason: &str) -> bool {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::BadCompression) => true,
            Some(RDKafkaErrorCode::BadMessage) => {
                reason.contains(" failed CRC32") || reason.starts_with("Decompression ")
            }
            // Its format or its compression is none that there is. librdkafka would pass over it.
            Some(RDKafkaErrorCode::NotImplemented) => {
                reason.starts_with("Unsupported Message") || reason.starts_with("Decompression ")
            }
            _ => false,
        }
    }

    pub(super) fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        let (side, message) = (self.side, &*without_guess(message));
        match level {
            // Set by us, and said with its reason; what it is for names a record (`Notes::not_sent`).
            _ if is_of_the_gapless_guarantee(facility, message) => {
                tracing::debug!("{side}: {facility}: {message}");
            }
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                tracing::error!("{side}: {facility}: {message}");
            }
            // Where a producer takes over from one that died, its predecessor's transaction is ended first.
            _ if facility == "GETPID" => tracing::debug!("{side}: {facility}: {message}"),
            // librdkafka tries again whatever it calls an error.
            RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning => {
                tracing::warn!("{side}: {facility}: {message}");
            }
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
                tracing::debug!("{side}: {facility}: {message}");
            }
            // There is none of it unless the user's properties say `debug`.
            RDKafkaLogLevel::Debug => tracing::info!("{side}: {facility}: {message}"),
        }
    }

    pub(super) fn error(&self, error: &KafkaError, reason: &str) {
        let reason = &*without_guess(reason);
        tracing::debug!("{}: {error}: {reason}", self.side);
        let weight = match error.rdkafka_error_code() {
            // It says less than what brought each of them down.
            Some(RDKafkaErrorCode::AllBrokersDown) => {
                *lock(&self.lost) = Some(Instant::now());
                return;
            }
            Some(RDKafkaErrorCode::Authentication) if is_denial(reason) => Weight::Login,
            Some(RDKafkaErrorCode::SSL) => Weight::Handshake,
            _ => Weight::Connection,
        };
        let mut last = lock(&self.last);
        if last.as_ref().is_none_or(|(known, _)| *known <= weight) {
            *last = Some((weight, reason.to_owned()));
        }
    }
}

/// librdkafka takes a broker that does not answer its first question for an old one. Kafka 0.10 is from 2016, and this one has
/// stopped to answer.
fn without_guess(message: &str) -> Cow<'_, str> {
    const GUESS: &str =
        ": probably due to broker version < 0.10 (see api.version.request configuration)";
    if message.contains("Timed out") { message.replace(GUESS, "").into() } else { message.into() }
}

/// Whether this was not told for a while; then it counts as told now.
fn is_news(told: &mut BTreeMap<String, Instant>, reason: &str, now: Instant) -> bool {
    told.retain(|_, at| now.duration_since(*at) < TELL_AGAIN);
    let is_news = !told.contains_key(reason);
    if is_news {
        told.insert(reason.to_owned(), now);
    }
    is_news
}

/// Whether the log speaks of `enable.gapless.guarantee`, which librdkafka calls experimental, or of its end.
fn is_of_the_gapless_guarantee(facility: &str, message: &str) -> bool {
    match facility {
        "CONFWARN" => message.contains("enable.gapless.guarantee"),
        "FATAL" => message.contains("gap-less guarantee"),
        _ => false,
    }
}

/// Whether a failed login is more than an outage: librdkafka calls a connection that ends while the mechanism is
/// agreed upon a failed login as well (`rd_kafka_broker_handle_SaslHandshake`, 2.12.1).
fn is_denial(reason: &str) -> bool {
    !reason.contains("mechanism handshake failed") || reason.contains("Unsupported SASL mechanism")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told of these errors, one after the other, and whether it is a refused login.
    fn told(errors: &[(RDKafkaErrorCode, &str)]) -> (Option<String>, bool) {
        let troubles = Troubles::new("source");
        for (code, reason) in errors {
            troubles.error(&KafkaError::Global(*code), reason);
        }
        (troubles.last(), troubles.denial().is_some())
    }

    #[test]
    fn a_broker_that_does_not_answer_is_not_said_to_be_old() {
        let guess = "failed: Local: Timed out: probably due to broker version < 0.10 (see api.version.request configuration) (after \
                     9 ms)";
        assert_eq!(without_guess(guess), "failed: Local: Timed out (after 9 ms)");
        let other = guess.replace("Timed out", "Transport failure");
        assert_eq!(without_guess(&other), other);
    }

    #[test]
    fn an_outage_is_told_twice_a_minute() {
        let (mut told, begin) = (BTreeMap::new(), Instant::now());
        let mut news = |reason, after| {
            is_news(&mut told, reason, begin + Duration::from_secs(after)).then_some(after)
        };
        let seconds: Vec<u64> = (0..60).filter_map(|after| news("all are down", after)).collect();
        assert_eq!(seconds, [0, 30]);
        assert_eq!(news("no coordinator", 60), Some(60), "another reason is news");
    }

    #[test]
    fn only_a_batch_is_damaged() {
        use RDKafkaErrorCode::{
            BadCompression, BadMessage, BrokerTransportFailure, NotImplemented,
        };
        for (code, reason, expected) in [
            (BadMessage, "MessageSet at offset 10 (73 bytes) failed CRC32C check", true),
            (BadMessage, "Message at offset 10 (73 bytes) failed CRC32 check", true),
            (BadMessage, "Decompression (codec 0x3) of message at 10 of 7 bytes failed", true),
            (BadCompression, "", true),
            (NotImplemented, "Unsupported Message(Set) MagicByte 9 at offset 10", true),
            (NotImplemented, "Decompression (codec 0x5) of message at 10 of 7 bytes failed", true),
            (NotImplemented, "Broker does not support it", false),
            (BadMessage, "a:1/bootstrap: Invalid response size 1213486160 (0..7)", false),
            (BadMessage, "JoinGroup failed: Local: Bad message format", false),
            (BrokerTransportFailure, "", false),
        ] {
            assert_eq!(
                Troubles::is_damage(&KafkaError::Global(code), reason),
                expected,
                "{reason}"
            );
        }
    }

    #[test]
    fn what_says_most_is_told() {
        use RDKafkaErrorCode::{AllBrokersDown, Authentication, BrokerTransportFailure, SSL};
        let refused = (BrokerTransportFailure, "connection refused");
        let certificate = (SSL, "certificate verify failed");
        let password = (Authentication, "invalid username or password");
        let gone =
            (Authentication, "SASL PLAIN mechanism handshake failed: Broker transport failure");
        let unsupported =
            (Authentication, "SASL X mechanism handshake failed: Unsupported SASL mechanism");
        let table: &[(&[_], Option<&str>, bool)] = &[
            (&[], None, false),
            (&[(AllBrokersDown, "all are down")], None, false),
            (&[refused], Some(refused.1), false),
            (&[certificate, refused, (AllBrokersDown, "")], Some(certificate.1), false),
            (&[password, certificate], Some(password.1), true),
            (&[gone], Some(gone.1), false),
            (&[unsupported], Some(unsupported.1), true),
        ];
        for (errors, last, denied) in table {
            assert_eq!(told(errors), (last.map(str::to_owned), *denied), "{errors:?}");
        }
    }
}
