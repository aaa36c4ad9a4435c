//! What planning costs inside one process: a text seen before, and one of 90 bytes that is new.

use storage::Schema;
use storage::engine::Engine;
use storage::schema::SchemaFile;
use tests::wait;
use wire::planner::{Env, Planner};
use wire::session::settings::Formats;

const STATEMENTS: usize = 20_000;
const ROUNDS: usize = 5;

pub(super) fn report() {
    let schema = schema();
    let formats = Formats::default();
    let env =
        Env { schema: &schema, formats: &formats, search_path: "public", user: "postgres", database: "corrosion" };
    let plan = |planner: &mut Planner, text: &str| {
        planner.plan(text, &[], &env).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    };
    let median = |measure: &dyn Fn() -> f64| {
        let mut all: Vec<f64> = (0..ROUNDS).map(|_| measure()).collect();
        all.sort_by(f64::total_cmp);
        all[ROUNDS / 2]
    };
    let known: Vec<String> = (0..STATEMENTS)
        .map(|n| format!("select id, v, n from written where id = {n} and v <> 'value {n}' order by n"))
        .collect();
    let cached = median(&|| {
        let mut planner = Planner::default();
        plan(&mut planner, &known[0]);
        per_statement(&known, |text| plan(&mut planner, text))
    });
    // Another label each time: another key.
    let new: Vec<String> = (0..STATEMENTS / 10)
        .map(|n| {
            format!("select id, v, n as label{n:05} from written where id = $1 and v <> 'a value' order by n limit 9")
        })
        .collect();
    let planned = median(&|| {
        let mut planner = Planner::default();
        per_statement(&new, |text| plan(&mut planner, text))
    });
    println!("\nplanner: a statement seen before with other literals {cached:.2} us (below 3)");
    println!("planner: a new statement of {} bytes {planned:.1} us (below 100)", new[0].len());
}

fn per_statement(texts: &[String], mut plan: impl FnMut(&str)) -> f64 {
    let start = wait::now();
    texts.iter().for_each(|text| plan(text));
    start.elapsed().as_secs_f64() * 1e6 / texts.len() as f64
}

/// The table of the other cases.
fn schema() -> Schema {
    let mut engine = Engine::memory(1).expect("an engine in memory");
    let text = "CREATE TABLE written (id INTEGER NOT NULL PRIMARY KEY, v TEXT NOT NULL DEFAULT '', n INTEGER);";
    let files = [SchemaFile { path: "bench.sql".into(), text: text.into() }];
    let (_, schema) = storage::schema::apply_files(&mut engine, &Schema::default(), &files).expect("a schema");
    schema
}
