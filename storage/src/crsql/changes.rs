//! `crsql_changes`: every cell with its clock, in the order of versions; inserting into it merges. And `crsql_clocks`, behind
//! the readable views of single tables.
//!
//! A scan walks the log: one version of one site at a time, so that it holds one transaction's cells at most. Reading inside
//! an open transaction flushes what was captured first.

use std::cell::RefCell;
use std::rc::Rc;

use super::replica::Replica;
use super::table::{Table, quote};
use crate::apply::cell;
use crate::record::log::{self, Key};
use crate::record::row::{Clock, RowMeta};
use crate::record::varint::Malformed;
use crate::sqlite::db::Result;
use crate::sqlite::ffi::{INDEX_EQ, INDEX_GE, INDEX_GT, INDEX_LE, INDEX_LT};
use crate::sqlite::vtab::{Constraint, Cursor, Plan, VirtualTable};
use crate::sqlite::{Arg, Cell, Context, SqliteError, Stmt};
use crate::value::pack;

/// The virtual table.
#[derive(Debug)]
pub struct ChangesTable(Rc<Replica>);

/// What a planned scan restricts, in the order of its arguments.
const BY_SITE: i32 = 1;
const BY_TABLE: i32 = 2;
const FROM_VERSION: i32 = 4;
const AFTER_VERSION: i32 = 8;
const TO_VERSION: i32 = 16;
const BEFORE_VERSION: i32 = 32;
const AT_VERSION: i32 = 64;

const TABLE: i32 = 0;
const DB_VERSION: i32 = 5;
const SITE: i32 = 6;

impl VirtualTable for ChangesTable {
    type State = Replica;
    type Cursor = ChangesCursor;
    const DECLARATION: &'static str = "CREATE TABLE x (\"table\" TEXT NOT NULL, pk BLOB NOT NULL, cid TEXT NOT NULL, val ANY, \
        col_version INTEGER NOT NULL, db_version INTEGER NOT NULL, site_id BLOB NOT NULL, cl INTEGER NOT NULL, seq INTEGER NOT NULL, \
        ts TEXT HIDDEN)";
    const WRITABLE: bool = true;

    fn connect(state: &Rc<Replica>) -> Self {
        Self(Rc::clone(state))
    }

    fn plan(&self, constraints: &[Option<Constraint>], order_by: &[(i32, bool)]) -> Result<Plan> {
        let mut plan = Plan { cost: 1e9, rows: 1_000_000_000, ..Plan::default() };
        let mut take = |column: i32, operators: &[(u8, i32)]| {
            for (index, constraint) in constraints.iter().enumerate() {
                let Some(c) = constraint.filter(|c| c.column == column) else { continue };
                if let Some((_, bits)) = operators.iter().find(|(o, bits)| *o == c.operator && plan.number & bits == 0)
                {
                    plan.number |= bits;
                    plan.used.push(index);
                    return true;
                }
            }
            false
        };
        if take(SITE, &[(INDEX_EQ, BY_SITE)]) {
            plan.cost /= 100.0;
        }
        if take(TABLE, &[(INDEX_EQ, BY_TABLE)]) {
            plan.cost /= 2.0;
        }
        if take(DB_VERSION, &[(INDEX_EQ, AT_VERSION)]) {
            plan.cost /= 10_000.0;
        } else {
            for operators in [
                [(INDEX_GE, FROM_VERSION), (INDEX_GT, AFTER_VERSION)],
                [(INDEX_LE, TO_VERSION), (INDEX_LT, BEFORE_VERSION)],
            ] {
                if take(DB_VERSION, &operators) {
                    plan.cost /= 100.0;
                }
            }
        }
        plan.rows = plan.cost as i64;
        plan.ordered = order_by.is_empty();
        Ok(plan)
    }

    fn open(&self) -> ChangesCursor {
        ChangesCursor::new(&self.0)
    }

    fn insert(&self, values: &[Arg]) -> Result<()> {
        self.0.flush_operations()?;
        cell::merge_arguments(&self.0, values)
    }

    fn begin(&self) -> Result<()> {
        self.0.on_begin()
    }
    fn sync(&self) -> Result<()> {
        self.0.on_sync()
    }
    fn commit(&self) {
        self.0.on_commit();
    }
    fn rollback(&self) {
        self.0.on_rollback();
    }
    fn savepoint(&self, depth: i32) {
        self.0.on_savepoint(super::replica::SavepointChange::Open, depth);
    }
    fn release(&self, depth: i32) {
        self.0.on_savepoint(super::replica::SavepointChange::Release, depth);
    }
    fn rollback_to(&self, depth: i32) {
        self.0.on_savepoint(super::replica::SavepointChange::RollbackTo, depth);
    }
    fn disconnect(&self) {
        self.0.finalize();
    }
}

/// One cell or sentinel of the version being emitted.
#[derive(Debug, Clone, Copy)]
struct Entry {
    seq: u64,
    /// Index in `rows`.
    row: usize,
    /// Index in the table's captured columns; `None` for the sentinel.
    column: Option<usize>,
    col_version: u64,
    cl: u64,
    ts: u64,
}

/// A row of the version being emitted.
#[derive(Debug)]
struct Row {
    table: Rc<Table>,
    pk: Vec<u8>,
}

/// A scan of `crsql_changes`.
#[derive(Debug)]
pub struct ChangesCursor {
    replica: Rc<Replica>,
    versions: Option<Stmt>,
    table: Option<String>,
    site: [u8; 16],
    version: u64,
    rows: Vec<Row>,
    entries: Vec<Entry>,
    index: usize,
    rowid: i64,
    values: RefCell<RowReader>,
}

/// Reads stored rows for the `val` column; several cells of one row cost one look-up.
#[derive(Debug, Default)]
struct RowReader {
    /// The statement, the table it reads, and which row of the version it stands on.
    current: Option<(Stmt, u32, Option<usize>)>,
}

impl ChangesCursor {
    fn new(replica: &Rc<Replica>) -> Self {
        Self {
            replica: Rc::clone(replica),
            versions: None,
            table: None,
            site: [0; 16],
            version: 0,
            rows: Vec::new(),
            entries: Vec::new(),
            index: 0,
            rowid: 0,
            values: RefCell::default(),
        }
    }

    /// Loads versions until one has something to emit, or there is none left.
    fn advance(&mut self) -> Result<()> {
        while self.index >= self.entries.len() {
            let Some(versions) = &mut self.versions else { return Ok(()) };
            if !versions.step()? {
                self.versions = None;
                return Ok(());
            }
            let (version, site) = (versions.integer(0), versions.integer(1));
            self.load(u32::try_from(site).unwrap_or(0), u64::try_from(version).unwrap_or(0))?;
        }
        Ok(())
    }

    fn load(&mut self, site: u32, version: u64) -> Result<()> {
        self.rows.clear();
        self.entries.clear();
        self.index = 0;
        self.version = version;
        self.values = RefCell::default();
        let replica = Rc::clone(&self.replica);
        let mut inner = replica.inner.borrow_mut();
        let inner = &mut *inner;
        self.site = inner.sites.id(replica.db, site)?.0;
        let (ts, touched) = touched_rows(&replica, site, version)?;
        let mut meta = RowMeta::default();
        for (number, key) in touched {
            let Some(table) = inner.catalog.numbered(number) else { continue };
            if self.table.as_ref().is_some_and(|name| *name != table.name) {
                continue;
            }
            let table = Rc::clone(table);
            let found = inner.statements.get_meta(replica.db, &table, key.as_key(), |bytes| meta.decode(bytes))?;
            if let Some(decoded) = found {
                decoded.map_err(|e| SqliteError::new(e.to_string()))?;
                self.emit(&table, &key, &meta, (site, version, ts));
            }
        }
        self.entries.sort_by_key(|e| e.seq);
        Ok(())
    }

    fn emit(&mut self, table: &Rc<Table>, key: &OwnedKey, meta: &RowMeta, (site, version, ts): (u32, u64, u64)) {
        let row = self.rows.len();
        let before = self.entries.len();
        let matches = |clock: &Clock| clock.site == site && clock.version == version;
        let entry = |clock: &Clock, column, col_version| Entry {
            seq: clock.seq,
            row,
            column,
            col_version,
            cl: meta.cl,
            ts: clock.ts.unwrap_or(ts),
        };
        if let Some(clock) = meta.sentinel.as_ref().filter(|c| matches(c)) {
            self.entries.push(entry(clock, None, meta.cl));
        }
        for cell in meta.cells.iter().filter(|c| matches(&c.clock)) {
            // A dropped column's metadata stays until the row is written again; it is nobody's change any more.
            if let Some((column, _)) = table.column_numbered(cell.column) {
                self.entries.push(entry(&cell.clock, Some(column), cell.col_version));
            }
        }
        if self.entries.len() > before {
            let pk = match key {
                OwnedKey::Integer(i) => pack::pack(&[Cell::Integer(*i)]),
                OwnedKey::Packed(bytes) => bytes.clone(),
            };
            self.rows.push(Row { table: Rc::clone(table), pk });
        }
    }

    fn value(&self, entry: &Entry, context: &mut Context) -> Result<()> {
        let Some(column) = entry.column else {
            context.result(Cell::Null);
            return Ok(());
        };
        let Some(row) = self.rows.get(entry.row) else { return Ok(()) };
        let mut reader = self.values.borrow_mut();
        if !matches!(&reader.current, Some((_, number, _)) if *number == row.table.number) {
            reader.current = Some((self.replica.db.prepare(&select_row(&row.table))?, row.table.number, None));
        }
        let Some((stmt, _, at)) = &mut reader.current else { return Ok(()) };
        if *at != Some(entry.row) {
            stmt.reset();
            *at = None;
            let cells = pack::unpack(&row.pk).map_err(|e| SqliteError::new(e.to_string()))?;
            for (index, cell) in cells.iter().enumerate() {
                stmt.bind(index + 1, *cell)?;
            }
            if !stmt.step()? {
                context.result(Cell::Null);
                return Ok(());
            }
            *at = Some(entry.row);
        }
        context.result(stmt.column(column));
        Ok(())
    }
}

/// Reads the captured columns of the row with the bound key.
pub fn select_row(table: &Table) -> String {
    let mut columns: Vec<String> = table.columns.iter().map(|c| quote(&c.name)).collect();
    if columns.is_empty() {
        columns.push("NULL".to_owned());
    }
    format!("SELECT {} FROM {} WHERE {}", columns.join(", "), quote(&table.name), table.key_condition(1))
}

/// A key that outlives the record it was read from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum OwnedKey {
    Integer(i64),
    Packed(Vec<u8>),
}

impl OwnedKey {
    pub(super) fn as_key(&self) -> Key<'_> {
        match self {
            Self::Integer(i) => Key::Integer(*i),
            Self::Packed(bytes) => Key::Packed(bytes),
        }
    }
}

/// The ts of a version and the rows its log names, each once.
pub(super) fn touched_rows(replica: &Replica, site: u32, version: u64) -> Result<(u64, Vec<(u32, OwnedKey)>)> {
    let mut ts = None;
    let mut touched = Vec::new();
    let version = i64::try_from(version).unwrap_or(i64::MAX);
    replica.db.prepare("SELECT body FROM crsql_log WHERE site = ?1 AND version = ?2 ORDER BY chunk")?.each(
        &[Cell::Integer(i64::from(site)), Cell::Integer(version)],
        |row| {
            let head = log::each(row.column(0).bytes().unwrap_or_default(), |table, key| {
                let key = match key {
                    Key::Integer(i) => OwnedKey::Integer(i),
                    Key::Packed(bytes) => OwnedKey::Packed(bytes.to_vec()),
                };
                touched.push((table, key));
                Ok::<(), Malformed>(())
            });
            let head = head.map_err(|e| SqliteError::new(e.to_string()))?;
            ts.get_or_insert(head.ts);
            Ok(())
        },
    )?;
    touched.sort_unstable();
    touched.dedup();
    Ok((ts.unwrap_or(0), touched))
}

impl Cursor for ChangesCursor {
    fn filter(&mut self, number: i32, arguments: &[Arg]) -> Result<()> {
        self.replica.flush()?;
        self.replica.inner.borrow_mut().refresh_catalog(self.replica.db)?;
        self.rows.clear();
        self.entries.clear();
        self.index = 0;
        self.rowid = 0;
        self.table = None;
        self.versions = None;
        let mut arguments = arguments.iter().map(|a| a.cell());
        let mut conditions = String::from("version > 0");
        let mut bound: Vec<i64> = Vec::new();
        let mut restrict = |condition: &str, value: i64| {
            bound.push(value);
            conditions += &format!(" AND {condition} ?{}", bound.len());
        };
        if number & BY_SITE != 0 {
            let site = arguments.next().and_then(Cell::bytes).and_then(crate::change::ids::SiteId::from_slice);
            let ordinal = match site {
                Some(site) => self.replica.inner.borrow_mut().sites.find(self.replica.db, site)?,
                None => None,
            };
            // A site that the file does not know has no changes.
            restrict("site =", ordinal.map_or(-1, i64::from));
        }
        if number & BY_TABLE != 0 {
            self.table = Some(arguments.next().and_then(|c| c.text().map(str::to_owned)).unwrap_or_default());
        }
        let mut version = || match arguments.next() {
            Some(Cell::Integer(i)) => Some(i),
            // SQLite checks the constraint again; the scan need not be narrow for values of another class.
            Some(Cell::Null | Cell::Real(_) | Cell::Text(_) | Cell::Blob(_)) | None => None,
        };
        let bounds = [
            (AT_VERSION, "version ="),
            (FROM_VERSION, "version >="),
            (AFTER_VERSION, "version >"),
            (TO_VERSION, "version <="),
            (BEFORE_VERSION, "version <"),
        ];
        for (_, condition) in bounds.iter().filter(|(bit, _)| number & bit != 0) {
            if let Some(v) = version() {
                restrict(condition, v);
            }
        }
        let sql = format!(
            "SELECT version, site FROM crsql_log WHERE {conditions} GROUP BY version, site ORDER BY version, site"
        );
        let mut stmt = self.replica.db.prepare(&sql)?;
        for (index, value) in bound.iter().enumerate() {
            stmt.bind(index + 1, Cell::Integer(*value))?;
        }
        self.versions = Some(stmt);
        self.advance()
    }

    fn next(&mut self) -> Result<()> {
        self.index += 1;
        self.rowid += 1;
        self.advance()
    }

    fn eof(&self) -> bool {
        self.index >= self.entries.len()
    }

    fn column(&self, context: &mut Context, index: usize) -> Result<()> {
        let Some(entry) = self.entries.get(self.index) else { return Ok(()) };
        let Some(row) = self.rows.get(entry.row) else { return Ok(()) };
        let number = |n: u64| Cell::Integer(i64::try_from(n).unwrap_or(i64::MAX));
        match index {
            0 => context.result(Cell::Text(row.table.name.as_bytes())),
            1 => context.result(Cell::Blob(&row.pk)),
            2 => {
                let name = entry.column.and_then(|c| row.table.columns.get(c)).map_or("-1", |c| c.name.as_str());
                context.result(Cell::Text(name.as_bytes()));
            }
            3 => self.value(entry, context)?,
            4 => context.result(number(entry.col_version)),
            5 => context.result(number(self.version)),
            6 => context.result(Cell::Blob(&self.site)),
            7 => context.result(number(entry.cl)),
            8 => context.result(number(entry.seq)),
            _ => context.result(Cell::Text(entry.ts.to_string().as_bytes())),
        }
        Ok(())
    }

    fn rowid(&self) -> i64 {
        self.rowid
    }
}
