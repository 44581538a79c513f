//! Two clusters in containers that also listen with TLS and SASL, and our mirror between them.

use super::{
    certificates::Authority,
    logins::{LEAVER, SCRAMMER, STORE_PASSWORD, add, forget, properties},
};
use crate::support::mirroring::{Ended, Running, contents};
use harness::{
    cluster::{
        Cluster,
        containers::{self, Engine, Listeners, Node, Pair, RunLabel, Topology},
    },
    workload::{generate::generate, pace::Pace, produce::Producers},
};
use judge::plan::{Headers, TimestampStyle, Workload};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};
use tokio::runtime::Handle;

/// No output may have it.
const SECRET: &str = "s3cret";

/// The clusters, and the files that clients are given.
pub(crate) struct Ground {
    pair: Pair,
    /// Whose containers they are: without it another run would sweep them.
    _engine: Engine,
    pub(crate) folder: PathBuf,
    /// Lines of keys, which no output may have either.
    keys: Vec<String>,
    next: AtomicUsize,
}

impl Ground {
    pub(crate) async fn start(run: RunLabel, folder: &Path) -> Result<Ground, String> {
        let failed = |error: containers::EngineError| format!("failed to {error}");
        let (authority, stranger) = (Authority::new("authority"), Authority::new("stranger"));
        let broker = authority.broker(&["127.0.0.1"]);
        let client = authority.client();
        let listeners = Listeners::new(
            &[
                ("TLS", "SSL"),
                ("MUTUAL", "SSL"),
                ("SASLTLS", "SASL_SSL"),
                ("SASL", "SASL_PLAINTEXT"),
            ],
            properties(&authority, &broker),
        );
        let topology = Topology { listeners, ..Topology::default() };
        let engine = Engine::connect(run).await.map_err(failed)?;
        let pair = engine.start_pair(&topology, &topology, &|_| {}).await.map_err(failed)?;
        fs::create_dir_all(folder.join("jks")).map_err(|error| error.to_string())?;
        let ground = Ground {
            pair,
            _engine: engine,
            folder: folder.to_owned(),
            keys: [&broker, &client].map(|one| lines(&one.key)[1].to_owned()).into(),
            next: AtomicUsize::new(0),
        };
        ground.write("authority.pem", &authority.certificate);
        ground.write("stranger.pem", &stranger.certificate);
        ground.write("client.pem", &(client.key.clone() + &client.certificate));
        ground.write("client-certificate.pem", &client.certificate);
        ground.write("client-key.pem", &client.key);
        ground.stores().await?;
        add(&ground.pair.source, SCRAMMER).await?;
        add(&ground.pair.destination, SCRAMMER).await?;
        add(&ground.pair.destination, LEAVER).await?;
        Ok(ground)
    }

    /// What only other tools make of the client's identity: PKCS12, JKS, an encrypted key.
    async fn stores(&self) -> Result<(), String> {
        self.put("client.pem").await?;
        let script = format!(
            "cd {folder} && mkdir jks && export P={STORE_PASSWORD} && \
             openssl pkcs12 -export -in client.pem -out client.p12 -passout env:P && \
             openssl pkcs8 -topk8 -in client.pem -out encrypted-key.pem -passout env:P && \
             keytool -importkeystore -noprompt -srckeystore client.p12 -srcstoretype PKCS12 -srcstorepass $P \
               -destkeystore jks/client.jks -deststoretype JKS -deststorepass $P",
            folder = self.folder.display()
        );
        self.shell(&script, "").await?;
        self.put("authority.pem").await?;
        let script = format!(
            "cd {} && keytool -importcert -noprompt -alias a -file authority.pem -keystore jks/authority.jks \
             -storetype JKS -storepass {STORE_PASSWORD}",
            self.folder.display()
        );
        self.shell(&script, "").await?;
        for name in ["client.p12", "encrypted-key.pem", "jks/client.jks", "jks/authority.jks"] {
            self.fetch(name).await?;
        }
        Ok(())
    }

    /// Runs a shell's line in a container, which has Java's tools and OpenSSL's.
    pub(crate) async fn shell(&self, script: &str, input: &str) -> Result<String, String> {
        let command = ["sh", "-c", script];
        let output =
            self.pair.source.exec_with_input(Node::Broker(1), &command, input.as_bytes()).await;
        let output = output.map_err(|error| format!("failed to {error}"))?;
        if output.exit != 0 {
            return Err(format!("{script}: {} {}", output.stdout, output.stderr));
        }
        Ok(output.stdout)
    }

    /// Copies a file of ours to the same path in the container.
    async fn put(&self, name: &str) -> Result<(), String> {
        let path = self.folder.join(name);
        let text = fs::read_to_string(&path).map_err(|error| error.to_string())?;
        let (folder, path) = (self.folder.display(), path.display());
        self.shell(&format!("mkdir -p {folder} && cat > {path}"), &text).await.map(drop)
    }

    /// Copies a file of the container to the same path here.
    pub(crate) async fn fetch(&self, name: &str) -> Result<(), String> {
        let path = self.folder.join(name);
        let octets = self.shell(&format!("od -An -v -tu1 {}", path.display()), "").await?;
        let bytes: Result<Vec<u8>, _> = octets.split_whitespace().map(str::parse).collect();
        fs::write(path, bytes.map_err(|error| error.to_string())?)
            .map_err(|error| error.to_string())
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.join(name), text).expect("a file of the test's own");
    }

    /// The file's path, as it is in a properties file.
    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// The file's text as the value of a property, on one line as Java takes it.
    pub(crate) fn in_line(&self, name: &str) -> String {
        lines(&fs::read_to_string(self.folder.join(name)).expect("a file of the test's own"))
            .join(" ")
    }

    pub(crate) fn source(&self, listener: &str) -> String {
        address(&self.pair.source, listener)
    }

    pub(crate) fn destination(&self, listener: &str) -> String {
        address(&self.pair.destination, listener)
    }

    /// Runs the mirror once over a new topic of some records; they are on the destination if it ends with 0.
    pub(crate) fn mirror(
        &self,
        runtime: &Handle,
        settings: &BTreeMap<String, String>,
        consumer: &str,
        producer: &str,
    ) -> Result<Ended, String> {
        let (number, topic) = self.new_topic(runtime)?;
        let failed = |error: &dyn std::fmt::Display| format!("failed to {error}");
        let (source, destination) = self.clusters();
        if !settings.is_empty() {
            let configured = runtime.block_on(source.configure_topic(&topic, settings));
            configured.map_err(|error| failed(&error))?;
        }
        let headers = Headers::Varied;
        let timestamps = TimestampStyle::Varied;
        let workload = Workload { records: 300, headers, timestamps, ..Workload::default() };
        let records = generate(&workload, 1, number as u64, 3, 1_700_000_000_000);
        let produced =
            Producers::to(source.bootstrap()).produce(&topic, &records, None, Pace::AtOnce);
        produced.map_err(|error| failed(&error))?;
        let arguments = ["--once", "--json", "--include", &topic];
        let ended = self.ended(self.start_mirror(number, &arguments, consumer, producer)?)?;
        if ended.code == Some(0) {
            let (there, here) = (contents(&source, &topic)?, contents(&destination, &topic)?);
            if there.len() != 300 || there != here {
                return Err(format!("{topic}: {} records became {}", there.len(), here.len()));
            }
        }
        Ok(ended)
    }

    fn clusters(&self) -> (Cluster, Cluster) {
        let cluster = |cluster: &containers::Cluster| Cluster::in_containers(cluster.clone());
        (cluster(&self.pair.source), cluster(&self.pair.destination))
    }

    /// A new topic on both sides, and its number.
    fn new_topic(&self, runtime: &Handle) -> Result<(usize, String), String> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let topic = format!("secured-{number}");
        let failed = |error: harness::cluster::ClusterError| format!("failed to {error}");
        let (source, destination) = self.clusters();
        runtime.block_on(source.create_topic(&topic, 3)).map_err(failed)?;
        runtime.block_on(destination.create_topic(&topic, 2)).map_err(failed)?;
        Ok((number, topic))
    }

    /// Starts a mirror with these arguments; all that librdkafka can say of itself is in its log.
    fn start_mirror(
        &self,
        number: usize,
        arguments: &[&str],
        consumer: &str,
        producer: &str,
    ) -> Result<Running, String> {
        let consumer =
            format!("group.id=g{number}\nsession.timeout.ms=10000\ndebug=all\n{consumer}\n");
        let producer = format!("debug=security,broker,conf\n{producer}\n");
        Running::start(
            &self.folder.join(number.to_string()),
            arguments,
            &consumer,
            &producer,
            "trace",
        )
    }

    /// Waits for a mirror's end; none of what it wrote may show a secret.
    fn ended(&self, running: Running) -> Result<Ended, String> {
        let ended = running.wait()?;
        self.check_no_secrets(&ended.output)?;
        self.check_no_secrets(&ended.report)?;
        Ok(ended)
    }

    /// Runs a mirror until it reads; then the destination forgets who it is.
    pub(crate) fn lock_out(
        &self,
        runtime: &Handle,
        consumer: &str,
        producer: &str,
    ) -> Result<Ended, String> {
        let (number, topic) = self.new_topic(runtime)?;
        let mut running = self.start_mirror(number, &["--include", &topic], consumer, producer)?;
        if !running.comes_to("stream 0 reads")? {
            return Err(format!("nothing was read:\n{}", self.ended(running)?.output));
        }
        runtime.block_on(forget(&self.pair.destination, LEAVER))?;
        self.ended(running)
    }

    pub(crate) fn check_no_secrets(&self, text: &str) -> Result<(), String> {
        let secrets = self.keys.iter().map(String::as_str).chain([SECRET]);
        for secret in secrets {
            if let Some(line) = text.lines().find(|line| line.contains(secret)) {
                return Err(format!("a secret is shown: {line}"));
            }
        }
        Ok(())
    }

    /// Which codecs a topic's batches have on the destination, as Kafka's own tool reads them.
    pub(crate) async fn codecs(&self, topic: &str) -> Result<String, String> {
        let files = (0..2).map(|partition| {
            format!("/var/lib/kafka/data/{topic}-{partition}/00000000000000000000.log")
        });
        let files = files.collect::<Vec<_>>().join(",");
        let command = ["kafka-run-class.sh", "kafka.tools.DumpLogSegments", "--files", &files];
        let output = self.pair.destination.exec(Node::Broker(1), &command).await;
        Ok(output.map_err(|error| format!("failed to {error}"))?.stdout)
    }

    pub(crate) async fn remove(self) -> Result<(), String> {
        self.pair.remove().await.map_err(|error| format!("failed to {error}"))
    }
}

fn address(cluster: &containers::Cluster, listener: &str) -> String {
    match listener {
        "PLAIN" => cluster.bootstrap(),
        listener => cluster.listener(listener).expect("a listener of the test's own"),
    }
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}
