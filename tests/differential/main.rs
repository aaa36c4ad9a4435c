//! The same statements on a node and on PostgreSQL 15: each must get the same answer, message for message.
//!
//! Compared are, through the simple protocol and through the extended one with text and with binary rows: rows, column
//! names, type OIDs, lengths and modifiers, parameter types, command tags, notices, transaction states, and of errors the
//! SQLSTATE, message, detail, hint, position, context and the objects named. Rows come in any order unless the statement
//! ends in an ORDER BY. A statement is added by writing one line into a file of `corpus/`. What differs on purpose is in
//! `deviations.txt`, with the reason; an entry there that does not differ any more fails the test.
//!
//! `unsupported.sql` lists what PostgreSQL accepts and a node refuses by name; what is implemented leaves that list.
//!
//! `CORROSION_DIFFERENTIAL=joins,values` runs only the themes of these names.

mod corpus;
mod wire;

use std::collections::BTreeSet;
use std::fmt::Write;

use tests::node::Setup;
use tests::oracle::Oracle;

use corpus::{Entry, Theme};
use wire::{Client, MODES, Mode};

/// How many statements the corpus holds at least.
const STATEMENTS_MIN: usize = 600;
/// How many of them PostgreSQL refuses at least.
const FAILING_MIN: usize = 60;

/// A statement that the two servers answered differently.
struct Difference {
    theme: String,
    line: usize,
    sql: String,
    modes: Vec<Mode>,
    shown: String,
}

/// The sessions on both servers.
struct Pair {
    node: Client,
    oracle: Client,
}

#[derive(Default)]
struct Outcome {
    statements: usize,
    failing: usize,
    differences: Vec<Difference>,
}

#[test]
fn statements_get_the_answers_of_postgresql() {
    let node = Setup::built_in().start();
    let oracle = Oracle::start();
    let mut pair =
        Pair { node: Client::connect(&node.server(), "node"), oracle: Client::connect(&oracle.server(), "PostgreSQL") };
    let chosen = std::env::var("CORROSION_DIFFERENTIAL").ok();
    let themes = corpus::themes();
    let wanted = |theme: &&Theme| chosen.as_ref().is_none_or(|list| list.split(',').any(|name| name == theme.name));
    let mut outcome = Outcome::default();
    for theme in themes.iter().filter(wanted) {
        pair.run(theme, &mut outcome);
    }
    let (unexpected, listed) = split(outcome.differences);
    let report = report(&unexpected);
    assert!(unexpected.is_empty(), "{report}{} of {} statements differ", unexpected.len(), outcome.statements);
    let surprises = pair.surprises(&corpus::unsupported());
    assert!(surprises.is_empty(), "unsupported.sql: {surprises:#?}");
    if chosen.is_none() {
        let gone: Vec<_> = corpus::deviations()
            .into_iter()
            .filter(|known| !listed.contains(&(known.theme.clone(), known.sql.clone())))
            .collect();
        assert!(gone.is_empty(), "listed as deviations, but equal now or not in the corpus: {gone:#?}");
        assert!(outcome.statements >= STATEMENTS_MIN, "only {} statements", outcome.statements);
        assert!(outcome.failing >= FAILING_MIN, "PostgreSQL refuses only {} statements", outcome.failing);
    }
    eprintln!(
        "{} statements, {} of them refused; {} listed deviations",
        outcome.statements,
        outcome.failing,
        listed.len()
    );
}

/// The report of a difference names the statement, the mode and each line that only one server sent.
#[test]
fn a_difference_is_told_by_the_lines_that_differ() {
    let shown = lines_that_differ(
        &["column a: type 23".into(), "row 1".into(), "ready I".into()],
        &["column a: type 20".into(), "row 1".into(), "ready I".into()],
    );
    assert_eq!(shown, "  PostgreSQL: column a: type 20\n  node:       column a: type 23\n");
}

impl Pair {
    fn run(&mut self, theme: &Theme, outcome: &mut Outcome) {
        let mut found: Vec<Vec<(Mode, String)>> = theme.entries.iter().map(|_| Vec::new()).collect();
        let schema = corpus::schema();
        for mode in MODES {
            for client in [&mut self.node, &mut self.oracle] {
                client.must(&schema);
            }
            for (entry, found) in theme.entries.iter().zip(&mut found) {
                let ours = comparable(entry, self.node.ask(mode, &entry.sql, &entry.parameters));
                let theirs = comparable(entry, self.oracle.ask(mode, &entry.sql, &entry.parameters));
                if mode == Mode::Extended {
                    outcome.statements += 1;
                    outcome.failing += usize::from(theirs.iter().any(|line| line.starts_with("error")));
                }
                if ours != theirs {
                    found.push((mode, lines_that_differ(&ours, &theirs)));
                }
            }
            for client in [&mut self.node, &mut self.oracle] {
                reset(client);
            }
        }
        for (entry, found) in theme.entries.iter().zip(found) {
            let Some((_, shown)) = found.first().cloned() else { continue };
            let modes = found.into_iter().map(|(mode, _)| mode).collect();
            let (theme, sql) = (theme.name.clone(), entry.sql.clone());
            outcome.differences.push(Difference { theme, line: entry.line, sql, modes, shown });
        }
    }
}

impl Pair {
    /// Statements that PostgreSQL refuses too, or that the node does not refuse by name (0A000).
    fn surprises(&mut self, theme: &Theme) -> Vec<String> {
        let schema = corpus::schema();
        for client in [&mut self.node, &mut self.oracle] {
            client.must(&schema);
        }
        let mut surprises = Vec::new();
        for entry in &theme.entries {
            self.oracle.must("begin");
            let theirs = self.oracle.ask(Mode::Simple, &entry.sql, &[]);
            self.oracle.must("rollback");
            if let Some(refusal) = theirs.iter().find(|line| line.starts_with("error")) {
                surprises.push(format!("line {}: {}: PostgreSQL: {refusal}", entry.line, entry.sql));
            }
            let ours = self.node.ask(Mode::Simple, &entry.sql, &[]);
            if !ours.iter().any(|line| line == "error code 0A000") {
                surprises.push(format!("line {}: {}: node: {ours:?}", entry.line, entry.sql));
            }
        }
        for client in [&mut self.node, &mut self.oracle] {
            reset(client);
        }
        surprises
    }
}

/// Ends what a theme left open and drops its tables.
fn reset(client: &mut Client) {
    client.must("rollback");
    let tables = client.must("select tablename from pg_catalog.pg_tables where schemaname = 'public'");
    for table in tables {
        client.must(&format!("drop table \"{table}\" cascade"));
    }
    client.must("discard all");
}

/// Leaves out what no client may rely on: the order of rows that the statement leaves open, and how much of a result
/// came before its error (PostgreSQL computes constants while planning, and then sends none of it).
fn comparable(entry: &Entry, mut lines: Vec<String>) -> Vec<String> {
    if lines.iter().any(|line| line.starts_with("error")) {
        lines.retain(|line| !["column ", "row ", "no rows"].iter().any(|result| line.starts_with(result)));
    }
    if !ends_in_order_by(&entry.sql) {
        let is_row = |line: &String| line.starts_with("row ");
        let start = lines.iter().position(is_row).unwrap_or(lines.len());
        let end = lines.iter().rposition(is_row).map_or(start, |end| end + 1);
        lines[start..end].sort();
    }
    lines
}

/// Whether ORDER BY stands outside of all parentheses.
fn ends_in_order_by(sql: &str) -> bool {
    let sql = sql.to_ascii_lowercase();
    let depth = |at: usize| sql[..at].matches('(').count() == sql[..at].matches(')').count();
    sql.match_indices("order by").any(|(at, _)| depth(at))
}

/// The lines that only one of the servers sent.
fn lines_that_differ(ours: &[String], theirs: &[String]) -> String {
    let mut shown = String::new();
    let mut only = |title: &str, lines: &[String], others: &[String]| {
        for line in lines.iter().filter(|line| !others.contains(line)) {
            let _ = writeln!(shown, "  {title} {line}");
        }
    };
    only("PostgreSQL:", theirs, ours);
    only("node:      ", ours, theirs);
    if shown.is_empty() {
        shown = format!("  another order or number of lines:\n  PostgreSQL: {theirs:?}\n  node:       {ours:?}\n");
    }
    shown
}

/// The differences that are not listed, and those that are.
fn split(differences: Vec<Difference>) -> (Vec<Difference>, BTreeSet<(String, String)>) {
    let known = corpus::deviations();
    let is_known = |found: &Difference| known.iter().any(|known| known.theme == found.theme && known.sql == found.sql);
    let (listed, unexpected): (Vec<_>, Vec<_>) = differences.into_iter().partition(is_known);
    (unexpected, listed.into_iter().map(|found| (found.theme, found.sql)).collect())
}

fn report(differences: &[Difference]) -> String {
    let mut text = String::from("\n");
    for found in differences {
        let _ =
            writeln!(text, "{}.sql:{} {:?}\n  {}\n{}", found.theme, found.line, found.modes, found.sql, found.shown);
    }
    text
}
