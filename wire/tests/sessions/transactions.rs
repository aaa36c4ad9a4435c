//! Transactions of sessions beside each other.

use std::time::Duration;

use wire::config::SessionLimits;

use crate::harness::{Client, LARGE, Node, query, wait_until};

fn node_with_table() -> (Node, Client) {
    let node = Node::start();
    let mut client = node.client();
    client.query("create table t (id bigint primary key, v bigint)");
    (node, client)
}

#[test]
fn a_failed_block_waits_for_its_end_and_commit_answers_rollback() {
    let (node, mut client) = node_with_table();
    assert_eq!(client.query("begin"), "C(BEGIN) Z(T)");
    assert_eq!(client.query("insert into t values (1, 1)"), "C(INSERT 0 1) Z(T)");
    assert_eq!(client.query("select 1 / 0"), "T(?column?) E(22012) Z(E)");
    assert_eq!(client.query("select 1"), "E(25P02) Z(E)");
    assert_eq!(client.query("no such statement"), "E(42601) Z(E)");
    assert_eq!(client.query("commit"), "C(ROLLBACK) Z(I)");
    assert_eq!(client.query("select id from t"), "T(id) C(SELECT 0) Z(I)");
    node.stop();
}

#[test]
fn savepoints_recover_a_failed_block_also_when_the_writer_came_later() {
    let (node, mut client) = node_with_table();
    client.query("begin");
    assert_eq!(client.query("savepoint a"), "C(SAVEPOINT) Z(T)");
    client.query("insert into t values (1, 1)");
    assert_eq!(client.query("savepoint b"), "C(SAVEPOINT) Z(T)");
    client.query("insert into t values (2, 2)");
    assert_eq!(client.query("insert into t values (2, 2)"), "E(23505) Z(E)");
    assert_eq!(client.query("rollback to b"), "C(ROLLBACK) Z(T)");
    assert_eq!(client.query("select id from t"), "T(id) D(1) C(SELECT 1) Z(T)");
    assert_eq!(client.query("rollback to a"), "C(ROLLBACK) Z(T)");
    assert_eq!(client.query("select id from t"), "T(id) C(SELECT 0) Z(T)");
    assert_eq!(client.query("release a"), "C(RELEASE) Z(T)");
    assert_eq!(client.query("insert into t values (3, 3)"), "C(INSERT 0 1) Z(T)");
    assert_eq!(client.query("commit"), "C(COMMIT) Z(I)");
    assert_eq!(client.query("select id from t"), "T(id) D(3) C(SELECT 1) Z(I)");
    node.stop();
}

#[test]
fn read_committed_sees_what_others_commit_between_its_statements() {
    let (node, mut client) = node_with_table();
    let mut other = node.client();
    client.query("begin");
    assert_eq!(client.query("select id from t"), "T(id) C(SELECT 0) Z(T)");
    other.query("insert into t values (1, 1)");
    assert_eq!(client.query("select id from t"), "T(id) D(1) C(SELECT 1) Z(T)");
    node.stop();
}

#[test]
fn repeatable_read_keeps_its_snapshot_and_cannot_write_over_newer_data() {
    let (node, mut client) = node_with_table();
    let mut other = node.client();
    client.query("begin isolation level repeatable read");
    assert_eq!(client.query("select id from t"), "T(id) C(SELECT 0) Z(T)");
    other.query("insert into t values (1, 1)");
    assert_eq!(client.query("select id from t"), "T(id) C(SELECT 0) Z(T)");
    assert_eq!(client.query("insert into t values (2, 2)"), "E(40001) Z(E)");
    assert_eq!(client.query("rollback"), "C(ROLLBACK) Z(I)");
    client.query("begin isolation level serializable");
    assert_eq!(client.query("select id from t"), "T(id) D(1) C(SELECT 1) Z(T)");
    assert_eq!(client.query("insert into t values (2, 2)"), "C(INSERT 0 1) Z(T)");
    assert_eq!(client.query("commit"), "C(COMMIT) Z(I)");
    node.stop();
}

#[test]
fn read_only_transactions_refuse_writes() {
    let (node, mut client) = node_with_table();
    client.query("begin read only");
    assert_eq!(client.query("insert into t values (1, 1)"), "E(25006) Z(E)");
    client.query("rollback");
    client.query("set default_transaction_read_only = on");
    assert_eq!(client.query("insert into t values (1, 1)"), "E(25006) Z(I)");
    assert_eq!(client.query("create table u (id bigint primary key)"), "E(25006) Z(I)");
    node.stop();
}

#[test]
fn schema_changes_are_part_of_their_transaction() {
    let (node, mut client) = node_with_table();
    client.query("begin");
    assert_eq!(client.query("create table u (id bigint primary key)"), "C(CREATE TABLE) Z(T)");
    assert_eq!(client.query("insert into u values (1)"), "C(INSERT 0 1) Z(T)");
    assert_eq!(node.client().query("select id from u"), "E(42P01) Z(I)");
    assert_eq!(client.query("rollback"), "C(ROLLBACK) Z(I)");
    assert_eq!(client.query("select id from u"), "E(42P01) Z(I)");
    node.stop();
}

#[test]
fn who_idles_with_the_writer_loses_it_to_those_who_wait() {
    let node = Node::start_with(SessionLimits::default(), Duration::from_millis(100));
    let (mut idler, mut other) = (node.client(), node.client());
    idler.query("create table t (id bigint primary key, v bigint)");
    idler.query("begin");
    assert_eq!(idler.query("savepoint s"), "C(SAVEPOINT) Z(T)");
    assert_eq!(idler.query("insert into t values (1, 1)"), "C(INSERT 0 1) Z(T)");
    assert_eq!(other.query("insert into t values (1, 2)"), "C(INSERT 0 1) Z(I)");
    assert_eq!(idler.query("insert into t values (3, 3)"), "E(40001) Z(E)");
    assert_eq!(idler.query("rollback to s"), "E(40001) Z(E)");
    assert_eq!(idler.query("commit"), "C(ROLLBACK) Z(I)");
    assert_eq!(idler.query("select v from t"), "T(v) D(2) C(SELECT 1) Z(I)");
    node.stop();
}

#[test]
fn a_failed_block_without_savepoints_lets_others_write_at_once() {
    let (node, mut client) = node_with_table();
    client.query("begin");
    client.query("insert into t values (1, 1)");
    assert_eq!(client.query("insert into t values (1, 1)"), "E(23505) Z(E)");
    assert_eq!(node.client().query("insert into t values (1, 2)"), "C(INSERT 0 1) Z(I)");
    assert_eq!(client.query("rollback"), "C(ROLLBACK) Z(I)");
    node.stop();
}

#[test]
fn a_wait_for_the_writer_ends_by_lock_timeout_or_cancel() {
    let (node, mut holder) = node_with_table();
    holder.query("begin");
    holder.query("insert into t values (1, 1)");
    let mut waiter = node.client();
    waiter.query("set lock_timeout = 50");
    waiter.query("begin");
    assert_eq!(waiter.query("insert into t values (2, 2)"), "E(55P03) Z(E)");
    waiter.query("rollback");
    waiter.query("set lock_timeout = 0");
    waiter.query("begin");
    let statements = node.handle.stats().statements;
    waiter.send(&query("insert into t values (2, 2)"));
    wait_until("the statement to begin", || node.handle.stats().statements > statements);
    waiter.cancel(node.address(), waiter.secret);
    assert_eq!(waiter.until_ready(), "E(57014) Z(E)");
    assert_eq!(holder.query("commit"), "C(COMMIT) Z(I)");
    node.stop();
}

#[test]
fn a_client_that_leaves_undoes_its_transaction() {
    let (node, mut client) = node_with_table();
    client.query("begin");
    client.query("insert into t values (1, 1)");
    drop(client);
    assert_eq!(node.client().query("insert into t values (1, 2)"), "C(INSERT 0 1) Z(I)");
    node.stop();
}

#[test]
fn a_snapshot_streams_results_larger_than_what_may_be_kept() {
    let limits = SessionLimits { buffered_result_size_max: 100_000, ..SessionLimits::default() };
    let node = Node::start_with(limits, Duration::from_secs(5));
    let mut client = node.client_with_numbers();
    client.query("begin isolation level repeatable read");
    assert!(client.query(LARGE).ends_with("D(299999) C(SELECT 300000) Z(T)"));
    assert_eq!(client.query("insert into n values (1000)"), "C(INSERT 0 1) Z(T)");
    assert!(client.query(LARGE).ends_with("E(54000) Z(E)"), "on the writer it would have to be kept whole");
    node.stop();
}

/// A write that waits in the queue behind `change`, which another session makes and commits meanwhile.
fn write_behind(setup: &[&str], change: &str, write: &str) -> (String, Node, Client) {
    let node = Node::start();
    let (mut first, mut second) = (node.client(), node.client());
    for statement in setup {
        first.query(statement);
    }
    assert!(first.query(&format!("begin; {change}")).ends_with("Z(T)"));
    let before = node.handle.stats().group_writes;
    second.send(&query(write));
    // It is counted after it was planned.
    wait_until("the write to be planned", || node.handle.stats().group_writes > before);
    first.query("commit");
    let answer = second.until_ready();
    (answer, node, second)
}

#[test]
fn a_table_dropped_while_a_write_waits_is_42p01() {
    let (answer, node, _) =
        write_behind(&["create table t (v int primary key)"], "drop table t", "insert into t values (1)");
    assert_eq!(answer, "E(42P01) Z(I)");
    node.stop();
}

#[test]
fn a_write_is_planned_again_when_the_schema_changed_while_it_waited() {
    // Without a key a table has a hidden one, which the plan fills in.
    let (answer, node, mut client) =
        write_behind(&["create table t (v int)"], "alter table t add primary key (v)", "insert into t values (1)");
    assert_eq!(answer, "C(INSERT 0 1) Z(I)");
    assert_eq!(client.query("select * from t"), "T(v) D(1) C(SELECT 1) Z(I)");
    node.stop();
}
