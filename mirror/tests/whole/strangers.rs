//! Peers that are no broker.

use std::{
    io::{Read, Write},
    net::TcpListener,
    thread,
    time::Duration,
};

use crate::support::{TOPIC, produce, varied, world};

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
