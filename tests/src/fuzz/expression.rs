//! Typed expressions: made at random, written as SQL, taken apart to find the smallest that still shows a difference.

use super::pool::{Pool, Production};
use super::values::{TYPES, WORDS};
use crate::raw::Parameter;
use crate::rng::Rng;

/// The table whose columns expressions use, and its key.
pub const TABLE: &str = "fuzz_values";

/// An expression of a known type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// SQL as it stands: a literal or a column.
    Leaf {
        sql: String,
        type_name: String,
        is_column: bool,
    },
    /// A parameter; without `declared` the server infers its type.
    Parameter {
        type_name: String,
        declared: bool,
        value: Option<String>,
    },
    Apply {
        production: Production,
        children: Vec<Self>,
    },
}

/// A statement around an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    pub expression: Expression,
    /// The row that columns are read from.
    pub row: usize,
    pub binary: bool,
}

/// Deepest nesting of operators and calls.
const DEPTH_MAX: usize = 3;

/// A case of this seed.
pub fn generate(pool: &Pool, rng: &mut Rng) -> Case {
    let rows = TYPES.iter().map(|info| info.values.len()).max().unwrap_or(1);
    let production = rng.pick(&pool.productions).clone();
    let expression = apply(pool, rng, production, DEPTH_MAX - 1);
    Case { expression, row: rng.below(rows as u64) as usize, binary: rng.chance(50) }
}

fn apply(pool: &Pool, rng: &mut Rng, production: Production, depth: usize) -> Expression {
    let children = (0..production.holes.len()).map(|at| child(pool, rng, &production, at, depth)).collect();
    Expression::Apply { production, children }
}

fn child(pool: &Pool, rng: &mut Rng, production: &Production, at: usize, depth: usize) -> Expression {
    if let Some((_, _, type_name, words)) =
        WORDS.iter().find(|(name, hole, _, _)| *name == production.name && *hole == at)
    {
        return Expression::Leaf {
            sql: format!("{}::{type_name}", quoted(rng.pick::<&str>(words))),
            type_name: (*type_name).to_owned(),
            is_column: false,
        };
    }
    let hole = &production.holes[at];
    let candidates = pool.by_result.get(hole).filter(|_| depth > 0 && rng.chance(30));
    match candidates {
        Some(candidates) => {
            let production = pool.productions[*rng.pick(candidates)].clone();
            apply(pool, rng, production, depth - 1)
        }
        None => leaf(rng, hole),
    }
}

fn leaf(rng: &mut Rng, type_name: &str) -> Expression {
    let at = TYPES.iter().position(|info| info.name == type_name).expect("holes are of known types");
    let value = *rng.pick(TYPES[at].values);
    let name = type_name.to_owned();
    let plain = |sql: String| Expression::Leaf { sql, type_name: name.clone(), is_column: false };
    match rng.below(100) {
        0..45 => plain(format!("{}::{type_name}", quoted(value))),
        45..50 => plain(quoted(value)),
        50..53 if matches!(type_name, "int4" | "numeric") && value.chars().all(|c| c.is_ascii_digit() || c == '.') => {
            plain(value.to_owned())
        }
        50..56 => plain(format!("NULL::{type_name}")),
        56..80 => Expression::Leaf { sql: format!("c{at}"), type_name: name, is_column: true },
        chance => Expression::Parameter {
            type_name: name,
            declared: chance < 96,
            value: (!rng.chance(5)).then(|| value.to_owned()),
        },
    }
}

/// A text as an SQL literal.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

impl Expression {
    /// The type it was made for.
    pub fn type_name(&self) -> &str {
        match self {
            Self::Leaf { type_name, .. } | Self::Parameter { type_name, .. } => type_name,
            Self::Apply { production, .. } => &production.result,
        }
    }

    /// Its operands, and theirs, outermost first, without itself.
    pub fn descendants(&self) -> Vec<&Self> {
        let Self::Apply { children, .. } = self else { return Vec::new() };
        children.iter().chain(children.iter().flat_map(Self::descendants)).collect()
    }

    /// Its operands.
    pub fn children(&self) -> &[Self] {
        match self {
            Self::Apply { children, .. } => children,
            Self::Leaf { .. } | Self::Parameter { .. } => &[],
        }
    }

    /// The same with another operand in one place.
    pub fn with_child(&self, at: usize, child: Self) -> Self {
        let mut changed = self.clone();
        if let Self::Apply { children, .. } = &mut changed {
            children[at] = child;
        }
        changed
    }

    fn uses_columns(&self) -> bool {
        match self {
            Self::Leaf { is_column, .. } => *is_column,
            Self::Parameter { .. } => false,
            Self::Apply { children, .. } => children.iter().any(Self::uses_columns),
        }
    }

    fn write(&self, pool: &Pool, parameters: &mut Vec<Parameter>) -> String {
        match self {
            Self::Leaf { sql, .. } => sql.clone(),
            Self::Parameter { type_name, declared, value } => {
                let type_oid = if *declared { pool.oids.get(type_name).copied().unwrap_or(0) } else { 0 };
                let value = value.as_ref().map(|value| value.clone().into_bytes());
                parameters.push(Parameter { type_oid, binary: false, value });
                format!("${}", parameters.len())
            }
            Self::Apply { production, children } => {
                let written: Vec<String> = children.iter().map(|child| child.write(pool, parameters)).collect();
                production.filled(written.iter().map(String::as_str))
            }
        }
    }
}

impl Case {
    /// The statement and its parameters.
    pub fn request(&self, pool: &Pool) -> crate::raw::Request {
        let mut parameters = Vec::new();
        let expression = self.expression.write(pool, &mut parameters);
        let from = if self.expression.uses_columns() {
            format!(" FROM {TABLE} WHERE k = {}", self.row)
        } else {
            String::new()
        };
        crate::raw::Request { sql: format!("SELECT {expression}{from}"), parameters, binary: self.binary }
    }

    /// The same statement around another expression.
    pub fn around(&self, expression: Expression) -> Self {
        Self { expression, ..self.clone() }
    }
}

/// The statements that make and fill the table, one column for each type and one row for each position in the lists.
pub fn table_statements() -> Vec<String> {
    let columns: Vec<String> = TYPES.iter().enumerate().map(|(at, info)| format!("c{at} {}", info.name)).collect();
    let mut statements = vec![format!("CREATE TABLE {TABLE} (k int PRIMARY KEY, {})", columns.join(", "))];
    let rows = TYPES.iter().map(|info| info.values.len()).max().unwrap_or(1);
    for row in 0..rows {
        // Shorter lists begin again, with a NULL between.
        let value = |values: &[&str]| match values.get(row % (values.len() + 1)).copied() {
            None => "NULL".into(),
            // SQLite stores 0 for it, which the reference of types says.
            Some("-0") => quoted("0"),
            Some(value) => quoted(value),
        };
        let values: Vec<String> = TYPES.iter().map(|info| value(info.values)).collect();
        statements.push(format!("INSERT INTO {TABLE} VALUES ({row}, {})", values.join(", ")));
    }
    statements
}
