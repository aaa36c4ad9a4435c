//! What one may do: roles, read-only listeners, every kind of statement; and what nobody may.

use postgres::{Client, NoTls};
use tests::node::{Node, Setup};

const LISTENERS: &str = "[db]\npath = 'node.db'\n[admin]\npath = 'admin.sock'\n\
     [[api.pg]]\naddr = '127.0.0.1:0'\n[[api.pg]]\naddr = '127.0.0.1:0'\nreadonly = true\n";
const READ_WRITE: usize = 0;
const READ_ONLY: usize = 1;

/// A node with a user of each role, and tables `t` (three rows) and `u`.
fn start() -> Node {
    let setup = Setup::file(LISTENERS);
    for (name, role) in [("reader", "read-only"), ("writer", "read-write"), ("boss", "admin")] {
        let printed = setup.run(&["user", "add", name, "--role", role, "--no-password"]);
        assert!(printed.success, "{}", printed.stderr);
    }
    let node = setup.start();
    let mut client = connect(&node, READ_WRITE, "boss");
    client
        .batch_execute(
            "create table t (id int primary key, v text); insert into t values (1, 'a'), (2, 'b'), (3, 'c'); \
             create table u (id int primary key); create index t_v on t (v)",
        )
        .expect("create");
    node
}

fn connect(node: &Node, listener: usize, user: &str) -> Client {
    let address = format!("host=127.0.0.1 port={} user={user} dbname=corrosion", node.listeners()[listener].port());
    Client::connect(&address, NoTls).expect("connect")
}

/// SQLSTATE and message, or `ok`.
fn outcome(result: Result<(), postgres::Error>) -> String {
    match result {
        Ok(()) => "ok".to_owned(),
        Err(error) => {
            let error = error.as_db_error().unwrap_or_else(|| panic!("{error}"));
            format!("{} {}", error.code().code(), error.message())
        }
    }
}

/// Everything that changes something: the statement, what a reader hears, what everybody hears on a read-only listener.
const WRITES: &[(&str, &str, &str)] = &[
    (
        "insert into t values (9, 'x')",
        "42501 permission denied for table t",
        "25006 cannot execute INSERT in a read-only transaction",
    ),
    (
        "insert into t select 9, 'x'",
        "42501 permission denied for table t",
        "25006 cannot execute INSERT in a read-only transaction",
    ),
    (
        "insert into t values (1, 'x') on conflict (id) do update set v = 'x' returning id",
        "42501 permission denied for table t",
        "25006 cannot execute INSERT in a read-only transaction",
    ),
    (
        "update t set v = 'x'",
        "42501 permission denied for table t",
        "25006 cannot execute UPDATE in a read-only transaction",
    ),
    (
        "update t set v = 'x' where false",
        "42501 permission denied for table t",
        "25006 cannot execute UPDATE in a read-only transaction",
    ),
    (
        "delete from t where id = 9",
        "42501 permission denied for table t",
        "25006 cannot execute DELETE in a read-only transaction",
    ),
    (
        "truncate u",
        "42501 permission denied for table u",
        "25006 cannot execute TRUNCATE TABLE in a read-only transaction",
    ),
    (
        "create table w (a int)",
        "42501 permission denied for schema public",
        "25006 cannot execute CREATE TABLE in a read-only transaction",
    ),
    (
        "alter table u add column b int",
        "42501 must be owner of table u",
        "25006 cannot execute ALTER TABLE in a read-only transaction",
    ),
    (
        "create index u_x on u (id)",
        "42501 must be owner of table u",
        "25006 cannot execute CREATE INDEX in a read-only transaction",
    ),
    (
        "drop index t_v",
        "42501 must be owner of index t_v",
        "25006 cannot execute DROP INDEX in a read-only transaction",
    ),
    ("drop table u", "42501 must be owner of table u", "25006 cannot execute DROP TABLE in a read-only transaction"),
    (
        "with x as (insert into t values (9, 'x') returning id) select * from x",
        "42501 permission denied for table t",
        "25006 cannot execute SELECT in a read-only transaction",
    ),
];

/// What takes the writer without changing a row.
const UPKEEP: [&str; 2] = ["analyze t", "vacuum"];

const READS: [&str; 8] = [
    "select * from t",
    "select count(*) from t where v > 'a'",
    "with x as (select id from t) select * from x",
    "begin; select 1; savepoint a; rollback to a; commit",
    "begin isolation level serializable; select * from t; commit",
    "set statement_timeout = '1min'; show statement_timeout",
    "prepare p as select id from t where id = $1; execute p(1); deallocate p",
    "select * from pg_roles",
];

/// By every way that a statement can take: alone, in a block, prepared.
fn ways(client: &mut Client, statement: &str) -> Vec<String> {
    let alone = outcome(client.batch_execute(statement));
    let extended = outcome(client.query(statement, &[]).map(|_| ()));
    client.batch_execute("begin").expect("begin");
    let in_block = outcome(client.batch_execute(statement));
    client.batch_execute("rollback").expect("rollback");
    client.batch_execute("begin; select * from t; savepoint s").expect("begin");
    let after_read = outcome(client.query(statement, &[]).map(|_| ()));
    client.batch_execute("rollback").expect("rollback");
    vec![alone, extended, in_block, after_read]
}

fn contents(client: &mut Client) -> String {
    let rows = client.query("select id, v from t order by id", &[]).expect("read");
    let rows = rows.iter().map(|row| format!("{}{}", row.get::<_, i32>(0), row.get::<_, String>(1)));
    rows.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_reader_changes_nothing_by_any_statement_or_way() {
    let node = start();
    let mut reader = connect(&node, READ_WRITE, "reader");
    for (statement, expected, _) in WRITES {
        assert_eq!(ways(&mut reader, statement), [*expected; 4], "{statement}");
    }
    for statement in UPKEEP {
        let heard = outcome(reader.batch_execute(statement));
        assert!(heard.starts_with("42501 "), "{statement}: {heard}");
    }
    for statement in READS {
        assert_eq!(outcome(reader.batch_execute(statement)), "ok", "{statement}");
    }
    assert_eq!(contents(&mut reader), "1a 2b 3c");
    node.stop();
}

#[test]
fn nobody_changes_anything_through_a_read_only_listener() {
    let node = start();
    for user in ["reader", "writer", "boss", "stranger"] {
        let mut client = connect(&node, READ_ONLY, user);
        for (statement, _, expected) in WRITES {
            assert_eq!(ways(&mut client, statement), [*expected; 4], "{user}: {statement}");
        }
        for statement in UPKEEP {
            let heard = outcome(client.batch_execute(statement));
            assert!(heard.starts_with("25006 "), "{user}: {statement}: {heard}");
        }
        for statement in READS {
            assert_eq!(outcome(client.batch_execute(statement)), "ok", "{user}: {statement}");
        }
        assert_eq!(contents(&mut client), "1a 2b 3c");
    }
    node.stop();
}

#[test]
fn no_setting_opens_a_read_only_listener() {
    let node = start();
    let mut client = connect(&node, READ_ONLY, "boss");
    let refused = "0A000 cannot set transaction read-write mode on a read-only listener";
    let cannot = "25006 cannot execute INSERT in a read-only transaction";
    for (statement, expected) in [
        ("begin read write", refused),
        ("begin; set transaction read write", refused),
        ("begin; set transaction_read_only = off", refused),
        ("begin; set local transaction_read_only to false", refused),
        ("set default_transaction_read_only = off; insert into t values (9, 'x')", cannot),
        ("set session characteristics as transaction read write; insert into t values (9, 'x')", cannot),
        ("select set_config('default_transaction_read_only', 'off', false); insert into t values (9, 'x')", cannot),
        ("reset all; insert into t values (9, 'x')", cannot),
        ("begin; savepoint a; rollback to a; insert into t values (9, 'x')", cannot),
        ("begin; commit and chain; insert into t values (9, 'x')", cannot),
    ] {
        assert_eq!(outcome(client.batch_execute(statement)), expected, "{statement}");
        client.batch_execute("rollback").expect("rollback");
    }
    assert_eq!(outcome(client.batch_execute("discard all")), "ok");
    assert_eq!(outcome(client.batch_execute("insert into t values (9, 'x')")), cannot);
    let shown = |client: &mut Client, name: &str| -> String {
        client.query_one(&format!("show {name}"), &[]).expect("show").get(0)
    };
    assert_eq!(shown(&mut client, "transaction_read_only"), "on");
    // As start-up options too.
    let port = node.listeners()[READ_ONLY].port();
    let address =
        format!("host=127.0.0.1 port={port} user=boss dbname=corrosion options='-c default_transaction_read_only=off'");
    let mut client = Client::connect(&address, NoTls).expect("connect");
    assert_eq!(outcome(client.batch_execute("insert into t values (9, 'x')")), cannot);
    assert_eq!(shown(&mut client, "default_transaction_read_only"), "on");
    node.stop();
}

#[test]
fn writers_and_admins_and_trusted_strangers_write_and_change_the_schema() {
    let node = start();
    for user in ["writer", "boss", "stranger"] {
        let mut client = connect(&node, READ_WRITE, user);
        for (statement, _, _) in WRITES {
            client.batch_execute("begin").expect("begin");
            assert_eq!(outcome(client.batch_execute(statement)), "ok", "{user}: {statement}");
            client.batch_execute("rollback").expect("rollback");
        }
        for statement in UPKEEP {
            assert_eq!(outcome(client.batch_execute(statement)), "ok", "{user}: {statement}");
        }
    }
    node.stop();
}

#[test]
fn sessions_know_whose_they_are() {
    let node = start();
    for (user, is_super) in [("reader", "off"), ("writer", "off"), ("boss", "on"), ("stranger", "on")] {
        let mut client = connect(&node, READ_WRITE, user);
        let row = client.query_one("select current_user::text, session_user::text", &[]).expect("select");
        assert_eq!((row.get::<_, &str>(0), row.get::<_, &str>(1)), (user, user));
        let shown: String = client.query_one("show is_superuser", &[]).expect("show").get(0);
        assert_eq!(shown, is_super, "{user}");
        let other = outcome(client.batch_execute("set session authorization boss"));
        assert!(other.starts_with("42501 ") || other.starts_with("0A000 ") || other.starts_with("55P02 "), "{other}");
        let other = outcome(client.batch_execute("set role boss"));
        assert!(other.starts_with("42501 ") || other.starts_with("0A000 "), "{other}");
        let same: String = client.query_one("select current_user::text", &[]).expect("select").get(0);
        assert_eq!(same, user);
    }
    node.stop();
}

#[test]
fn psql_lists_the_users_and_their_passwords_stay_hidden() {
    let node = start();
    let mut server = node.server();
    server.port = node.listeners()[READ_WRITE].port();
    let printed = server.script(&["-At"], "\\du\n");
    assert_eq!(printed.stderr, "");
    for line in [
        "boss|Superuser",
        "reader||{pg_read_all_data}",
        "writer||{pg_read_all_data,pg_write_all_data}",
        "postgres|Superuser",
    ] {
        assert!(printed.stdout.contains(line), "{line}\n{}", printed.stdout);
    }
    assert_eq!(
        server.rows(
            "select rolname, rolsuper, rolcanlogin from pg_roles where rolname in ('boss', 'reader') order by 1;\
             select count(rolpassword) from pg_authid; select count(passwd) from pg_shadow;\
             select distinct rolpassword from pg_roles"
        ),
        "boss|t|t\nreader|f|t\n0\n0\n********"
    );
    assert!(node.run(&["user", "remove", "reader"]).success);
    assert_eq!(server.rows("select count(*) from pg_user where usename = 'reader'"), "0");
    node.stop();
}

#[test]
fn the_engine_and_its_own_tables_are_out_of_reach_for_everybody() {
    let node = start();
    let mut client = connect(&node, READ_WRITE, "boss");
    for (statement, code) in [
        ("select * from __corro_users", "42P01"),
        ("select * from \"__corro_secrets\"", "42P01"),
        ("select * from main.__corro_users", "42P01"),
        ("select * from public.__corro_users", "42P01"),
        ("select * from sqlite_schema", "42P01"),
        ("select * from sqlite_master", "42P01"),
        ("select * from crsql_master", "42P01"),
        ("select * from t__crsql_rows", "42P01"),
        ("select * from pragma_table_info('t')", "42883"),
        ("insert into __corro_users values ('x', 'admin')", "42P01"),
        ("update __corro_users set role = 'admin'", "42P01"),
        ("delete from crsql_log", "42P01"),
        ("drop table __corro_users", "42P01"),
        ("create table __corro_x (a int)", "0A000"),
        ("attach database '/tmp/x' as y", "42601"),
        ("detach database pg_catalog", "42601"),
        ("pragma journal_mode = delete", "42601"),
        ("pragma writable_schema = on", "42601"),
        ("select load_extension('x')", "42883"),
        ("select crsql_as_crr('t')", "42883"),
        ("select crsql_set_ts('1')", "42883"),
        ("select readfile('/etc/passwd')", "42883"),
        ("select fts3_tokenizer('x')", "42883"),
        ("create role x", "0A000"),
        ("create user x password 'y'", "0A000"),
        ("alter role boss superuser", "0A000"),
        ("drop user boss", "0A000"),
        ("grant select on t to reader", "0A000"),
        ("copy t from program 'id'", "0A000"),
    ] {
        let heard = outcome(client.batch_execute(statement));
        assert!(heard.starts_with(code), "{statement}: {heard}, not {code}");
    }
    node.stop();
}
