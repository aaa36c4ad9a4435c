//! Prints what one open transaction costs sixteen other writers: `cargo run --release -p tests --bin bench-open-transaction`.
#![expect(clippy::print_stdout, reason = "a report for a person")]

use std::time::Duration;

use tests::open_transaction::{Size, measure};

fn main() {
    let size = Size { writers: 16, phase: Duration::from_secs(10), updates: 100_000, wal_threshold_mb: 256 };
    println!(
        "{:<40} {:>8} {:>9} {:>9} {:>9} {:>9}  offender",
        "16 writers", "tx", "p50 ms", "p99 ms", "max ms", "WAL MiB"
    );
    for phase in measure(size) {
        let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
        println!(
            "{:<40} {:>8} {:>9.2} {:>9.2} {:>9.2} {:>9.1}  {}",
            phase.name,
            phase.transactions,
            ms(phase.p50),
            ms(phase.p99),
            ms(phase.max),
            phase.wal as f64 / 1048576.0,
            phase.offender.unwrap_or_else(|| "-".into())
        );
    }
}
