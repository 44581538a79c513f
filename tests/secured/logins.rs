//! Who may log in where: users, passwords, and what brokers are told of them.

use super::certificates::{Authority, Identity};
use harness::cluster::containers::{self, Node};

/// Who logs in by PLAIN; the password has what both grammars, JAAS and Java's properties, must escape.
pub(crate) const PLAIN_PASSWORD: &str = "plain-s3cret \"=;\\#' end";
pub(crate) const SCRAM_PASSWORD: &str = "scram-s3cret";
pub(crate) const STORE_PASSWORD: &str = "store-s3cret";
/// Who logs in by SCRAM.
pub(crate) const SCRAMMER: &str = "scrammer";
/// The same, until the destination forgets them.
pub(crate) const LEAVER: &str = "leaver";

/// Gives a cluster a user of SCRAM.
pub(crate) async fn add(cluster: &containers::Cluster, user: &str) -> Result<(), String> {
    let credentials = format!(
        "SCRAM-SHA-256=[iterations=4096,password={SCRAM_PASSWORD}],SCRAM-SHA-512=[password={SCRAM_PASSWORD}]"
    );
    configure(cluster, user, ["--add-config", &credentials]).await
}

pub(crate) async fn forget(cluster: &containers::Cluster, user: &str) -> Result<(), String> {
    configure(cluster, user, ["--delete-config", "SCRAM-SHA-256,SCRAM-SHA-512"]).await
}

async fn configure(
    cluster: &containers::Cluster,
    user: &str,
    change: [&str; 2],
) -> Result<(), String> {
    let internal = cluster.bootstrap_internal();
    let command = ["kafka-configs.sh", "--bootstrap-server", &internal, "--alter"];
    let entity = ["--entity-type", "users", "--entity-name", user];
    let output = cluster.exec(Node::Broker(1), &[&command[..], &change, &entity].concat()).await;
    let output = output.map_err(|error| format!("failed to {error}"))?;
    if output.exit == 0 { Ok(()) } else { Err(format!("kafka-configs.sh: {}", output.stderr)) }
}

/// A value in Java's grammar for properties.
pub(crate) fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('\n', "\\n")
}

/// A line for one of Java's login modules.
pub(crate) fn jaas(module: &str, options: &[(&str, &str)]) -> String {
    let quoted = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"");
    let option = |(name, value): &(&str, &str)| format!(" {name}=\"{}\"", quoted(value));
    let options: String = options.iter().map(option).collect();
    escaped(&format!("org.apache.kafka.common.security.{module} required{options};"))
}

/// What a broker needs for its listeners; one certificate serves both clusters.
pub(crate) fn properties(authority: &Authority, broker: &Identity) -> String {
    let mut lines = vec![
        "sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512".to_owned(),
        "ssl.keystore.type=PEM".to_owned(),
        format!("ssl.keystore.key={}", escaped(&broker.key)),
        format!("ssl.keystore.certificate.chain={}", escaped(&broker.certificate)),
        "ssl.truststore.type=PEM".to_owned(),
        format!("ssl.truststore.certificates={}", escaped(&authority.certificate)),
        "listener.name.mutual.ssl.client.auth=required".to_owned(),
        "listener.name.sasl.sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512".to_owned(),
        // Who has logged in must do so again and again (KIP-368).
        "listener.name.sasl.scram-sha-512.connections.max.reauth.ms=2000".to_owned(),
    ];
    let plain = jaas("plain.PlainLoginModule", &[("user_plainer", PLAIN_PASSWORD)]);
    let scram = jaas("scram.ScramLoginModule", &[]);
    for listener in ["sasltls", "sasl"] {
        lines.push(format!("listener.name.{listener}.plain.sasl.jaas.config={plain}"));
        for mechanism in ["scram-sha-256", "scram-sha-512"] {
            lines.push(format!("listener.name.{listener}.{mechanism}.sasl.jaas.config={scram}"));
        }
    }
    lines.join("\n")
}
