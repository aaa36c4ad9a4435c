//! Eight point readers beside a client that loops a query of about a second: nobody else waits (I10).

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use postgres::{Client, NoTls};
use tests::psql::Server;
use tests::rng::Rng;
use tests::wait;

use super::servers::{Contestant, ROWS, Servers};
use super::statistics::percentile;

const READERS: u64 = 8;
const LENGTH: Duration = Duration::from_secs(10);
/// p99 of the readers must stay below.
const FLOOR_MS: f64 = 5.0;
/// Sums as many products as take about a second; both servers compute them one by one.
const SLOW: &str = "select sum(n % 7 * 3) from generate_series(1, 2000000) n";

pub(super) fn report(servers: &Servers) {
    println!(
        "\n{:<46} {:>9} {:>9} {:>9} {:>9} {:>12}",
        "8 point readers beside a 1 s query", "reads/s", "p50 ms", "p99 ms", "max ms", "slow query s"
    );
    for (name, contestant) in [("node", Contestant::Node), ("PostgreSQL", Contestant::PostgreSql)] {
        let (mut reads, slow) = measure(&servers.server(contestant));
        reads.sort_by(f64::total_cmp);
        println!(
            "{name:<46} {:>9.0} {:>9.2} {:>9.2} {:>9.2} {slow:>12.2}",
            reads.len() as f64 / LENGTH.as_secs_f64(),
            percentile(&reads, 0.5),
            percentile(&reads, 0.99),
            percentile(&reads, 1.0),
        );
    }
    println!("{:<46} {:>9} {:>9} {FLOOR_MS:>9.2}", "must stay below", "", "");
}

/// Latencies in milliseconds, and the mean time of the slow query in seconds.
fn measure(server: &Server) -> (Vec<f64>, f64) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| {
            let mut client = connect(server);
            let (start, mut count) = (wait::now(), 0.0);
            while !over.load(Ordering::Relaxed) {
                client.query(SLOW, &[]).expect("the slow query");
                count += 1.0;
            }
            start.elapsed().as_secs_f64() / count
        });
        let readers: Vec<_> = (0..READERS).map(|seed| scope.spawn(move || read(server, seed))).collect();
        let reads = readers.into_iter().flat_map(|reader| reader.join().expect("a reader")).collect();
        over.store(true, Ordering::Relaxed);
        (reads, slow.join().expect("the slow client"))
    })
}

fn read(server: &Server, seed: u64) -> Vec<f64> {
    let mut client = connect(server);
    let statement = client.prepare("select v from point where id = $1").expect("prepare");
    let mut rng = Rng::new(seed);
    let mut latencies = Vec::new();
    let start = wait::now();
    while start.elapsed() < LENGTH {
        let id = i64::try_from(rng.below(ROWS) + 1).expect("a small number");
        let sent = wait::now();
        client.query_one(&statement, &[&id]).expect("the row");
        latencies.push(sent.elapsed().as_secs_f64() * 1e3);
    }
    latencies
}

fn connect(server: &Server) -> Client {
    let Server { host, port, user, database } = server;
    Client::connect(&format!("host={host} port={port} user={user} dbname={database}"), NoTls).expect("connect")
}
