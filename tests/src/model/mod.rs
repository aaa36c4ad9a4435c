//! A small reference model of the CRDT engine: what cr-sqlite 0.17 does, one cell at a time and without any cleverness.
//!
//! It is the oracle of the generated tests, and is itself checked on the golden vectors (`tests/vectors`). The rows live in a
//! plain SQLite database that knows nothing of replication; TEMP triggers log what each statement did to which row, and the
//! log is folded into metadata kept in ordinary maps. It shares no code with the engine, the packing of keys included.

mod local;
mod merge;
pub mod pack;

use std::collections::BTreeMap;

use rusqlite::Connection;
use rusqlite::types::Value;

/// The metadata of one cell, or of a row's existence (its sentinel, whose `col_version` is the causal length).
#[derive(Debug, Clone, PartialEq)]
pub struct Clock {
    pub col_version: i64,
    pub db_version: i64,
    pub site: Vec<u8>,
    pub seq: i64,
    pub ts: String,
}

/// What is remembered of a key, alive or not.
#[derive(Debug, Clone, Default)]
struct Row {
    sentinel: Option<Clock>,
    cells: BTreeMap<String, Clock>,
}

impl Row {
    /// 0: never seen. A row without sentinel is in its first life.
    fn causal_length(&self) -> i64 {
        match &self.sentinel {
            Some(sentinel) => sentinel.col_version,
            None if self.cells.is_empty() => 0,
            None => 1,
        }
    }
}

/// One replicated table.
#[derive(Debug, Clone)]
struct Table {
    name: String,
    /// Key columns in key order.
    key: Vec<String>,
    /// The other stored columns in declaration order; generated ones are not among them.
    columns: Vec<String>,
    /// By packed key.
    rows: BTreeMap<Vec<u8>, Row>,
}

/// One line of `crsql_changes`.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub table: String,
    pub pk: Vec<u8>,
    pub cid: String,
    pub val: Value,
    pub col_version: i64,
    pub db_version: i64,
    pub site: Vec<u8>,
    pub cl: i64,
    pub seq: i64,
    pub ts: String,
}

/// The name under which a row's existence appears among the columns.
pub const SENTINEL: &str = "-1";

/// A replica of the model.
#[derive(Debug)]
pub struct Replica {
    conn: Connection,
    site: Vec<u8>,
    tables: BTreeMap<String, Table>,
    /// Highest version per site that left a trace here.
    versions: BTreeMap<Vec<u8>, i64>,
    db_version: i64,
}

impl Replica {
    /// An empty replica with that identity. REPLACE fires no delete trigger (`recursive_triggers` off, as the vectors were made):
    /// a replaced row is one that is inserted again.
    pub fn new(site: &[u8]) -> rusqlite::Result<Self> {
        let conn = Connection::open_in_memory()?;
        conn.execute_batch("CREATE TEMP TABLE row_log (tbl TEXT, op TEXT, old_row TEXT, new_row TEXT);")?;
        local::register_row_function(&conn)?;
        Ok(Self { conn, site: site.to_vec(), tables: BTreeMap::new(), versions: BTreeMap::new(), db_version: 0 })
    }

    /// The rows, for statements inside [`Self::transaction`] and for reading.
    pub fn connection(&self) -> &Connection {
        &self.conn
    }

    /// The version of the last own transaction that changed something.
    pub fn db_version(&self) -> i64 {
        self.db_version
    }

    /// Highest version per site, sites that left no trace absent.
    pub fn versions(&self) -> &BTreeMap<Vec<u8>, i64> {
        &self.versions
    }

    /// Everything `crsql_changes` shows, in no order that matters.
    pub fn changes(&self) -> rusqlite::Result<Vec<Change>> {
        let mut changes = Vec::new();
        for table in self.tables.values() {
            let values = self.values(table)?;
            for (pk, row) in &table.rows {
                let cl = row.causal_length();
                if let Some(clock) = &row.sentinel {
                    changes.push(change(table, pk, SENTINEL, Value::Null, cl, clock));
                }
                for (column, clock) in row.cells.iter().filter(|_| cl % 2 == 1) {
                    let position = table.columns.iter().position(|c| c == column);
                    let value = values.get(pk).zip(position).map(|(row, position)| row[position].clone());
                    changes.push(change(table, pk, column, value.unwrap_or(Value::Null), cl, clock));
                }
            }
        }
        Ok(changes)
    }

    /// The stored columns of every row, by packed key.
    fn values(&self, table: &Table) -> rusqlite::Result<BTreeMap<Vec<u8>, Vec<Value>>> {
        let columns: Vec<String> = table.key.iter().chain(&table.columns).map(|c| ident(c)).collect();
        let mut statement = self.conn.prepare(&format!("SELECT {} FROM {}", columns.join(", "), ident(&table.name)))?;
        let rows =
            statement.query_map([], |r| (0..columns.len()).map(|i| r.get(i)).collect::<Result<Vec<Value>, _>>())?;
        rows.map(|row| row.map(|row| (pack::pack(&row[..table.key.len()]), row[table.key.len()..].to_vec()))).collect()
    }

    fn cell(&self, table: &Table, pk: &[u8], column: &str) -> rusqlite::Result<Value> {
        let sql = format!("SELECT {} FROM {} WHERE {}", ident(column), ident(&table.name), key_condition(table));
        self.conn.prepare_cached(&sql)?.query_row(rusqlite::params_from_iter(pack::unpack(pk)), |r| r.get(0))
    }

    fn saw_version(&mut self, site: &[u8], version: i64) {
        let highest = self.versions.entry(site.to_vec()).or_insert(0);
        *highest = (*highest).max(version);
    }
}

fn change(table: &Table, pk: &[u8], cid: &str, val: Value, cl: i64, clock: &Clock) -> Change {
    Change {
        table: table.name.clone(),
        pk: pk.to_vec(),
        cid: cid.to_owned(),
        val,
        col_version: clock.col_version,
        db_version: clock.db_version,
        site: clock.site.clone(),
        cl,
        seq: clock.seq,
        ts: clock.ts.clone(),
    }
}

fn key_condition(table: &Table) -> String {
    let terms: Vec<String> = table.key.iter().map(|column| format!("{} IS ?", ident(column))).collect();
    terms.join(" AND ")
}

/// A quoted SQL identifier.
pub fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
