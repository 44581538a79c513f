//! TLS and SASL: what Java's clients are given, as librdkafka wants it, or why it cannot be had.
//!
//! Unlike `translate` it looks at several properties together, and at the beginning of stores: what a file is
//! decides, not what it is called. It knows no certificate and opens no connection.

use std::{fs::File, io::Read};

use super::{
    jaas::{LINE, PASSWORDS},
    setting::{Origin, Setting, Settings},
    translate::Refusal,
};

/// More than any store has before it shows what it is.
const BEGINNING: u64 = 64 * 1024;

/// Makes the file's security complete: stores, the mechanism, and what has no effect without its protocol.
pub(super) fn resolve(settings: &mut Settings) -> Result<(), Refusal> {
    let protocol = settings.get("security.protocol").unwrap_or("plaintext").to_owned();
    let reason = format!("security.protocol is {protocol}");
    if protocol.ends_with("ssl") {
        keystore(settings)?;
        truststore(settings)?;
    } else {
        ignore(settings, "ssl.", &reason);
    }
    if protocol.starts_with("sasl") {
        mechanism(settings)?;
        login(settings)
    } else {
        ignore(settings, "sasl.", &reason);
        Ok(())
    }
}

fn ignore(settings: &mut Settings, prefix: &str, reason: &str) {
    let names: Vec<String> = settings.effective().map(|setting| setting.name.clone()).collect();
    for name in names.iter().filter(|name| name.starts_with(prefix)) {
        disregard(settings, name, reason);
    }
}

/// Takes the effect of a property, and says why under the name that the user gave it.
fn disregard(settings: &mut Settings, name: &str, reason: &str) {
    if let Some(setting) = settings.take(name) {
        let (name, reason) = (setting.written.clone(), reason.to_owned());
        settings.set(Setting { name, origin: Origin::Ignored, reason, ..setting });
    }
}

/// What is said of a login that the protocol makes no use of.
pub(super) fn unused_login(settings: &Settings) -> Option<String> {
    let protocol = settings.get("security.protocol").unwrap_or("plaintext");
    if protocol.starts_with("sasl") {
        return None;
    }
    let unused = settings.all().iter().find(|one| {
        let is_login = matches!(one.name.as_str(), "sasl.jaas.config" | "sasl.password");
        is_login && one.origin == Origin::Ignored
    })?;
    Some(format!(
        "{} has no effect, because security.protocol is {protocol}: to log in, write security.protocol=SASL_SSL (or \
         SASL_PLAINTEXT), and sasl.mechanism",
        unused.name
    ))
}

/// Java's default is GSSAPI (Kerberos), as librdkafka's is.
fn mechanism(settings: &Settings) -> Result<(), Refusal> {
    let reason = match settings.get("sasl.mechanism") {
        Some("PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512") => return Ok(()),
        Some("GSSAPI") => format!("is GSSAPI (Kerberos), which is not built in; {PASSWORDS}"),
        Some("OAUTHBEARER") => format!("is OAUTHBEARER, which is not built in; {PASSWORDS}"),
        Some(_) => {
            "is not one of PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512; write one of them".to_owned()
        }
        None => {
            let whose = match settings.written("sasl.username") {
                "sasl.jaas.config" => ", as the brokers have it for the user of sasl.jaas.config",
                _ => "",
            };
            format!(
                "is missing, and the default, GSSAPI (Kerberos), is not built in; write PLAIN, SCRAM-SHA-256 or \
                 SCRAM-SHA-512{whose}"
            )
        }
    };
    refuse("sasl.mechanism", reason)
}

fn refuse<T>(name: &str, reason: String) -> Result<T, Refusal> {
    Err(Refusal::Value { name: name.to_owned(), reason })
}

/// All mechanisms that are there want a name and a password.
fn login(settings: &Settings) -> Result<(), Refusal> {
    if settings.get("sasl.username").is_some() && settings.get("sasl.password").is_some() {
        return Ok(());
    }
    let mechanism = settings.get("sasl.mechanism").unwrap_or_default();
    refuse(
        "sasl.jaas.config",
        format!("is missing, and {mechanism} needs a user's name and a password; write: {LINE}"),
    )
}

/// What a store's file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Store {
    Pem,
    Pkcs12,
    /// JKS, or its relative JCEKS.
    Jks,
    /// ASN.1 in binary form, as a single certificate has it.
    Der,
    Empty,
    Unknown,
}

/// By the file's first bytes: the magic numbers of JKS and JCEKS, PEM's first line, and what a PKCS12 begins with
/// (RFC 7292, section 4): a sequence whose first element is the version, 3.
fn store(bytes: &[u8]) -> Store {
    const JKS: &[u8] = &[0xfe, 0xed, 0xfe, 0xed];
    const JCEKS: &[u8] = &[0xce, 0xce, 0xce, 0xce];
    const VERSION: &[u8] = &[2, 1, 3];
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Store::Empty;
    }
    if bytes.starts_with(JKS) || bytes.starts_with(JCEKS) {
        return Store::Jks;
    }
    if bytes.windows(11).any(|window| window == b"-----BEGIN ") {
        return Store::Pem;
    }
    // The sequence's length is in one byte, or the first one says how many follow.
    let header = match bytes {
        [0x30, long @ 0x80..=0x84, ..] => 2 + usize::from(long - 0x80),
        [0x30, ..] => 2,
        _ => return Store::Unknown,
    };
    let begins = bytes.get(header..).is_some_and(|content| content.starts_with(VERSION));
    if begins { Store::Pkcs12 } else { Store::Der }
}

/// What the store is, and its beginning.
fn look(name: &str, path: &str) -> Result<(Store, Vec<u8>), Refusal> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(BEGINNING).read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok((store(&bytes), bytes)),
        Err(error) => refuse(
            name,
            format!(
                "is {path}, which cannot be read ({error}); check the path and its permissions"
            ),
        ),
    }
}

/// Whether PEM has a part with such a label, as in `-----BEGIN TRUSTED CERTIFICATE-----`.
fn has_part(pem: &[u8], label: &str) -> bool {
    // It may lie behind what was looked at.
    if pem.len() as u64 >= BEGINNING {
        return true;
    }
    String::from_utf8_lossy(pem).lines().any(|line| {
        let line = line.trim();
        line.starts_with("-----BEGIN ") && line.ends_with(&format!("{label}-----"))
    })
}

fn keystore(settings: &mut Settings) -> Result<(), Refusal> {
    const NAME: &str = "ssl.keystore.location";
    const TYPE: &str = "ssl.keystore.type";
    disregard(settings, TYPE, "the keystore itself shows what it is");
    let Some(path) = settings.get(NAME).map(str::to_owned) else { return Ok(()) };
    let (store, bytes) = look(NAME, &path)?;
    match store {
        Store::Pkcs12 if settings.get("ssl.keystore.password").is_none() => refuse(
            "ssl.keystore.password",
            format!(
                "is missing, and {path} (ssl.keystore.location) is PKCS12; set it to that file's password"
            ),
        ),
        Store::Pkcs12 => Ok(()),
        Store::Pem => {
            let needed = ["CERTIFICATE", "PRIVATE KEY"];
            if let Some(label) = needed.into_iter().find(|label| !has_part(&bytes, label)) {
                let what = label.to_lowercase();
                return refuse(
                    NAME,
                    format!(
                        "is {path}, which is PEM without a {what}; write both into it, the private key and the \
                         certificate (with those of its authorities)"
                    ),
                );
            }
            settings.take(NAME);
            let reason = "you wrote ssl.keystore.location, which is PEM";
            for name in ["ssl.certificate.location", "ssl.key.location"] {
                settings.set(Setting::new(name, &path, Origin::Mapped, reason).written_as(NAME));
            }
            let reason = "a PEM file has none; its key's is ssl.key.password";
            disregard(settings, "ssl.keystore.password", reason);
            Ok(())
        }
        Store::Jks => {
            let new = with_ending(&path, "p12");
            refuse(
                NAME,
                format!(
                    "is {path}, a Java keystore (JKS), which librdkafka does not read; convert it with \
                     `keytool -importkeystore -srckeystore {path} -destkeystore {new} -deststoretype PKCS12`, and \
                     set ssl.keystore.location={new} and ssl.keystore.password to the new password"
                ),
            )
        }
        Store::Empty => refuse(
            NAME,
            format!(
                "is {path}, which is empty; write the client's private key and certificate into it as PEM, or remove it"
            ),
        ),
        Store::Der | Store::Unknown => {
            refuse(NAME, format!("is {path}, which is neither PKCS12 nor PEM; give one of the two"))
        }
    }
}

fn truststore(settings: &mut Settings) -> Result<(), Refusal> {
    const NAME: &str = "ssl.truststore.location";
    disregard(settings, "ssl.truststore.type", "the truststore itself shows what it is");
    disregard(settings, "ssl.truststore.password", "certificates in PEM need none");
    let Some(path) = settings.take(NAME).map(|setting| setting.value) else { return Ok(()) };
    let new = with_ending(&path, "pem");
    let (store, bytes) = look(NAME, &path)?;
    let what = match store {
        Store::Pem if !has_part(&bytes, "CERTIFICATE") => {
            return refuse(
                NAME,
                format!(
                    "is {path}, which is PEM without a certificate; give the certificate of the authority that signed the \
                     brokers'"
                ),
            );
        }
        Store::Pem => {
            let reason = format!("you wrote {NAME}");
            let one = Setting::new("ssl.ca.location", &path, Origin::Mapped, reason);
            settings.set(one.written_as(NAME));
            return Ok(());
        }
        Store::Jks => "a Java truststore (JKS)",
        Store::Pkcs12 => "a PKCS12 truststore",
        Store::Empty | Store::Unknown => {
            let what = if store == Store::Empty { "empty" } else { "not PEM" };
            return refuse(
                NAME,
                format!(
                    "is {path}, which is {what}; write the certificate of the authority that signed the brokers' into it, \
                     from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----"
                ),
            );
        }
        Store::Der => {
            return refuse(
                NAME,
                format!(
                    "is {path}, which is not PEM; if it is a single certificate, convert it with \
                     `openssl x509 -inform DER -in {path} -out {new}`, and set ssl.truststore.location={new}"
                ),
            );
        }
    };
    refuse(
        NAME,
        format!(
            "is {path}, {what}, which librdkafka does not read; write its certificates as PEM with \
             `keytool -list -rfc -keystore {path} > {new}`, and set ssl.truststore.location={new}"
        ),
    )
}

/// The path with another ending, and never that of the file itself, which a conversion into it would destroy.
fn with_ending(path: &str, ending: &str) -> String {
    let old = std::path::Path::new(path);
    let new = old.with_extension(ending);
    let new = if new == old { old.with_extension(format!("new.{ending}")) } else { new };
    new.display().to_string()
}

/// PEM with its line breaks, which a value over several lines of a properties file loses; `None` if it is none.
/// OpenSSL wants them, Java does not (KIP-651).
pub(super) fn pem(value: &str) -> Option<String> {
    let mut lines = String::new();
    let mut rest = value;
    while let Some((_, after)) = rest.split_once("-----BEGIN ") {
        let (label, after) = after.split_once("-----")?;
        let (body, after) = after.split_once(&format!("-----END {label}-----"))?;
        let is_base64 = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
        let plain: Vec<char> = body.chars().filter(|c| !c.is_whitespace()).collect();
        // With anything else in it (headers of an old encrypted key) its lines are as they must be.
        let body = if plain.iter().all(|c| is_base64(*c)) {
            plain.chunks(64).map(|line| String::from_iter(line) + "\n").collect()
        } else {
            format!("{}\n", body.trim_matches('\n'))
        };
        lines.push_str(&format!("-----BEGIN {label}-----\n{body}-----END {label}-----\n"));
        rest = after;
    }
    (!lines.is_empty()).then_some(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "s3cret";

    /// What these properties come to, where `FILE` stands for a file with these bytes; `!` before a refusal.
    fn resolved(bytes: &[u8], properties: &[(&str, &str)]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.jks").display().to_string();
        std::fs::write(&path, bytes).unwrap();
        let mut settings = Settings::default();
        for (name, value) in properties {
            let value = value.replace("FILE", &path);
            settings.set(Setting::new(name, &value, Origin::User, ""));
        }
        let outcome = match resolve(&mut settings) {
            Ok(()) => {
                let shown = |s: &Setting| format!("{} {}={}", s.origin, s.name, s.shown());
                let mut all: Vec<String> = settings.all().iter().map(shown).collect();
                all.sort();
                all.join("\n")
            }
            Err(refusal) => format!("!{refusal}"),
        };
        assert!(!outcome.contains(SECRET), "{outcome}");
        outcome.replace(&path, "FILE").replace(&path.replace(".jks", ""), "FILE")
    }

    fn check(bytes: &[u8], properties: &[(&str, &str)], expected: &[&str]) {
        let outcome = resolved(bytes, properties);
        for words in expected {
            assert!(outcome.contains(words), "{words:?} is not in\n{outcome}");
        }
    }

    const JKS: &[u8] = &[0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2];
    const P12: &[u8] = &[0x30, 0x82, 0x0a, 0x11, 2, 1, 3, 0x30];
    const P12_ENDLESS: &[u8] = &[0x30, 0x80, 2, 1, 3, 0x30];
    const DER: &[u8] = &[0x30, 0x82, 0x01, 0x85, 0x30, 0x82];
    const PEM: &[u8] = b"Bag Attributes\n-----BEGIN CERTIFICATE-----\n";
    const KEY: &[u8] = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n";
    const SSL: (&str, &str) = ("security.protocol", "ssl");
    const KEYSTORE: (&str, &str) = ("ssl.keystore.location", "FILE");
    const TRUSTSTORE: (&str, &str) = ("ssl.truststore.location", "FILE");

    #[test]
    fn a_file_s_beginning_says_what_it_is() {
        let table = [
            (JKS, Store::Jks),
            (&[0xce, 0xce, 0xce, 0xce, 0], Store::Jks),
            (P12, Store::Pkcs12),
            (P12_ENDLESS, Store::Pkcs12),
            (&[0x30, 0x20, 2, 1, 3], Store::Pkcs12),
            (DER, Store::Der),
            (PEM, Store::Pem),
            (b"", Store::Empty),
            (b" \n", Store::Empty),
            (b"hello", Store::Unknown),
            (&[0x30], Store::Der),
            (&[0x30, 0x84, 0, 0], Store::Der),
        ];
        for (bytes, expected) in table {
            assert_eq!(store(bytes), expected, "{bytes:x?}");
        }
    }

    #[test]
    fn stores_are_passed_on_mapped_or_refused_with_the_way_out() {
        let password = ("ssl.keystore.password", SECRET);
        check(P12, &[SSL, KEYSTORE, password], &["yours ssl.keystore.location=FILE"]);
        check(
            P12,
            &[SSL, KEYSTORE],
            &["!ssl.keystore.password is missing, and FILE (ssl.keystore"],
        );
        check(
            P12_ENDLESS,
            &[SSL, KEYSTORE, password, ("ssl.keystore.type", "JKS")],
            &["yours ssl.keystore.location=FILE", "ignored ssl.keystore.type=JKS"],
        );
        check(
            &[PEM, KEY].concat(),
            &[SSL, KEYSTORE, password],
            &[
                "mapped ssl.certificate.location=FILE",
                "mapped ssl.key.location=FILE",
                "ignored ssl.keystore.password=********",
            ],
        );
        check(
            JKS,
            &[SSL, KEYSTORE, password],
            &[
                "!ssl.keystore.location is FILE, a Java keystore (JKS)",
                "`keytool -importkeystore -srckeystore FILE -destkeystore FILE.p12 -deststoretype PKCS12`",
            ],
        );
        check(DER, &[SSL, KEYSTORE], &["neither PKCS12 nor PEM"]);
        check(b"", &[SSL, ("ssl.keystore.location", "/none")], &["/none, which cannot be read"]);
        check(
            PEM,
            &[SSL, TRUSTSTORE, ("ssl.truststore.password", SECRET)],
            &["mapped ssl.ca.location=FILE", "ignored ssl.truststore.password=********"],
        );
        for (bytes, what) in [(JKS, "(JKS)"), (P12, "PKCS12")] {
            check(
                bytes,
                &[SSL, TRUSTSTORE],
                &[
                    "!ssl.truststore.location is FILE, a",
                    what,
                    "`keytool -list -rfc -keystore FILE > FILE.pem`",
                ],
            );
        }
        check(DER, &[SSL, TRUSTSTORE], &["`openssl x509 -inform DER -in FILE -out FILE.pem`"]);
    }

    #[test]
    fn a_store_that_lacks_something_is_refused_for_that() {
        for (bytes, of_keys, of_trust) in [
            (&b""[..], "FILE, which is empty; write", "FILE, which is empty; write"),
            (b"hello", "neither PKCS12 nor PEM", "which is not PEM; write"),
            (KEY, "PEM without a certificate; write both", "PEM without a certificate; give"),
        ] {
            check(bytes, &[SSL, KEYSTORE], &["!ssl.keystore.location is FILE", of_keys]);
            check(bytes, &[SSL, TRUSTSTORE], &["!ssl.truststore.location is FILE", of_trust]);
        }
        check(PEM, &[SSL, KEYSTORE], &["PEM without a private key; write both"]);
        // OpenSSL reads the whole of it.
        let long = [PEM, &vec![b'\n'; BEGINNING as usize]].concat();
        check(&long, &[SSL, KEYSTORE], &["mapped ssl.key.location=FILE"]);
    }

    #[test]
    fn no_conversion_is_advised_into_the_file_itself() {
        assert_eq!(with_ending("/a/store.jks", "pem"), "/a/store.pem");
        assert_eq!(with_ending("/a/store.pem", "pem"), "/a/store.new.pem");
    }

    #[test]
    fn only_what_the_protocol_needs_has_effect() {
        let password = ("sasl.password", SECRET);
        let plain = resolved(JKS, &[KEYSTORE, TRUSTSTORE, password, ("sasl.mechanism", "GSSAPI")]);
        assert!(!plain.contains("yours") && !plain.contains('!'), "{plain}");
        check(
            JKS,
            &[
                ("security.protocol", "sasl_plaintext"),
                KEYSTORE,
                ("sasl.mechanism", "PLAIN"),
                ("sasl.username", "u"),
                password,
            ],
            &["ignored ssl.keystore.location", "yours sasl.mechanism=PLAIN"],
        );
        check(
            P12,
            &[SSL, KEYSTORE, password, ("ssl.keystore.password", SECRET)],
            &["ignored sasl.password=********", "yours ssl.key"],
        );
    }

    #[test]
    fn mechanisms_that_are_not_there_are_refused_with_the_way_out() {
        for protocol in ["sasl_ssl", "sasl_plaintext"] {
            let of = |more: &[(&'static str, &'static str)]| {
                resolved(b"", &[&[("security.protocol", protocol)], more].concat())
            };
            for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
                let user = [("sasl.username", "u"), ("sasl.password", SECRET)];
                let taken = of(&[&[("sasl.mechanism", mechanism)], &user[..]].concat());
                let nobody = of(&[("sasl.mechanism", mechanism), user[0]]);
                let words = format!("!sasl.jaas.config is missing, and {mechanism} needs");
                assert!(nobody.contains(&words), "{nobody}");
                assert!(taken.contains(&format!("yours sasl.mechanism={mechanism}")), "{taken}");
            }
            let table = [("GSSAPI", "is GSSAPI (Kerberos)"), ("OAUTHBEARER", "is OAUTHBEARER")];
            for (mechanism, words) in table {
                let refused = of(&[("sasl.mechanism", mechanism)]);
                assert!(
                    refused.contains(words) && refused.contains("log in by PLAIN"),
                    "{refused}"
                );
            }
            assert!(of(&[("sasl.mechanism", "PLAINN")]).contains("!sasl.mechanism is not one of"));
            assert!(of(&[]).contains("!sasl.mechanism is missing"));
        }
    }

    #[test]
    fn pem_in_line_gets_its_line_breaks() {
        let body = "A".repeat(70);
        let lines =
            format!("-----BEGIN X Y-----\n{}\n{}\n-----END X Y-----\n", &body[..64], &body[64..]);
        for between in ["\n", " ", ""] {
            let value = format!("-----BEGIN X Y-----{between}{body}{between}-----END X Y-----");
            assert_eq!(pem(&value).as_deref(), Some(lines.as_str()), "{between:?}");
            assert_eq!(pem(&format!("{value} {value}")), Some(format!("{lines}{lines}")));
        }
        assert_eq!(pem(&lines).as_deref(), Some(lines.as_str()));
        let old = "-----BEGIN K-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END K-----\n";
        assert_eq!(pem(old).as_deref(), Some(old));
        assert_eq!(pem("/a/file.pem"), None);
        assert_eq!(pem("-----BEGIN X-----\nAA"), None);
    }
}
