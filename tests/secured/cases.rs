//! Properties for both sides, and how a run with them must end.

use super::{
    ground::Ground,
    logins::{PLAIN_PASSWORD, SCRAM_PASSWORD, SCRAMMER, STORE_PASSWORD, escaped, jaas},
};
use std::time::Duration;

/// A start that cannot succeed has 10 s; the rest is the machine's.
const SOON: Duration = Duration::from_secs(30);
/// A refused login is told before that.
const AT_ONCE_TOLD: Duration = Duration::from_secs(9);

/// One run of the mirror, and how it must end.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) consumer: String,
    pub(crate) producer: String,
    pub(crate) end: End,
}

pub(crate) enum End {
    /// All is copied.
    Copied,
    /// It ends within this time and with this code, and its last line has these words.
    Refused(Duration, i32, Vec<String>),
}

pub(crate) fn copied(ground: &Ground) -> Vec<Case> {
    let case = |name, consumer, producer| Case { name, consumer, producer, end: End::Copied };
    let source = |listener: &str, more: &str| side(&ground.source(listener), more);
    let destination = |listener: &str, more: &str| side(&ground.destination(listener), more);
    let authority = ground.path("authority.pem");
    let trust = format!("ssl.truststore.location={authority}");
    let tls = format!("security.protocol=SSL\n{trust}");
    let in_line = format!(
        "security.protocol=SSL\nssl.truststore.type=PEM\nssl.truststore.certificates={}",
        ground.in_line("authority.pem")
    );
    let key = format!(
        "{tls}\nssl.certificate.location={}\nssl.key.location={}",
        ground.path("client-certificate.pem"),
        ground.path("client-key.pem")
    );
    let pem = format!(
        "{tls}\nssl.keystore.type=PEM\nssl.keystore.location={}",
        ground.path("client.pem")
    );
    let p12 = format!(
        "{tls}\nssl.keystore.location={}\nssl.keystore.password={STORE_PASSWORD}",
        ground.path("client.p12")
    );
    let encrypted = format!(
        "{tls}\nssl.keystore.type=PEM\nssl.keystore.certificate.chain={}\nssl.keystore.key={}\nssl.key.password={STORE_PASSWORD}",
        ground.in_line("client-certificate.pem"),
        ground.in_line("encrypted-key.pem")
    );
    let key_in_line = format!(
        "{in_line}\nssl.keystore.certificate.chain={}\nssl.keystore.key={}",
        ground.in_line("client-certificate.pem"),
        ground.in_line("client-key.pem")
    );
    let scram =
        |protocol: &str, mechanism: &str| format!("{}\n{trust}", scram(protocol, mechanism));
    let plain_jaas = format!("{}\n{trust}", plain_jaas("SASL_SSL", PLAIN_PASSWORD));
    let plain = format!("{}\n{trust}", plain("SASL_SSL", PLAIN_PASSWORD));
    let suites = format!(
        "{tls}\nssl.cipher.suites=TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,TLS_AES_128_GCM_SHA256"
    );
    let no_name = format!("{tls}\nssl.endpoint.identification.algorithm=");
    let localhost = |address: String| address.replace("127.0.0.1", "localhost");
    vec![
        case("TLS by a PEM truststore", source("TLS", &tls), destination("TLS", &tls)),
        case(
            "TLS by PEM in the properties, on one line",
            source("TLS", &in_line),
            destination("MUTUAL", &key_in_line),
        ),
        case(
            "TLS with Java's names of cipher suites",
            source("TLS", &suites),
            destination("TLS", &suites),
        ),
        case("a client certificate as PEM", source("MUTUAL", &pem), destination("MUTUAL", &pem)),
        case(
            "a client certificate as certificate and key",
            source("MUTUAL", &key),
            destination("MUTUAL", &key),
        ),
        case("a client certificate as PKCS12", source("MUTUAL", &p12), destination("MUTUAL", &p12)),
        case(
            "a client certificate with an encrypted key",
            source("MUTUAL", &encrypted),
            destination("MUTUAL", &encrypted),
        ),
        case(
            "PLAIN by a JAAS line",
            source("SASLTLS", &plain_jaas),
            destination("SASLTLS", &plain_jaas),
        ),
        case(
            "PLAIN by name and password",
            source("SASLTLS", &plain),
            destination("SASLTLS", &plain),
        ),
        case(
            "SCRAM-SHA-256",
            source("SASLTLS", &scram("SASL_SSL", "SCRAM-SHA-256")),
            destination("SASLTLS", &scram("SASL_SSL", "SCRAM-SHA-256")),
        ),
        case(
            "SCRAM-SHA-512",
            source("SASLTLS", &scram("SASL_SSL", "SCRAM-SHA-512")),
            destination("SASL", &scram("SASL_PLAINTEXT", "SCRAM-SHA-512")),
        ),
        case(
            "SCRAM on the source, plain on the destination",
            source("SASL", &scram("SASL_PLAINTEXT", "SCRAM-SHA-256")),
            destination("PLAIN", ""),
        ),
        case(
            "plain on the source, TLS and SCRAM on the destination",
            source("PLAIN", ""),
            destination("SASLTLS", &scram("SASL_SSL", "SCRAM-SHA-512")),
        ),
        case(
            "another host's certificate where that is allowed",
            localhost(source("TLS", &no_name)),
            localhost(destination("TLS", &no_name)),
        ),
    ]
}

pub(crate) fn refused(ground: &Ground) -> Vec<Case> {
    let case = |name, consumer, producer, within, code, words: &[&str]| {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        Case { name, consumer, producer, end: End::Refused(within, code, words) }
    };
    let source = |listener: &str, more: &str| side(&ground.source(listener), more);
    let destination = |listener: &str, more: &str| side(&ground.destination(listener), more);
    let plain_destination = || destination("PLAIN", "");
    let trust = format!("ssl.truststore.location={}", ground.path("authority.pem"));
    let tls = format!("security.protocol=SSL\n{trust}");
    let stranger =
        format!("security.protocol=SSL\nssl.truststore.location={}", ground.path("stranger.pem"));
    let wrong_store = format!(
        "{tls}\nssl.keystore.location={}\nssl.keystore.password=not-the-s3cret",
        ground.path("client.p12")
    );
    let (tls_source, tls_destination) = (ground.source("TLS"), ground.destination("TLS"));
    let mutual = ground.source("MUTUAL");
    let sasl = ground.source("SASLTLS");
    let sasl_destination = ground.destination("SASL");
    vec![
        case(
            "a wrong password of PLAIN",
            source("SASLTLS", &format!("{}\n{trust}", plain_jaas("SASL_SSL", "not-the-s3cret"))),
            plain_destination(),
            AT_ONCE_TOLD,
            1,
            &[
                "log in to the source",
                &sasl,
                "Invalid username or password",
                "password in the properties of the consumer",
            ],
        ),
        case(
            "a wrong password of SCRAM",
            source("PLAIN", ""),
            destination(
                "SASL",
                &scram("SASL_PLAINTEXT", "SCRAM-SHA-256").replace(SCRAM_PASSWORD, "not-the-s3cret"),
            ),
            AT_ONCE_TOLD,
            1,
            &[
                "log in to the destination",
                &sasl_destination,
                "password in the properties of the producer",
            ],
        ),
        case(
            "a user whom nobody knows",
            source("TLS", &tls),
            destination(
                "SASL",
                &scram("SASL_PLAINTEXT", "SCRAM-SHA-256").replace(SCRAMMER, "nobody"),
            ),
            AT_ONCE_TOLD,
            1,
            &["log in to the destination", &sasl_destination, "know the user"],
        ),
        case(
            "a mechanism that the broker does not have",
            source("SASL", &plain_jaas("SASL_PLAINTEXT", PLAIN_PASSWORD)),
            plain_destination(),
            AT_ONCE_TOLD,
            1,
            &[
                "log in to the source",
                &ground.source("SASL"),
                "supported mechanisms: SCRAM",
                "check sasl.mechanism",
            ],
        ),
        case(
            "an authority that is not trusted",
            source("TLS", &stranger),
            plain_destination(),
            SOON,
            1,
            &[
                "source",
                &tls_source,
                "not signed by a trusted authority",
                "ssl.truststore.location",
            ],
        ),
        case(
            "another host's certificate",
            source("PLAIN", ""),
            destination("TLS", &tls).replace("127.0.0.1", "localhost"),
            SOON,
            1,
            &[
                "destination",
                &tls_destination.replace("127.0.0.1", "localhost"),
                "does not name the host",
                "ssl.endpoint.identification.algorithm",
            ],
        ),
        case(
            "no client certificate",
            source("MUTUAL", &tls),
            plain_destination(),
            SOON,
            1,
            &["source", &mutual, "certificate", "ssl.keystore.location"],
        ),
        case(
            "PLAINTEXT where TLS is spoken",
            source("TLS", ""),
            plain_destination(),
            SOON,
            1,
            &["source", &tls_source, "security.protocol"],
        ),
        case(
            "a wrong password of the keystore",
            source("MUTUAL", &wrong_store),
            plain_destination(),
            AT_ONCE_TOLD,
            2,
            &["consumer.properties", "ssl.keystore.location", "client.p12"],
        ),
    ]
}

/// The lines of one side's properties.
pub(crate) fn side(address: &str, more: &str) -> String {
    format!("bootstrap.servers={address}\n{more}")
}

fn plain_jaas(protocol: &str, password: &str) -> String {
    let line = jaas("plain.PlainLoginModule", &[("username", "plainer"), ("password", password)]);
    format!("security.protocol={protocol}\nsasl.mechanism=PLAIN\nsasl.jaas.config={line}")
}

fn plain(protocol: &str, password: &str) -> String {
    let password = escaped(password);
    format!(
        "security.protocol={protocol}\nsasl.mechanism=PLAIN\nsasl.username=plainer\nsasl.password={password}"
    )
}

pub(crate) fn scram(protocol: &str, mechanism: &str) -> String {
    let options = [("username", SCRAMMER), ("password", SCRAM_PASSWORD)];
    let line = jaas("scram.ScramLoginModule", &options);
    format!("security.protocol={protocol}\nsasl.mechanism={mechanism}\nsasl.jaas.config={line}")
}
