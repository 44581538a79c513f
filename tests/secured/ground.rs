//! Two clusters in containers that also listen with TLS and SASL, and our mirror between them.

use super::{
    certificates::Authority,
    logins::{LEAVER, SCRAMMER, STORE_PASSWORD, add, forget, properties},
};
use harness::{
    cluster::{
        Cluster,
        client::Isolation,
        containers::{self, Engine, Listeners, Node, Pair, RunLabel, Topology},
    },
    observe::read::read_topic,
    workload::{generate::generate, pace::Pace, produce::Producers},
};
use judge::plan::{Headers, TimestampStyle, Workload};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};
use tokio::runtime::Handle;

/// No output may have it.
const SECRET: &str = "s3cret";

const DEADLINE: Duration = Duration::from_secs(90);

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

/// A run of the mirror.
struct Running {
    child: Child,
    began: Instant,
    log: PathBuf,
    report: PathBuf,
}

/// How a run of the mirror ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) output: String,
    pub(crate) report: String,
    pub(crate) took: Duration,
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
        let ended = self.wait(self.start_mirror(number, &arguments, consumer, producer)?)?;
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
        let file = |name: &str| self.folder.join(format!("{number}-{name}"));
        let write = |name, text: String| fs::write(file(name), text).map_err(text_of);
        write(
            "consumer.properties",
            format!("group.id=g{number}\nsession.timeout.ms=10000\ndebug=all\n{consumer}\n"),
        )?;
        write("producer.properties", format!("debug=security,broker,conf\n{producer}\n"))?;
        let create = |name| File::create(file(name)).map_err(text_of);
        let child = Command::new(env!("CARGO_BIN_EXE_mirrorproof"))
            .arg("mirror")
            .args(arguments)
            .arg("--consumer.config")
            .arg(file("consumer.properties"))
            .arg("--producer.config")
            .arg(file("producer.properties"))
            .env("RUST_LOG", "trace")
            .stdout(create("report.json")?)
            .stderr(create("mirror.log")?)
            .spawn()
            .map_err(text_of)?;
        let (log, report) = (file("mirror.log"), file("report.json"));
        Ok(Running { child, began: Instant::now(), log, report })
    }

    /// Waits for a mirror's end; none of what it wrote may show a secret.
    fn wait(&self, mut running: Running) -> Result<Ended, String> {
        let code = loop {
            if let Some(status) = running.child.try_wait().map_err(text_of)? {
                break status.code();
            }
            if running.began.elapsed() > DEADLINE {
                // It is this test's own child; its log is what explains it.
                let _ = running.child.kill();
                let _ = running.child.wait();
                break None;
            }
            thread::sleep(Duration::from_millis(50));
        };
        let took = running.began.elapsed();
        let (output, report) = (lossy(&running.log)?, lossy(&running.report)?);
        self.check_no_secrets(&output)?;
        self.check_no_secrets(&report)?;
        Ok(Ended { code, output, report, took })
    }

    /// Runs a mirror until it reads; then the destination forgets who it is.
    pub(crate) fn lock_out(
        &self,
        runtime: &Handle,
        consumer: &str,
        producer: &str,
    ) -> Result<Ended, String> {
        let (number, topic) = self.new_topic(runtime)?;
        let running = self.start_mirror(number, &["--include", &topic], consumer, producer)?;
        while !lossy(&running.log)?.contains("stream 0 reads") {
            if running.began.elapsed() > DEADLINE / 2 {
                return Err(format!("nothing was read:\n{}", self.wait(running)?.output));
            }
            thread::sleep(Duration::from_millis(50));
        }
        runtime.block_on(forget(&self.pair.destination, LEAVER))?;
        self.wait(running)
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

fn text_of(error: std::io::Error) -> String {
    error.to_string()
}

fn lossy(path: &Path) -> Result<String, String> {
    Ok(String::from_utf8_lossy(&fs::read(path).map_err(text_of)?).into_owned())
}

/// Everything of each record but its place, in an order of their own.
fn contents(cluster: &Cluster, topic: &str) -> Result<Vec<String>, String> {
    let read = read_topic(cluster.bootstrap(), topic, Isolation::ReadCommitted, DEADLINE);
    let read = read.map_err(|error| format!("failed to {error}"))?;
    let mut all: Vec<String> = read
        .records
        .iter()
        .map(|(_, _, content)| format!("{content:?} {}", content.digest()))
        .collect();
    all.sort();
    Ok(all)
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}
