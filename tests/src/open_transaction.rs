//! What one open transaction costs everybody else: writers beside an idle transaction, a long one, and a held snapshot.
//!
//! Used by `bench-open-transaction`, which prints the whole table, and by a shorter test that holds the limits.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use postgres::{Client, NoTls};

use crate::node::Setup;
use crate::psql::Server;
use crate::wait::{now, wait_until};

/// Some sixty bytes, as a service record would have.
const PAYLOAD: &str = "10.11.12.13:8080 healthy region=ams version=2026.11.22-1f2e3d";

/// How long and how hard to measure.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub writers: usize,
    /// Of each phase without an offender.
    pub phase: Duration,
    /// Single-row updates in the long transaction.
    pub updates: usize,
    /// `perf.wal_threshold_mb`.
    pub wal_threshold_mb: u64,
}

/// What writers saw in one phase.
#[derive(Debug, Clone)]
pub struct Phase {
    pub name: &'static str,
    pub transactions: usize,
    pub p50: Duration,
    pub p99: Duration,
    pub max: Duration,
    /// Size of the WAL file at the phase's end, in bytes.
    pub wal: u64,
    /// SQLSTATE that the offender got, if any.
    pub offender: Option<String>,
}

/// Measures all phases on a node of their own.
///
/// # Panics
/// If the node or a client fails in a way the phase does not expect.
pub fn measure(size: Size) -> Vec<Phase> {
    let config = format!(
        "[db]\npath = \"data/state.db\"\n[api.pg]\naddr = \"127.0.0.1:0\"\n[perf]\nwal_threshold_mb = {}\n",
        size.wal_threshold_mb
    );
    let setup = Setup::file(&config).expect_log("lease").expect_log("snapshot");
    let node = setup.start();
    let world = World { server: node.server(), size, wal: node.path("data/state.db-wal") };
    world.create();
    let phases = vec![
        world.phase("before", |_| None),
        world.phase("beside an idle BEGIN; UPDATE", idle_transaction),
        world.phase("after it", |_| None),
        world.phase("beside one transaction of many updates", |world| long_transaction(world, size.updates)),
        world.phase("after it ", |_| None),
        world.phase("beside a held snapshot", held_snapshot),
        world.phase("at the end", |_| None),
    ];
    node.stop();
    phases
}

struct World {
    server: Server,
    size: Size,
    wal: std::path::PathBuf,
}

impl World {
    fn connect(&self) -> Client {
        let Server { host, port, user, database } = &self.server;
        Client::connect(&format!("host={host} port={port} user={user} dbname={database}"), NoTls).expect("connect")
    }

    fn create(&self) {
        let mut client = self.connect();
        client
            .batch_execute(
                "create table written (id bigint primary key, payload text not null);
                 create table counted (id bigint primary key, n bigint not null);
                 insert into counted select g, 0 from generate_series(1, 1000) g;",
            )
            .expect("create the tables");
    }

    /// Runs writers for the phase's time and until the offender, beside them, is done.
    fn phase(&self, name: &'static str, offend: impl FnOnce(&Self) -> Option<String> + Send) -> Phase {
        let (stop, latencies) = (AtomicBool::new(false), Mutex::new(Vec::new()));
        let offender = std::thread::scope(|scope| {
            for writer in 0..self.size.writers {
                let (stop, latencies) = (&stop, &latencies);
                scope.spawn(move || {
                    let mine = self.write(writer, stop);
                    latencies.lock().expect("no writer panics").extend(mine);
                });
            }
            let started = now();
            let offender = offend(self);
            std::thread::sleep(self.size.phase.saturating_sub(started.elapsed()));
            stop.store(true, Ordering::Relaxed);
            offender
        });
        let mut latencies = latencies.into_inner().expect("no writer panics");
        latencies.sort_unstable();
        let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
        let (p50, p99, max) = (at(0.5), at(0.99), at(1.0));
        Phase { name, transactions: latencies.len(), p50, p99, max, wal: file_size(&self.wal), offender }
    }

    fn write(&self, writer: usize, stop: &AtomicBool) -> Vec<Duration> {
        let mut client = self.connect();
        let statement = client
            .prepare("insert into written values ($1, $2) on conflict (id) do update set payload = excluded.payload")
            .expect("prepare");
        let (mut latencies, mut number) = (Vec::new(), writer as i64);
        while !stop.load(Ordering::Relaxed) {
            let started = now();
            client.execute(&statement, &[&(number % 1_000_003), &PAYLOAD]).expect("write");
            latencies.push(started.elapsed());
            number += 7919;
        }
        latencies
    }
}

/// Writes, then sits in its transaction until its writer lease is gone; returns the SQLSTATE of its next statement.
fn idle_transaction(world: &World) -> Option<String> {
    let mut client = world.connect();
    client.batch_execute("begin; update counted set n = n + 1 where id = 1").expect("update");
    // Others write again once the lease is lost: then, and not before, the offender speaks.
    let mut other = world.connect();
    other.batch_execute("insert into counted values (-1, 0)").expect("writes go on");
    let state = sqlstate(client.batch_execute("update counted set n = n + 1 where id = 2"));
    client.batch_execute("rollback").expect("rollback");
    other.batch_execute("delete from counted where id = -1").expect("delete");
    state
}

/// One transaction of single-row updates; `None` if it committed within its limit.
fn long_transaction(world: &World, updates: usize) -> Option<String> {
    let mut client = world.connect();
    let statement = client.prepare("update counted set n = n + 1 where id = $1").expect("prepare");
    client.batch_execute("begin").expect("begin");
    for number in 0..updates {
        if let Err(error) = client.execute(&statement, &[&((number % 1000) as i64 + 1)]) {
            client.batch_execute("rollback").expect("rollback");
            return error.code().map(|code| code.code().to_owned());
        }
    }
    sqlstate(client.batch_execute("commit"))
}

/// Holds a snapshot until the WAL limit takes it away; returns the SQLSTATE of its next statement.
fn held_snapshot(world: &World) -> Option<String> {
    let mut client = world.connect();
    client
        .batch_execute("begin isolation level repeatable read; select count(*) from counted")
        .expect("take the snapshot");
    let mut state = None;
    wait_until("the snapshot to be taken away", Duration::from_secs(300), || {
        std::thread::sleep(Duration::from_millis(100));
        state = sqlstate(client.batch_execute("select count(*) from counted"));
        state.as_ref().map(|_| ())
    });
    client.batch_execute("rollback").expect("rollback");
    state
}

fn sqlstate(result: Result<(), postgres::Error>) -> Option<String> {
    result.err().map(|error| error.code().map_or_else(|| error.to_string(), |code| code.code().to_owned()))
}

fn file_size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}
