//! The expression fuzzer in CI, and the expressions that it found in the past.

use tests::fuzz::run::Pair;
use tests::node::Setup;
use tests::oracle::Oracle;
use tests::raw::Request;

/// Cases of the run in CI; `CORROSION_FUZZ=100000 target/release/fuzz-expressions` is the documented long one.
const CASES: usize = 5_000;
const SEED: u64 = 1;
/// Operators, functions, casts and constructs that both servers have: fewer would mean that some were lost.
const PRODUCTIONS_MIN: usize = 1_750;

#[test]
fn random_expressions_have_postgresqls_values_types_and_errors() {
    let node = Setup::built_in().start();
    let oracle = Oracle::start();
    let mut pair = Pair::new(&node.server(), &oracle.server());
    assert!(pair.pool.productions.len() >= PRODUCTIONS_MIN, "{} productions", pair.pool.productions.len());
    let report = pair.run(SEED, CASES);
    assert!(report.differences.is_empty(), "{report}");
    // A run that only compared errors would prove little.
    assert!(report.equal_values > CASES * 8 / 10, "{report}");
    node.stop();
}

#[test]
fn expressions_that_differed_once_are_equal_now() {
    let node = Setup::built_in().start();
    let oracle = Oracle::start();
    let mut pair = Pair::new(&node.server(), &oracle.server());
    let mut different = Vec::new();
    for sql in include_str!("../fuzz/cases.sql").lines().filter(|line| !line.starts_with("--")) {
        for binary in [false, true] {
            let request = Request { sql: sql.to_owned(), binary, ..Request::default() };
            let (ours, theirs) = pair.ask(&request);
            let (ours, theirs) = (ours.shown(), theirs.shown());
            if ours != theirs {
                different.push(format!("{sql}\nours:   {ours}\ntheirs: {theirs}"));
            }
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
    node.stop();
}
