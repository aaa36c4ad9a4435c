//! Measures the wire against PostgreSQL 15 in one run: `cargo run --release -p tests --bin bench-wire [case ..]`.
//!
//! Both servers answer the same pgbench over TCP on loopback, interleaved, five rounds; printed are the medians of
//! transactions per second and of server CPU per transaction, their spread, and the ratio beside its floor. PostgreSQL runs as
//! it is installed: fsync on, synchronous_commit as the case says. `CORROSION_BENCH_SECONDS` sets the length of each pgbench
//! run (default 3), `CORROSION_BENCH_ROUNDS` the rounds. Arguments choose cases by a part of their name.
#![expect(clippy::print_stdout, reason = "a report for a person")]

mod beside;
mod cases;
mod idle;
mod planner;
mod servers;
mod statistics;

use servers::{Contestant, Servers};
use statistics::Samples;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let chosen = |name: &str| wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str()));
    let (seconds, rounds) = (number("CORROSION_BENCH_SECONDS", 3), number("CORROSION_BENCH_ROUNDS", 5));
    let servers = Servers::start();
    throughput(&servers, &chosen, seconds, rounds);
    if chosen("beside a client that loops a 1 s query") {
        beside::report(&servers);
    }
    if chosen("idle connections") {
        idle::report(&servers);
    }
    if chosen("planner") {
        planner::report();
    }
    servers.stop();
}

fn throughput(servers: &Servers, chosen: &dyn Fn(&str) -> bool, seconds: u64, rounds: u64) {
    let cases: Vec<_> = cases::CASES.iter().filter(|case| chosen(case.name)).collect();
    let mut samples: Vec<[Samples; 2]> = cases.iter().map(|_| Default::default()).collect();
    for round in 0..rounds {
        for (case, both) in cases.iter().zip(&mut samples) {
            let mut order = [Contestant::Node, Contestant::PostgreSql];
            if round % 2 == 1 {
                order.reverse();
            }
            for contestant in order {
                let measured = cases::run(case, servers, contestant, seconds);
                let of_contestant = &mut both[contestant as usize];
                of_contestant.rate.push(measured.rate);
                of_contestant.cpu_us.push(measured.cpu_us);
            }
        }
    }
    if !cases.is_empty() {
        println!(
            "{:<46} {:>22} {:>22} {:>7} {:>6} {:>8} {:>8}",
            "median (spread)", "node tx/s", "PostgreSQL tx/s", "ratio", "floor", "node us", "PG us"
        );
    }
    for (case, [node, postgres]) in cases.iter().zip(&samples) {
        println!(
            "{:<46} {:>22} {:>22} {:>7.2} {:>6.2} {:>8.1} {:>8.1}",
            case.name,
            node.rate.summary(),
            postgres.rate.summary(),
            node.rate.median() / postgres.rate.median(),
            case.floor,
            node.cpu_us.median(),
            postgres.cpu_us.median()
        );
    }
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}
