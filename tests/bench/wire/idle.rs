//! Memory of idle connections: after they connect, and after each has run a query.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::servers::{Contestant, Servers};

/// Just below the default limit of a listener.
const CONNECTIONS: usize = 950;
/// KiB a connection may cost.
const FLOOR_KIB: f64 = 16.0;

pub(super) fn report(servers: &Servers) {
    let server = servers.server(Contestant::Node);
    let before = servers.node_pss_kib();
    let mut connections: Vec<TcpStream> = (0..CONNECTIONS)
        .map(|_| {
            let mut stream = TcpStream::connect((server.host.as_str(), server.port)).expect("connect");
            stream.write_all(&startup(&server.user, &server.database)).expect("send the start");
            until_ready(&mut stream);
            stream
        })
        .collect();
    let connected = servers.node_pss_kib();
    for stream in &mut connections {
        stream.write_all(&query("select v from point where id = 7")).expect("send the query");
        until_ready(stream);
    }
    let queried = servers.node_pss_kib();
    let each = |after: u64| after.saturating_sub(before) as f64 / CONNECTIONS as f64;
    println!(
        "\n{CONNECTIONS} idle connections: {:.1} KiB each, {:.1} KiB after a query (at most {FLOOR_KIB}); without them {} KiB",
        each(connected),
        each(queried),
        before
    );
}

/// StartupMessage, protocol 3.0.
fn startup(user: &str, database: &str) -> Vec<u8> {
    let mut body = 196_608_u32.to_be_bytes().to_vec();
    body.extend(format!("user\0{user}\0database\0{database}\0\0").into_bytes());
    let len = u32::try_from(body.len() + 4).expect("a short message");
    [len.to_be_bytes().to_vec(), body].concat()
}

fn query(sql: &str) -> Vec<u8> {
    let len = u32::try_from(sql.len() + 5).expect("a short message");
    [b"Q".to_vec(), len.to_be_bytes().to_vec(), sql.as_bytes().to_vec(), vec![0]].concat()
}

/// Reads up to ReadyForQuery. Nothing follows it, so it ends what was received.
fn until_ready(stream: &mut TcpStream) {
    let mut received = Vec::new();
    let mut chunk = [0; 4096];
    while !received.ends_with(b"Z\0\0\0\x05I") {
        let count = stream.read(&mut chunk).expect("receive");
        assert!(count > 0, "the server hung up: {}", String::from_utf8_lossy(&received));
        received.extend_from_slice(&chunk[..count]);
    }
}
