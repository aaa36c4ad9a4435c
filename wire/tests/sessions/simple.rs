//! The simple protocol and settings.

use crate::harness::{LARGE, Node, SLOW, bind, execute, field, framed, parse, query, sync};

#[test]
fn statements_answer_with_their_rows_and_tags() {
    let node = Node::start();
    let mut client = node.client();
    assert_eq!(client.query("select 1 as x"), "T(x) D(1) C(SELECT 1) Z(I)");
    assert_eq!(client.query("create table t (id bigint primary key, v bigint)"), "C(CREATE TABLE) Z(I)");
    assert_eq!(client.query("insert into t (id, v) values (1, 2), (2, 3)"), "C(INSERT 0 2) Z(I)");
    assert_eq!(client.query("update t set v = v + 1 where id = 1"), "C(UPDATE 1) Z(I)");
    assert_eq!(client.query("select v from t order by id"), "T(v) D(3) D(3) C(SELECT 2) Z(I)");
    assert_eq!(client.query("insert into t (id, v) values (3, 4) returning v"), "T(v) D(4) C(INSERT 0 1) Z(I)");
    assert_eq!(client.query("delete from t"), "C(DELETE 3) Z(I)");
    node.stop();
}

#[test]
fn the_simple_protocol_has_no_parameters() {
    let node = Node::start();
    let mut client = node.client();
    for statement in ["select $1", "select 1 + $1", "select $1 is null", "select 'x$2', $1::int"] {
        assert_eq!(client.query(statement), "E(42P02) Z(I)", "{statement}");
    }
    client.send(&query("select 'ü', $3"));
    let (_, body) = client.message().expect("an error");
    assert_eq!(field(&body, b'M').as_deref(), Some("there is no parameter $3"));
    assert_eq!(field(&body, b'P').as_deref(), Some("13"));
    client.until_ready();
    assert_eq!(client.query("select nothing, $1"), "E(42703) Z(I)");
    assert_eq!(client.query("prepare p as select $1::int as x; execute p(3)"), "C(PREPARE) T(x) D(3) C(SELECT 1) Z(I)");
    assert_eq!(client.query("select '$1' as x"), "T(x) D($1) C(SELECT 1) Z(I)");
    node.stop();
}

#[test]
fn copy_is_refused_and_leaves_the_session_in_step() {
    let node = Node::start();
    let mut client = node.client();
    client.query("create table t (id int primary key)");
    assert_eq!(client.query("copy t from stdin"), "E(0A000) Z(I)");
    // What a client that did not wait for the answer has sent already.
    client.send(&[framed(b'd', b"1\n"), framed(b'c', b""), framed(b'f', b"no\0")].concat());
    assert_eq!(client.query("select count(*) as c from t"), "T(c) D(0) C(SELECT 1) Z(I)");
    assert_eq!(client.query("copy t to stdout"), "E(0A000) Z(I)");
    let pipeline =
        [parse("", "copy t from stdin", &[]), bind("", "", &[]), execute("", 0), framed(b'd', b"1\n"), sync()];
    assert_eq!(client.until_ready_after(&pipeline.concat()), "E(0A000) Z(I)");
    node.stop();
}

#[test]
fn nothing_between_semicolons_is_an_empty_query() {
    let node = Node::start();
    let mut client = node.client();
    assert_eq!(client.query(""), "I Z(I)");
    assert_eq!(client.query(" ; -- nothing"), "I Z(I)");
    node.stop();
}

#[test]
fn the_whole_text_is_checked_for_syntax_before_anything_runs() {
    let node = Node::start();
    let mut client = node.client();
    client.query("create table t (id bigint primary key, v bigint)");
    assert_eq!(client.query("insert into t values (1, 1); selec 2"), "E(42601) Z(I)");
    assert_eq!(client.query("select id from t"), "T(id) C(SELECT 0) Z(I)");
    node.stop();
}

#[test]
fn several_statements_are_one_transaction() {
    let node = Node::start();
    let mut client = node.client();
    client.query("create table t (id bigint primary key, v bigint)");
    assert_eq!(
        client.query("insert into t values (1, 1); insert into t values (1, 2); select 3"),
        "C(INSERT 0 1) E(23505) Z(I)"
    );
    assert_eq!(client.query("select id from t"), "T(id) C(SELECT 0) Z(I)");
    assert_eq!(
        client.query("insert into t values (1, 1); commit; insert into t values (1, 2)"),
        "C(INSERT 0 1) N(25P01) C(COMMIT) E(23505) Z(I)"
    );
    assert_eq!(client.query("select id from t"), "T(id) D(1) C(SELECT 1) Z(I)");
    node.stop();
}

#[test]
fn an_error_in_a_later_statement_has_its_position_in_the_whole_text() {
    let node = Node::start();
    let mut client = node.client();
    client.send(&query("select 1 as \"\u{e9}\"; select no_such_column"));
    let body = loop {
        let (tag, body) = client.message().expect("a message");
        if tag == b'E' {
            break body;
        }
    };
    assert_eq!(field(&body, b'C').as_deref(), Some("42703"));
    assert_eq!(field(&body, b'P').as_deref(), Some("25"));
    node.stop();
}

#[test]
fn a_result_larger_than_every_buffer_arrives_whole() {
    let node = Node::start();
    let mut client = node.client_with_numbers();
    let seen = client.query(LARGE);
    assert!(seen.starts_with("T(x) D(0) D(1) D(2)"), "{seen:.80}");
    assert!(seen.ends_with("D(299998) D(299999) C(SELECT 300000) Z(I)"));
    assert!(node.handle.stats().pool_reads > 0, "a long read leaves the worker's thread");
    node.stop();
}

#[test]
fn settings_are_shown_reported_and_undone_by_rollback() {
    let node = Node::start();
    let mut client = node.client();
    assert_eq!(client.settings.len(), 13);
    assert_eq!(client.query("show statement_timeout"), "T(statement_timeout) D(0) C(SHOW) Z(I)");
    assert_eq!(client.query("set statement_timeout = '90s'"), "C(SET) Z(I)");
    assert_eq!(client.query("show statement_timeout"), "T(statement_timeout) D(90s) C(SHOW) Z(I)");
    client.settings.clear();
    client.query("begin");
    client.query("set application_name = 'x'");
    assert_eq!(client.settings, [("application_name".to_owned(), "x".to_owned())]);
    client.query("rollback");
    assert_eq!(client.settings[1..], [("application_name".to_owned(), String::new())]);
    assert_eq!(client.query("set no_such = 1"), "E(42704) Z(I)");
    assert_eq!(client.query("set client_encoding = 'LATIN1'"), "E(22023) Z(I)");
    assert_eq!(client.query("set local statement_timeout = 1"), "N(25P01) C(SET) Z(I)");
    node.stop();
}

#[test]
fn sql_prepare_and_execute_share_the_statements_of_the_protocol() {
    let node = Node::start();
    let mut client = node.client();
    assert_eq!(client.query("prepare p (bigint) as select $1 + 1 as x"), "C(PREPARE) Z(I)");
    assert_eq!(client.query("execute p (41)"), "T(x) D(42) C(SELECT 1) Z(I)");
    assert_eq!(client.query("execute p"), "E(42601) Z(I)");
    assert_eq!(client.query("prepare p as select 1"), "E(42P05) Z(I)");
    assert_eq!(client.query("deallocate p"), "C(DEALLOCATE) Z(I)");
    assert_eq!(client.query("execute p (1)"), "E(26000) Z(I)");
    node.stop();
}

#[test]
fn a_statement_past_its_timeout_is_cancelled() {
    let node = Node::start();
    let mut client = node.client_with_numbers();
    client.query("set statement_timeout = 50");
    assert_eq!(client.query(SLOW), "T(x) E(57014) Z(I)");
    client.query("set statement_timeout = 0");
    assert_eq!(client.query("select 1 as x"), "T(x) D(1) C(SELECT 1) Z(I)");
    node.stop();
}

#[test]
fn a_duplicate_key_is_named_with_its_value() {
    let node = Node::start();
    let mut client = node.client();
    client.query("create table t (a bigint, b text, v bigint, primary key (a, b))");
    let detail = |client: &mut crate::harness::Client, sql: &str| {
        client.send(&query(sql));
        let mut found = None;
        while let Some((tag, body)) = client.message().filter(|(tag, _)| *tag != b'Z') {
            if tag == b'E' {
                assert_eq!(field(&body, b'n').as_deref(), Some("t_pkey"));
                found = field(&body, b'D');
            }
        }
        found
    };
    client.query("insert into t values (1, 'x', 0), (2, 'y', 0)");
    let expected = Some("Key (a, b)=(2, y) already exists.".to_owned());
    assert_eq!(detail(&mut client, "insert into t values (2, 'y', 7)"), expected);
    assert_eq!(detail(&mut client, "insert into t (v, b, a) values (0, 'z', 9), (0, 'y', 2)"), expected);
    assert_eq!(detail(&mut client, "begin; insert into t select a, b, 5 from t where a = 2"), expected);
    client.query("rollback");
    assert_eq!(detail(&mut client, "insert into t values (8, 'x', 0), (8, 'x', 0)"), None);
    node.stop();
}
