//! A property, where its value comes from and why: what the mirror prints when it starts.
//!
//! It knows no meaning of any property, except which ones are secret.

use std::fmt;

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The user's file, as written.
    User,
    /// The user's file, under another name or with another spelling of the value.
    Mapped,
    /// The mirror's default.
    Default,
    /// The mirror's choice, whatever the user wrote.
    Forced,
    /// The user's file, without effect here.
    Ignored,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::User => "yours",
            Self::Mapped => "mapped",
            Self::Default => "default",
            Self::Forced => "forced",
            Self::Ignored => "ignored",
        })
    }
}

/// One property of a client.
#[derive(Clone, PartialEq, Eq)]
pub struct Setting {
    /// The name as librdkafka knows it (as the user wrote it, if ignored).
    pub name: String,
    /// The name in the user's file; the same, if it was not renamed or is not the user's.
    pub written: String,
    /// Its value; never print it but through `Display`.
    pub value: String,
    /// Where the value comes from.
    pub origin: Origin,
    /// Why; empty for the user's own.
    pub reason: String,
}

impl Setting {
    /// A setting with a reason.
    pub fn new(name: &str, value: &str, origin: Origin, reason: impl Into<String>) -> Self {
        let (name, value) = (name.to_owned(), value.to_owned());
        Self { written: name.clone(), name, value, origin, reason: reason.into() }
    }

    /// The same, known to the user under this name.
    pub fn written_as(self, name: &str) -> Self {
        Self { written: name.to_owned(), ..self }
    }

    /// The value, or stars if it is a secret.
    pub fn shown(&self) -> &str {
        if is_secret(&self.name) { "********" } else { &self.value }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}={}", self.name, self.shown())?;
        if self.reason.is_empty() { Ok(()) } else { write!(formatter, " ({})", self.reason) }
    }
}

impl fmt::Debug for Setting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {self}", self.origin)
    }
}

/// Must the value of this property never be shown?
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let words = ["password", "passphrase", "secret", "jaas", "oauthbearer.config"];
    words.iter().any(|word| name.contains(word))
        || (name.starts_with("ssl.") && (name.ends_with(".key") || name.ends_with(".pem")))
        || name.ends_with("private.key.pem")
}

/// The settings of one client, one for each name.
#[derive(Debug, Clone, Default)]
pub struct Settings(Vec<Setting>);

impl Settings {
    /// Adds a setting, in place of one that has effect under the same name.
    pub fn set(&mut self, setting: Setting) {
        let ignored = setting.origin == Origin::Ignored;
        self.0.retain(|other| {
            other.name != setting.name || (other.origin == Origin::Ignored) != ignored
        });
        self.0.push(setting);
    }

    /// Adds a setting unless there is one that has effect under this name.
    pub fn set_default(&mut self, setting: Setting) {
        if self.get(&setting.name).is_none() {
            self.set(setting);
        }
    }

    /// Removes what has effect under this name, and gives it.
    pub fn take(&mut self, name: &str) -> Option<Setting> {
        let index = self.0.iter().position(|s| s.name == name && s.origin != Origin::Ignored)?;
        Some(self.0.remove(index))
    }

    /// The value that has effect.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.effective().find(|setting| setting.name == name).map(|setting| setting.value.as_str())
    }

    /// The number that has effect.
    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.get(name)?.parse().ok()
    }

    /// What the user calls it.
    pub fn written<'a>(&'a self, name: &'a str) -> &'a str {
        let found = self.effective().find(|setting| setting.name == name);
        found.map_or(name, |setting| setting.written.as_str())
    }

    /// A message of librdkafka with the names that the user wrote.
    pub fn in_the_user_s_names(&self, message: &str) -> String {
        let renamed = self.effective().filter(|setting| setting.written != setting.name);
        renamed.fold(message.to_owned(), |message, one| {
            ['`', '"'].iter().fold(message, |message, quote| {
                let quoted = |name: &str| format!("{quote}{name}{quote}");
                message.replace(&quoted(&one.name), &quoted(&one.written))
            })
        })
    }

    /// What has effect.
    pub fn effective(&self) -> impl Iterator<Item = &Setting> {
        self.0.iter().filter(|setting| setting.origin != Origin::Ignored)
    }

    /// Everything, ignored properties included.
    pub fn all(&self) -> &[Setting] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_never_shown() {
        let secrets = [
            "sasl.password",
            "ssl.key.password",
            "ssl.keystore.password",
            "ssl.truststore.password",
            "sasl.jaas.config",
            "ssl.keystore.key",
            "ssl.key.pem",
            "sasl.oauthbearer.client.secret",
            "sasl.oauthbearer.assertion.private.key.passphrase",
            "ssl.keystore.passwrod.password",
        ];
        for name in secrets {
            let setting = Setting::new(name, "hunter2", Origin::User, "");
            assert!(!format!("{setting} {setting:?}").contains("hunter2"), "{name}");
        }
        assert!(!is_secret("ssl.key.location"));
    }

    #[test]
    fn a_message_has_the_names_of_the_user_s_file() {
        let mut settings = Settings::default();
        let timeout = Setting::new("message.timeout.ms", "1", Origin::Mapped, "");
        settings.set(timeout.written_as("delivery.timeout.ms"));
        settings.set(Setting::new("linger.ms", "2", Origin::User, ""));
        let message = "`message.timeout.ms` must be greater than `linger.ms`";
        let expected = "`delivery.timeout.ms` must be greater than `linger.ms`";
        assert_eq!(settings.in_the_user_s_names(message), expected);
        assert_eq!(settings.written("message.timeout.ms"), "delivery.timeout.ms");
        assert_eq!(settings.written("acks"), "acks");
    }

    #[test]
    fn an_ignored_property_does_not_hide_an_effective_one() {
        let mut settings = Settings::default();
        settings.set(Setting::new("a", "1", Origin::Ignored, "x"));
        settings.set_default(Setting::new("a", "2", Origin::Default, "y"));
        settings.set_default(Setting::new("a", "3", Origin::Default, "z"));
        assert_eq!(settings.get("a"), Some("2"));
        assert_eq!(settings.all().len(), 2);
    }
}
