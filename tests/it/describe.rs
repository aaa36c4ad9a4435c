//! psql's commands that describe objects, beside PostgreSQL 15: what they print for tables made the same way is equal.

use tests::node::Setup;
use tests::oracle::Oracle;

const TABLES: &str = "
create table todos (id text primary key, title text not null default '', done boolean not null default false,
                    at timestamptz default now());
create table orders (region int, code varchar(10), amount numeric(12,2) default 1.5, kind char(4), seen timestamp(3),
                     body jsonb default '{}', raw bytea, ref uuid, day date, primary key (region, code));
create index orders_amount on orders (amount desc, kind);
create index on orders (seen);
create table nokey (x bigint default -1, y double precision, z smallint);
create table \"Odd Name\" (\"select\" int primary key, \"Mixed\" text default 'it''s');
";

/// The commands that must print the same. Those that list built-in objects are not among them: this server has fewer.
const COMMANDS: &[&str] = &[
    r"\d",
    r"\d todos",
    r"\d orders",
    r"\d nokey",
    r#"\d "Odd Name""#,
    r"\d+ todos",
    r"\d+ orders",
    r"\d todos_pkey",
    r"\d orders_amount",
    r"\d nosuch",
    r"\d todo*",
    r"\dt",
    r"\dt todo*",
    r"\dt public.*",
    r"\dt nosuch",
    r"\di",
    r"\di orders*",
    r"\l corrosion",
    r"\dn",
    r"\dn+",
    r"\du",
    r"\du+",
    r"\dg",
    r"\dv",
    r"\ds",
    r"\dm",
    r"\dE",
    r"\df",
    r"\dT",
    r"\dD",
    r"\do",
    r"\dp",
    r"\dp todos",
    r"\z",
    r"\db",
    r"\des",
    r"\det",
    r"\dew",
    r"\deu",
    r"\dRp",
    r"\dRs",
    r"\dX",
    r"\dy",
    r"\dl",
    r"\dP",
    r"\drds",
    r"\ddp",
    r"\dO",
    r"\dF nosuch",
    r"\dd nosuch",
    r"\dL nosuch",
    r"\dc nosuch",
];

/// Commands that list what only this server has; they must work.
const WORKING: &[&str] = &[
    r"\l", r"\l+", r"\dt+", r"\di+", r"\db+", r"\dx", r"\dC", r"\dA", r"\dAc", r"\dAf", r"\dS", r"\dTS", r"\dfS",
    r"\doS", r"\dT+", r"\df+",
];

#[test]
fn descriptions_are_the_same_as_on_postgresql() {
    let node = Setup::built_in().start();
    let oracle = Oracle::start();
    let servers = [node.server(), oracle.server()];
    for server in &servers {
        server.rows(TABLES);
    }
    let mut different = Vec::new();
    for command in COMMANDS {
        let [ours, theirs] = [&servers[0], &servers[1]].map(|server| server.script(&[], &format!("{command}\n")));
        if ours != theirs {
            different.push(format!(
                "{command}\nours:\n{}{}theirs:\n{}{}",
                ours.stdout, ours.stderr, theirs.stdout, theirs.stderr
            ));
        }
    }
    assert!(different.is_empty(), "{} of {} differ:\n{}", different.len(), COMMANDS.len(), different.join("\n"));
    node.stop();
}

#[test]
fn descriptions_of_the_server_itself_work() {
    let node = Setup::built_in().start();
    let server = node.server();
    server.rows(TABLES);
    let mut failed = Vec::new();
    for command in WORKING {
        let printed = server.script(&[], &format!("{command}\n"));
        if !printed.stderr.is_empty() || printed.stdout.is_empty() {
            failed.push(format!("{command}\n{}", printed.stderr));
        }
    }
    assert!(failed.is_empty(), "{} of {} failed:\n{}", failed.len(), WORKING.len(), failed.join("\n"));
    node.stop();
}
