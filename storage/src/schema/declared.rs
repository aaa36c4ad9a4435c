//! What schema files declare: the model that `parse.rs` makes, `rules.rs` judges and `diff.rs` compares.
//!
//! Pure. Names are compared as SQLite compares them, without regard to ASCII case, so the maps are keyed by [`fold`].

use std::collections::BTreeMap;
use std::fmt;

/// One schema file as read from disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaFile {
    /// As shown in messages.
    pub path: String,
    pub text: String,
}

/// A place in a schema file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    pub file: String,
    /// Counted from 1.
    pub line: usize,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// All declarations of a set of schema files.
#[derive(Debug, Clone, Default)]
pub(super) struct Declared {
    pub(super) tables: BTreeMap<String, TableDecl>,
    pub(super) indexes: BTreeMap<String, IndexDecl>,
    /// Indexes that `DROP INDEX IF EXISTS` wants gone, by folded name.
    pub(super) drops: BTreeMap<String, Location>,
}

/// A declared table.
#[derive(Debug, Clone)]
pub(super) struct TableDecl {
    pub(super) name: String,
    pub(super) at: Location,
    /// The statement as written.
    pub(super) text: String,
    /// The statement that makes the table in the database file (`physical.rs`).
    pub(super) create: String,
    pub(super) columns: Vec<ColumnDecl>,
    /// Positions in `columns`, in key order.
    pub(super) primary_key: Vec<usize>,
    /// How SQLite compares the key's columns, in key order; empty if the key is the rowid.
    pub(super) key_collations: Vec<String>,
    /// The key column is another name of the rowid.
    pub(super) rowid_key: bool,
    pub(super) without_rowid: bool,
    pub(super) strict: bool,
    /// Table-level CHECK conditions in canonical form.
    pub(super) checks: Vec<String>,
}

/// A declared column.
#[derive(Debug, Clone)]
pub(super) struct ColumnDecl {
    pub(super) name: String,
    pub(super) at: Location,
    pub(super) declared_type: String,
    pub(super) not_null: bool,
    /// SQLite's text of the default expression.
    pub(super) default: Option<String>,
    pub(super) collation: Option<String>,
    pub(super) generated: Option<GeneratedDecl>,
    /// Column-level CHECK conditions in canonical form.
    pub(super) checks: Vec<String>,
    /// The definition for `ALTER TABLE ADD COLUMN` (`physical.rs`).
    pub(super) definition: String,
}

/// A generated column's expression in canonical form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GeneratedDecl {
    pub(super) expression: String,
    pub(super) stored: bool,
}

/// A declared index.
#[derive(Debug, Clone)]
pub(super) struct IndexDecl {
    pub(super) name: String,
    pub(super) table: String,
    pub(super) at: Location,
    /// The statement that makes it.
    pub(super) create: String,
    /// What it indexes, in canonical form: equal texts are equal indexes.
    pub(super) canonical: String,
}

impl TableDecl {
    /// The column of that name, without regard to case.
    pub(super) fn column(&self, name: &str) -> Option<(usize, &ColumnDecl)> {
        self.columns.iter().enumerate().find(|(_, column)| column.name.eq_ignore_ascii_case(name))
    }

    /// The key's column names in key order.
    pub(super) fn key_names(&self) -> Vec<&str> {
        self.primary_key.iter().filter_map(|&i| self.columns.get(i)).map(|c| c.name.as_str()).collect()
    }
}

impl ColumnDecl {
    /// What differs from `new`, in the reader's words; `None` if both mean the same.
    pub(super) fn difference(&self, new: &Self) -> Option<String> {
        let changed = |what: &str, old: &str, new: &str| Some(format!("{what} from {old} to {new}"));
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
        if !self.declared_type.eq_ignore_ascii_case(&new.declared_type) {
            let or_untyped = |text: &str| if text.is_empty() { "untyped".to_owned() } else { text.to_owned() };
            return changed("its type", &or_untyped(&self.declared_type), &or_untyped(&new.declared_type));
        }
        if self.not_null != new.not_null {
            let word = |not_null| if not_null { "NOT NULL" } else { "nullable" };
            return changed("it", word(self.not_null), word(new.not_null));
        }
        if self.default != new.default {
            return changed("its default", &or_none(&self.default), &or_none(&new.default));
        }
        if !collation_name(&self.collation).eq_ignore_ascii_case(collation_name(&new.collation)) {
            return changed("its collation", collation_name(&self.collation), collation_name(&new.collation));
        }
        if self.generated != new.generated {
            return Some("how it is generated".to_owned());
        }
        if self.checks != new.checks {
            return Some("its CHECK".to_owned());
        }
        None
    }
}

fn collation_name(collation: &Option<String>) -> &str {
    collation.as_deref().unwrap_or("BINARY")
}

/// The form of a name that SQLite's name comparison gives.
pub(super) fn fold(name: &str) -> String {
    name.to_ascii_lowercase()
}
