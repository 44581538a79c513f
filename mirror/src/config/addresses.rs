//! The addresses of brokers, as Java takes them: `host:port,host:port`.
//!
//! librdkafka takes what is no port for 0, what is no host for localhost, what is no list for one host, and the end of a bare
//! IPv6 address for its port, and looks for it until the start is given up. It resolves no name.

use std::net::Ipv6Addr;

/// The list as librdkafka is to read it, or what is wrong with it.
pub(super) fn list(value: &str) -> Result<String, String> {
    let all: Vec<&str> = value.split(',').map(str::trim).filter(|one| !one.is_empty()).collect();
    if all.is_empty() {
        return Err("names no broker; write host:port,host:port".to_owned());
    }
    let wrong = |one| format!("names {one:?}, which is not host:port; write host:port,host:port");
    let read: Result<Vec<String>, String> =
        all.into_iter().map(|one| address(one).ok_or_else(|| wrong(one))).collect();
    Ok(read?.join(","))
}

fn address(address: &str) -> Option<String> {
    let bare = without_name(address);
    // Without a port librdkafka takes Kafka's.
    let (host, port) = match bare.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (bare, None),
    };
    let is_port = |port: &str| {
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|n| n > 0)
    };
    if !port.is_none_or(is_port) {
        return None;
    }
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let host = if inner.contains(':') {
        // A zone may follow, as in fe80::1%eth0.
        inner.split('%').next()?.parse::<Ipv6Addr>().ok()?;
        format!("[{inner}]")
    } else {
        let is_host = !host.is_empty() && host.chars().all(is_of_a_name);
        is_host.then(|| host.to_owned())?
    };
    Some(port.map_or_else(|| host.clone(), |port| format!("{host}:{port}")))
}

/// Java passes over what stands before `://`, whatever it is (`Utils.getHost`); librdkafka compares it with the protocol.
fn without_name(address: &str) -> &str {
    match address.split_once("://") {
        Some((name, bare)) if name.chars().all(is_of_a_name) => bare,
        _ => address,
    }
}

fn is_of_a_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._%".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_addresses_are_taken() {
        for (value, expected) in [
            ("a-1:9092, 10.0.0.1:9093,", "a-1:9092,10.0.0.1:9093"),
            ("a-1.b_c:9092", "a-1.b_c:9092"),
            ("[::1]:9092", "[::1]:9092"),
            ("[::1]", "[::1]"),
            ("a", "a"),
        ] {
            assert_eq!(list(value).as_deref(), Ok(expected), "{value}");
        }
    }

    #[test]
    fn what_java_passes_over_goes() {
        for prefix in ["PLAINTEXT", "SASL_SSL", "http", "INSIDE", "listener-1.x"] {
            let value = format!("{prefix}://a:1,{prefix}://b:2");
            assert_eq!(list(&value).as_deref(), Ok("a:1,b:2"), "{value}");
        }
        assert_eq!(list("SSL://::1:9092").as_deref(), Ok("[::1]:9092"));
    }

    #[test]
    fn a_bare_ipv6_address_is_written_so_that_its_port_is_found() {
        for (value, expected) in [
            ("::1:9092", "[::1]:9092"),
            ("2001:db8::7:9092", "[2001:db8::7]:9092"),
            ("fe80::1%eth0:9092", "[fe80::1%eth0]:9092"),
        ] {
            assert_eq!(list(value).as_deref(), Ok(expected), "{value}");
        }
    }

    #[test]
    fn what_is_no_address_is_named() {
        for (value, wrong) in [
            ("a:1,a b://b:1", "\"a b://b:1\""),
            ("a:1;b:1", "\"a:1;b:1\""),
            ("a:1 b:1", "\"a:1 b:1\""),
            ("a:x", "\"a:x\""),
            ("a:+9092", "\"a:+9092\""),
            ("a:", "\"a:\""),
            ("a:0", "\"a:0\""),
            ("a:65536", "\"a:65536\""),
            (":9092", "\":9092\""),
            ("a:1:9092", "\"a:1:9092\""),
            ("[::1:9092", "\"[::1:9092\""),
            ("[a:9092", "\"[a:9092\""),
            ("a:1/kafka", "\"a:1/kafka\""),
        ] {
            let fault = list(value).unwrap_err();
            assert!(
                fault.starts_with(&format!("names {wrong}, which is not host:port")),
                "{fault}"
            );
        }
        for value in ["", " , "] {
            assert!(list(value).is_err_and(|fault| fault.starts_with("names no broker")));
        }
    }
}
