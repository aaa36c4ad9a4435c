//! SQL cursors, and portals that are described and fetched as cursors.

use std::time::Duration;

use wire::config::SessionLimits;

use crate::harness::{LARGE, Node, bind, describe, execute, parse, sync};

#[test]
fn a_cursor_is_fetched_forward_in_parts() {
    let node = Node::start();
    let mut client = node.client_with_numbers();
    client.query("begin");
    assert_eq!(client.query("declare c cursor for select id from n order by id"), "C(DECLARE CURSOR) Z(T)");
    assert_eq!(client.query("fetch c"), "T(id) D(0) C(FETCH 1) Z(T)");
    assert_eq!(client.query("fetch forward 2 from c"), "T(id) D(1) D(2) C(FETCH 2) Z(T)");
    assert_eq!(client.query("move 994 in c"), "C(MOVE 994) Z(T)");
    assert_eq!(client.query("fetch all c"), "T(id) D(997) D(998) D(999) C(FETCH 3) Z(T)");
    assert_eq!(client.query("fetch c"), "T(id) C(FETCH 0) Z(T)");
    assert_eq!(client.query("declare c cursor for select 1"), "E(42P03) Z(E)");
    client.query("rollback; begin");
    assert_eq!(client.query("fetch c"), "E(34000) Z(E)", "it ended with its transaction");
    client.query("rollback; begin; declare c cursor for select 1");
    assert_eq!(client.query("close c"), "C(CLOSE CURSOR) Z(T)");
    assert_eq!(client.query("close c"), "E(34000) Z(E)");
    client.query("rollback");
    assert_eq!(client.query("declare c cursor for select 1"), "E(25P01) Z(I)");
    assert_eq!(client.query("declare c cursor for select nothing"), "E(42703) Z(I)");
    node.stop();
}

#[test]
fn a_cursor_sees_the_data_of_its_declaration() {
    let node = Node::start();
    let mut client = node.client_with_numbers();
    for setup in ["select 1", "insert into n values (5000)"] {
        client.query(&format!("begin; {setup}"));
        client.query("declare c no scroll cursor for select count(*) as c from n where id < 1000");
        client.query("delete from n where id < 10");
        assert_eq!(client.query("fetch c"), "T(c) D(1000) C(FETCH 1) Z(T)", "after {setup}");
        client.query("rollback");
    }
    node.stop();
}

#[test]
fn a_large_cursor_is_never_kept_whole() {
    let limits = SessionLimits { buffered_result_size_max: 100_000, ..SessionLimits::default() };
    let node = Node::start_with(limits, Duration::from_secs(5));
    let mut client = node.client_with_numbers();
    client.query(&format!("begin; declare c cursor for {LARGE}"));
    assert_eq!(client.query("move 299999 from c"), "C(MOVE 299999) Z(T)");
    assert_eq!(client.query("fetch 2 from c"), "T(x) D(299999) C(FETCH 1) Z(T)");
    client.query("commit");
    assert_eq!(client.query(&format!("declare c cursor with hold for {LARGE}")), "E(54000) Z(I)");
    node.stop();
}

#[test]
fn a_held_cursor_outlives_its_transaction() {
    let node = Node::start();
    let mut client = node.client_with_numbers();
    assert_eq!(
        client.query("declare c cursor with hold for select id from n where id < 3 order by id"),
        "C(DECLARE CURSOR) Z(I)"
    );
    client.query("delete from n");
    assert_eq!(client.query("fetch 2 from c"), "T(id) D(0) D(1) C(FETCH 2) Z(I)");
    client.query("begin; declare d cursor with hold for select 1; rollback");
    assert_eq!(client.query("fetch d"), "E(34000) Z(I)");
    assert_eq!(client.query("fetch c"), "T(id) D(2) C(FETCH 1) Z(I)");
    assert_eq!(client.query("close all"), "C(CLOSE CURSOR ALL) Z(I)");
    assert_eq!(client.query("fetch c"), "E(34000) Z(I)");
    node.stop();
}

#[test]
fn a_declaration_takes_parameters_and_its_cursor_is_described_as_a_portal() {
    let node = Node::start();
    let mut client = node.client_with_numbers();
    client.query("begin");
    let declare = [
        parse("", "declare \"My c\" cursor for select id from n where id >= $1 order by id", &[]),
        bind("", "", &[Some("998")]),
        execute("", 0),
        describe('P', "My c"),
        sync(),
    ];
    assert_eq!(client.until_ready_after(&declare.concat()), "1 2 C(DECLARE CURSOR) T(id) Z(T)");
    let fetch =
        [parse("", "fetch forward 5 from \"My c\"", &[]), bind("", "", &[]), describe('P', ""), execute("", 0), sync()];
    assert_eq!(client.until_ready_after(&fetch.concat()), "1 2 T(id) D(998) D(999) C(FETCH 2) Z(T)");
    assert_eq!(client.query("declare d cursor for select $1::int"), "E(42P02) Z(E)");
    node.stop();
}

#[test]
fn a_portal_of_the_protocol_is_moved_in_and_fetched_from() {
    let node = Node::start();
    let mut client = node.client_with_numbers();
    client.query("begin");
    let open = [parse("", "select id from n order by id", &[]), bind("p", "", &[]), sync()];
    assert_eq!(client.until_ready_after(&open.concat()), "1 2 Z(T)");
    assert_eq!(client.query("move forward 500 \"p\""), "C(MOVE 500) Z(T)");
    assert_eq!(client.until_ready_after(&[execute("p", 2), sync()].concat()), "D(500) D(501) s Z(T)");
    assert_eq!(client.query("fetch 1 from p"), "T(id) D(502) C(FETCH 1) Z(T)");
    node.stop();
}

#[test]
fn cursors_do_not_go_back() {
    let node = Node::start();
    let mut client = node.client();
    client.query("begin; declare c cursor for select 1");
    assert_eq!(client.query("fetch prior from c"), "E(55000) Z(E)");
    client.query("rollback; begin");
    assert_eq!(client.query("declare c scroll cursor for select 1"), "E(0A000) Z(E)");
    node.stop();
}
