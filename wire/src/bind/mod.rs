//! Binding: a syntax tree and a schema become a typed tree ([`crate::ir`]), or PostgreSQL's error with its position.
//!
//! | file | decides |
//! |---|---|
//! | [`scope`] | what a name means |
//! | [`types`] | what a type's name means |
//! | [`cast`] | conversions, the common type of branches |
//! | [`overload`] | which function or operator |
//! | [`expr`], [`predicate`], [`call`], [`window`] | expressions |
//! | [`from`], [`from_function`], [`query`], [`order`], [`group`], [`regroup`], [`label`] | SELECT |
//! | [`insert`], [`update`], [`assign`] | writes |
//! | [`with`], [`recursion`], [`steps`] | WITH: its tables, recursive ones, those that write |
//! | [`ddl`] | schema changes |
//!
//! Pure. Positions inside are byte offsets from 0; [`crate::planner`] turns them into PostgreSQL's characters from 1.

mod assign;
mod call;
mod cast;
mod ddl;
mod expr;
mod from;
mod from_function;
mod group;
mod insert;
mod label;
mod misspelt;
mod object_name;
mod order;
mod overload;
mod predicate;
mod query;
mod recursion;
mod regroup;
mod scope;
mod setting;
mod steps;
mod types;
mod update;
mod window;
mod with;

use std::collections::BTreeSet;

use storage::schema::model::PgType;

use crate::error::SqlError;
use crate::ir;
use crate::plan::RowLock;
use crate::planner::{Env, NO_PARAMETERS};
use crate::sql::ast::{self, LiteralRef};
use crate::sql::lexer::Token;
use crate::sql::literal;
use crate::types::oid;

pub(crate) use ddl::{DdlText, bind_ddl};
pub(crate) use insert::EXCLUDED;
pub(crate) use types::resolve_type;

/// The state of binding one statement.
pub(crate) struct Binder<'a> {
    pub(super) env: &'a Env<'a>,
    source: &'a str,
    literals: &'a [Token],
    /// By parameter; `None` until its type is known.
    parameters: Vec<Option<u32>>,
    /// False in the simple protocol.
    has_parameters: bool,
    search_path: Vec<String>,
    scopes: Vec<scope::Scope>,
    ctes: Vec<from::CteEntry>,
    next_relation: u32,
    next_cte: u32,
    /// WITH tables that are open around the current one: only the outermost WITH may write.
    with_depth: u32,
    /// Parts of the statement that run before it: see [`steps`].
    steps: Vec<ir::Step>,
    /// Result columns of the last of them that was bound.
    step_outputs: Vec<ir::Output>,
    /// Set while arguments of JSON functions are bound, which take rows.
    rows_as_json: bool,
    /// Relations named in FROM with their aliases, for hints.
    from_names: Vec<(String, String)>,
    /// Literals whose value shaped the plan: a cached plan fits only the same values.
    pinned: BTreeSet<u16>,
    /// Literals seen while equal ones must be the same node: (text, kind, sign) -> first.
    shared_literals: Option<Vec<(String, LiteralRef)>>,
    pub(crate) facts: Facts,
}

/// What the plan must know about the statement besides its tree.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Facts {
    /// Calls a volatile function.
    pub(crate) volatile: bool,
    /// Reads an attached catalog.
    pub(crate) uses_catalog: bool,
    /// Locks the rows it reads.
    pub(crate) row_lock: Option<RowLock>,
}

/// A bound statement and what binding found out.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) statement: ir::Statement,
    /// What runs before it, in this order.
    pub(crate) steps: Vec<ir::Step>,
    pub(crate) outputs: Vec<ir::Output>,
    pub(crate) parameters: Vec<u32>,
    pub(crate) pinned: BTreeSet<u16>,
    pub(crate) facts: Facts,
}

impl<'a> Binder<'a> {
    /// `declared` are the parameter types the client gave; 0 leaves one to inference.
    pub(crate) fn new(env: &'a Env<'a>, source: &'a str, literals: &'a [Token], declared: &[u32]) -> Self {
        let has_parameters = declared != NO_PARAMETERS;
        let declared = if has_parameters { declared } else { &[] };
        let parameters = declared.iter().map(|oid| (*oid != 0 && *oid != oid::UNKNOWN).then_some(*oid)).collect();
        Self {
            env,
            source,
            literals,
            parameters,
            has_parameters,
            search_path: search_path(env.search_path),
            scopes: Vec::new(),
            ctes: Vec::new(),
            next_relation: 0,
            next_cte: 0,
            with_depth: 0,
            steps: Vec::new(),
            step_outputs: Vec::new(),
            rows_as_json: false,
            from_names: Vec::new(),
            pinned: BTreeSet::new(),
            shared_literals: None,
            facts: Facts::default(),
        }
    }

    /// Binds a statement that becomes SQL.
    ///
    /// # Errors
    /// PostgreSQL's, with the byte offset as position.
    pub(crate) fn bind(mut self, statement: &ast::Statement) -> Result<Bound, SqlError> {
        let (statement, outputs) = match statement {
            ast::Statement::Query(query) => {
                let query = self.query(query)?;
                let query = self.settle_query(query)?;
                let outputs = query.outputs.clone();
                (ir::Statement::Query(Box::new(query)), outputs)
            }
            ast::Statement::Insert(insert) => self.insert(insert)?,
            ast::Statement::Update(update) => self.update(update)?,
            ast::Statement::Delete(delete) => self.delete(delete)?,
            ast::Statement::CreateTable(_)
            | ast::Statement::CreateIndex(_)
            | ast::Statement::AlterTable { .. }
            | ast::Statement::DropTable { .. }
            | ast::Statement::DropIndex { .. }
            | ast::Statement::Truncate { .. }
            | ast::Statement::Vacuum { .. }
            | ast::Statement::Analyze { .. }
            | ast::Statement::Prepare { .. }
            | ast::Statement::Utility(..) => return Err(SqlError::new("XX000", "statement has no SQL form")),
        };
        let mut statement = object_name::with_names(statement, || self.new_relation());
        self.sequence(&mut statement)?;
        let mut parameters = Vec::with_capacity(self.parameters.len());
        for (index, found) in self.parameters.iter().enumerate() {
            let undetermined =
                || SqlError::new("42P18", format!("could not determine data type of parameter ${}", index + 1));
            parameters.push(found.ok_or_else(undetermined)?);
        }
        Ok(Bound { statement, steps: self.steps, outputs, parameters, pinned: self.pinned, facts: self.facts })
    }

    /// The text of a literal, sign included. Its value shapes the plan from now on.
    pub(super) fn pin(&mut self, reference: LiteralRef) -> Result<String, SqlError> {
        self.pinned.insert(reference.index);
        self.literal_text(reference)
    }

    fn literal_text(&self, reference: LiteralRef) -> Result<String, SqlError> {
        literal_text(self.source, self.literals, reference)
    }

    /// In a grouped query equal literals must be one node, so that `a + 1` is found in GROUP BY `a + 1`.
    fn share(&mut self, reference: LiteralRef) -> Result<LiteralRef, SqlError> {
        if self.shared_literals.is_none() {
            return Ok(reference);
        }
        let token = self.literals.get(usize::from(reference.index)).map(|token| token.kind);
        let text = format!("{token:?} {}", self.literal_text(reference)?);
        let seen = self.shared_literals.get_or_insert_with(Vec::new);
        match seen.iter().find(|(known, _)| *known == text) {
            Some((_, first)) => {
                let first = *first;
                self.pinned.insert(reference.index);
                self.pinned.insert(first.index);
                Ok(first)
            }
            None => {
                seen.push((text, reference));
                Ok(reference)
            }
        }
    }

    fn parameter(&mut self, index: u16) -> Option<u32> {
        let at = usize::from(index);
        if self.parameters.len() <= at {
            self.parameters.resize(at + 1, None);
        }
        self.parameters[at]
    }

    /// The first place that needs a parameter's type decides it.
    fn fix_parameter(&mut self, index: u16, target: u32, at: u32) -> Result<(), SqlError> {
        if matches!(target, oid::ANY | oid::ANYELEMENT | oid::ANYARRAY | oid::ANYNONARRAY | oid::UNKNOWN) {
            let message = format!("could not determine data type of parameter ${}", index + 1);
            return Err(SqlError::new("42P18", message));
        }
        match self.parameter(index) {
            None => self.parameters[usize::from(index)] = Some(target),
            Some(known) if known == target => {}
            Some(known) => {
                let message = format!("inconsistent types deduced for parameter ${}", index + 1);
                let detail = format!("{} versus {}", cast::type_name(known), cast::type_name(target));
                return Err(SqlError::new("42P08", message).detail(detail).at(at));
            }
        }
        Ok(())
    }
}

/// The text a literal stands for, with its sign.
pub(crate) fn literal_text(source: &str, literals: &[Token], reference: LiteralRef) -> Result<String, SqlError> {
    let Some(token) = literals.get(usize::from(reference.index)) else {
        return Err(SqlError::new("XX000", "literal out of range"));
    };
    let text = literal::text(source, token)?;
    Ok(if reference.negative { format!("-{text}") } else { text.into_owned() })
}

/// A type without a modifier.
pub(crate) fn plain(oid: u32) -> PgType {
    PgType { oid, typmod: -1 }
}

/// The schemas of a `search_path` setting; `"$user"` is none here.
fn search_path(setting: &str) -> Vec<String> {
    setting
        .split(',')
        .map(|name| name.trim().trim_matches('"').to_owned())
        .filter(|name| !name.is_empty() && name != "$user")
        .collect()
}
