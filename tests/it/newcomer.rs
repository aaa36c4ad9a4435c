//! A newcomer's first minute with psql, beside the same minute on PostgreSQL 15: rows, tags, `\d` and error texts.

use tests::node::Setup;
use tests::oracle::Oracle;

/// The table that the README suggests.
const TODOS: &str = "create table todos (id text primary key, title text not null default '', \
                     done boolean not null default false, at timestamptz default now());\n";

const MINUTE: &str = r"
insert into todos (id, title) values ('1', 'read'), ('2', 'write');
select id, title, done, at is not null as has_time from todos order by id;
update todos set done = true where id = '2';
begin;
delete from todos;
select count(*) from todos;
rollback;
select id, done from todos order by id;
insert into todos (id) values ('3') returning id, title, done;
select count(*), max(title), bool_or(done) from todos;
select upper(title) || '!' as shout from todos where title like 'w%';
update todos set title = 'rewrite' where id = '9';
delete from todos where id = '3';
select 7 / 2 as i, 7 / 2.0 as n, 7 % 2 as m, 'a' < 'b' as t;
begin;
savepoint s;
insert into todos (id) values ('1');
rollback to s;
insert into todos (id) values ('4');
commit;
select id from todos order by id desc limit 2 offset 1;
\d todos
\dt
";

/// One mistake each; the second half inside a transaction.
const MISTAKES: &[&str] = &[
    "select * from todo;",
    "select titel from todos;",
    "select t.title from todos;",
    "selct 1;",
    "select 1 frm todos where;",
    "select 'unfinished;\n';",
    "insert into todos (id) values ('1');",
    "insert into todos (id, title, at) values ('8', null, '2024-05-06 07:08+00');",
    "insert into todos (title, at) values ('no key', '2024-05-06 07:08+00');",
    "insert into todos (id, done) values ('8', 'perhaps');",
    "insert into todos (id, at) values ('8', 'soon');",
    "insert into todos (id, titel) values ('8', 'x');",
    "insert into todos (id, title) values ('8');",
    "insert into todos (id) values ('8', 'x');",
    "update todos set titel = 'x';",
    "update todos set done = 'x' where id = '1';",
    "delete from todo;",
    "create table todos (id int primary key);",
    "create table twice (a int, a int);",
    "create table odd (a nosuchtype);",
    "drop table nothing;",
    "drop table if exists nothing;",
    "select 1 / 0;",
    "select 2147483647 + 1;",
    "select 'abc'::int;",
    "select '99999999999'::int;",
    "select 'nope'::uuid;",
    "select '2024-02-30'::date;",
    "select nosuchfunction(1);",
    "select title + 1 from todos;",
    "select title, count(*) from todos;",
    "select * from todos where title;",
    "select id from todos where done = 1;",
    "select * from todos order by 9;",
    "select a.id from todos a, todos b where id = '1';",
    "commit;",
    "begin; select * from todo; select 1; rollback;",
    "rollback to nowhere;",
    "begin; rollback to nowhere; rollback;",
    "set nosuchsetting = 1;",
    "show nosuchsetting;",
    "select 'x'::varchar(3)::int;",
    "alter table todos add column title text;",
    "create index on todos (nothing);",
    "drop index nothing;",
    "execute nothing;",
];

#[test]
fn the_first_minute_is_the_same_as_on_postgresql() {
    let node = Setup::built_in().start();
    let oracle = Oracle::start();
    let script = format!("{TODOS}{MINUTE}");
    let ours = node.server().script(&[], &script);
    let theirs = oracle.server().script(&[], &script);
    assert_eq!(ours.stdout, theirs.stdout, "their errors:\n{}\nours:\n{}", theirs.stderr, ours.stderr);
    assert_eq!(ours.stderr, theirs.stderr);
    node.stop();
}

#[test]
fn mistakes_get_postgresqls_own_words() {
    let node = Setup::built_in().start();
    let oracle = Oracle::start();
    for server in [node.server(), oracle.server()] {
        server.rows(TODOS);
        server.rows("insert into todos (id, title) values ('1', 'read')");
    }
    let mut different = Vec::new();
    for mistake in MISTAKES {
        let words =
            |verbosity: &str| [node.server(), oracle.server()].map(|server| server.script(&["-v", verbosity], mistake));
        for verbosity in ["VERBOSITY=default", "VERBOSITY=sqlstate"] {
            let [ours, theirs] = words(verbosity);
            if ours != theirs {
                different.push(format!(
                    "{mistake}\nours:   {}{}theirs: {}{}",
                    ours.stdout, ours.stderr, theirs.stdout, theirs.stderr
                ));
                break;
            }
        }
    }
    assert!(different.is_empty(), "{} of {} differ:\n{}", different.len(), MISTAKES.len(), different.join("\n"));
    node.stop();
}
