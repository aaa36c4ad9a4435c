//! Writing SQLite's SQL from the typed tree: the only place that does.
//!
//! Promises: identifiers are quoted here; no text of a user is ever part of the SQL, every literal is a bound value; the
//! output is valid for every tree the binder makes (NULLS FIRST or LAST is always written, relations have their own
//! aliases, columns are always qualified).

mod aggregate;
mod dml;
mod expr;
mod query;
pub(crate) mod support;

use std::collections::HashMap;

use storage::Value;
use storage::rusqlite::{Connection, types::ToSqlOutput};

use crate::error::SqlError;
use crate::ir::{Expr, Statement, Step};
use crate::plan::Slot;
use crate::sql::ast::LiteralRef;

/// SQLite's limit on bound values (SQLITE_MAX_VARIABLE_NUMBER): beyond it 54000.
const SLOTS_MAX: usize = 32_766;

/// How many slots are looked at for one that binds the same value.
const SHARED_SLOTS_MAX: usize = 256;

/// How deep an expression may be: SQLite's limit (SQLITE_MAX_EXPR_DEPTH) is 1000. Beyond it 54001.
const DEPTH_MAX: u32 = 900;

/// A literal of the text that is converted each time the plan is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct LiteralUse {
    pub(crate) literal: LiteralRef,
    /// The type it is read as.
    pub(crate) type_oid: u32,
    /// For a BLOB column of a schema file: text that is not `\x..` stays text.
    pub(crate) loose: bool,
}

/// SQL and what is bound to it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Emitted {
    pub(crate) sql: String,
    pub(crate) slots: Vec<Slot>,
    pub(crate) literals: Vec<LiteralUse>,
    /// See [`crate::plan::DuplicateProbe::sql`].
    pub(crate) duplicate_probe: Option<String>,
}

/// Writes a statement and what runs before it. The rows of each step are a bound value in those after it.
///
/// # Errors
/// 0A000 where a function has no SQLite form in that place, 54000 for too many values.
pub(crate) fn sequence(steps: &[Step], main: &Statement) -> Result<(Vec<Emitted>, Emitted), SqlError> {
    let mut known = HashMap::new();
    let mut written = Vec::with_capacity(steps.len());
    for (index, step) in steps.iter().enumerate() {
        written.push(one(&step.statement, &known)?);
        // Far fewer than 16 bits count: the parser bounds the statement.
        known.insert(step.cte, u16::try_from(index).unwrap_or(u16::MAX));
    }
    Ok((written, one(main, &known)?))
}

fn one(statement: &Statement, steps: &HashMap<u32, u16>) -> Result<Emitted, SqlError> {
    let mut emitter = Emitter { steps: steps.clone(), ..Emitter::default() };
    match statement {
        Statement::Query(query) => emitter.query(query, query::Collate::No)?,
        Statement::Insert(insert) => {
            emitter.insert(insert)?;
            if steps.is_empty() {
                emitter.duplicate_probe(insert)?;
            }
        }
        Statement::Update(update) => {
            emitter.update(update)?;
            if steps.is_empty() {
                emitter.update_probe(update)?;
            }
        }
        Statement::Delete(delete) => emitter.delete(delete)?,
    }
    if emitter.out.slots.len() > SLOTS_MAX {
        return Err(
            SqlError::new("54000", "statement has too many values").hint(format!("At most {SLOTS_MAX} are possible."))
        );
    }
    Ok(emitter.out)
}

/// Evaluates an expression without relations; `None` if it depends on the session.
///
/// # Errors
/// What its functions raise, 22P02 and the like.
pub(crate) fn constant(expr: &Expr) -> Result<Option<Value>, SqlError> {
    let mut emitter = Emitter::default();
    emitter.push("SELECT ");
    emitter.expr(expr)?;
    let mut values = Vec::new();
    for slot in &emitter.out.slots {
        match slot {
            Slot::Constant(value) => values.push(value.clone()),
            Slot::Parameter(_) | Slot::LooseParameter(_) | Slot::Literal(_) | Slot::Step(_) | Slot::Session(_) => {
                return Ok(None);
            }
        }
    }
    let evaluate = || -> storage::rusqlite::Result<Value> {
        let conn = Connection::open_in_memory()?;
        crate::function::register(&conn)?;
        let bound: Vec<ToSqlOutput<'_>> = values.iter().map(support::bound).collect();
        conn.query_row(&emitter.out.sql, storage::rusqlite::params_from_iter(bound), |row| {
            Ok(support::value(row.get_ref(0)?))
        })
    };
    match evaluate() {
        Ok(value) => Ok(Some(value)),
        Err(error) => match crate::error::from_function_message(&support::message(&error)) {
            Some(error) => Err(error.at(expr.at)),
            // It needs what only a real connection has, such as the catalog: then it is no constant.
            None => Ok(None),
        },
    }
}

/// The text under construction.
#[derive(Debug, Default)]
pub(super) struct Emitter {
    out: Emitted,
    /// In RETURNING SQLite knows the target by its own name only, not by an alias.
    returning: Option<(u32, String)>,
    /// Tables of WITH that ran before this statement: which step gave their rows.
    steps: HashMap<u32, u16>,
    /// The position of each literal's slot, from 1.
    literal_slots: HashMap<LiteralUse, usize>,
    /// Expressions open around the current one.
    depth: u32,
    /// Numbers for derived tables that only the emitter needs.
    next_helper: u32,
}

impl Emitter {
    fn push(&mut self, text: &str) {
        self.out.sql.push_str(text);
    }

    fn name(&mut self, name: &str) {
        self.out.sql.push('"');
        for c in name.chars() {
            if c == '"' {
                self.out.sql.push('"');
            }
            self.out.sql.push(c);
        }
        self.out.sql.push('"');
    }

    fn relation(&mut self, id: u32) {
        match &self.returning {
            Some((target, name)) if *target == id => self.name(&name.clone()),
            Some(_) | None if id == crate::bind::EXCLUDED => self.push("excluded"),
            Some(_) | None => self.push(&format!("t{id}")),
        }
    }

    /// A name for a derived table of the emitter's own.
    fn helper(&mut self) -> String {
        self.next_helper += 1;
        format!("h{}", self.next_helper)
    }

    fn slot(&mut self, slot: Slot) {
        let position = match self.out.slots.iter().take(SHARED_SLOTS_MAX).position(|known| *known == slot) {
            Some(position) => position,
            None => {
                self.out.slots.push(slot);
                self.out.slots.len() - 1
            }
        };
        self.push(&format!("?{}", position + 1));
    }

    fn literal(&mut self, used: LiteralUse) {
        // A statement may have many: they are found by hash, and never compared with other slots.
        let position = match self.literal_slots.get(&used) {
            Some(position) => *position,
            None => {
                // The planner refuses more literals than 16 bits count; more uses than that exceed SLOTS_MAX.
                let index = u16::try_from(self.out.literals.len()).unwrap_or(u16::MAX);
                self.out.literals.push(used);
                self.out.slots.push(Slot::Literal(index));
                self.literal_slots.insert(used, self.out.slots.len());
                self.out.slots.len()
            }
        };
        self.push(&format!("?{position}"));
    }

    /// Writes parts with a separator.
    fn list<T>(
        &mut self,
        items: &[T],
        separator: &str,
        mut each: impl FnMut(&mut Self, &T) -> Result<(), SqlError>,
    ) -> Result<(), SqlError> {
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.push(separator);
            }
            each(self, item)?;
        }
        Ok(())
    }
}
