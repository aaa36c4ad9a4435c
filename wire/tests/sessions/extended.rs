//! The extended protocol.

use crate::harness::{Client, LARGE, Node, bind, bind_in, close, describe, execute, flush, parse, sync};

const INT8: u32 = 20;

fn node_with_table() -> (Node, Client) {
    let node = Node::start();
    let mut client = node.client();
    client.query("create table t (id bigint primary key, v bigint)");
    client.query("insert into t values (1, 10), (2, 20), (3, 30)");
    (node, client)
}

fn play(client: &mut Client, messages: &[Vec<u8>]) -> String {
    client.send(&messages.concat());
    client.until_ready()
}

#[test]
fn a_pipeline_is_answered_in_order() {
    let (node, mut client) = node_with_table();
    let seen = play(
        &mut client,
        &[
            parse("s", "select v from t where id = $1", &[INT8]),
            describe('S', "s"),
            bind("", "s", &[Some("2")]),
            describe('P', ""),
            execute("", 0),
            bind("", "s", &[None]),
            execute("", 0),
            close('S', "s"),
            sync(),
        ],
    );
    assert_eq!(seen, "1 t(1) T(v) 2 T(v) D(20) C(SELECT 1) 2 C(SELECT 0) 3 Z(I)");
    node.stop();
}

#[test]
fn an_error_skips_to_sync_and_undoes_the_pipeline() {
    let (node, mut client) = node_with_table();
    let insert = |id: &str| [bind("", "i", &[Some(id)]), execute("", 0)].concat();
    let seen = play(
        &mut client,
        &[parse("i", "insert into t values ($1, 0)", &[INT8]), insert("4"), insert("4"), insert("5"), sync()],
    );
    assert_eq!(seen, "1 2 C(INSERT 0 1) 2 E(23505) Z(I)");
    assert_eq!(client.query("select id from t where v = 0"), "T(id) C(SELECT 0) Z(I)");
    node.stop();
}

#[test]
fn a_lone_write_joins_the_group_commit_and_a_pipeline_of_writes_takes_the_writer() {
    let (node, mut client) = node_with_table();
    play(&mut client, &[parse("i", "insert into t values ($1, 0)", &[INT8]), sync()]);
    let before = node.handle.stats();
    assert_eq!(play(&mut client, &[bind("", "i", &[Some("4")]), execute("", 0), sync()]), "2 C(INSERT 0 1) Z(I)");
    let lone = node.handle.stats();
    assert_eq!((lone.group_writes - before.group_writes, lone.leases - before.leases), (1, 0));
    let two: Vec<Vec<u8>> = ["5", "6"].iter().flat_map(|id| [bind("", "i", &[Some(id)]), execute("", 0)]).collect();
    assert_eq!(play(&mut client, &[two.concat(), sync()]), "2 C(INSERT 0 1) 2 C(INSERT 0 1) Z(I)");
    assert_eq!(node.handle.stats().leases - lone.leases, 1);
    assert_eq!(client.query("select id from t where v = 0"), "T(id) D(4) D(5) D(6) C(SELECT 3) Z(I)");
    node.stop();
}

#[test]
fn a_write_before_flush_is_committed_only_at_sync() {
    let (node, mut client) = node_with_table();
    client.send(&[parse("", "insert into t values (9, 0)", &[]), bind("", "", &[]), execute("", 0), flush()].concat());
    assert_eq!(client.until(b'C'), "1 2 C(INSERT 0 1)");
    assert_eq!(node.client().query("select id from t where id = 9"), "T(id) C(SELECT 0) Z(I)");
    assert_eq!(play(&mut client, &[sync()]), "Z(I)");
    assert_eq!(node.client().query("select id from t where id = 9"), "T(id) D(9) C(SELECT 1) Z(I)");
    node.stop();
}

#[test]
fn a_portal_is_fetched_by_parts_and_ends_with_its_transaction() {
    let (node, mut client) = node_with_table();
    client.query("begin");
    let seen = play(
        &mut client,
        &[parse("", "select id from t order by id", &[]), bind("c", "", &[]), execute("c", 2), sync()],
    );
    assert_eq!(seen, "1 2 D(1) D(2) s Z(T)");
    assert_eq!(play(&mut client, &[execute("c", 2), sync()]), "D(3) C(SELECT 1) Z(T)");
    assert_eq!(play(&mut client, &[execute("c", 2), sync()]), "C(SELECT 0) Z(T)");
    client.query("commit");
    assert_eq!(play(&mut client, &[execute("c", 2), sync()]), "E(34000) Z(I)");
    node.stop();
}

#[test]
fn a_large_result_is_fetched_by_parts_in_bounded_memory() {
    let node = Node::start();
    let mut client = node.client_with_numbers();
    client.query("begin");
    let seen = play(&mut client, &[parse("", LARGE, &[]), bind("c", "", &[]), execute("c", 2), sync()]);
    assert_eq!(seen, "1 2 D(0) D(1) s Z(T)");
    let seen = play(&mut client, &[execute("c", 100_000), sync()]);
    assert!(seen.starts_with("D(2) ") && seen.ends_with("D(100001) s Z(T)"));
    assert_eq!(client.query("select 1 as x"), "T(x) D(1) C(SELECT 1) Z(T)");
    let seen = play(&mut client, &[execute("c", 0), sync()]);
    assert!(seen.starts_with("D(100002) ") && seen.ends_with("D(299999) C(SELECT 199998) Z(T)"));
    node.stop();
}

#[test]
fn a_write_in_parts_keeps_its_rows() {
    let (node, mut client) = node_with_table();
    client.query("begin");
    let text = "insert into t values (7, 0), (8, 0), (9, 0) returning id";
    let seen = play(&mut client, &[parse("", text, &[]), bind("c", "", &[]), execute("c", 2), sync()]);
    assert_eq!(seen, "1 2 D(7) D(8) s Z(T)");
    assert_eq!(play(&mut client, &[execute("c", 0), sync()]), "D(9) C(INSERT 0 3) Z(T)");
    assert_eq!(play(&mut client, &[execute("c", 0), sync()]), "E(55000) Z(E)");
    node.stop();
}

#[test]
fn counts_and_names_are_checked() {
    let (node, mut client) = node_with_table();
    play(&mut client, &[parse("s", "select v from t where id = $1", &[INT8]), sync()]);
    assert_eq!(play(&mut client, &[bind("", "s", &[]), sync()]), "E(08P01) Z(I)");
    assert_eq!(play(&mut client, &[bind("", "none", &[]), sync()]), "E(26000) Z(I)");
    assert_eq!(play(&mut client, &[parse("s", "select 1", &[]), sync()]), "E(42P05) Z(I)");
    assert_eq!(play(&mut client, &[parse("", "select 1; select 2", &[]), sync()]), "E(42601) Z(I)");
    assert_eq!(play(&mut client, &[execute("none", 0), sync()]), "E(34000) Z(I)");
    let formats = [bind("", "s", &[Some("1")])[..].to_vec(), execute("", 0), sync()].concat();
    client.send(&formats);
    assert_eq!(client.until_ready(), "2 D(10) C(SELECT 1) Z(I)");
    node.stop();
}

#[test]
fn statements_without_rows_describe_as_no_data() {
    let (node, mut client) = node_with_table();
    let seen = play(&mut client, &[parse("", "update t set v = 0", &[]), describe('S', ""), sync()]);
    assert_eq!(seen, "1 t(0) n Z(I)");
    let seen = play(&mut client, &[parse("", "", &[]), describe('S', ""), bind("", "", &[]), execute("", 0), sync()]);
    assert_eq!(seen, "1 t(0) n 2 I Z(I)");
    node.stop();
}

#[test]
fn a_plan_follows_the_schema_but_never_changes_its_columns() {
    let (node, mut client) = node_with_table();
    play(&mut client, &[parse("star", "select * from t where id = 1", &[]), sync()]);
    play(&mut client, &[parse("one", "select v from t where id = 1", &[]), sync()]);
    client.query("alter table t add column w bigint");
    let run = |name: &str| [bind("", name, &[]), execute("", 0), sync()].concat();
    client.send(&run("one"));
    assert_eq!(client.until_ready(), "2 D(10) C(SELECT 1) Z(I)");
    client.send(&run("star"));
    assert_eq!(client.until_ready(), "E(0A000) Z(I)");
    node.stop();
}

#[test]
fn a_text_for_a_blob_key_of_a_schema_file_is_one_key_whether_literal_or_parameter() {
    let node = Node::start();
    node.load_file("CREATE TABLE item (id BLOB NOT NULL PRIMARY KEY, n INTEGER);");
    let mut client = node.client();
    assert_eq!(client.query("insert into item values ('some-id', 1), ('\\x6869', 2)"), "C(INSERT 0 2) Z(I)");
    let find = "select n from item where id = $1";
    let seen = play(
        &mut client,
        &[
            parse("f", find, &[]),
            bind("", "f", &[Some("some-id")]),
            execute("", 0),
            bind("", "f", &[Some("\\x6869")]),
            execute("", 0),
            bind_in(1, "", "f", &[Some(b"hi")]),
            execute("", 0),
            bind_in(1, "", "f", &[Some(b"some-id")]),
            execute("", 0),
            sync(),
        ],
    );
    assert_eq!(
        seen, "1 2 D(1) C(SELECT 1) 2 D(2) C(SELECT 1) 2 D(2) C(SELECT 1) 2 C(SELECT 0) Z(I)",
        "a binary value is bytes, whatever they spell"
    );
    let insert = "insert into item values ($1, $2) on conflict (id) do update set n = excluded.n";
    let upserts: Vec<Vec<u8>> = [("some-id", "3"), ("\\x6869", "4"), ("new", "5")]
        .iter()
        .flat_map(|(id, n)| [bind("", "i", &[Some(id), Some(n)]), execute("", 0)])
        .collect();
    let binary = bind_in(1, "", "i", &[Some(b"new"), Some(&6_i64.to_be_bytes())]);
    play(&mut client, &[parse("i", insert, &[]), upserts.concat(), binary, execute("", 0), sync()]);
    assert_eq!(
        client.query("select n from item order by n"),
        "T(n) D(3) D(4) D(5) D(6) C(SELECT 4) Z(I)",
        "bytes and text are two keys"
    );
    assert_eq!(
        client.query("select n from item where id in ('some-id', 'new') order by n"),
        "T(n) D(3) D(5) C(SELECT 2) Z(I)"
    );
    client.query("prepare p as select n from item where id = $1");
    assert_eq!(client.query("execute p('some-id')"), "T(n) D(3) C(SELECT 1) Z(I)");
    node.stop();
}

#[test]
fn a_parameter_that_is_text_for_a_blob_column_is_bytes_where_a_function_wants_them() {
    let node = Node::start();
    node.load_file("CREATE TABLE item (id BLOB NOT NULL PRIMARY KEY, n INTEGER);");
    let mut client = node.client();
    client.query("insert into item values ('abc', 1)");
    let find = "select n, length($1::bytea) from item where id = $1";
    let messages = [parse("f", find, &[]), bind("", "f", &[Some("abc")]), execute("", 0), sync()];
    assert_eq!(play(&mut client, &messages), "1 2 D(1,3) C(SELECT 1) Z(I)");
    let broken = [bind("", "f", &[Some("a\\b")]), execute("", 0), sync()];
    assert_eq!(play(&mut client, &broken), "2 E(22P02) Z(I)");
    node.stop();
}
