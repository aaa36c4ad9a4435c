//! Which anomalies each isolation level lets through, on PostgreSQL 15 and on a node.
//!
//! The histories are those of the Hermitage survey (<https://github.com/ept/hermitage>), named after Adya's phenomena, played by
//! two or three sessions on the table `test` with the rows (1, 10) and (2, 20). A node must prevent whatever PostgreSQL prevents, and the
//! table in docs/src/reference/isolation.md is what this test found.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use postgres::{Client, NoTls, SimpleQueryMessage};
use tests::node::Setup;
use tests::oracle::Oracle;
use tests::psql::Server;

/// Longest wait for a statement that nothing keeps from running.
const PATIENCE: Duration = Duration::from_secs(60);
/// A statement that others may keep waiting is given this long; then it counts as waiting and the history goes on.
const BLOCKED: Duration = Duration::from_millis(300);

const LEVELS: [&str; 3] = ["read committed", "repeatable read", "serializable"];

/// The two columns of each row, or the SQLSTATE.
type Answer = Result<Vec<(i32, i32)>, String>;

/// A session on a thread of its own, so that one that waits keeps nobody else.
struct Session {
    statements: Sender<String>,
    answers: Receiver<Answer>,
    early: Option<Answer>,
    failed: bool,
}

impl Session {
    fn open(server: &Server) -> Self {
        let address =
            format!("host={} port={} user={} dbname={}", server.host, server.port, server.user, server.database);
        let mut client = Client::connect(&address, NoTls).expect("connect");
        let ((statements, inbox), (outbox, answers)) = (channel::<String>(), channel());
        std::thread::spawn(move || {
            for statement in inbox {
                if outbox.send(answer(&mut client, &statement)).is_err() {
                    return;
                }
            }
        });
        Self { statements, answers, early: None, failed: false }
    }

    /// Runs a statement that nothing keeps waiting.
    fn run(&mut self, sql: &str) -> Vec<(i32, i32)> {
        self.statements.send(sql.to_owned()).expect("the session lives");
        self.take_answer(sql)
    }

    /// Starts a statement that others may keep waiting.
    fn start(&mut self, sql: &str) {
        self.statements.send(sql.to_owned()).expect("the session lives");
        self.early = match self.answers.recv_timeout(BLOCKED) {
            Ok(answer) => Some(answer),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => panic!("the session ended at: {sql}"),
        };
    }

    /// Waits for what was started.
    fn finish(&mut self) -> Vec<(i32, i32)> {
        self.take_answer("what was started")
    }

    fn take_answer(&mut self, what: &str) -> Vec<(i32, i32)> {
        let answer = match self.early.take() {
            Some(answer) => answer,
            None => self.answers.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{what}: {error}")),
        };
        match answer {
            Ok(rows) => rows,
            Err(code) => {
                // The level gave way; every other error is a mistake of this test or of the server.
                assert!(["40001", "40P01", "25P02"].contains(&code.as_str()), "{what}: {code}");
                self.failed = true;
                Vec::new()
            }
        }
    }

    /// Commits; whether it did.
    fn commit(&mut self) -> bool {
        self.run("commit");
        !self.failed
    }

    /// The value of that row.
    fn read(&mut self, id: i32) -> Option<i32> {
        self.run(&format!("select id, value from test where id = {id}")).first().map(|row| row.1)
    }
}

fn answer(client: &mut Client, statement: &str) -> Answer {
    let messages = client
        .simple_query(statement)
        .map_err(|error| error.code().map_or_else(|| error.to_string(), |code| code.code().to_owned()))?;
    let cell = |row: &postgres::SimpleQueryRow, at| row.get(at).and_then(|text| text.parse().ok()).unwrap_or(-1);
    Ok(messages
        .iter()
        .filter_map(
            |message| {
                if let SimpleQueryMessage::Row(row) = message { Some((cell(row, 0), cell(row, 1))) } else { None }
            },
        )
        .collect())
}

/// Three sessions in fresh transactions of one level.
type World = [Session; 3];

fn world(server: &Server, level: &str) -> World {
    server.rows("delete from test; insert into test values (1, 10), (2, 20)");
    [(); 3].map(|()| {
        let mut session = Session::open(server);
        session.run(&format!("begin isolation level {level}"));
        session
    })
}

/// A history: whether its anomaly happened.
type History = fn(&mut World, &Server) -> bool;

const HISTORIES: [(&str, History); 14] = [
    ("G0: dirty write", dirty_write),
    ("G1a: aborted read", aborted_read),
    ("G1b: intermediate read", intermediate_read),
    ("G1c: circular information flow", circular_flow),
    ("OTV: observed transaction vanishes", vanishing),
    ("PMP: predicate with many preceders", predicate_read),
    ("PMP: the same, for a write", predicate_write),
    ("P4: lost update", lost_update),
    ("P4: the same, with FOR UPDATE", lost_update_locked),
    ("G-single: read skew", read_skew),
    ("G-single: the same, for a write", read_skew_write),
    ("G2-item: write skew", write_skew),
    ("G2: write skew on a predicate", predicate_skew),
    ("G2: read-only transaction sees what never was", read_only_skew),
];

fn dirty_write([a, b, _]: &mut World, server: &Server) -> bool {
    a.run("update test set value = 11 where id = 1");
    b.start("update test set value = 12 where id = 1");
    a.run("update test set value = 21 where id = 2");
    a.commit();
    b.finish();
    b.run("update test set value = 22 where id = 2");
    b.commit();
    let found = server.rows("select value from test order by id");
    found != "11\n21" && found != "12\n22"
}

fn aborted_read([a, b, _]: &mut World, _: &Server) -> bool {
    a.run("update test set value = 101 where id = 1");
    let before = b.read(1);
    a.run("rollback");
    let after = b.read(1);
    b.commit();
    before == Some(101) || after == Some(101)
}

fn intermediate_read([a, b, _]: &mut World, _: &Server) -> bool {
    a.run("update test set value = 101 where id = 1");
    let before = b.read(1);
    a.run("update test set value = 11 where id = 1");
    a.commit();
    let after = b.read(1);
    b.commit();
    before == Some(101) || after == Some(101)
}

fn circular_flow([a, b, _]: &mut World, _: &Server) -> bool {
    a.run("update test set value = 11 where id = 1");
    b.start("update test set value = 22 where id = 2");
    let seen = a.read(2);
    a.commit();
    b.finish();
    let seen_by_other = b.read(1);
    b.commit();
    seen == Some(22) && seen_by_other == Some(11)
}

fn vanishing([a, b, c]: &mut World, _: &Server) -> bool {
    a.run("update test set value = 11 where id = 1");
    a.run("update test set value = 19 where id = 2");
    b.start("update test set value = 12 where id = 1");
    a.commit();
    let first = c.read(1);
    b.finish();
    b.run("update test set value = 18 where id = 2");
    let second = c.read(2);
    let committed = b.commit();
    let (third, fourth) = (c.read(2), c.read(1));
    c.commit();
    committed && ((first == Some(12) && second != Some(18)) || (third == Some(18) && fourth != Some(12)))
}

fn predicate_read([a, b, _]: &mut World, _: &Server) -> bool {
    let none = a.run("select id, value from test where value = 30");
    b.run("insert into test values (3, 30)");
    b.commit();
    let found = a.run("select id, value from test where value % 3 = 0");
    a.commit();
    none.is_empty() && !found.is_empty()
}

fn predicate_write([a, b, _]: &mut World, _: &Server) -> bool {
    a.run("update test set value = value + 10");
    b.start("delete from test where value = 20");
    a.commit();
    b.finish();
    let left = b.run("select id, value from test where value = 20");
    b.commit() && !left.is_empty()
}

fn lost_update([a, b, _]: &mut World, _: &Server) -> bool {
    let (seen, seen_by_other) = (a.read(1), b.read(1));
    a.run("update test set value = 11 where id = 1");
    b.start("update test set value = 12 where id = 1");
    let first = a.commit();
    b.finish();
    let second = b.commit();
    first && second && seen == seen_by_other
}

fn lost_update_locked([a, b, _]: &mut World, _: &Server) -> bool {
    let seen = a.run("select id, value from test where id = 1 for update");
    b.start("select id, value from test where id = 1 for update");
    a.run("update test set value = 11 where id = 1");
    let first = a.commit();
    let seen_by_other = b.finish();
    b.run("update test set value = 12 where id = 1");
    let second = b.commit();
    first && second && seen == seen_by_other
}

fn read_skew([a, b, _]: &mut World, _: &Server) -> bool {
    let first = a.read(1);
    b.run("update test set value = 12 where id = 1");
    b.run("update test set value = 18 where id = 2");
    b.commit();
    let second = a.read(2);
    a.commit();
    first == Some(10) && second == Some(18)
}

fn read_skew_write([a, b, _]: &mut World, _: &Server) -> bool {
    let first = a.read(1);
    b.run("update test set value = 12 where id = 1");
    b.run("update test set value = 18 where id = 2");
    b.commit();
    a.run("delete from test where value = 20");
    let left = a.read(2);
    a.commit() && first == Some(10) && left == Some(18)
}

fn write_skew([a, b, _]: &mut World, _: &Server) -> bool {
    for session in [&mut *a, &mut *b] {
        session.run("select id, value from test where id in (1, 2)");
    }
    a.run("update test set value = 11 where id = 1");
    b.start("update test set value = 21 where id = 2");
    let first = a.commit();
    b.finish();
    let second = b.commit();
    first && second
}

fn predicate_skew([a, b, _]: &mut World, _: &Server) -> bool {
    for session in [&mut *a, &mut *b] {
        session.run("select id, value from test where value % 3 = 0");
    }
    a.run("insert into test values (3, 30)");
    b.start("insert into test values (4, 42)");
    let first = a.commit();
    b.finish();
    let second = b.commit();
    first && second
}

fn read_only_skew([a, b, c]: &mut World, _: &Server) -> bool {
    a.run("select id, value from test");
    b.run("update test set value = value + 5 where id = 2");
    b.commit();
    let seen = c.run("select id, value from test order by id");
    c.commit();
    a.run("update test set value = 0 where id = 1");
    a.commit() && seen == [(1, 10), (2, 25)]
}

/// For each history and level: whether the anomaly happened.
fn survey(server: &Server) -> Vec<[bool; 3]> {
    server.rows("create table test (id int primary key, value int)");
    let play = |history: &History, level| history(&mut world(server, level), server);
    HISTORIES.iter().map(|(_, history)| LEVELS.map(|level| play(history, level))).collect()
}

#[test]
fn each_level_prevents_what_postgresqls_prevents_and_the_documentation_says_so() {
    let oracle = Oracle::start();
    // Nobody loses the writer for being slow here.
    let node = Setup::built_in()
        .variable("CORROSION__PERF__WRITE_LEASE_IDLE_MAX", "60s")
        .variable("CORROSION__PERF__WRITE_LEASE_MAX", "60s")
        .start();
    let (theirs, ours) = (survey(&oracle.server()), survey(&node.server()));
    let mut table = String::new();
    for (index, (name, _)) in HISTORIES.iter().enumerate() {
        let cell = |level: usize| match (theirs[index][level], ours[index][level]) {
            (false, false) => "prevented",
            (true, true) => "possible",
            (true, false) => "prevented (possible in PostgreSQL)",
            (false, true) => panic!("{name} happens at {} and not in PostgreSQL", LEVELS[level]),
        };
        table.push_str(&format!("| {name} | {} | {} | {} |\n", cell(0), cell(1), cell(2)));
    }
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/src/reference/isolation.md");
    let page = std::fs::read_to_string(page).expect("the page on isolation");
    assert!(page.contains(&table), "docs/src/reference/isolation.md should have:\n{table}");
    node.stop();
}
