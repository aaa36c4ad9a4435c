//! kill -9 at random points under load: what was acknowledged is there, what was not is whole or absent.
//!
//! `CORROSION_KILLS` sets how often (default 5; the documented run is 200). `CORROSION_SEED` repeats the points.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use postgres::{Client, NoTls};
use tests::node::Setup;
use tests::psql::Server;
use tests::wait::wait_until;

const WRITERS: u64 = 4;
/// Rows that each transaction writes.
const PARTS: i64 = 3;

/// What the writers know to be acknowledged, and the next number to write.
#[derive(Default)]
struct Ledger {
    acknowledged: Mutex<BTreeSet<i64>>,
    next: AtomicU64,
}

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().expect("a number"))
}

/// xorshift64: the points need to differ, not to be unguessable.
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

fn connect(server: &Server) -> Result<Client, postgres::Error> {
    let Server { host, port, user, database } = server;
    Client::connect(&format!("host={host} port={port} user={user} dbname={database}"), NoTls)
}

/// Writes transactions until the node goes away. Even numbers are written by one statement in its own transaction, odd
/// ones by several in an explicit one.
fn write(server: &Server, ledger: &Ledger, stop: &AtomicBool) {
    let Ok(mut client) = connect(server) else { return };
    while !stop.load(Ordering::Relaxed) {
        let number = i64::try_from(ledger.next.fetch_add(1, Ordering::Relaxed)).expect("few");
        if write_one(&mut client, number).is_err() {
            return;
        }
        ledger.acknowledged.lock().expect("no writer panics").insert(number);
    }
}

fn write_one(client: &mut Client, number: i64) -> Result<(), postgres::Error> {
    if number % 2 == 0 {
        client.batch_execute(&format!("insert into parts values ({number}, 0), ({number}, 1), ({number}, 2)"))
    } else {
        let mut transaction = client.transaction()?;
        for part in 0..PARTS {
            transaction.execute("insert into parts values ($1, $2)", &[&number, &part])?;
        }
        transaction.commit()
    }
}

fn check(server: &Server, acknowledged: &BTreeSet<i64>) {
    let mut client = connect(server).expect("the node is up again");
    let mut parts = BTreeMap::<i64, i64>::new();
    for row in client.query("select number from parts", &[]).expect("read the parts") {
        *parts.entry(row.get(0)).or_default() += 1;
    }
    let torn: Vec<_> = parts.iter().filter(|(_, count)| **count != PARTS).collect();
    assert!(torn.is_empty(), "torn transactions and their parts: {torn:?}");
    let found = parts.into_keys().collect();
    let lost: Vec<_> = acknowledged.difference(&found).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
}

#[test]
fn acknowledged_transactions_survive_kill_9() {
    let clock = SystemTime::UNIX_EPOCH.elapsed().map_or(1, |since| since.subsec_nanos().into());
    let seed = variable("CORROSION_SEED", clock).max(1);
    eprintln!("repeat with CORROSION_SEED={seed}");
    let (mut state, kills) = (seed, variable("CORROSION_KILLS", 5));
    let setup = Setup::built_in();
    let mut node = setup.start();
    node.server().rows("create table parts (number bigint, part bigint, primary key (number, part))");
    let ledger = Ledger::default();
    for _ in 0..kills {
        let (server, stop) = (node.server(), AtomicBool::new(false));
        let before = ledger.acknowledged.lock().expect("no writer panics").len();
        let target = before + usize::try_from(random(&mut state) % 300).expect("small") + 1;
        std::thread::scope(|scope| {
            for _ in 0..WRITERS {
                scope.spawn(|| write(&server, &ledger, &stop));
            }
            wait_until("transactions to be acknowledged", Duration::from_secs(120), || {
                (ledger.acknowledged.lock().expect("no writer panics").len() >= target).then_some(())
            });
            node.kill();
            stop.store(true, Ordering::Relaxed);
        });
        node = setup.start();
        check(&node.server(), &ledger.acknowledged.lock().expect("no writer panics"));
    }
    node.stop();
    let db = rusqlite::Connection::open(setup.path("corrosion-data/corrosion.db")).expect("open the database");
    let integrity: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("check");
    assert_eq!(integrity, "ok");
    eprintln!("{kills} kills, {} acknowledged transactions", ledger.acknowledged.lock().expect("done").len());
}
