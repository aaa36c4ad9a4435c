//! The SQLite statements that make tables in the database file, such that a merge can never fail on them.
//!
//! Pure. STRICT is kept as a CHECK on each column's storage class: SQLite enforces STRICT even where CHECKs are switched
//! off, which is how merges run. Column names and types are those declared, so `PRAGMA table_info` shows the declaration;
//! the one exception is type ANY, whose meaning (no conversion) only STRICT gives, and which becomes an untyped column.
//! Tables declared over the wire have types whose affinity keeps values as they are, and no constraint besides the key.

use super::ddl::{ColumnSpec, StorageType};
use super::hidden_key::HIDDEN_KEY;
use super::lexer::{quote_name, quote_text, unquote};
use super::syntax::{ColumnSyntax, TableSyntax};
use crate::value::Value;

/// The statement that makes a table of a schema file.
pub(super) fn create_file_table(source: &str, table: &TableSyntax, rowid_key: Option<&str>) -> String {
    let name = quote_name(&table.name);
    let options = if table.without_rowid { " WITHOUT ROWID" } else { "" };
    if !table.strict {
        return format!("CREATE TABLE {name} {}{options}", source.get(table.body.clone()).unwrap_or_default());
    }
    let mut body = String::new();
    let mut copied = table.body.start;
    for column in &table.columns {
        body.push_str(source.get(copied..column.span.start).unwrap_or_default());
        body.push_str(&file_column(source, column, StrictMode::of(column, rowid_key)));
        copied = column.span.end;
    }
    body.push_str(source.get(copied..table.body.end).unwrap_or_default());
    format!("CREATE TABLE {name} {body}{options}")
}

/// How STRICT shows in one column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StrictMode {
    /// The table is not STRICT, or SQLite checks the column anyway because it is the rowid.
    Plain,
    Checked,
}

impl StrictMode {
    fn of(column: &ColumnSyntax, rowid_key: Option<&str>) -> Self {
        if rowid_key.is_some_and(|key| key.eq_ignore_ascii_case(&column.name)) { Self::Plain } else { Self::Checked }
    }
}

/// One column's definition, for the body above and for `ALTER TABLE ADD COLUMN`.
pub(super) fn file_column(source: &str, column: &ColumnSyntax, strict: StrictMode) -> String {
    let written = source.get(column.span.clone()).unwrap_or_default();
    if strict == StrictMode::Plain {
        return written.to_owned();
    }
    let declared = source.get(column.type_span.clone()).unwrap_or_default();
    let type_name = unquote(declared).to_ascii_uppercase();
    let classes = match type_name.as_str() {
        "INT" | "INTEGER" => "'integer', 'null'",
        "REAL" => "'real', 'null'",
        "TEXT" => "'text', 'null'",
        "BLOB" => "'blob', 'null'",
        // ANY, the only other type of a STRICT table: every value is kept as it comes.
        _ => {
            let before = source.get(column.span.start..column.type_span.start).unwrap_or_default();
            let after = source.get(column.type_span.end..column.span.end).unwrap_or_default();
            return format!("{before}{after}");
        }
    };
    let name = quote_name(&column.name);
    let label = quote_name(&format!("{} is {type_name}", column.name));
    format!("{written} CONSTRAINT {label} CHECK (typeof({name}) IN ({classes}))")
}

/// A column of a wire table as SQLite sees it.
#[derive(Debug, Clone)]
pub(super) struct WireColumn {
    pub(super) name: String,
    pub(super) storage_type: String,
    /// The constant, as SQL, that rows show which lack the column: here and on every other node.
    pub(super) default: Option<String>,
}

impl WireColumn {
    pub(super) fn new(column: &ColumnSpec) -> Self {
        let constant = column.default.as_ref().and_then(|default| default.constant.as_ref());
        Self {
            name: column.name.clone(),
            storage_type: storage_type_name(column.storage).to_owned(),
            default: constant.filter(|value| **value != Value::Null).map(literal),
        }
    }

    /// The definition for `CREATE TABLE` and `ALTER TABLE ADD COLUMN`.
    pub(super) fn definition(&self) -> String {
        let default = self.default.as_ref().map_or_else(String::new, |text| format!(" DEFAULT {text}"));
        format!("{} {}{default}", quote_name(&self.name), self.storage_type)
    }
}

/// The statement that makes a table declared over the wire; without a key it gets the hidden one.
///
/// A key of one integer column is the rowid itself. Other keys are NOT NULL, which no merge can violate: a row is
/// identified by its key.
pub(super) fn create_wire_table(name: &str, columns: &[WireColumn], primary_key: &[String]) -> String {
    let mut items = Vec::with_capacity(columns.len() + 1);
    let rowid_key = rowid_key_of(columns, primary_key);
    if primary_key.is_empty() {
        items.push(format!("{} INTEGER PRIMARY KEY", quote_name(HIDDEN_KEY)));
    }
    for column in columns {
        items.push(if rowid_key == Some(column.name.as_str()) {
            format!("{} INTEGER PRIMARY KEY", quote_name(&column.name))
        } else if primary_key.contains(&column.name) {
            format!("{} NOT NULL", column.definition())
        } else {
            column.definition()
        });
    }
    if !primary_key.is_empty() && rowid_key.is_none() {
        let key: Vec<String> = primary_key.iter().map(|name| quote_name(name)).collect();
        items.push(format!("PRIMARY KEY ({})", key.join(", ")));
    }
    format!("CREATE TABLE {} ({})", quote_name(name), items.join(", "))
}

/// The SQLite type whose affinity keeps values of the storage type as they are.
fn storage_type_name(storage: StorageType) -> &'static str {
    match storage {
        StorageType::Integer => "INTEGER",
        StorageType::Real => "REAL",
        StorageType::Text => "TEXT",
        StorageType::Blob => "BLOB",
    }
}

fn rowid_key_of<'a>(columns: &'a [WireColumn], primary_key: &[String]) -> Option<&'a str> {
    let [only] = primary_key else { return None };
    let column = columns.iter().find(|column| &column.name == only)?;
    (column.storage_type == storage_type_name(StorageType::Integer)).then_some(column.name.as_str())
}

fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) if number.is_nan() => "NULL".to_owned(),
        Value::Real(number) if number.is_infinite() => if *number > 0.0 { "9e999" } else { "-9e999" }.to_owned(),
        // Debug form: the shortest text that reads back as the same number, always with a point or an exponent.
        Value::Real(number) => format!("{number:?}"),
        Value::Text(text) => quote_text(text),
        Value::Blob(bytes) => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("x'{digits}'")
        }
    }
}
