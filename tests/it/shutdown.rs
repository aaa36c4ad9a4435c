//! A node that is asked to stop: sessions are told, the database is closed cleanly, the exit code is 0.

use std::io::{BufRead, BufReader, Write};
use std::time::Duration;

use tests::node::Setup;
use tests::wait::wait_until;

fn check_stops(signal: &str) {
    let mut node = Setup::built_in().start();
    let server = node.server();
    server.rows("create table t (id int primary key); insert into t values (1)");
    let mut session = server.spawn_psql(&["-At"]);
    let mut stdin = session.stdin.take().expect("stdin is a pipe");
    let mut stdout = BufReader::new(session.stdout.take().expect("stdout is a pipe"));
    stdin.write_all(b"begin; insert into t values (2); select 'open';\n").expect("send");
    wait_until("the transaction to be open", Duration::from_secs(30), || {
        let mut line = String::new();
        stdout.read_line(&mut line).expect("read from psql");
        (line == "open\n").then_some(())
    });

    node.signal(signal);
    let status = node.wait();
    assert!(status.success(), "{status}: {}", node.log());
    stdin.write_all(b"select 1;\n").expect("psql is still there");
    drop(stdin);
    let output = session.wait_with_output().expect("psql ends");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("FATAL:  terminating connection due to administrator command"), "{stderr}");

    assert!(!node.path("corrosion-data/corrosion.db-wal").exists(), "the log was checkpointed and removed");
    assert!(!node.path("corrosion-data/admin.sock").exists(), "the socket was removed");
    let db = rusqlite::Connection::open(node.path("corrosion-data/corrosion.db")).expect("open the database");
    let rows: i64 = db.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).expect("count");
    assert_eq!(rows, 1, "the open transaction is not there");
    let check: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("check");
    assert_eq!(check, "ok");
}

#[test]
fn sigterm_stops_in_order() {
    check_stops("TERM");
}

#[test]
fn sigint_stops_in_order() {
    check_stops("INT");
}

#[test]
fn data_is_there_after_a_restart() {
    let setup = Setup::built_in();
    let node = setup.start();
    node.server().rows("create table t (id int primary key, v text); insert into t values (1, 'kept')");
    node.stop();
    let node = setup.start();
    assert_eq!(node.server().rows("select v from t"), "kept");
    node.stop();
}
