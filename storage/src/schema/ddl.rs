//! Schema changes asked for over the wire, already bound: names resolved, types known, text only where it is stored.

use super::model::PgType;
use crate::value::Value;

/// One schema change. Runs inside the caller's transaction (PostgreSQL's DDL is transactional).
#[derive(Debug, Clone)]
pub enum Ddl {
    CreateTable {
        table: TableSpec,
        if_not_exists: bool,
    },
    DropTable {
        names: Vec<String>,
        if_exists: bool,
    },
    Truncate {
        names: Vec<String>,
    },
    AddColumn {
        table: String,
        column: ColumnSpec,
        if_not_exists: bool,
    },
    /// Only on an empty table.
    AddPrimaryKey {
        table: String,
        name: Option<String>,
        columns: Vec<String>,
    },
    /// Changes what an INSERT without a value gives; rows that are there keep theirs.
    SetDefault {
        table: String,
        column: String,
        default: Option<DefaultSpec>,
    },
    /// Checked over the rows that are there.
    SetNotNull {
        table: String,
        column: String,
    },
    DropNotNull {
        table: String,
        column: String,
    },
    /// The changes of one statement: all or none.
    Several(Vec<Self>),
    /// A change of something that is not there, which the statement allows: says so.
    Skipped(String),
    /// `name` None: PostgreSQL's `<table>_<column>_idx`, numbered when taken.
    CreateIndex {
        name: Option<String>,
        table: String,
        columns: Vec<IndexKeySpec>,
        if_not_exists: bool,
    },
    DropIndex {
        names: Vec<String>,
        if_exists: bool,
    },
    Vacuum,
    Analyze {
        tables: Vec<String>,
    },
}

#[derive(Debug, Clone)]
pub struct TableSpec {
    pub name: String,
    pub columns: Vec<ColumnSpec>,
    /// Empty: a hidden cluster-unique key is added.
    pub primary_key: Vec<String>,
    pub primary_key_name: Option<String>,
}

/// The storage class family that keeps values of a PostgreSQL type unharmed (design section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageType {
    Integer,
    Real,
    Text,
    Blob,
}

#[derive(Debug, Clone)]
pub struct ColumnSpec {
    pub name: String,
    pub pg_type: PgType,
    pub storage: StorageType,
    pub not_null: bool,
    pub default: Option<DefaultSpec>,
}

#[derive(Debug, Clone)]
pub struct DefaultSpec {
    /// PostgreSQL's text, shown by the catalog and bound again at each INSERT.
    pub pg_text: String,
    /// The stored value when the expression is constant: what rows that lack the column show after ADD COLUMN.
    pub constant: Option<Value>,
}

#[derive(Debug, Clone)]
pub struct IndexKeySpec {
    pub column: String,
    pub descending: bool,
}

/// What a schema change did, beyond succeeding.
#[derive(Debug, Clone, Default)]
pub struct DdlOutcome {
    /// PostgreSQL's NOTICE texts with their SQLSTATE, for example 42P07 `relation "t" already exists, skipping`.
    pub notices: Vec<(&'static str, String)>,
}
