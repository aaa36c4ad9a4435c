//! `set_config` and `current_setting`, beside SET and SHOW.

use crate::harness::{Node, bind, execute, parse, sync};

#[test]
fn set_config_sets_and_answers_with_the_value() {
    let node = Node::start();
    let mut client = node.client();
    assert_eq!(
        client.query("select set_config('statement_timeout', '60000', false) as x"),
        "T(x) D(1min) C(SELECT 1) Z(I)"
    );
    assert_eq!(client.query("show statement_timeout"), "T(statement_timeout) D(1min) C(SHOW) Z(I)");
    assert_eq!(client.query("select current_setting('statement_timeout') as x"), "T(x) D(1min) C(SELECT 1) Z(I)");
    let both = [
        parse("", "select set_config($1, $2, $3), current_setting($1, true)", &[]),
        bind("", "", &[Some("my.name"), Some("x"), Some("f")]),
        execute("", 0),
        sync(),
    ];
    assert_eq!(client.until_ready_after(&both.concat()), "1 2 D(x,NULL) C(SELECT 1) Z(I)");
    assert_eq!(client.query("select current_setting('my.name') as x"), "T(x) D(x) C(SELECT 1) Z(I)");
    assert_eq!(client.query("select set_config('statement_timeout', null, false) as x"), "T(x) D(0) C(SELECT 1) Z(I)");
    node.stop();
}

#[test]
fn set_config_follows_the_transaction() {
    let node = Node::start();
    let mut client = node.client();
    client.query("set my.v = 'before'");
    client.query("begin; select set_config('my.v', 'in', false); rollback");
    assert_eq!(client.query("show my.v"), "T(my.v) D(before) C(SHOW) Z(I)");
    client.query("begin; select set_config('my.v', 'local', true)");
    assert_eq!(client.query("show my.v"), "T(my.v) D(local) C(SHOW) Z(T)");
    client.query("commit");
    assert_eq!(client.query("show my.v"), "T(my.v) D(before) C(SHOW) Z(I)");
    assert_eq!(client.query("select set_config('my.v', 'x', true) as x"), "T(x) D(x) C(SELECT 1) Z(I)");
    assert_eq!(client.query("show my.v"), "T(my.v) D(before) C(SHOW) Z(I)");
    assert_eq!(client.query("select set_config('my.v', 'lost', false), 1/0"), "T(set_config,?column?) E(22012) Z(I)");
    assert_eq!(client.query("show my.v"), "T(my.v) D(before) C(SHOW) Z(I)");
    node.stop();
}

#[test]
fn set_config_refuses_as_set_does() {
    let node = Node::start();
    let mut client = node.client();
    for (arguments, code) in [
        ("'no_such', '1', false", "42704"),
        ("'server_version', '1', false", "55P02"),
        ("'statement_timeout', 'x', false", "22023"),
        ("null, 'x', false", "22004"),
    ] {
        let answer = client.query(&format!("select set_config({arguments}) as x"));
        assert_eq!(answer, format!("T(x) E({code}) Z(I)"), "{arguments}");
    }
    client.query("begin; select 1");
    let late = client.query("select set_config('transaction_isolation', 'serializable', true) as x");
    assert!(late.ends_with("E(25001) Z(E)"), "{late}");
    node.stop();
}

#[test]
fn reported_settings_are_told_again_when_a_function_changes_them() {
    let node = Node::start();
    let mut client = node.client();
    client.settings.clear();
    client.query("select set_config('application_name', 'by function', false)");
    assert_eq!(client.settings, [("application_name".to_owned(), "by function".to_owned())]);
    node.stop();
}
