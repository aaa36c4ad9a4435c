//! Runs the expression fuzzer: `CORROSION_FUZZ` cases (default 5,000) of seed `CORROSION_FUZZ_SEED` (default 1), on a node
//! of its own and a PostgreSQL 15 of its own. Prints what it found; fails if anything differed.

use std::process::ExitCode;
use std::time::Instant;

use tests::fuzz::run::Pair;
use tests::node::Setup;
use tests::oracle::Oracle;

fn main() -> ExitCode {
    let number = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |text| text.parse().expect("the variable holds a number"))
    };
    let (count, seed) = (number("CORROSION_FUZZ", 5_000), number("CORROSION_FUZZ_SEED", 1));
    let node = Setup::built_in().start();
    let oracle = Oracle::start();
    let mut pair = Pair::new(&node.server(), &oracle.server());
    #[expect(clippy::print_stdout, reason = "the report is what the command is run for")]
    {
        println!("{} productions, {} refused:", pair.pool.productions.len(), pair.pool.refused.len());
        for (signature, sqlstate) in &pair.pool.refused {
            println!("{sqlstate} {signature}");
        }
    }
    #[expect(clippy::disallowed_methods, reason = "the command reports how long it took")]
    let start = Instant::now();
    let report = pair.run(seed, usize::try_from(count).expect("a count of cases"));
    #[expect(clippy::print_stdout, reason = "the report is what the command is run for")]
    {
        print!("{report}");
        println!("seed {seed}, {:.1} s", start.elapsed().as_secs_f64());
    }
    if report.differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
