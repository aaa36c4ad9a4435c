//! What one session may cost the others is bounded, and the bounds come from the configuration.

use std::time::Duration;

use postgres::{Client, NoTls};
use tests::node::{Node, Setup};
use tests::wait::wait_until;

fn connect(node: &Node) -> Client {
    let server = node.server();
    let address = format!("host={} port={} user={} dbname={}", server.host, server.port, server.user, server.database);
    Client::connect(&address, NoTls).expect("connect")
}

fn code(result: Result<(), postgres::Error>) -> String {
    let error = result.expect_err("the statement fails");
    error.code().map_or_else(|| error.to_string(), |code| code.code().to_owned())
}

#[test]
fn a_session_that_idles_in_its_transaction_loses_the_writer_to_one_that_waits() {
    let node = Setup::built_in()
        .variable("CORROSION__PERF__WRITE_LEASE_IDLE_MAX", "200ms")
        .variable("CORROSION__PERF__WRITE_LEASE_MAX", "60s")
        .start();
    let [mut idle, mut waiting] = [connect(&node), connect(&node)];
    idle.batch_execute("create table t (id int primary key)").expect("create");
    idle.batch_execute("begin; insert into t values (1)").expect("open");
    waiting.batch_execute("insert into t values (2)").expect("the writer is given over");
    assert_eq!(code(idle.batch_execute("insert into t values (3)")), "40001");
    idle.batch_execute("rollback; insert into t values (4)").expect("the session goes on");
    assert_eq!(node.server().rows("select id from t order by id"), "2\n4");
    node.stop();
}

#[test]
fn a_session_that_nobody_waits_for_keeps_its_transaction() {
    let node = Setup::built_in()
        .variable("CORROSION__PERF__WRITE_LEASE_IDLE_MAX", "1ms")
        .variable("CORROSION__PERF__WRITE_LEASE_MAX", "1ms")
        .start();
    let mut alone = connect(&node);
    alone.batch_execute("create table t (id int primary key)").expect("create");
    alone.batch_execute("begin; insert into t values (1)").expect("open");
    for _ in 0..20 {
        // Each read is a round trip, so that more than the limit passes; reads do not wait for the writer.
        assert_eq!(node.server().rows("select count(*) from t"), "0");
    }
    alone.batch_execute("insert into t values (2); commit").expect("nobody waited");
    assert_eq!(node.server().rows("select count(*) from t"), "2");
    node.stop();
}

#[test]
fn a_snapshot_that_keeps_the_log_from_being_reused_is_lost_and_the_log_stays_bounded() {
    let setup = Setup::built_in().variable("CORROSION__PERF__WAL_THRESHOLD_MB", "4");
    let node = setup.expect_log("snapshots dropped").start();
    let [mut reader, mut writer] = [connect(&node), connect(&node)];
    writer.batch_execute("create table t (id int primary key, v text)").expect("create");
    reader.batch_execute("begin isolation level repeatable read; select * from t").expect("a snapshot");
    let text = "x".repeat(1000);
    let (mut id, deadline) = (0, Duration::from_secs(60));
    let lost = wait_until("the snapshot to be lost", deadline, || {
        for _ in 0..100 {
            id += 1;
            writer.execute("insert into t values ($1, $2)", &[&id, &text]).expect("writers go on");
        }
        reader.batch_execute("select * from t where id = 1").err()
    });
    assert_eq!(lost.code().map(postgres::error::SqlState::code), Some("72000"), "{lost}");
    let wal = std::fs::metadata(node.path("corrosion-data/corrosion.db-wal")).expect("the log").len();
    assert!(wal < 16 << 20, "the log has {wal} bytes");
    reader.batch_execute("rollback; select * from t where id = 1").expect("the session goes on");
    node.stop();
}
