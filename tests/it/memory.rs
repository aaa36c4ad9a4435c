//! Results of any size cost bounded memory, also for clients that do not read, and nobody else waits for such a client.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use tests::node::{Node, Setup};
use tests::wait::wait_until;

/// Rows of 1 KiB each: 100 MiB in all.
const ROWS: usize = 100_000;
/// What a node may grow by beside such results: chunks, and the pages that its connections cache.
const GROWTH_MAX: u64 = 48 << 20;
const PATIENCE: Duration = Duration::from_secs(120);

/// A client that reads when it is told to.
struct Client(TcpStream);

impl Client {
    fn connect(node: &Node) -> Self {
        let server = node.server();
        let stream = TcpStream::connect((server.host.as_str(), server.port)).expect("connect");
        stream.set_read_timeout(Some(PATIENCE)).expect("read timeout");
        let mut client = Self(stream);
        let body = [&0x3_0000_u32.to_be_bytes()[..], b"user\0postgres\0\0"].concat();
        client.0.write_all(&[&length(&body)[..], &body].concat()).expect("send");
        client.rest();
        client
    }

    fn ask(&mut self, sql: &str) {
        let body = format!("{sql}\0").into_bytes();
        self.0.write_all(&[&b"Q"[..], &length(&body), &body].concat()).expect("send");
    }

    fn message(&mut self) -> (u8, Vec<u8>) {
        let mut header = [0; 5];
        self.0.read_exact(&mut header).expect("a message");
        let len = u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize;
        let mut body = vec![0; len - 4];
        self.0.read_exact(&mut body).expect("its body");
        (header[0], body)
    }

    /// Reads to ReadyForQuery: how many rows, and the SQLSTATE if there was an error.
    fn rest(&mut self) -> (usize, Option<String>) {
        let (mut rows, mut failed) = (0, None);
        loop {
            match self.message() {
                (b'Z', _) => return (rows, failed),
                (b'D', _) => rows += 1,
                (b'E', body) => {
                    let code = body.split(|b| *b == 0).find(|field| field.first() == Some(&b'C'));
                    failed = code.map(|code| String::from_utf8_lossy(&code[1..]).into_owned());
                }
                _ => {}
            }
        }
    }

    /// Waits for the first message of an answer.
    fn first(&mut self) {
        assert_eq!(self.message().0, b'T');
    }
}

fn length(body: &[u8]) -> [u8; 4] {
    u32::try_from(body.len() + 4).expect("short").to_be_bytes()
}

#[test]
fn a_client_that_does_not_read_costs_neither_memory_nor_the_others_time() {
    let node = Setup::built_in().variable("CORROSION__PERF__WRITE_LEASE_IDLE_MAX", "200ms").start();
    let server = node.server();
    server.rows("create table t (id int primary key, v text)");
    for start in (0..ROWS).step_by(10_000) {
        let end = start + 9_999;
        server.rows(&format!("insert into t select g, repeat('x', 1024) from generate_series({start}, {end}) g"));
    }
    let everything = "select id, v from t order by id";
    // Caches are filled before memory is looked at.
    let mut reader = Client::connect(&node);
    reader.ask(everything);
    assert_eq!(reader.rest(), (ROWS, None));
    let before = node.memory();

    let mut readers = Vec::new();
    for begin in ["", "begin isolation level repeatable read"] {
        let mut client = Client::connect(&node);
        if !begin.is_empty() {
            client.ask(begin);
            client.rest();
        }
        client.ask(everything);
        client.first();
        readers.push(client);
    }
    let mut holder = Client::connect(&node);
    holder.ask("begin; insert into t values (-1, 'held')");
    assert_eq!(holder.rest(), (0, None));
    holder.ask(everything);
    holder.first();

    assert_eq!(server.rows("select v from t where id = -1"), "", "reads go on");
    server.rows("insert into t values (-2, 'written')");
    assert_eq!(server.rows("select count(*) from t"), (ROWS + 1).to_string());
    let grown = node.memory().saturating_sub(before);
    assert!(grown < GROWTH_MAX, "the node grew by {grown} bytes");

    for reader in &mut readers {
        assert_eq!(reader.rest(), (ROWS, None), "a slow reader gets everything in the end");
    }
    assert_eq!(holder.rest().1.as_deref(), Some("40001"), "it kept others from writing");
    wait_until("memory to be bounded afterwards", PATIENCE, || {
        (node.memory().saturating_sub(before) < GROWTH_MAX).then_some(())
    });
    node.stop();
}
