//! The rules a schema file has to follow, each with its reason and its way out.
//!
//! Pure. The rules follow from replication: every node holds the same tables, columns arrive one by one, nodes may have
//! different versions of the schema for a while, and a merge must never fail on data.

use std::fmt;

use super::declared::{ColumnDecl, Location, TableDecl};
use super::syntax::{ColumnConstraintKind, TableConstraintKind, TableSyntax};

/// A rule of schema files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    Syntax,
    OnlyTablesAndIndexes,
    TemporaryTable,
    TableAsSelect,
    TextSize,
    ReservedName,
    DuplicateName,
    PrimaryKeyMissing,
    PrimaryKeyNullable,
    PrimaryKeyCollation,
    Autoincrement,
    Unique,
    ForeignKey,
    NotNullWithoutDefault,
    Collation,
    UniqueIndex,
    IndexWithoutTable,
    DropIndexWithoutIfExists,
    DropIndexConflict,
    ColumnRemoved,
    ColumnChanged,
    PrimaryKeyChanged,
    TableOptionsChanged,
    TableCheckChanged,
    ColumnNotAddable,
    DeclaredOverTheWire,
    TableNotAdoptable,
    NameTaken,
}

impl Rule {
    /// Why the rule exists and what to do instead.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Syntax => "write it as SQLite does, see https://www.sqlite.org/lang.html",
            Self::OnlyTablesAndIndexes => {
                "schema files hold CREATE TABLE, CREATE INDEX and DROP INDEX IF EXISTS; data is written through the database"
            }
            Self::TemporaryTable => "a temporary table would exist on one connection only; leave out TEMPORARY",
            Self::TableAsSelect => "declare the columns; rows are not part of a schema",
            Self::TextSize => "split it, or look for data in it",
            Self::ReservedName => {
                "names that begin with sqlite_, crsql_ or __corro, or contain __crsql_, belong to the database; choose another"
            }
            Self::DuplicateName => "declare each table and index once",
            Self::PrimaryKeyMissing => "rows are told apart across nodes by their primary key; declare one",
            Self::PrimaryKeyNullable => "rows with a NULL key could not be told apart across nodes; add NOT NULL",
            Self::PrimaryKeyCollation => {
                "keys are told apart byte by byte across nodes, so 'a' and 'A' are two rows; leave out the collation of the key"
            }
            Self::Autoincrement => {
                "two nodes would give out the same number; leave it out, or use a key that is unique everywhere such as a UUID"
            }
            Self::Unique => {
                "two nodes may insert the same value before they hear of each other; make it the primary key, or leave it out"
            }
            Self::ForeignKey => {
                "a row may arrive before the row it refers to; leave the reference out and check in the application"
            }
            Self::NotNullWithoutDefault => {
                "nodes with an older schema send rows without this column; add a DEFAULT or leave out NOT NULL"
            }
            Self::Collation => "the file must be readable by any SQLite; use BINARY, NOCASE or RTRIM",
            Self::UniqueIndex => "two nodes may insert the same value before they hear of each other; leave out UNIQUE",
            Self::IndexWithoutTable => "declare the table in the schema files too",
            Self::DropIndexWithoutIfExists => {
                "the files are read again at each start, when the index is gone already; write DROP INDEX IF EXISTS"
            }
            Self::DropIndexConflict => "it would be dropped and made at each start; keep one of the two statements",
            Self::ColumnRemoved => "other nodes may still write it; keep the column, or reseed the cluster",
            Self::ColumnChanged => {
                "values already replicated would be read differently on different nodes; add a new column instead"
            }
            Self::PrimaryKeyChanged => "the identity of every row would change; declare a new table instead",
            Self::TableOptionsChanged => {
                "the table would have to be rewritten; keep STRICT and WITHOUT ROWID as they were, or declare a new table"
            }
            Self::TableCheckChanged => "SQLite cannot change the constraints of a table; declare a new table instead",
            Self::ColumnNotAddable => "rows that exist cannot get a value; give it a constant DEFAULT",
            Self::DeclaredOverTheWire => {
                "a table is declared either in schema files or by a client; drop one of the two"
            }
            Self::TableNotAdoptable => {
                "a table that exists already is taken over when its definition is the same; change the file, or rename the table"
            }
            Self::NameTaken => "choose another name",
        }
    }
}

/// One rule broken at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub rule: Rule,
    pub at: Location,
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.at, self.message, self.rule.advice())
    }
}

/// The broken rules of one table. `locate` turns an offset of its statement into a place.
pub(super) fn table_violations(
    syntax: &TableSyntax,
    table: &TableDecl,
    locate: impl Fn(usize) -> Location,
) -> Vec<Violation> {
    let mut broken = Vec::new();
    let mut report = |rule, at, message| broken.push(Violation { rule, at, message });
    let name = &table.name;
    if is_reserved(name) {
        report(Rule::ReservedName, table.at.clone(), format!("table name \"{name}\" is reserved"));
    }
    for constraint in &syntax.constraints {
        let at = locate(constraint.offset);
        match &constraint.kind {
            TableConstraintKind::Unique => {
                report(Rule::Unique, at, format!("UNIQUE constraints are not supported (table \"{name}\")"));
            }
            TableConstraintKind::ForeignKey => {
                report(Rule::ForeignKey, at, format!("foreign keys are not supported (table \"{name}\")"));
            }
            TableConstraintKind::PrimaryKey { autoincrement: true } => {
                report(Rule::Autoincrement, at, format!("AUTOINCREMENT is not supported (table \"{name}\")"));
            }
            TableConstraintKind::PrimaryKey { autoincrement: false } | TableConstraintKind::Check(_) => {}
        }
    }
    if table.primary_key.is_empty() {
        report(Rule::PrimaryKeyMissing, table.at.clone(), format!("table \"{name}\" has no primary key"));
    }
    for (position, (column, written)) in table.columns.iter().zip(&syntax.columns).enumerate() {
        for constraint in &written.constraints {
            let at = locate(constraint.offset);
            broken.extend(constraint_violation(&constraint.kind, at, name, &column.name));
        }
        broken.extend(column_violation(table, position, column));
    }
    broken
}

/// Names that belong to SQLite, to the CRDT engine or to our own catalog.
pub(super) fn is_reserved(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("sqlite_")
        || name.starts_with("crsql_")
        || name.starts_with("__corro")
        || name.contains("__crsql_")
}

fn constraint_violation(kind: &ColumnConstraintKind, at: Location, table: &str, column: &str) -> Option<Violation> {
    let place = format!("(table \"{table}\", column \"{column}\")");
    let (rule, message) = match kind {
        ColumnConstraintKind::Unique => (Rule::Unique, format!("UNIQUE constraints are not supported {place}")),
        ColumnConstraintKind::References => (Rule::ForeignKey, format!("foreign keys are not supported {place}")),
        ColumnConstraintKind::PrimaryKey { autoincrement: true } => {
            (Rule::Autoincrement, format!("AUTOINCREMENT is not supported {place}"))
        }
        ColumnConstraintKind::Collate(collation) if !is_built_in_collation(collation) => {
            (Rule::Collation, format!("collation {collation} is not built into SQLite {place}"))
        }
        ColumnConstraintKind::PrimaryKey { autoincrement: false }
        | ColumnConstraintKind::Collate(_)
        | ColumnConstraintKind::NotNull
        | ColumnConstraintKind::Null
        | ColumnConstraintKind::Check(_)
        | ColumnConstraintKind::Default
        | ColumnConstraintKind::Generated { .. } => return None,
    };
    Some(Violation { rule, at, message })
}

fn column_violation(table: &TableDecl, position: usize, column: &ColumnDecl) -> Option<Violation> {
    let place = format!("column \"{}\" of table \"{}\"", column.name, table.name);
    let is_key = table.primary_key.contains(&position);
    let collation = column.collation.as_deref().unwrap_or("BINARY");
    let (rule, message) = if is_key && !column.not_null && !table.rowid_key {
        (Rule::PrimaryKeyNullable, format!("primary key {place} may be NULL"))
    } else if is_key && !collation.eq_ignore_ascii_case("binary") {
        (Rule::PrimaryKeyCollation, format!("primary key {place} has collation {collation}"))
    } else if !is_key && column.not_null && column.generated.is_none() && !has_default(column) {
        (Rule::NotNullWithoutDefault, format!("{place} is NOT NULL and has no default"))
    } else {
        return None;
    };
    Some(Violation { rule, at: column.at.clone(), message })
}

/// `DEFAULT NULL` is none for a column that refuses NULL.
fn has_default(column: &ColumnDecl) -> bool {
    column.default.as_ref().is_some_and(|text| !text.trim().eq_ignore_ascii_case("null"))
}

fn is_built_in_collation(name: &str) -> bool {
    ["binary", "nocase", "rtrim"].iter().any(|known| name.eq_ignore_ascii_case(known))
}
