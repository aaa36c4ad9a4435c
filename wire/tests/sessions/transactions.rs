//! Transactions of sessions beside each other.

use std::time::Duration;

use wire::config::SessionLimits;

use crate::harness::{Client, LARGE, Node, bind, execute, parse, query, sync, wait_until};

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
    waiter.cancel(node.address(), &waiter.secret);
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
fn snapshots_and_leases_stream_results_larger_than_what_may_be_kept() {
    let limits = SessionLimits { buffered_result_size_max: 100_000, ..SessionLimits::default() };
    let node = Node::start_with(limits, Duration::from_secs(5));
    let mut client = node.client_with_numbers();
    client.query("begin isolation level repeatable read");
    assert!(client.query(LARGE).ends_with("D(299999) C(SELECT 300000) Z(T)"));
    assert_eq!(client.query("insert into n values (1000)"), "C(INSERT 0 1) Z(T)");
    assert!(client.query(LARGE).ends_with("C(SELECT 300300) Z(T)"));
    let returned = client.query("update n set id = id + 10000 where id < 1000 returning id, repeat('x', 1000) as r");
    assert!(returned.ends_with("C(UPDATE 1000) Z(T)"), "a write that returns rows streams too");
    let parts = [parse("", LARGE, &[]), bind("", "", &[]), execute("", 1), sync()];
    client.query("update n set id = id - 10000 where id >= 10000");
    assert_eq!(client.until_ready_after(&parts.concat()), "1 2 E(54000) Z(E)", "a suspended one is kept whole");
    node.stop();
}

#[test]
fn a_client_that_does_not_read_loses_the_writer_to_those_who_wait() {
    let node = Node::start_with(SessionLimits::default(), Duration::from_millis(100));
    let mut slow = node.client_with_numbers();
    slow.query("begin");
    assert_eq!(slow.query("insert into n values (1000)"), "C(INSERT 0 1) Z(T)");
    // 300 MB: more than sockets and buffers hold, so that the statement waits for its reader.
    slow.send(&query(&format!("select x, repeat('y', 1000) as y from ({LARGE}) s")));
    assert_eq!(slow.until(b'T'), "T(x,y)");
    let mut other = node.client();
    assert_eq!(other.query("insert into n values (1001)"), "C(INSERT 0 1) Z(I)");
    let seen = slow.until_ready();
    assert!(seen.ends_with("E(40001) Z(E)"), "{}", &seen[seen.len().saturating_sub(100)..]);
    assert_eq!(slow.query("rollback"), "C(ROLLBACK) Z(I)");
    assert_eq!(slow.query("select count(*) as c from n"), "T(c) D(1001) C(SELECT 1) Z(I)");
    node.stop();
}

#[test]
fn a_statement_that_waits_for_its_reader_in_a_lease_can_be_cancelled() {
    let node = Node::start();
    let mut slow = node.client_with_numbers();
    slow.query("begin; insert into n values (1000)");
    slow.send(&query(&format!("select x, repeat('y', 1000) as y from ({LARGE}) s")));
    assert_eq!(slow.until(b'T'), "T(x,y)");
    slow.cancel(node.address(), &slow.secret);
    let seen = slow.until_ready();
    assert!(seen.ends_with("E(57014) Z(E)"), "{}", &seen[seen.len().saturating_sub(100)..]);
    node.stop();
}

#[test]
fn for_update_takes_the_writer_before_it_reads() {
    let (node, mut first) = node_with_table();
    let mut second = node.client();
    first.query("insert into t values (1, 10)");
    first.query("begin");
    assert_eq!(first.query("select v from t where id = 1 for update"), "T(v) D(10) C(SELECT 1) Z(T)");
    second.query("begin");
    assert_eq!(second.query("select v from t where id = 1"), "T(v) D(10) C(SELECT 1) Z(T)", "plain reads go on");
    assert_eq!(second.query("select v from t for update nowait"), "T(v) E(55P03) Z(E)");
    second.query("rollback; begin");
    second.send(&query("select v from t for no key update of t skip locked"));
    assert_eq!(first.query("update t set v = v + 1"), "C(UPDATE 1) Z(T)");
    assert_eq!(first.query("commit"), "C(COMMIT) Z(I)");
    assert_eq!(second.until_ready(), "T(v) D(11) C(SELECT 1) Z(T)", "the newest data");
    assert_eq!(second.query("commit"), "C(COMMIT) Z(I)");
    assert_eq!(
        first.query("begin; select v from t for share nowait; commit"),
        "C(BEGIN) T(v) D(11) C(SELECT 1) C(COMMIT) Z(I)"
    );
    node.stop();
}

#[test]
fn for_update_is_refused_where_postgresql_refuses_it() {
    let (node, mut client) = node_with_table();
    for (statement, code) in [
        ("select count(*) from t for update", "0A000"),
        ("select distinct v from t for update", "0A000"),
        ("select v from t group by v for share", "0A000"),
        ("select row_number() over () from t for update", "0A000"),
        ("select 1 union select 2 for update", "0A000"),
        ("values (1) for update", "0A000"),
        ("select v from t for update of u", "42P01"),
    ] {
        assert_eq!(client.query(statement), format!("E({code}) Z(I)"), "{statement}");
    }
    client.query("begin read only");
    assert_eq!(client.query("select v from t for update"), "T(v) E(25006) Z(E)");
    node.stop();
}

#[test]
fn a_write_alone_waits_for_the_writer_no_longer_than_lock_timeout() {
    let (node, mut holder) = node_with_table();
    holder.query("begin; insert into t values (1, 1)");
    let mut waiter = node.client();
    waiter.query("set lock_timeout = 50");
    assert_eq!(waiter.query("insert into t values (2, 2)"), "E(55P03) Z(I)");
    holder.query("commit");
    assert_eq!(waiter.query("insert into t values (2, 2)"), "C(INSERT 0 1) Z(I)");
    node.stop();
}

#[test]
fn rollback_to_a_savepoint_closes_the_portals_opened_after_it() {
    let (node, mut client) = node_with_table();
    client.query("begin");
    let open = |portal: &str| [parse("", "select 1", &[]), bind(portal, "", &[]), sync()].concat();
    assert_eq!(client.until_ready_after(&open("before")), "1 2 Z(T)");
    client.query("savepoint s");
    assert_eq!(client.until_ready_after(&open("after")), "1 2 Z(T)");
    client.query("rollback to s");
    assert_eq!(client.until_ready_after(&[execute("before", 0), sync()].concat()), "D(1) C(SELECT 1) Z(T)");
    assert_eq!(client.until_ready_after(&[execute("after", 0), sync()].concat()), "E(34000) Z(E)");
    node.stop();
}

#[test]
fn a_mode_is_fixed_by_the_first_query() {
    let (node, mut client) = node_with_table();
    for (statements, end) in [
        ("begin; select 1; set transaction isolation level serializable", "E(25001) Z(E)"),
        ("begin read only; select 1; set transaction read write", "E(25001) Z(E)"),
        ("begin; set transaction isolation level repeatable read, read only, deferrable; select 1", "C(SELECT 1) Z(T)"),
        ("begin isolation level read uncommitted; show transaction_isolation", "C(SHOW) Z(T)"),
    ] {
        let answer = client.query(statements);
        assert!(answer.ends_with(end), "{statements}: {answer}");
        client.query("rollback");
    }
    client.query("set session characteristics as transaction read only");
    assert_eq!(client.query("insert into t values (1, 1)"), "E(25006) Z(I)");
    node.stop();
}

#[test]
fn a_session_that_idles_past_its_limit_is_ended() {
    let (node, mut client) = node_with_table();
    client.query("set idle_in_transaction_session_timeout = 50; begin");
    assert_eq!(client.until_ready(), "E(25P03) end");
    let mut client = node.client();
    client.query("set idle_session_timeout = 50");
    assert_eq!(client.until_ready(), "E(57P05) end");
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
fn a_waiting_write_fills_in_the_default_of_a_column_that_was_added_meanwhile() {
    let (answer, node, mut client) = write_behind(
        &["create table t (id int primary key)"],
        "alter table t add v int not null default 7",
        "insert into t values (1)",
    );
    assert_eq!(answer, "C(INSERT 0 1) Z(I)");
    assert_eq!(client.query("select * from t"), "T(id,v) D(1,7) C(SELECT 1) Z(I)");
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
