//! What librdkafka refuses when a client is made, in the names of the user's file.
//!
//! `config` has judged most of it before; what is left are values that only OpenSSL can judge, and rare pairs of
//! librdkafka's own properties.

use rdkafka::error::KafkaError;

use crate::config::{self, Settings};

/// librdkafka's properties that OpenSSL reads, and what it wants there.
const TLS: [(&str, &str); 9] = [
    ("ssl.ca.location", CERTIFICATES),
    ("ssl.ca.pem", CERTIFICATES),
    ("ssl.certificate.location", CERTIFICATES),
    ("ssl.certificate.pem", CERTIFICATES),
    ("ssl.key.location", KEY),
    ("ssl.key.pem", KEY),
    (
        "ssl.keystore.location",
        "give a PKCS12 file that is whole, and its password as ssl.keystore.password",
    ),
    ("ssl.cipher.suites", "write names of suites that `openssl ciphers` lists, or remove it"),
    ("ssl.crl.location", "give a list of revoked certificates as PEM, or remove it"),
];
const CERTIFICATES: &str = "a certificate in it is broken or cut off: write each whole, from -----BEGIN CERTIFICATE----- to -----END \
     CERTIFICATE-----, as `openssl x509 -in CERTIFICATE` prints it";
const KEY: &str = "it has to hold the private key of the client's certificate, whole, and ssl.key.password has to be the key's \
                   password, if it has one";

/// Why a client cannot be made of these settings.
pub(super) fn reason(settings: &Settings, error: KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, description, name, _) => {
            let written = settings.written(&name);
            if config::is_secret(&name) || config::is_secret(written) {
                return format!("librdkafka refuses the value of {written} (not shown)");
            }
            let description = settings.in_the_user_s_names(description.trim());
            format!("{written}: {description}; correct it, or remove it")
        }
        KafkaError::ClientCreation(description) => match of_tls(settings, &description) {
            Some(reason) => reason,
            None => settings.in_the_user_s_names(&description),
        },
        other => other.to_string(),
    }
}

fn of_tls(settings: &Settings, description: &str) -> Option<String> {
    let (name, way_out) = TLS.iter().find(|(name, _)| description.contains(name))?;
    let value = settings.get(name)?;
    let said = description.split_once("error:").map_or(description, |(_, said)| said);
    let written = settings.written(name);
    let shown = match config::is_secret(name) || config::is_secret(written) {
        true => String::new(),
        false => format!(" is {value}, which"),
    };
    Some(format!("{written}{shown} OpenSSL does not take ({said}); {way_out}"))
}

#[cfg(test)]
mod tests {
    use rdkafka::types::RDKafkaConfRes;

    use super::*;
    use crate::config::{Origin, Setting};

    fn settings() -> Settings {
        let mut settings = Settings::default();
        for (name, value, written) in [
            ("ssl.ca.location", "/a/ca.pem", "ssl.truststore.location"),
            ("ssl.key.pem", "s3cret", "ssl.keystore.key"),
            ("message.timeout.ms", "5", "delivery.timeout.ms"),
        ] {
            settings.set(Setting::new(name, value, Origin::Mapped, "").written_as(written));
        }
        settings
    }

    fn check(error: KafkaError, expected: &[&str]) {
        let reason = reason(&settings(), error);
        assert!(!reason.contains("s3cret"), "{reason}");
        for words in expected {
            assert!(reason.contains(words), "{words:?} is not in {reason:?}");
        }
    }

    #[test]
    fn what_openssl_refuses_is_named_with_its_file_and_the_way_out() {
        check(
            KafkaError::ClientCreation("ssl.ca.location failed: error:05:x509::PEM lib".to_owned()),
            &["ssl.truststore.location is /a/ca.pem, which OpenSSL", "PEM lib", "write each whole"],
        );
        check(
            KafkaError::ClientCreation(
                "ssl.key.pem failed: not in PEM format?: error:06".to_owned(),
            ),
            &["ssl.keystore.key OpenSSL does not take", "private key"],
        );
    }

    #[test]
    fn the_rest_is_in_the_user_s_names() {
        let description = "`message.timeout.ms` must be set".to_owned();
        check(KafkaError::ClientCreation(description), &["`delivery.timeout.ms` must be set"]);
        let of = |name: &str| {
            let invalid = RDKafkaConfRes::RD_KAFKA_CONF_INVALID;
            let description = format!("Invalid value for \"{name}\"\n");
            KafkaError::ClientConfig(invalid, description, name.to_owned(), "s3cret".to_owned())
        };
        check(
            of("message.timeout.ms"),
            &["delivery.timeout.ms: Invalid value for \"delivery.timeout.ms\"; correct it"],
        );
        check(of("ssl.key.pem"), &["refuses the value of ssl.keystore.key (not shown)"]);
    }
}
