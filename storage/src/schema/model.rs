//! The schema snapshot that readers, binder and catalog share. Immutable; a change makes a new one.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::users::Users;
pub use crate::value::affinity::Affinity;

/// All replicated tables and their indexes at one moment, and who may use them.
#[derive(Debug, Clone, Default)]
pub struct Schema {
    /// Grows with every change on this node; plans carry the version they were made for.
    pub version: u64,
    /// By name, exactly as declared (PostgreSQL folding happens in the front end).
    pub tables: BTreeMap<String, Arc<Table>>,
    /// This node's own, see [`crate::users`].
    pub users: Arc<Users>,
}

impl Schema {
    /// The table of that name as SQLite compares names, without regard to ASCII case.
    pub fn table_ignoring_case(&self, name: &str) -> Option<&Arc<Table>> {
        self.table(name).or_else(|| self.tables.values().find(|table| table.name.eq_ignore_ascii_case(name)))
    }

    /// The table that has an index of that name (without regard to ASCII case), and the index.
    pub fn index(&self, name: &str) -> Option<(&Arc<Table>, &Index)> {
        self.tables.values().find_map(|table| table.index(name).map(|index| (table, index)))
    }

    /// The table of that exact name.
    pub fn table(&self, name: &str) -> Option<&Arc<Table>> {
        self.tables.get(name)
    }
}

/// Where a table was declared; decides its value contract (design: two kinds of table).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// In a schema file: SQLite's types and dynamic values.
    File,
    /// Over the wire: PostgreSQL's types, kept in our catalog.
    Wire,
}

/// A PostgreSQL type as declared: its OID in `pg_type` and its modifier (-1: none).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PgType {
    pub oid: u32,
    pub typmod: i32,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    pub name: String,
    /// Stable, equal on all nodes that declare the same name, >= 16384.
    pub oid: u32,
    pub origin: Origin,
    pub columns: Vec<Column>,
    /// Positions in `columns` of the key, in key order. For a table declared without a key: its hidden column.
    pub primary_key: Vec<usize>,
    /// Name of the primary key constraint and of the index it stands for; None if the key is hidden.
    pub primary_key_name: Option<String>,
    pub without_rowid: bool,
    pub indexes: Vec<Index>,
}

impl Table {
    /// The column of that name as SQLite compares names, without regard to ASCII case.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))
    }

    /// The index of that name, without regard to ASCII case.
    pub fn index(&self, name: &str) -> Option<&Index> {
        self.indexes.iter().find(|index| index.name.eq_ignore_ascii_case(name))
    }

    /// Whether the key is the hidden column of a table declared without one.
    pub fn has_hidden_key(&self) -> bool {
        self.columns.iter().any(|column| column.hidden)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    pub name: String,
    /// PostgreSQL's attnum: counted from 1 over visible columns; 0 for the hidden one.
    pub number: i16,
    /// The declared type as written in the file; for wire tables the type of the SQLite column.
    pub declared_type: String,
    pub affinity: Affinity,
    /// Set for tables declared over the wire.
    pub pg_type: Option<PgType>,
    pub not_null: bool,
    /// File tables: SQLite's default expression, applied by SQLite. Wire tables: PostgreSQL's expression, bound by the
    /// front end at each INSERT.
    pub default: Option<String>,
    /// A generated column: never written, not captured.
    pub generated: bool,
    /// The key of a table declared without one: not shown by `SELECT *` or the catalog. An INSERT gives it the value of
    /// `corro_hidden_key()` ([`crate::schema::HIDDEN_KEY_FUNCTION`]) for each row; SQLite's own choice would not be unique
    /// in the cluster.
    pub hidden: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Index {
    pub name: String,
    pub oid: u32,
    /// Where it was declared, which may differ from its table.
    pub origin: Origin,
    pub columns: Vec<IndexColumn>,
    /// The statement that made it, as SQLite keeps it.
    pub sql: String,
    /// A partial index's condition, as written.
    pub predicate: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct IndexColumn {
    /// A column's name, or the text of an expression.
    pub name: String,
    pub is_expression: bool,
    pub descending: bool,
}
