//! The pgbench cases: what runs, with how many clients, and the ratio to PostgreSQL that must be reached.

use std::io::Write;

use tempfile::NamedTempFile;

use super::servers::{Contestant, ROWS, Servers};

const PGBENCH: &str = "/usr/lib/postgresql/15/bin/pgbench";

/// What each transaction of a case does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    PointSelect,
    /// Keys spread over all of int8.
    InsertRandom,
    /// Each client counts up from a start of its own.
    InsertSequential,
}

#[derive(Debug)]
pub(super) struct Case {
    pub name: &'static str,
    pub work: Work,
    /// `-M` of pgbench.
    pub mode: &'static str,
    pub clients: u32,
    pub synchronous_commit: &'static str,
    /// Least ratio of transactions per second to PostgreSQL's.
    pub floor: f64,
}

const fn select(name: &'static str, mode: &'static str, clients: u32, floor: f64) -> Case {
    Case { name, work: Work::PointSelect, mode, clients, synchronous_commit: "on", floor }
}

const fn insert(name: &'static str, work: Work, clients: u32, synchronous_commit: &'static str, floor: f64) -> Case {
    Case { name, work, mode: "prepared", clients, synchronous_commit, floor }
}

pub(super) const CASES: &[Case] = &[
    select("point select, prepared, 1 client", "prepared", 1, 1.0),
    select("point select, prepared, 8 clients", "prepared", 8, 1.0),
    select("point select, prepared, 32 clients", "prepared", 32, 1.0),
    select("point select, simple, new literals, 1 client", "simple", 1, 1.2),
    select("point select, simple, new literals, 8 clients", "simple", 8, 1.2),
    insert("insert, random keys, durable, 32 clients", Work::InsertRandom, 32, "on", 1.0),
    insert("insert, random keys, durable, 1 client", Work::InsertRandom, 1, "on", 0.7),
    insert("insert, random keys, off, 32 clients", Work::InsertRandom, 32, "off", 0.8),
    insert("insert, sequential keys, off, 32 clients", Work::InsertSequential, 32, "off", 1.2),
];

#[derive(Debug, Clone, Copy)]
pub(super) struct Measured {
    pub rate: f64,
    /// Server CPU per transaction in microseconds.
    pub cpu_us: f64,
}

/// Runs pgbench once.
pub(super) fn run(case: &Case, servers: &Servers, contestant: Contestant, seconds: u64) -> Measured {
    let mut script = NamedTempFile::new().expect("a file for the script");
    script.write_all(script_of(case.work).as_bytes()).expect("write the script");
    let server = servers.server(contestant);
    if case.work != Work::PointSelect {
        // Sequential keys start again from where they did.
        server.rows("truncate written");
    }
    let before = servers.cpu_seconds(contestant);
    let mut command = server.command(PGBENCH);
    command.env("PGOPTIONS", format!("-c synchronous_commit={}", case.synchronous_commit));
    command.args(["-n", "-M", case.mode, "-j", "2", "-D", "n=0"]);
    command.args(["-c", &case.clients.to_string(), "-T", &seconds.to_string(), "-f"]).arg(script.path());
    let output = command.arg(&server.database).output().expect("run pgbench; ./test names the package");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !errors.contains("ERROR"), "{}: {printed}{errors}", case.name);
    let transactions = value(&printed, "number of transactions actually processed: ");
    Measured {
        rate: value(&printed, "tps = "),
        cpu_us: (servers.cpu_seconds(contestant) - before) * 1e6 / transactions,
    }
}

fn script_of(work: Work) -> String {
    let insert = "insert into written (id, v, n) values (:id, '10.11.12.13:8080 healthy region=ams', 42);\n";
    match work {
        Work::PointSelect => format!("\\set id random(1, {ROWS})\nselect v from point where id = :id;\n"),
        Work::InsertRandom => format!("\\set id random(1, 9000000000000000000)\n{insert}"),
        Work::InsertSequential => format!("\\set n :n + 1\n\\set id :client_id * 1000000000 + :n\n{insert}"),
    }
}

fn value(printed: &str, label: &str) -> f64 {
    let line = printed.lines().find_map(|line| line.strip_prefix(label));
    let number = line.and_then(|line| line.split_whitespace().next()).and_then(|number| number.parse().ok());
    number.unwrap_or_else(|| panic!("pgbench prints `{label}`: {printed}"))
}
