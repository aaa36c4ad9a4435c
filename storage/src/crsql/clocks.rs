//! `crsql_clocks`: every clock of one table, decoded; the readable views `<t>__crsql_clock` and `<t>__crsql_pks` stand on it.

use std::rc::Rc;

use super::replica::Replica;
use super::table::Table;
use crate::capture::flush::log_summary;
use crate::record::row::{Clock, RowMeta};
use crate::sqlite::db::Result;
use crate::sqlite::ffi::INDEX_EQ;
use crate::sqlite::vtab::{Constraint, Cursor, Plan, VirtualTable};
use crate::sqlite::{Arg, Cell, Context, SqliteError, Stmt};
use crate::value::pack;

/// The virtual table.
#[derive(Debug)]
pub struct ClocksTable(Rc<Replica>);

impl VirtualTable for ClocksTable {
    type State = Replica;
    type Cursor = ClocksCursor;
    const DECLARATION: &'static str = "CREATE TABLE x (key, col_name TEXT, col_version INTEGER, db_version INTEGER, site_id INTEGER, \
        seq INTEGER, ts TEXT, pk BLOB, tbl TEXT HIDDEN)";
    const WRITABLE: bool = false;

    fn connect(state: &Rc<Replica>) -> Self {
        Self(Rc::clone(state))
    }

    fn plan(&self, constraints: &[Option<Constraint>], _order_by: &[(i32, bool)]) -> Result<Plan> {
        let table = constraints.iter().position(|c| c.is_some_and(|c| c.column == 8 && c.operator == INDEX_EQ));
        let table = table.ok_or_else(|| SqliteError::new("crsql_clocks needs the table's name: tbl = 'name'"))?;
        Ok(Plan { used: vec![table], cost: 1e6, rows: 1_000_000, ..Plan::default() })
    }

    fn open(&self) -> ClocksCursor {
        ClocksCursor {
            replica: Rc::clone(&self.0),
            table: None,
            rows: None,
            meta: RowMeta::default(),
            pk: Vec::new(),
            index: 0,
            rowid: 0,
            ts: None,
        }
    }
}

/// A scan of one table's records.
#[derive(Debug)]
pub struct ClocksCursor {
    replica: Rc<Replica>,
    table: Option<Rc<Table>>,
    rows: Option<Stmt>,
    meta: RowMeta,
    pk: Vec<u8>,
    /// 0 is the sentinel, then the columns.
    index: usize,
    rowid: i64,
    /// The ts of the version read last.
    ts: Option<(u32, u64, u64)>,
}

impl ClocksCursor {
    fn current(&self) -> Option<(Option<u16>, u64, Clock)> {
        if self.index == 0 {
            return self.meta.sentinel.map(|clock| (None, self.meta.cl, clock));
        }
        self.meta.cells.get(self.index - 1).map(|c| (Some(c.column), c.col_version, c.clock))
    }

    /// The name of the current entry's column; `None` for an entry to be skipped.
    fn name(&self) -> Option<&str> {
        match self.current()?.0 {
            None => Some("-1"),
            Some(number) => self.table.as_ref()?.column_numbered(number).map(|(_, c)| c.name.as_str()),
        }
    }

    /// Moves on until an entry is shown or the rows end.
    fn settle(&mut self) -> Result<()> {
        loop {
            if self.rows.is_none() || self.name().is_some() {
                break;
            }
            if self.index < self.meta.cells.len() {
                self.index += 1;
                continue;
            }
            let Some(rows) = &mut self.rows else { break };
            if !rows.step()? {
                self.rows = None;
                break;
            }
            self.meta
                .decode(rows.column(1).bytes().unwrap_or_default())
                .map_err(|e| SqliteError::new(e.to_string()))?;
            self.pk = match rows.column(0) {
                Cell::Integer(i) => pack::pack(&[Cell::Integer(i)]),
                other @ (Cell::Null | Cell::Real(_) | Cell::Text(_) | Cell::Blob(_)) => {
                    other.bytes().unwrap_or_default().to_vec()
                }
            };
            self.index = 0;
        }
        if let Some((_, _, clock)) = self.current()
            && clock.ts.is_none()
            && self.ts.is_none_or(|(site, version, _)| (site, version) != (clock.site, clock.version))
        {
            let ts = log_summary(self.replica.db, clock.site, clock.version)?.map_or(0, |s| s.ts);
            self.ts = Some((clock.site, clock.version, ts));
        }
        Ok(())
    }
}

impl Cursor for ClocksCursor {
    fn filter(&mut self, _number: i32, arguments: &[Arg]) -> Result<()> {
        self.replica.flush()?;
        let mut inner = self.replica.inner.borrow_mut();
        inner.refresh_catalog(self.replica.db)?;
        self.table =
            arguments.first().and_then(|a| a.cell().text()).and_then(|name| inner.catalog.named(name).cloned());
        drop(inner);
        self.rows = match &self.table {
            Some(table) => {
                Some(self.replica.db.prepare(&format!("SELECT key, meta FROM {} ORDER BY key", table.rows_name()))?)
            }
            None => None,
        };
        self.meta = RowMeta::default();
        self.index = 0;
        self.rowid = 0;
        self.settle()
    }

    fn next(&mut self) -> Result<()> {
        self.index += 1;
        self.rowid += 1;
        self.settle()
    }

    fn eof(&self) -> bool {
        self.rows.is_none()
    }

    fn column(&self, context: &mut Context, index: usize) -> Result<()> {
        let Some((_, col_version, clock)) = self.current() else { return Ok(()) };
        let number = |n: u64| Cell::Integer(i64::try_from(n).unwrap_or(i64::MAX));
        match index {
            0 => match &self.rows {
                Some(rows) => context.result(rows.column(0)),
                None => context.result(Cell::Null),
            },
            1 => context.result(Cell::Text(self.name().unwrap_or_default().as_bytes())),
            2 => context.result(number(col_version)),
            3 => context.result(number(clock.version)),
            4 => context.result(Cell::Integer(i64::from(clock.site))),
            5 => context.result(number(clock.seq)),
            6 => {
                let ts = clock.ts.or_else(|| self.ts.map(|(_, _, ts)| ts)).unwrap_or(0);
                context.result(Cell::Text(ts.to_string().as_bytes()));
            }
            7 => context.result(Cell::Blob(&self.pk)),
            _ => match &self.table {
                Some(table) => context.result(Cell::Text(table.name.as_bytes())),
                None => context.result(Cell::Null),
            },
        }
        Ok(())
    }

    fn rowid(&self) -> i64 {
        self.rowid
    }
}
