//! Peers that are no broker, and one that stands before a broker and asks for a login.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU8, Ordering},
    },
    thread,
    time::Duration,
};

use crate::support::{TOPIC, World, produce, varied, world};

/// A login that the proxy takes.
const LOGIN: &str =
    "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.username=u\nsasl.password=p";

/// What a login comes to.
#[derive(Debug, Clone, Copy)]
enum Door {
    Open,
    /// The connection ends as the mechanism is agreed upon.
    Slammed,
    /// The broker does not know the user.
    Locked,
}

/// Whatever is asked, the answer is a web server's.
fn web_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut peer in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                let _ = peer.read(&mut [0; 4096]);
                let _ = peer.write_all(b"HTTP/1.0 400 Bad request\r\n\r\n");
            });
        }
    });
    port
}

/// Stands before a broker that asks for no login, and asks for one.
#[derive(Clone)]
struct Proxy {
    port: u16,
    broker: u16,
    door: Arc<AtomicU8>,
    peers: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    fn before(servers: &str) -> Self {
        let broker = servers.rsplit(':').next().unwrap().parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (door, peers) = (Arc::new(AtomicU8::new(Door::Open as u8)), Arc::default());
        let proxy = Self { port, broker, door, peers };
        let own = proxy.clone();
        thread::spawn(move || {
            for peer in listener.incoming().map_while(Result::ok) {
                let proxy = own.clone();
                // Its end is the connection's.
                thread::spawn(move || proxy.serve(peer));
            }
        });
        proxy
    }

    /// Ends all connections, and treats those that come like this.
    fn turn_out(&self, door: Door) {
        self.door.store(door as u8, Ordering::SeqCst);
        for peer in self.peers.lock().unwrap().drain(..) {
            let _ = peer.shutdown(Shutdown::Both);
        }
    }

    fn is(&self, door: Door) -> bool {
        self.door.load(Ordering::SeqCst) == door as u8
    }

    fn serve(&self, mut peer: TcpStream) -> Option<()> {
        let mut broker = TcpStream::connect(("127.0.0.1", self.broker)).ok()?;
        self.peers.lock().unwrap().push(peer.try_clone().ok()?);
        loop {
            let request = receive(&mut peer)?;
            let (key, version) = (&request[..2], i16::from_be_bytes([request[2], request[3]]));
            let correlation = &request[4..8];
            match key {
                // ApiVersions, of which only version 0 is spoken here; SaslHandshake and SaslAuthenticate are added.
                [0, 18] if version > 0 => send(&mut peer, &[correlation, &[0, 35, 0, 0, 0, 0]])?,
                [0, 18] => {
                    send(&mut broker, &[&request])?;
                    let answer = receive(&mut broker)?;
                    let count = i32::from_be_bytes(answer[6..10].try_into().ok()?) + 2;
                    let ours = [0, 17, 0, 0, 0, 1, 0, 36, 0, 0, 0, 1];
                    send(&mut peer, &[&answer[..6], &count.to_be_bytes(), &answer[10..], &ours])?;
                }
                [0, 17] if self.is(Door::Slammed) => {
                    let _ = peer.shutdown(Shutdown::Both);
                    return None;
                }
                [0, 17] => send(&mut peer, &[correlation, &[0, 0, 0, 0, 0, 1, 0, 5], b"PLAIN"])?,
                [0, 36] if self.is(Door::Locked) => {
                    let words = b"no such user";
                    let refusal = [0, 58, 0, words.len() as u8];
                    send(&mut peer, &[correlation, &refusal, words, &[0; 4], &[0; 8]])?;
                    return None;
                }
                // no error, no words, no bytes, no end of the session
                _ => {
                    send(
                        &mut peer,
                        &[
                            correlation,
                            &[0, 0, 0xff, 0xff, 0, 0, 0, 0],
                            &[0; 8][..(version > 0) as usize * 8],
                        ],
                    )?;
                    break;
                }
            }
        }
        let (mut back, mut from) = (peer.try_clone().ok()?, broker.try_clone().ok()?);
        let proxy = self.clone();
        thread::spawn(move || proxy.answer(&mut from, &mut back));
        while let Some(request) = receive(&mut peer) {
            send(&mut broker, &[&request])?;
        }
        let _ = broker.shutdown(Shutdown::Both);
        None
    }

    /// Hands answers on, in which the broker has our address.
    fn answer(&self, broker: &mut TcpStream, peer: &mut TcpStream) -> Option<()> {
        let address = |port: u16| [b"127.0.0.1", &i32::from(port).to_be_bytes()[..]].concat();
        let (theirs, ours) = (address(self.broker), address(self.port));
        while let Some(mut answer) = receive(broker) {
            let is_there = |bytes: &[u8]| bytes == theirs;
            while let Some(at) = answer.windows(theirs.len()).position(is_there) {
                answer[at..at + ours.len()].copy_from_slice(&ours);
            }
            send(peer, &[&answer])?;
        }
        let _ = peer.shutdown(Shutdown::Both);
        None
    }
}

fn receive(peer: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    peer.read_exact(&mut length).ok()?;
    let mut bytes = vec![0; u32::from_be_bytes(length) as usize];
    peer.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

fn send(peer: &mut TcpStream, parts: &[&[u8]]) -> Option<()> {
    let body = parts.concat();
    peer.write_all(&[&(body.len() as u32).to_be_bytes(), &body[..]].concat()).ok()
}

/// A source behind such a proxy.
fn behind_a_login() -> (World, Proxy) {
    let world = world(1, 1);
    let proxy = Proxy::before(&world.source.bootstrap_servers());
    let line = format!("bootstrap.servers=127.0.0.1:{}\n{LOGIN}", proxy.port);
    (world.consumer(&line), proxy)
}

#[test]
fn an_answer_that_is_not_kafka_s_is_an_outage_of_one_address() {
    let world = world(1, 1);
    let strangers: Vec<u16> = (0..7).map(|_| web_server()).collect();
    let strangers: String = strangers.iter().map(|port| format!(",127.0.0.1:{port}")).collect();
    let servers = format!("bootstrap.servers={}{strangers}", world.source.bootstrap_servers());
    let world = world.consumer(&servers);
    produce(&world.source, TOPIC, &varied(10));
    let mut mirror = world.mirror(&[]);
    world.wait_for(10, &mut mirror);
    mirror.wait_for_log("Invalid response size");
    thread::sleep(Duration::from_secs(3));
    produce(&world.source, TOPIC, &varied(10));
    world.wait_for(20, &mut mirror);
    mirror.stop();
}

#[test]
fn a_login_that_is_cut_off_is_an_outage() {
    let (world, proxy) = behind_a_login();
    produce(&world.source, TOPIC, &varied(10));
    let mut mirror = world.mirror(&[]);
    world.wait_for(10, &mut mirror);
    proxy.turn_out(Door::Slammed);
    mirror.wait_for_log("mechanism handshake failed");
    thread::sleep(Duration::from_secs(3));
    proxy.turn_out(Door::Open);
    produce(&world.source, TOPIC, &varied(10));
    world.wait_for(20, &mut mirror);
    mirror.stop();
}

#[test]
fn a_login_that_is_refused_after_an_outage_ends_the_mirror() {
    let (world, proxy) = behind_a_login();
    produce(&world.source, TOPIC, &varied(10));
    let mut mirror = world.mirror(&[]);
    world.wait_for(10, &mut mirror);
    proxy.turn_out(Door::Locked);
    mirror.fails(1, &["log in to the source", "no such user", "sasl.mechanism"]);
}
