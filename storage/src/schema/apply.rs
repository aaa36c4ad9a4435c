//! Applies schema files: parse, compare, then every step inside one savepoint, so that all of it happens or nothing.

use std::collections::BTreeSet;

use super::declared::{ColumnDecl, Declared, IndexDecl, Location, SchemaFile, TableDecl, fold};
use super::diff::{Step, diff};
use super::lexer::quote_name;
use super::load::reload;
use super::model::{Origin, Schema};
use super::naming::primary_key_name;
use super::parse::{allow_double_quoted_strings, parse_files};
use super::rules::{Rule, Violation};
use super::stored::{self, Entry, EntryKind};
use super::{execute, existing};
use crate::engine::Engine;
use crate::error::{ExecuteError, SchemaError};

/// What applying the files did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    pub tables_created: Vec<String>,
    /// Tables that existed and became replicated.
    pub tables_adopted: Vec<String>,
    /// Table and column.
    pub columns_added: Vec<(String, String)>,
    pub indexes_created: Vec<String>,
    pub indexes_dropped: Vec<String>,
    /// What the operator should know, for example tables that no file declares any more.
    pub warnings: Vec<String>,
}

/// Makes the database have what the files declare. Runs inside the caller's open version: rows of adopted tables become
/// its changes. Returns the new schema, or the old one if nothing changed.
///
/// # Errors
/// [`SchemaError::Invalid`] with every broken rule, otherwise what SQLite or the catalog reported. Nothing was changed.
pub fn apply_files(
    engine: &mut Engine,
    schema: &Schema,
    files: &[SchemaFile],
) -> Result<(Report, Schema), SchemaError> {
    let declared = parse_files(files)?;
    execute::in_savepoint(engine, |engine| apply_declared(engine, schema, &declared))
}

fn apply_declared(engine: &mut Engine, schema: &Schema, declared: &Declared) -> Result<(Report, Schema), SchemaError> {
    let conn = engine.connection();
    stored::create(conn)?;
    allow_double_quoted_strings(conn)?;
    let existing = existing::read(conn, schema, declared)?;
    let plan = diff(&existing, declared).map_err(|violations| SchemaError::Invalid { violations })?;
    let mut run = Run {
        engine,
        declared,
        report: Report { warnings: plan.warnings, ..Report::default() },
        changed: BTreeSet::new(),
    };
    for step in &plan.steps {
        run.step(step)?;
    }
    let Run { report, changed, .. } = run;
    if changed.is_empty() {
        return Ok((report, schema.clone()));
    }
    // A name may have changed its case: the old spelling leaves the snapshot too.
    let mut names: BTreeSet<&str> = changed.iter().map(String::as_str).collect();
    let old: Vec<&str> = schema.tables.keys().map(String::as_str).filter(|n| contains_folded(&changed, n)).collect();
    names.extend(old);
    let new = reload(engine.connection(), schema, &names.into_iter().collect::<Vec<_>>())?;
    Ok((report, new))
}

fn contains_folded(names: &BTreeSet<String>, name: &str) -> bool {
    names.iter().any(|other| other.eq_ignore_ascii_case(name))
}

struct Run<'a> {
    engine: &'a mut Engine,
    declared: &'a Declared,
    report: Report,
    /// Tables whose snapshot is out of date.
    changed: BTreeSet<String>,
}

impl Run<'_> {
    fn step(&mut self, step: &Step) -> Result<(), SchemaError> {
        match step {
            Step::CreateTable(table) => {
                self.sql(&table.create).map_err(|error| refused(Rule::Syntax, &table.at, "", error))?;
                self.report.tables_created.push(table.name.clone());
                self.replicate(table)
            }
            Step::AdoptTable(table) => {
                self.report.tables_adopted.push(table.name.clone());
                self.replicate(table)
            }
            Step::AddColumn { table, column } => self.add_column(table, column),
            Step::RecordTable { stored_name, table } => {
                self.changed.insert(stored_name.clone());
                Ok(stored::put(self.engine.connection(), &table_entry(stored_name, table))?)
            }
            Step::DropIndex { name, table } => {
                self.sql(&format!("DROP INDEX {}", quote_name(name)))?;
                self.report.indexes_dropped.push(name.clone());
                self.changed.extend(self.snapshot_name(table)?);
                Ok(stored::remove_index(self.engine.connection(), name)?)
            }
            Step::CreateIndex(index) => {
                self.sql(&index.create).map_err(|error| refused(Rule::Syntax, &index.at, "", error))?;
                self.report.indexes_created.push(index.name.clone());
                self.record_index(index)
            }
            Step::RecordIndex(index) => self.record_index(index),
        }
    }

    fn sql(&self, sql: &str) -> Result<(), ExecuteError> {
        Ok(self.engine.connection().execute_batch(sql)?)
    }

    fn replicate(&mut self, table: &TableDecl) -> Result<(), SchemaError> {
        let conn = self.engine.connection();
        let declared = self.declared;
        let is_taken = |name: &str| {
            let key = fold(name);
            declared.indexes.contains_key(&key)
                || declared.tables.contains_key(&key)
                || execute::is_name_taken(conn, name).unwrap_or(true)
        };
        let key_name = primary_key_name(&table.name, is_taken);
        stored::put(conn, &table_entry(&table.name, table))?;
        let key = Entry {
            table: table.name.clone(),
            kind: EntryKind::PrimaryKey,
            name: key_name,
            sql: String::new(),
            origin: Origin::File,
        };
        stored::put(conn, &key)?;
        self.engine.as_crr(&table.name)?;
        self.changed.insert(table.name.clone());
        Ok(())
    }

    fn add_column(&mut self, table: &str, column: &ColumnDecl) -> Result<(), SchemaError> {
        self.engine.begin_alter(table)?;
        let sql = format!("ALTER TABLE {} ADD COLUMN {}", quote_name(table), column.definition);
        // Rows that exist came by merges too, which CHECKs do not bind; SQLite would test them all.
        self.sql("PRAGMA ignore_check_constraints = ON")?;
        let added = self.sql(&sql);
        self.sql("PRAGMA ignore_check_constraints = OFF")?;
        added.map_err(|error| {
            let context = format!("column \"{}\" cannot be added to table \"{table}\": ", column.name);
            refused(Rule::ColumnNotAddable, &column.at, &context, error)
        })?;
        self.engine.commit_alter(table)?;
        self.report.columns_added.push((table.to_owned(), column.name.clone()));
        self.changed.insert(table.to_owned());
        Ok(())
    }

    fn record_index(&mut self, index: &IndexDecl) -> Result<(), SchemaError> {
        let table = self.snapshot_name(&index.table)?.unwrap_or_else(|| index.table.clone());
        let entry = Entry {
            table: table.clone(),
            kind: EntryKind::Index,
            name: index.name.clone(),
            sql: index.create.clone(),
            origin: Origin::File,
        };
        stored::remove_index(self.engine.connection(), &index.name)?;
        stored::put(self.engine.connection(), &entry)?;
        self.changed.insert(table);
        Ok(())
    }

    /// The table's name as our catalog spells it.
    fn snapshot_name(&self, table: &str) -> Result<Option<String>, SchemaError> {
        Ok(stored::table_name(self.engine.connection(), table)?)
    }
}

fn table_entry(stored_name: &str, table: &TableDecl) -> Entry {
    Entry {
        table: stored_name.to_owned(),
        kind: EntryKind::Table,
        name: stored_name.to_owned(),
        sql: table.text.clone(),
        origin: Origin::File,
    }
}

/// SQLite's refusal of a declaration, with its place; other failures (disk, memory, interruption) stay what they are.
fn refused(rule: Rule, at: &Location, context: &str, error: ExecuteError) -> SchemaError {
    if let ExecuteError::Sqlite {
        code: rusqlite::ffi::SQLITE_ERROR | rusqlite::ffi::SQLITE_CONSTRAINT, message, ..
    } = &error
    {
        let violation = Violation { rule, at: at.clone(), message: format!("{context}{message}") };
        return SchemaError::Invalid { violations: vec![violation] };
    }
    SchemaError::Execute(error)
}
