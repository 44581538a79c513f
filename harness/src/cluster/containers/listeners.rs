//! Listeners of a broker beside its plain ones, as for TLS and SASL; the harness's own clients use none of them.

/// A listener on a port of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Listener {
    /// What the broker's properties call it.
    pub name: String,
    /// As in `listener.security.protocol.map`.
    pub protocol: String,
}

/// Listeners, and what the broker needs for them.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Listeners {
    /// Each of them.
    pub named: Vec<Listener>,
    /// More lines of server.properties: certificates, users.
    pub properties: String,
}

impl Listeners {
    /// Listeners with these names and protocols.
    pub fn new(named: &[(&str, &str)], properties: String) -> Listeners {
        let listener = |(name, protocol): &(&str, &str)| Listener {
            name: (*name).to_owned(),
            protocol: (*protocol).to_owned(),
        };
        Listeners { named: named.iter().map(listener).collect(), properties }
    }
}
