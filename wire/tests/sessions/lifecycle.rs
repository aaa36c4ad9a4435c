//! Start, limits, cancel, shutdown.

use std::time::Duration;

use storage::Role;
use wire::config::{Auth, ConfigError, ListenerConfig, SessionLimits};

use crate::harness::{Client, Node, SLOW, field, query, wait_until};

#[test]
fn a_session_starts_with_the_thirteen_parameters_and_a_key() {
    let node = Node::start();
    let mut client = Client::connect(node.address());
    client.start(&[("user", "ann"), ("application_name", "test"), ("options", "-c DateStyle=DMY")]);
    assert_eq!(client.until_ready(), "Z(I)");
    let value = |name: &str| client.settings.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    assert_eq!(client.settings.len(), 13);
    assert_eq!(value("application_name"), Some("test"));
    assert_eq!(value("DateStyle"), Some("ISO, DMY"));
    assert_eq!(value("session_authorization"), Some("ann"));
    assert!(value("server_version").is_some_and(|v| v.starts_with("15.")));
    assert!(client.pid > 0);
    node.stop();
}

#[test]
fn encryption_is_declined_and_the_session_starts_in_the_clear() {
    let node = Node::start();
    let mut client = Client::connect(node.address());
    for code in [80_877_103_u32, 80_877_104] {
        client.send(&[8_u32.to_be_bytes(), code.to_be_bytes()].concat());
        assert_eq!(client.byte(), b'N');
    }
    client.start(&[("user", "ann")]);
    assert_eq!(client.until_ready(), "Z(I)");
    node.stop();
}

#[test]
fn newer_protocols_are_negotiated_down() {
    let node = Node::start();
    let mut client = Client::connect(node.address());
    client.start_with(0x3_0009, b"user\0ann\0_pq_.x\x001\0\0");
    let (tag, body) = client.message().expect("an answer");
    assert_eq!((tag, &body[..]), (b'v', &b"\0\x03\0\x02\0\0\0\x01_pq_.x\0"[..]));
    assert_eq!(client.until_ready(), "Z(I)");
    assert_eq!(client.secret.len(), 32, "it speaks 3.2 then");
    node.stop();
}

#[test]
fn protocol_3_2_has_longer_cancel_keys() {
    let node = Node::start();
    assert_eq!(node.client_with_numbers().secret.len(), 4);
    let mut client = Client::connect(node.address());
    client.start_with(0x3_0002, b"user\0ann\0\0");
    assert_eq!(client.until_ready(), "Z(I)", "nothing to negotiate");
    assert_eq!(client.secret.len(), 32);
    let before = node.handle.stats().pool_reads;
    client.send(&query(SLOW));
    wait_until("the statement to run on the pool", || node.handle.stats().pool_reads > before);
    client.cancel(node.address(), &client.secret[..4]);
    client.cancel(node.address(), &[0; 32]);
    client.cancel(node.address(), &client.secret);
    assert_eq!(client.until_ready(), "T(x) E(57014) Z(I)");
    node.stop();
}

#[test]
fn a_bad_start_is_told_why() {
    let node = Node::start();
    let fatal = |parameters: &[(&str, &str)]| {
        let mut client = Client::connect(node.address());
        client.start(parameters);
        let (_, body) = client.message().expect("an error");
        assert_eq!(field(&body, b'S').as_deref(), Some("FATAL"));
        assert!(client.message().is_none(), "then the connection ends");
        field(&body, b'C').expect("a code")
    };
    assert_eq!(fatal(&[("database", "x")]), "28000");
    assert_eq!(fatal(&[("user", "a"), ("no_such", "1")]), "42704");
    assert_eq!(fatal(&[("user", "a"), ("client_encoding", "LATIN1")]), "22023");
    assert_eq!(fatal(&[("user", "a"), ("replication", "true")]), "0A000");
    node.stop();
}

#[test]
fn the_limit_of_connections_is_told_and_a_place_is_given_back() {
    let limits = SessionLimits { connections_max: 1, ..SessionLimits::default() };
    let node = Node::start_with(limits, Duration::from_secs(5));
    let first = node.client();
    let mut second = Client::connect(node.address());
    second.start(&[("user", "ann")]);
    assert_eq!(second.until_ready(), "E(53300) end");
    drop(first);
    wait_until("the place to be free", || node.handle.stats().sessions_open == 0);
    node.client();
    node.stop();
}

#[test]
fn the_last_places_are_kept_for_admins() {
    let limits = SessionLimits { connections_max: 3, connections_reserved: 1, ..SessionLimits::default() };
    let node = Node::start_with(limits, Duration::from_secs(5));
    for (name, role) in [("reader", Role::ReadOnly), ("boss", Role::Admin)] {
        node.add_user(name, role);
    }
    let start = |user| {
        let mut client = Client::connect(node.address());
        client.start(&[("user", user)]);
        (client.until_ready(), client)
    };
    let [(first, _one), (second, _two)] = [start("reader"), start("reader")];
    assert_eq!([first, second], ["Z(I)", "Z(I)"]);
    assert_eq!(start("reader").0, "E(53300) end");
    let (admin, _boss) = start("boss");
    assert_eq!(admin, "Z(I)");
    assert_eq!(start("boss").0, "E(53300) end");
    node.stop();
}

#[test]
fn strangers_who_stay_silent_are_bounded_and_keep_nobody_out() {
    let limits = SessionLimits { unauthenticated_max: 2, ..SessionLimits::default() };
    let node = Node::start_with(limits, Duration::from_secs(5));
    let mut silent: Vec<Client> = (0..4).map(|_| Client::connect(node.address())).collect();
    node.client();
    assert!(silent[0].message().is_none(), "the first has lost its place");
    assert!(node.handle.stats().sessions_refused >= 1);
    node.stop();
}

#[test]
fn a_herd_larger_than_the_places_is_served_by_turns() {
    let limits = SessionLimits { unauthenticated_max: 2, ..SessionLimits::default() };
    let node = Node::start_with(limits, Duration::from_secs(5));
    let mut herd: Vec<Client> = (0..30).map(|_| Client::connect(node.address())).collect();
    herd.iter_mut().for_each(|client| client.start(&[("user", "ann")]));
    for client in &mut herd {
        assert_eq!(client.until_ready(), "Z(I)");
    }
    assert_eq!(node.handle.stats().sessions_refused, 0);
    node.stop();
}

#[test]
fn who_never_starts_is_disconnected() {
    let limits = SessionLimits { startup_time_max: Duration::from_millis(50), ..SessionLimits::default() };
    let node = Node::start_with(limits, Duration::from_secs(5));
    let mut client = Client::connect(node.address());
    assert!(client.message().is_none());
    node.stop();
}

#[test]
fn messages_that_cannot_be_are_fatal() {
    let node = Node::start();
    for bytes in [&b"!\0\0\0\x04"[..], b"Q\xff\xff\xff\xff", b"p\0\0\0\x05\0"] {
        let mut client = node.client();
        client.send(bytes);
        assert_eq!(client.until_ready(), "E(08P01) end");
    }
    let mut client = node.client();
    client.send(b"Q\0\0\0\x06\xff\0");
    assert_eq!(client.until_ready(), "E(22021) Z(I)");
    client.send(b"X\0\0\0\x04");
    assert!(client.message().is_none());
    node.stop();
}

#[test]
fn a_cancel_request_stops_the_running_statement_and_needs_the_secret() {
    let node = Node::start();
    let mut client = node.client_with_numbers();
    let before = node.handle.stats().pool_reads;
    client.send(&query(SLOW));
    wait_until("the statement to run on the pool", || node.handle.stats().pool_reads > before);
    let wrong: Vec<u8> = client.secret.iter().map(|byte| byte ^ 1).collect();
    client.cancel(node.address(), &wrong);
    client.cancel(node.address(), &client.secret);
    assert_eq!(client.until_ready(), "T(x) E(57014) Z(I)");
    client.cancel(node.address(), &client.secret);
    assert_eq!(client.query("select 1 as x"), "T(x) D(1) C(SELECT 1) Z(I)");
    node.stop();
}

#[test]
fn shutdown_tells_every_session_idle_or_busy() {
    let node = Node::start();
    let (mut idle, mut busy, mut open) = (node.client(), node.client_with_numbers(), node.client());
    open.query("begin");
    let before = node.handle.stats().pool_reads;
    busy.send(&query(SLOW));
    wait_until("the statement to run on the pool", || node.handle.stats().pool_reads > before);
    node.stop();
    assert_eq!(idle.until_ready(), "E(57P01) end");
    assert_eq!(open.until_ready(), "E(57P01) end");
    assert_eq!(busy.until_ready(), "T(x) E(57P01) end");
}

#[test]
fn an_idle_transaction_past_its_timeout_ends_the_session() {
    let node = Node::start();
    let mut client = node.client();
    client.query("set idle_in_transaction_session_timeout = 50");
    client.query("begin");
    assert_eq!(client.until_ready(), "E(25P03) end");
    node.stop();
}

#[test]
fn a_listener_for_strangers_must_be_asked_for() {
    let node = Node::start();
    let config = ListenerConfig { auth: Auth::Scram, ..ListenerConfig::new(([0, 0, 0, 0], 0).into()) };
    let error = wire::serve(vec![config], &node.store, node.shutdown.clone()).expect_err("refused");
    assert!(matches!(error, wire::ServeError::Config(ConfigError::Clear { .. })));
    node.stop();
}

#[test]
fn a_real_driver_works_with_named_statements_and_binary_values() {
    let node = Node::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    runtime.block_on(async {
        let address = node.address();
        let config = format!("host=127.0.0.1 port={} user=ann dbname=db", address.port());
        let (client, connection) = tokio_postgres::connect(&config, tokio_postgres::NoTls).await.expect("connect");
        let driver = tokio::spawn(connection);
        client.batch_execute("create table t (id bigint primary key, v bigint)").await.expect("create");
        let insert = client.prepare("insert into t (id, v) values ($1, $2)").await.expect("prepare");
        for id in 0..10_i64 {
            assert_eq!(client.execute(&insert, &[&id, &(id * id)]).await.expect("insert"), 1);
        }
        let row = client.query_one("select v from t where id = $1", &[&7_i64]).await.expect("select");
        assert_eq!(row.get::<_, i64>(0), 49);
        let error = client.execute(&insert, &[&7_i64, &0_i64]).await.expect_err("duplicate");
        assert_eq!(error.code(), Some(&tokio_postgres::error::SqlState::UNIQUE_VIOLATION));
        drop(client);
        driver.await.expect("driver task").expect("clean end");
    });
    node.stop();
}
