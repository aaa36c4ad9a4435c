//! The admin socket and the metrics of a running node.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use tests::node::{Node, Setup, http_get};

const SOCKET: &str = "corrosion-data/admin.sock";

fn connect(node: &Node) -> UnixStream {
    UnixStream::connect(node.path(SOCKET)).expect("connect to the admin socket")
}

fn send(stream: &mut UnixStream, json: &str) {
    let len = u32::try_from(json.len()).expect("short");
    stream.write_all(&len.to_be_bytes()).and_then(|()| stream.write_all(json.as_bytes())).expect("send");
}

fn receive(stream: &mut UnixStream) -> String {
    let mut header = [0; 4];
    stream.read_exact(&mut header).expect("a frame");
    let mut frame = vec![0; u32::from_be_bytes(header) as usize];
    stream.read_exact(&mut frame).expect("a whole frame");
    String::from_utf8(frame).expect("JSON is text")
}

#[test]
fn one_connection_carries_several_requests_and_survives_an_unknown_one() {
    let node = Setup::built_in().start();
    let mode = std::fs::metadata(node.path(SOCKET)).expect("the socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut stream = connect(&node);
    send(&mut stream, "\"Ping\"");
    assert_eq!(receive(&mut stream), "\"Success\"");
    send(&mut stream, "{\"Fly\":1}");
    assert!(receive(&mut stream).starts_with("{\"Error\":{\"msg\":\"this node does not know the request"));
    send(&mut stream, "\"Ping\"");
    assert_eq!(receive(&mut stream), "\"Success\"");
    node.stop();
}

#[test]
fn a_frame_that_is_too_long_is_refused_before_it_is_read() {
    let node = Setup::built_in().start();
    let mut stream = connect(&node);
    stream.write_all(&u32::MAX.to_be_bytes()).expect("send a header");
    assert!(receive(&mut stream).contains("exceeds"));
    assert_eq!(stream.read(&mut [0]).expect("closed"), 0);
    node.stop();
}

#[test]
fn a_second_node_on_the_same_socket_does_not_start() {
    let setup = Setup::built_in();
    let node = setup.start();
    let printed = setup.run(&["--db-path", "other.db", "agent"]);
    assert!(!printed.success);
    assert!(printed.stderr.contains("a node already answers on corrosion-data/admin.sock"), "{}", printed.stderr);
    assert_eq!(node.server().rows("select 1"), "1");
    node.stop();
}

#[test]
fn metrics_are_answered_on_any_path() {
    let node = Setup::built_in().variable("CORROSION__TELEMETRY__PROMETHEUS__ADDR", "127.0.0.1:0").start();
    for path in ["/", "/metrics", "/any/other"] {
        let answer = http_get(node.metrics_address(), path);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("\ncorro_build_info{version="), "{answer}");
        assert!(answer.contains("\ncorro_db_size "), "{answer}");
    }
    node.stop();
}
