//! INSERT, UPDATE, DELETE and schema statements.

use super::fixture::{Database, shown};

#[test]
fn the_newcomers_table_works() {
    let mut database = Database::empty();
    database.run("create table todos (id text primary key, title text not null default '', done boolean not null default false, at timestamptz default now())");
    assert_eq!(database.run("insert into todos (id, title) values ('a', 'milk')").changes, 1);
    database.check("select * from todos", "a|milk|f|2026-01-02 03:04:05+00");
    assert_eq!(database.run("update todos set done = true where id = 'a'").changes, 1);
    database.check("select done from todos", "t");
    database.check("insert into todos values ('b', default, true) returning id, title, done", "b||t");
    assert_eq!(database.run("delete from todos where done").changes, 2);
}

#[test]
fn inserts_fill_defaults_and_convert() {
    let mut database = Database::new();
    database.check("insert into author (id, email) values (1, 'e') returning name, ok, bal", "x|t|NULL");
    database.check("insert into author (id, email, bal) select 2, 'f', 1.005 returning bal", "1.01");
    database.check("insert into post values (1, 2), (2, 3) returning id, author_id, title", "1|2|NULL\n2|3|NULL");
    let answer = database.try_run(
        "insert into post (id, author_id, title) values ($1, $2, $3) returning *",
        &[Some("9"), Some("8"), None],
    );
    assert_eq!(shown(&answer.expect("inserts")), "9|8|NULL|NULL|NULL");
    database.check_error(
        "insert into author (id, email, name) values (3, 'g', repeat('x', 81))",
        "22001",
        "value too long for type character varying(80)",
        0,
    );
}

#[test]
fn null_in_a_required_column_names_the_row() {
    let mut database = Database::new();
    let error = database.error("insert into post (id, title) values (1, 'x')");
    assert_eq!(error.sqlstate, "23502");
    assert_eq!(error.message, "null value in column \"author_id\" of relation \"post\" violates not-null constraint");
    assert_eq!(error.detail.as_deref(), Some("Failing row contains (1, null, x, null, null)."));
    let error = database.error("insert into post (id, author_id, title) values (1 + 1, null, lower('X'))");
    assert_eq!(error.detail.as_deref(), Some("Failing row contains (2, null, x, null, null)."));
    database.run("insert into post (id, author_id) values (1, 1)");
    let error = database.error("update post set author_id = null");
    assert_eq!(
        (error.sqlstate.as_ref(), error.detail.as_deref()),
        ("23502", Some("Failing row contains (1, null, null, null, null)."))
    );
}

#[test]
fn conflicts_do_what_was_asked() {
    let mut database = Database::new();
    database.run("insert into post (id, author_id, title) values (1, 1, 'a')");
    assert_eq!(database.run("insert into post (id, author_id) values (1, 2) on conflict do nothing").changes, 0);
    assert_eq!(database.run("insert into post (id, author_id) values (1, 2) on conflict (id) do nothing").changes, 0);
    database.check(
        "insert into post as p (id, author_id, title) values (1, 5, 'b') on conflict (id) do update
         set author_id = excluded.author_id, title = p.title || excluded.title where p.id = 1 returning author_id, title",
        "5|ab",
    );
    database.check("insert into post (id, author_id) values (1, 6) on conflict on constraint post_pkey do update set title = default returning title", "NULL");
}

#[test]
fn updates_and_deletes_join() {
    let mut database = Database::new();
    database.run("insert into author (id, email) values (1, 'a'), (2, 'b')");
    database.run("insert into post (id, author_id) values (1, 1), (2, 2)");
    assert_eq!(
        database.run("update post set title = a.email from author a where a.id = author_id and a.id = 2").changes,
        1
    );
    database.check("select id, title from post order by id", "1|NULL\n2|b");
    database
        .check("update post p set (title, body) = ('x', p.title) where p.id = 2 returning p.id, title, body", "2|x|b");
    assert_eq!(
        database.run("delete from post using author a where a.id = post.author_id and a.email = 'a'").changes,
        1
    );
    database.check("delete from post returning *", "2|2|x|b|NULL");
}

#[test]
fn tables_without_a_key_show_no_key() {
    let mut database = Database::empty();
    database.run("create table log (msg text, n int default 1)");
    database.run("insert into log values ('a'), ('b')");
    database.run("insert into log select 'c', 3");
    database.check("select * from log order by msg", "a|1\nb|1\nc|3");
}

#[test]
fn the_statements_of_pgbench_initialisation_run() {
    let mut database = Database::empty();
    database.run(
        "create table pgbench_accounts(aid int not null,bid int,abalance int,filler char(84)) with (fillfactor=100)",
    );
    database.run("create table pgbench_history(tid int,bid int,aid int,delta int,mtime timestamp,filler char(22))");
    database.run("truncate pgbench_accounts, pgbench_history");
    database.run("alter table pgbench_accounts add primary key (aid)");
    database.run("insert into pgbench_accounts(aid,bid,abalance,filler) values (1, 1, 0, '')");
    database.check("update pgbench_accounts set abalance = abalance + 5 where aid = 1 returning abalance", "5");
    database.run("insert into pgbench_history (tid, bid, aid, delta, mtime) values (1, 1, 1, 5, current_timestamp)");
    database.check("select tid, mtime from pgbench_history", "1|2026-01-02 03:04:05");
    database.run("create index on pgbench_history (tid)");
    database.run("drop table if exists pgbench_accounts, pgbench_history, nothing");
    database.check_error("select 1 from pgbench_accounts", "42P01", "relation \"pgbench_accounts\" does not exist", 15);
}

#[test]
fn columns_added_show_their_default() {
    let mut database = Database::new();
    database.run("insert into post (id, author_id) values (1, 1)");
    database.run("alter table post add column rank int not null default 1 + 1");
    database.check("select rank from post", "2");
    database.run("alter table post add column if not exists rank int");
}

#[test]
fn tables_of_schema_files_keep_sqlites_defaults_and_dynamic_values() {
    let mut database = Database::empty();
    database.load_file(
        "CREATE TABLE item (id BLOB NOT NULL PRIMARY KEY, n INTEGER NOT NULL DEFAULT 7, note TEXT DEFAULT \"\", ok BOOLEAN, total INTEGER AS (n * 2));",
    );
    database.check("insert into item (id, ok) values ('some-id', true) returning n, note, ok, total", "7||t|14");
    database.check("select n from item where id = 'some-id'", "7");
    database.check("insert into item (id, n) values ('\\x01', 8) returning id, n", "\\x01|8");
    database.check("update item set n = n + 1 where id = '\\x01' returning n", "9");
    database.check("select count(*) from item where id = '\\x01'::bytea", "1");
    database.check_error(
        "insert into item (id, total) values ('x', 1)",
        "428C9",
        "cannot insert a non-DEFAULT value into column \"total\"",
        43,
    );
    database.check(
        "insert into item (id, n, note) values ('d', default, default), ('e', 1, 'x') returning n, note",
        "7|\n1|x",
    );
    database.check(
        "update item set n = default, note = default, ok = default where id = 'e' returning n, note, ok",
        "7||NULL",
    );
    database.check_error("update item set total = 1", "428C9", "column \"total\" can only be updated to DEFAULT", 25);
}
