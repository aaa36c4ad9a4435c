//! Drivers of six languages work against a node as against PostgreSQL 15.
//!
//! Each driver has a program below tests/drivers that prints one line per claim and one per fact it was told (types,
//! bytes, texts of errors). It runs against PostgreSQL first, which shows that the program is right, then against a
//! node: the same claims hold and the same facts are told. The node's memory stays bounded meanwhile, although each
//! program reads a table several times as large as the bound, row by row.

use std::path::{Path, PathBuf};
use std::process::Command;

use tests::certificates::Authority;
use tests::node::Setup;
use tests::oracle::Oracle;
use tests::psql::Server;

/// The table that the programs stream: 100,000 rows of 1 KiB.
const STREAMED: &str = "create table streamed (id int primary key, payload text);
    insert into streamed select i, repeat('x', 1024) from generate_series(1, 100000) i;";
/// What a node may need for all claims of a program above what it held before, caches of its connections among it: four
/// fifths of the streamed table. Measured: 6 to 57 MiB.
const MEMORY_GROWTH_MAX: u64 = 80 << 20;

/// A listener without TLS for everybody on this machine, one with TLS for users with their passwords.
const LISTENERS: &str = "[db]\npath = 'node.db'\n[admin]\npath = 'admin.sock'\n\
    [[api.pg]]\naddr = '127.0.0.1:0'\n[[api.pg]]\naddr = '127.0.0.1:0'\nauth = 'scram-sha-256'\n\
    tls = { cert_file = 'server.pem', key_file = 'server.key' }\n";
const USER: &str = "ann";
const PASSWORD: &str = "péncil 'n\" paper\\";

/// A program, the claims it must make good, and those of them that a node may still fail.
struct Driver {
    program: fn(&Path) -> Command,
    claims: &'static [&'static str],
    /// For want of the protocol's statements in `pg_prepared_statements`.
    not_yet: &'static [&'static str],
}

/// Runs the driver's program against both servers and compares.
#[track_caller]
fn check(driver: &Driver) {
    let dir = tempfile::tempdir().expect("a directory for what the program is built to");
    let program = (driver.program)(dir.path());
    let authority = Authority::new("ours");
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).expect("write the authority");

    let oracle = Oracle::start_on_loopback();
    oracle.secure(&authority.server(), USER, PASSWORD);
    oracle.server().rows(STREAMED);
    let right = run(&program, &oracle.server(), oracle.server().port, &ca);
    drop(oracle);
    assert_eq!(right.fulfilled(), driver.claims, "on PostgreSQL:\n{}", right.text);

    let setup = Setup::file(LISTENERS);
    authority.server().write(&setup.path(""), "server");
    let added = setup.run_with_input(&["user", "add", USER, "--role", "admin"], &format!("{PASSWORD}\n"));
    assert!(added.success, "{}", added.stderr);
    let node = setup.start();
    let [plain, secure] = node.listeners()[..] else { panic!("{LISTENERS}") };
    let server = Server { port: plain.port(), ..node.server() };
    server.rows(STREAMED);
    let before = node.forget_memory_peak();
    let found = run(&program, &server, secure.port(), &ca);
    let growth = node.memory_peak().saturating_sub(before);
    eprintln!("{}\nmemory of the node: {} KiB, and {} KiB more at most", found.text, before >> 10, growth >> 10);
    let missing: Vec<_> = driver.claims.iter().filter(|claim| !found.fulfilled().contains(claim)).collect();
    assert!(missing.iter().all(|claim| driver.not_yet.contains(claim)), "{missing:?} on the node:\n{}", found.text);
    for (claim, facts) in right.facts() {
        if !driver.not_yet.contains(&claim) {
            let of_node = found.facts().into_iter().find(|(name, _)| *name == claim);
            assert_eq!(of_node, Some((claim, facts)), "left: the node, right: PostgreSQL");
        }
    }
    assert!(growth <= MEMORY_GROWTH_MAX, "the node needed {growth} bytes more");
    node.stop();
}

/// What a program printed.
struct Run {
    text: String,
}

impl Run {
    fn fulfilled(&self) -> Vec<&str> {
        self.text.lines().filter_map(|line| line.strip_prefix("ok ")).collect()
    }

    /// Each claim with the lines that were printed before its own.
    fn facts(&self) -> Vec<(&str, Vec<&str>)> {
        let (mut all, mut facts) = (Vec::new(), Vec::new());
        for line in self.text.lines() {
            match line.strip_prefix("ok ") {
                Some(claim) => all.push((claim, std::mem::take(&mut facts))),
                None if line.starts_with("FAILED ") => facts.clear(),
                None if line.starts_with("fact ") => facts.push(line),
                // The rest of a failure.
                None => {}
            }
        }
        all
    }
}

/// Seconds after which a program that hangs is ended; all claims of one take some seconds.
const PROGRAM_MAX: &str = "240";

fn run(program: &Command, server: &Server, secure_port: u16, ca: &Path) -> Run {
    let mut timed = Command::new("timeout");
    timed.arg(PROGRAM_MAX).arg(program.get_program()).args(program.get_args());
    timed.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let program = &mut timed;
    program.env("PGHOST", &server.host).env("PGPORT", server.port.to_string());
    program.env("PGUSER", &server.user).env("PGDATABASE", &server.database);
    program.env("SECURE_PORT", secure_port.to_string()).env("SECURE_CA", ca);
    program.env("SECURE_USER", USER).env("SECURE_PASSWORD", PASSWORD);
    program.env("PGTZ", "UTC").env("TZ", "UTC").env("LC_ALL", "C.UTF-8");
    let output = program.output().expect("start the program; ./test installs what it needs");
    let [stdout, stderr] = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    let fulfilled = !stdout.lines().any(|line| line.starts_with("FAILED "));
    assert_eq!(output.status.success(), fulfilled, "{}\n{stdout}\n{stderr}", output.status);
    assert!(stdout.lines().any(|line| line.starts_with("ok ")), "no claim was fulfilled:\n{stdout}\n{stderr}");
    Run { text: stdout }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the workspace").to_owned()
}

fn python(script: &str) -> Command {
    let interpreter = root().join("target/test-venv/bin/python");
    assert!(interpreter.exists(), "{} is missing: tests/drivers/set-up makes it", interpreter.display());
    let mut command = Command::new(interpreter);
    command.arg(root().join("tests/drivers/python").join(script));
    command
}

fn node_postgres(_: &Path) -> Command {
    let packages = root().join("target/drivers/node");
    assert!(packages.join("node_modules/pg").exists(), "{}: tests/drivers/set-up fills it", packages.display());
    let mut command = Command::new("node");
    command.arg(root().join("tests/drivers/node/pg_claims.mjs")).env("DRIVERS_NODE_DIR", packages);
    command
}

fn jdbc(_: &Path) -> Command {
    let mut command = Command::new("java");
    command.args(["-XX:TieredStopAtLevel=1", "-cp", "/usr/share/java/postgresql.jar"]);
    command.arg(root().join("tests/drivers/java/JdbcClaims.java"));
    command
}

fn libpq(dir: &Path) -> Command {
    let program = dir.join("libpq_claims");
    let mut compiler = Command::new("gcc");
    compiler.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-O1", "-I/usr/include/postgresql", "-o"]).arg(&program);
    compiler.arg(root().join("tests/drivers/c/libpq_claims.c")).args(["-lpq", "-lpthread"]);
    let output = compiler.output().expect("run gcc; ./test names the package");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Command::new(program)
}

#[test]
fn psycopg_works_as_against_postgresql() {
    check(&Driver {
        program: |_| python("psycopg_claims.py"),
        claims: &[
            "connects",
            "connects_over_tls_with_scram",
            "types_in_text",
            "types_in_binary",
            "types_chosen_by_the_driver",
            "statements_prepared_by_use",
            "error_in_transaction",
            "savepoints",
            "isolation_levels",
            "streams_row_by_row",
            "streams_by_server_side_cursor",
            "pipeline_with_an_error_in_the_middle",
            "cancel",
            "notification_while_idle",
            "pool_takes_connections_back",
            "introspection",
            "sqlalchemy_reflects_and_writes",
        ],
        not_yet: &["statements_prepared_by_use"],
    });
}

#[test]
fn asyncpg_works_as_against_postgresql() {
    check(&Driver {
        program: |_| python("asyncpg_claims.py"),
        claims: &[
            "connects",
            "connects_over_tls_with_scram",
            "types",
            "declared_and_inferred_parameters",
            "error_in_transaction",
            "savepoints",
            "streams_by_portal",
            "statement_survives_schema_change",
            "batch_with_an_error_in_the_middle",
            "cancel",
            "notification_while_idle",
            "pool_resets_connections",
            "introspection",
        ],
        not_yet: &[],
    });
}

#[test]
fn node_postgres_works_as_against_postgresql() {
    check(&Driver {
        program: node_postgres,
        claims: &[
            "connects",
            "connects_over_tls_with_scram",
            "types",
            "named_statements",
            "several_statements_in_one_message",
            "error_in_transaction",
            "savepoints",
            "streams_by_portal",
            "queue_with_an_error_in_the_middle",
            "cancel",
            "notification_while_idle",
            "notices",
            "pool",
        ],
        not_yet: &[],
    });
}

#[test]
fn jdbc_works_as_against_postgresql() {
    check(&Driver {
        program: jdbc,
        claims: &[
            "connects",
            "connects_over_tls_with_scram",
            "types_in_text",
            "types_in_binary",
            "simple_protocol",
            "statements_prepared_by_use",
            "error_in_transaction",
            "savepoints",
            "isolation_levels",
            "streams_by_fetch_size",
            "batch_with_an_error_in_the_middle",
            "generated_keys",
            "updatable_result",
            "cancel",
            "notification_while_idle",
            "pool_reset",
            "introspection",
        ],
        not_yet: &[],
    });
}

#[test]
fn libpq_works_as_against_postgresql() {
    check(&Driver {
        program: libpq,
        claims: &[
            "connects",
            "connects_over_tls_with_scram",
            "types",
            "prepared",
            "error_in_transaction",
            "begin_inside_a_message",
            "streams_row_by_row",
            "streams_by_sql_cursor",
            "pipeline_with_an_error_in_the_middle",
            "cancel",
            "notification_while_idle",
            "pool_reset",
        ],
        not_yet: &[],
    });
}

#[test]
fn tokio_postgres_works_as_against_postgresql() {
    check(&Driver {
        program: |_| Command::new(env!("CARGO_BIN_EXE_tokio-postgres-claims")),
        claims: &[
            "connects",
            "connects_over_tls_with_scram",
            "types",
            "raw_bytes_of_every_type",
            "declared_parameters",
            "error_in_transaction",
            "savepoints",
            "streams_with_backpressure",
            "streams_by_portal",
            "pipeline_with_an_error_in_the_middle",
            "cancel",
            "notification_while_idle",
            "pool_reset",
            "introspection",
        ],
        not_yet: &[],
    });
}
