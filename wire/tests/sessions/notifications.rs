//! LISTEN and NOTIFY between sessions, with PostgreSQL's transactional rules.

use std::time::Duration;

use wire::config::SessionLimits;

use crate::harness::{Client, Node, bind, execute, parse, query, sync, wait_until};

/// The next notifications of a client that idles.
fn heard(client: &mut Client, count: usize) -> String {
    (0..count).map(|_| client.until(b'A')).collect::<Vec<_>>().join(" ")
}

#[test]
fn an_idle_listener_is_told_at_once_by_any_session() {
    let node = Node::start();
    let mut listeners: Vec<Client> = (0..5).map(|_| node.client()).collect();
    for listener in &mut listeners {
        assert_eq!(listener.query("listen Events"), "C(LISTEN) Z(I)");
    }
    let mut sender = node.client();
    assert_eq!(sender.query("notify events, 'one'"), "C(NOTIFY) Z(I)");
    assert_eq!(sender.query("notify other, 'x'; notify events"), "C(NOTIFY) C(NOTIFY) Z(I)");
    for listener in &mut listeners {
        let (tag, body) = listener.message().expect("a notification");
        assert_eq!((tag, &body[..4]), (b'A', &sender.pid.to_be_bytes()[..]), "with the sender's process id");
        assert_eq!(&body[4..], b"events\0one\0");
        assert_eq!(heard(listener, 1), "A(events,)");
    }
    node.stop();
}

#[test]
fn a_session_hears_itself_before_it_is_ready() {
    let node = Node::start();
    let mut client = node.client();
    assert_eq!(client.query("listen c"), "C(LISTEN) Z(I)");
    assert_eq!(client.query("notify c, 'a'"), "C(NOTIFY) A(c,a) Z(I)");
    assert_eq!(
        client.query("begin; listen d; notify d, 'b'; commit"),
        "C(BEGIN) C(LISTEN) C(NOTIFY) C(COMMIT) A(d,b) Z(I)"
    );
    node.stop();
}

#[test]
fn notifications_go_out_at_commit_in_order_and_without_duplicates() {
    let node = Node::start();
    let (mut listener, mut sender) = (node.client(), node.client());
    listener.query("listen c");
    sender.query(
        "begin; notify c, 'a'; notify c, 'b'; notify c, 'a'; savepoint s; notify c, 'c'; rollback to s; notify c, 'd'",
    );
    listener.query("notify c, 'before'");
    assert_eq!(sender.query("commit"), "C(COMMIT) Z(I)");
    assert_eq!(heard(&mut listener, 3), "A(c,a) A(c,b) A(c,d)");
    sender.query("begin; notify c, 'lost'; rollback");
    assert_eq!(sender.query("notify c, 'lost'; select 1/0"), "C(NOTIFY) T(?column?) E(22012) Z(I)");
    assert_eq!(sender.query("begin; notify c, 'lost'; selec"), "E(42601) Z(I)");
    sender.query("notify c, 'last'");
    assert_eq!(heard(&mut listener, 1), "A(c,last)");
    node.stop();
}

#[test]
fn listening_begins_and_ends_with_the_commit() {
    let node = Node::start();
    let (mut listener, mut sender) = (node.client(), node.client());
    listener.query("begin; listen a");
    sender.query("notify a, 'too early'");
    assert_eq!(listener.query("commit"), "C(COMMIT) Z(I)");
    assert_eq!(listener.query("begin; listen b; rollback"), "C(BEGIN) C(LISTEN) C(ROLLBACK) Z(I)");
    assert_eq!(listener.query("select pg_listening_channels()"), "T(pg_listening_channels) D(a) C(SELECT 1) Z(I)");
    listener.query("begin; unlisten a; rollback");
    listener.query("listen \"B c\"");
    sender.query("notify b, 'no'; notify \"B c\", 'yes'");
    assert_eq!(heard(&mut listener, 1), "A(B c,yes)");
    assert_eq!(listener.query("select * from pg_listening_channels() as c"), "T(c) D(B c) D(a) C(SELECT 2) Z(I)");
    assert_eq!(listener.query("unlisten a"), "C(UNLISTEN) Z(I)");
    sender.query("notify a, 'no'; notify \"B c\", 'again'");
    assert_eq!(heard(&mut listener, 1), "A(B c,again)");
    assert_eq!(listener.query("unlisten *"), "C(UNLISTEN) Z(I)");
    assert_eq!(listener.query("select pg_listening_channels()"), "T(pg_listening_channels) C(SELECT 0) Z(I)");
    node.stop();
}

#[test]
fn a_transaction_of_the_listener_is_never_interrupted() {
    let node = Node::start();
    let (mut listener, mut sender) = (node.client(), node.client());
    listener.query("listen c");
    assert_eq!(listener.query("begin"), "C(BEGIN) Z(T)");
    sender.query("notify c, 'held'");
    assert_eq!(listener.query("select 1 as x"), "T(x) D(1) C(SELECT 1) Z(T)");
    assert_eq!(listener.query("selec"), "E(42601) Z(E)");
    assert_eq!(listener.query("rollback"), "C(ROLLBACK) A(c,held) Z(I)");
    node.stop();
}

#[test]
fn pg_notify_takes_any_expression_and_follows_its_transaction() {
    let node = Node::start();
    let mut client = node.client();
    client.query("listen c; create table t (id int primary key, v text)");
    assert_eq!(client.query("select pg_notify('c', 'x' || 1)"), "T(pg_notify) D() C(SELECT 1) A(c,x1) Z(I)");
    client.send(
        &[parse("", "select pg_notify($1, $2)", &[]), bind("", "", &[Some("c"), Some("p")]), execute("", 0), sync()]
            .concat(),
    );
    assert_eq!(client.until_ready(), "1 2 D() C(SELECT 1) A(c,p) Z(I)");
    client.query("insert into t values (1, 'a'), (2, 'b')");
    assert_eq!(
        client.query("select pg_notify('c', v) from t order by id"),
        "T(pg_notify) D() D() C(SELECT 2) A(c,a) A(c,b) Z(I)"
    );
    assert_eq!(
        client.query("insert into t values (3, 'n') returning pg_notify('c', v)"),
        "T(pg_notify) D() C(INSERT 0 1) A(c,n) Z(I)"
    );
    client.query("begin; select pg_notify('c', 'lost')");
    assert_eq!(client.query("rollback"), "C(ROLLBACK) Z(I)");
    assert_eq!(client.query("select pg_notification_queue_usage() as u"), "T(u) D(0) C(SELECT 1) Z(I)");
    node.stop();
}

#[test]
fn names_and_payloads_outside_the_limits_are_refused() {
    let node = Node::start();
    let mut client = node.client();
    let long = "x".repeat(8_000);
    for (statement, expected) in [
        (format!("notify c, '{long}'"), "E(22023) Z(I)"),
        (format!("select pg_notify('c', '{long}')"), "T(pg_notify) E(22023) Z(I)"),
        ("select pg_notify('', 'x')".to_owned(), "T(pg_notify) E(22023) Z(I)"),
        ("select pg_notify(null, 'x')".to_owned(), "T(pg_notify) E(22023) Z(I)"),
        (format!("select pg_notify('{}', 'x')", "c".repeat(64)), "T(pg_notify) E(22023) Z(I)"),
        ("listen \"SELECT id FROM t\"".to_owned(), "E(0A000) Z(I)"),
        ("listen \"sub:x\"".to_owned(), "E(0A000) Z(I)"),
        ("notify \"table:t\"".to_owned(), "E(0A000) Z(I)"),
    ] {
        assert_eq!(client.query(&statement), expected, "{statement}");
    }
    assert_eq!(client.query(&format!("notify c, '{}'", "x".repeat(7_999))), "C(NOTIFY) Z(I)");
    node.stop();
}

#[test]
fn notifications_come_in_the_order_of_commits() {
    const EACH: usize = 40;
    let node = Node::start();
    let mut listener = node.client();
    listener.query("create table counter (id int primary key, n int); insert into counter values (1, 0); listen c");
    let address = node.address();
    let senders: Vec<_> = (0..4)
        .map(|_| {
            std::thread::spawn(move || {
                let mut client = Client::connect(address);
                client.start(&[("user", "ann")]);
                client.until_ready();
                for _ in 0..EACH {
                    let answer = client.query(
                        "begin; update counter set n = n + 1 where id = 1; \
                         select pg_notify('c', n::text) from counter; commit",
                    );
                    assert!(answer.ends_with("C(COMMIT) Z(I)"), "{answer}");
                }
            })
        })
        .collect();
    let all = heard(&mut listener, 4 * EACH);
    senders.into_iter().for_each(|sender| sender.join().expect("no panic"));
    let expected: Vec<String> = (1..=4 * EACH).map(|n| format!("A(c,{n})")).collect();
    assert_eq!(all, expected.join(" "));
    node.stop();
}

#[test]
fn a_listener_that_never_reads_ends_and_keeps_nobody_waiting() {
    let node = Node::start();
    let mut deaf = node.client();
    let mut sender = node.client();
    deaf.query("listen c");
    let open = node.handle.stats().sessions_open;
    // Each transaction carries 7 MiB: more than the sockets' buffers and the mailbox take together.
    let notify = format!("select count(pg_notify('c', '{}' || g)) from generate_series(1, 1000) g", "x".repeat(7_000));
    wait_until("the deaf session to be ended", || {
        assert_eq!(sender.query(&notify), "T(count) D(1000) C(SELECT 1) Z(I)");
        node.handle.stats().sessions_open < open
    });
    assert_eq!(sender.query("select 1 as x"), "T(x) D(1) C(SELECT 1) Z(I)");
    node.stop();
}

#[test]
fn a_listener_stuck_in_its_transaction_is_told_why_it_ends() {
    let node = Node::start_with(SessionLimits::default(), Duration::from_secs(5));
    let (mut listener, mut sender) = (node.client(), node.client());
    listener.query("listen c");
    listener.query("begin");
    let notify = format!("select count(pg_notify('c', '{}' || g)) from generate_series(1, 1000) g", "x".repeat(7_000));
    for _ in 0..4 {
        sender.query(&notify);
    }
    assert_eq!(listener.until_ready(), "E(53400) end");
    node.stop();
}

#[test]
fn discard_all_and_a_closed_session_stop_listening() {
    let node = Node::start();
    let (mut listener, mut sender) = (node.client(), node.client());
    listener.query("listen c");
    assert_eq!(listener.query("discard all"), "C(DISCARD ALL) Z(I)");
    assert_eq!(sender.query("notify c, 'x'"), "C(NOTIFY) Z(I)");
    assert_eq!(listener.query("select pg_listening_channels()"), "T(pg_listening_channels) C(SELECT 0) Z(I)");
    listener.query("listen c");
    drop(listener);
    wait_until("the session to end", || node.handle.stats().sessions_open == 1);
    assert_eq!(sender.query("notify c, 'y'"), "C(NOTIFY) Z(I)");
    node.stop();
}

#[test]
fn a_pipeline_hears_notifications_at_its_end_only() {
    let node = Node::start();
    let (mut listener, mut sender) = (node.client(), node.client());
    listener.query("listen c");
    listener.send(
        &[parse("", "select pg_sleep(0)", &[]), bind("", "", &[]), execute("", 0), crate::harness::flush()].concat(),
    );
    assert_eq!(listener.until(b'C'), "1 2 D() C(SELECT 1)");
    sender.query("notify c, 'x'");
    listener.send(&query("select 1 as x"));
    assert_eq!(listener.until_ready(), "T(x) D(1) C(SELECT 1) A(c,x) Z(I)");
    node.stop();
}
