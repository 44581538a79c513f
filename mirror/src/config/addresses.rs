//! The addresses of brokers, as Java takes them: `host:port,host:port`.
//!
//! librdkafka takes what is no port for 0, what is no host for localhost, and what is no list for one host, and looks for
//! it until the start is given up. It resolves no name.

/// librdkafka's own prefixes of an address.
const PROTOCOLS: [&str; 4] = ["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"];

/// What is wrong with such a list, if anything is.
pub(super) fn fault(list: &str) -> Option<String> {
    let mut all = list.split(',').map(str::trim).filter(|one| !one.is_empty()).peekable();
    if all.peek().is_none() {
        return Some("names no broker; write host:port,host:port".to_owned());
    }
    let wrong = all.find(|one| !is_address(one))?;
    Some(format!("names {wrong:?}, which is not host:port; write host:port,host:port"))
}

fn is_address(address: &str) -> bool {
    let bare = match address.split_once("://") {
        Some((protocol, _)) if !PROTOCOLS.contains(&protocol.to_lowercase().as_str()) => {
            return false;
        }
        Some((_, bare)) => bare,
        None => address,
    };
    // Without a port librdkafka takes Kafka's.
    let (host, port) = bare.rsplit_once(':').unwrap_or((bare, "9092"));
    let is_of_a_host = |c: char| c.is_ascii_alphanumeric() || "-._%:[]".contains(c);
    !host.is_empty() && host.chars().all(is_of_a_host) && port.parse::<u16>().is_ok_and(|n| n > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_addresses_are_taken() {
        for list in ["a:1", "a-1.b_c:9092, 10.0.0.1:9093,", "[::1]:9092", "SASL_SSL://a:1", "a"] {
            assert_eq!(fault(list), None, "{list}");
        }
    }

    #[test]
    fn what_is_no_address_is_named() {
        for (list, wrong) in [
            ("a:1,http://b:1", "\"http://b:1\""),
            ("a:1;b:1", "\"a:1;b:1\""),
            ("a:1 b:1", "\"a:1 b:1\""),
            ("a:x", "\"a:x\""),
            ("a:0", "\"a:0\""),
            ("a:65536", "\"a:65536\""),
            (":9092", "\":9092\""),
            ("a:1/kafka", "\"a:1/kafka\""),
        ] {
            let fault = fault(list).unwrap_or_default();
            assert!(
                fault.starts_with(&format!("names {wrong}, which is not host:port")),
                "{fault}"
            );
        }
        for list in ["", " , "] {
            assert!(fault(list).is_some_and(|fault| fault.starts_with("names no broker")));
        }
    }
}
