//! Runs expressions on both servers and compares value, type and SQLSTATE.

use std::collections::BTreeMap;

use super::expression::{Case, Expression, generate, quoted, table_statements};
use super::listed;
use super::pool::Pool;
use crate::psql::Server;
use crate::raw::{Answer, Client, Request};
use crate::rng::Rng;

/// Cases on the way at once, and between changes of the session's time zone.
const CHUNK: usize = 200;
/// Statements that the search for a smaller case may cost.
const SHRINK_MAX: usize = 300;
/// Differences after which a run ends: more would say no more.
const DIFFERENCES_MAX: usize = 400;
const ZONES: [&str; 3] = ["UTC", "America/New_York", "Asia/Kathmandu"];

/// Both servers, with the table of values.
#[derive(Debug)]
pub struct Pair {
    ours: Client,
    theirs: Client,
    pub pool: Pool,
}

/// A case that the servers answer differently, as small as it could be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Which case of the run.
    pub number: usize,
    pub zone: &'static str,
    pub request: Request,
    pub ours: Answer,
    pub theirs: Answer,
}

/// What a run found.
#[derive(Debug, Default)]
pub struct Report {
    pub cases: usize,
    pub equal_values: usize,
    pub equal_errors: usize,
    /// Cases in which the servers agree on every operand, and one of them evaluates an operand that the other skips (or
    /// evaluates later), so that its error is met by one only.
    pub order_of_evaluation: usize,
    /// Known differences, by their reason.
    pub listed: BTreeMap<&'static str, usize>,
    /// Refusals (0A000, 42883) by the smallest statement that is refused.
    pub refused: BTreeMap<String, usize>,
    pub differences: Vec<Difference>,
}

/// Whether an error says that something is not offered here, rather than that it went wrong.
pub fn is_refusal(sqlstate: &str) -> bool {
    matches!(sqlstate, "0A000" | "42883")
}

enum Verdict {
    EqualValue,
    EqualError,
    Refused,
    Different,
}

fn verdict(ours: &Answer, theirs: &Answer) -> Verdict {
    match (ours, theirs) {
        (Answer::Error { sqlstate: a, .. }, Answer::Error { sqlstate: b, .. }) if a == b => Verdict::EqualError,
        (Answer::Error { sqlstate, .. }, _) if is_refusal(sqlstate) => Verdict::Refused,
        (Answer::Rows { columns: a, rows: left }, Answer::Rows { columns: b, rows: right })
            if left == right && a.iter().map(|column| column.1).eq(b.iter().map(|column| column.1)) =>
        {
            Verdict::EqualValue
        }
        _ => Verdict::Different,
    }
}

impl Pair {
    /// Connects to both and makes the table of values on both.
    ///
    /// # Panics
    /// If a server refuses the table or its values.
    pub fn new(ours: &Server, theirs: &Server) -> Self {
        let (mut our_client, mut their_client) = (Client::connect(ours), Client::connect(theirs));
        for statement in table_statements() {
            for client in [&mut our_client, &mut their_client] {
                let answer = client.simple(&statement).pop();
                assert!(matches!(answer, Some(Answer::Rows { .. })), "{statement}\n{answer:?}");
            }
        }
        let pool = Pool::load(theirs, &mut our_client, &mut their_client);
        Self { ours: our_client, theirs: their_client, pool }
    }

    /// Runs `count` cases of a seed.
    pub fn run(&mut self, seed: u64, count: usize) -> Report {
        let mut report = Report::default();
        let mut rng = Rng::new(seed);
        while report.cases < count && report.differences.len() < DIFFERENCES_MAX {
            let zone = ZONES[report.cases / CHUNK % ZONES.len()];
            self.set_zone(zone);
            let cases: Vec<Case> =
                (0..CHUNK.min(count - report.cases)).map(|_| generate(&self.pool, &mut rng)).collect();
            self.chunk(&cases, zone, &mut report);
        }
        report
    }

    /// The answers of both to a statement, ours first.
    pub fn ask(&mut self, request: &Request) -> (Answer, Answer) {
        (self.ours.extended(request), self.theirs.extended(request))
    }

    /// Sets the time zone of both sessions.
    pub fn set_zone(&mut self, zone: &str) {
        for client in [&mut self.ours, &mut self.theirs] {
            client.simple(&format!("SET TimeZone = '{zone}'"));
        }
    }

    fn chunk(&mut self, cases: &[Case], zone: &'static str, report: &mut Report) {
        let requests: Vec<Request> = cases.iter().map(|case| case.request(&self.pool)).collect();
        let (ours, theirs) = std::thread::scope(|scope| {
            let theirs = scope.spawn(|| self.theirs.pipeline(&requests));
            (self.ours.pipeline(&requests), theirs.join().expect("PostgreSQL answers"))
        });
        for (at, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
            report.cases += 1;
            match verdict(ours, theirs) {
                Verdict::EqualValue => report.equal_values += 1,
                Verdict::EqualError => report.equal_errors += 1,
                Verdict::Refused => {
                    let smallest = self.shrink(&cases[at], |verdict| matches!(verdict, Verdict::Refused));
                    *report.refused.entry(smallest.request(&self.pool).sql).or_default() += 1;
                }
                Verdict::Different => self.different(&cases[at], zone, report),
            }
        }
    }

    fn different(&mut self, case: &Case, zone: &'static str, report: &mut Report) {
        let smallest = self.shrink(case, |verdict| matches!(verdict, Verdict::Different));
        let request = smallest.request(&self.pool);
        let (ours, theirs) = self.ask(&request);
        if let Some(reason) = listed::reason(&request, &ours, &theirs) {
            *report.listed.entry(reason).or_default() += 1;
            return;
        }
        if self.is_order_of_evaluation(&smallest, &ours, &theirs) {
            report.order_of_evaluation += 1;
            return;
        }
        report.differences.push(Difference { number: report.cases - 1, zone, request, ours, theirs });
    }

    fn verdict_of(&mut self, case: &Case) -> Verdict {
        let request = case.request(&self.pool);
        let (ours, theirs) = self.ask(&request);
        verdict(&ours, &theirs)
    }

    /// The smallest case found that `keeps`: first an operand alone, then operands replaced by their values.
    fn shrink(&mut self, case: &Case, keeps: impl Fn(Verdict) -> bool) -> Case {
        let mut best = case.clone();
        let mut budget = SHRINK_MAX;
        'smaller: loop {
            // The last is among the deepest.
            for operand in best.expression.descendants().into_iter().rev() {
                let candidate = best.around(operand.clone());
                budget = budget.saturating_sub(1);
                if budget > 0 && candidate != best && keeps(self.verdict_of(&candidate)) {
                    best = candidate;
                    continue 'smaller;
                }
            }
            break;
        }
        for at in 0..best.expression.children().len() {
            let child = &best.expression.children()[at];
            if child.children().is_empty() {
                continue;
            }
            let Some(value) = self.value_of(&best.around(child.clone())) else { continue };
            let candidate = best.around(best.expression.with_child(at, value));
            if keeps(self.verdict_of(&candidate)) {
                best = candidate;
            }
        }
        best
    }

    /// PostgreSQL's value of an expression as a literal.
    fn value_of(&mut self, case: &Case) -> Option<Expression> {
        let type_name = case.expression.type_name().to_owned();
        let mut case = case.clone();
        case.binary = false;
        let Answer::Rows { rows, .. } = self.theirs.extended(&case.request(&self.pool)) else { return None };
        let sql = match rows.first()?.first()? {
            None => format!("NULL::{type_name}"),
            Some(value) => format!("{}::{type_name}", quoted(std::str::from_utf8(value).ok()?)),
        };
        Some(Expression::Leaf { sql, type_name, is_column: false })
    }

    /// Whether an error that only one server reports is that of an operand on which both agree: SQL leaves open which
    /// operands are evaluated when the others already decide the result. A NULL operand of a strict function decides it.
    fn is_order_of_evaluation(&mut self, case: &Case, ours: &Answer, theirs: &Answer) -> bool {
        let (mut errors, mut has_null) = (Vec::new(), false);
        let operands: Vec<Expression> = case.expression.descendants().into_iter().cloned().collect();
        for operand in operands {
            match self.theirs.extended(&case.around(operand).request(&self.pool)) {
                Answer::Error { sqlstate, .. } => errors.push(sqlstate),
                Answer::Rows { rows, .. } => has_null |= rows == [[None]],
            }
        }
        match (ours, theirs) {
            (Answer::Error { sqlstate: a, .. }, Answer::Error { sqlstate: b, .. }) => {
                errors.contains(a) && errors.contains(b)
            }
            (Answer::Error { sqlstate, .. }, Answer::Rows { rows, .. }) => {
                errors.contains(sqlstate) || has_null && *rows == [[None]]
            }
            (Answer::Rows { .. }, Answer::Error { sqlstate, .. }) => errors.contains(sqlstate),
            (Answer::Rows { .. }, Answer::Rows { .. }) => false,
        }
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "case {} (TimeZone {}): {}", self.number, self.zone, self.request.sql)?;
        for (at, parameter) in self.request.parameters.iter().enumerate() {
            let value = parameter.value.as_ref().map(|value| String::from_utf8_lossy(value).into_owned());
            writeln!(f, "    ${} of type {}: {value:?}", at + 1, parameter.type_oid)?;
        }
        for (name, answer) in [("ours", &self.ours), ("PostgreSQL", &self.theirs)] {
            match answer {
                Answer::Rows { columns, rows } => {
                    let types: Vec<u32> = columns.iter().map(|column| column.1).collect();
                    let shown = match rows.first().and_then(|row| row.first()) {
                        Some(Some(bytes)) if self.request.binary => format!("{bytes:02x?}"),
                        Some(Some(bytes)) => format!("{:?}", String::from_utf8_lossy(bytes)),
                        Some(None) => "NULL".into(),
                        None => "no row".into(),
                    };
                    writeln!(f, "    {name}: {shown} of type {types:?}")?;
                }
                Answer::Error { sqlstate, message } => writeln!(f, "    {name}: {sqlstate} {message}")?,
            }
        }
        Ok(())
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "{} expressions: {} equal values, {} equal errors, {} in another order, {} listed, {} refused, {} different",
            self.cases,
            self.equal_values,
            self.equal_errors,
            self.order_of_evaluation,
            self.listed.values().sum::<usize>(),
            self.refused.values().sum::<usize>(),
            self.differences.len()
        )?;
        for (reason, count) in &self.listed {
            writeln!(f, "listed {count} times: {reason}")?;
        }
        for (sql, count) in &self.refused {
            writeln!(f, "refused {count} times: {sql}")?;
        }
        self.differences.iter().try_for_each(|difference| write!(f, "{difference}"))
    }
}
