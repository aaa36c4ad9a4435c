//! Two internal virtual tables: `crsql_transaction`, through which SQLite reports savepoints and commits, and `crsql_staged`,
//! from which one statement writes many metadata records.

use std::rc::Rc;

use super::buffer::resolve;
use super::metadata::key_cell;
use crate::crsql::replica::{Replica, SavepointChange};
use crate::sqlite::db::Result;
use crate::sqlite::vtab::{Constraint, Cursor, Plan, VirtualTable};
use crate::sqlite::{Arg, Cell, Context};

/// Always empty; a writable virtual table is told about its transaction.
#[derive(Debug)]
pub struct TransactionTable(Rc<Replica>);

/// A scan without rows.
#[derive(Debug)]
pub struct EmptyCursor;

impl Cursor for EmptyCursor {
    fn filter(&mut self, _number: i32, _arguments: &[Arg]) -> Result<()> {
        Ok(())
    }
    fn next(&mut self) -> Result<()> {
        Ok(())
    }
    fn eof(&self) -> bool {
        true
    }
    fn column(&self, _context: &mut Context, _index: usize) -> Result<()> {
        Ok(())
    }
    fn rowid(&self) -> i64 {
        0
    }
}

impl VirtualTable for TransactionTable {
    type State = Replica;
    type Cursor = EmptyCursor;
    const DECLARATION: &'static str = "CREATE TABLE x (unused)";
    const WRITABLE: bool = true;

    fn connect(state: &Rc<Replica>) -> Self {
        Self(Rc::clone(state))
    }
    fn plan(&self, _constraints: &[Option<Constraint>], _order_by: &[(i32, bool)]) -> Result<Plan> {
        Ok(Plan { cost: 1.0, rows: 1, ..Plan::default() })
    }
    fn open(&self) -> EmptyCursor {
        EmptyCursor
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
        self.0.on_savepoint(SavepointChange::Open, depth);
    }
    fn release(&self, depth: i32) {
        self.0.on_savepoint(SavepointChange::Release, depth);
    }
    fn rollback_to(&self, depth: i32) {
        self.0.on_savepoint(SavepointChange::RollbackTo, depth);
    }
    fn disconnect(&self) {
        self.0.finalize();
    }
}

/// The records staged by the running flush or merge.
#[derive(Debug)]
pub struct StagedTable(Rc<Replica>);

/// A scan of them, in their order.
#[derive(Debug)]
pub struct StagedCursor {
    replica: Rc<Replica>,
    index: usize,
    count: usize,
}

impl VirtualTable for StagedTable {
    type State = Replica;
    type Cursor = StagedCursor;
    const DECLARATION: &'static str = "CREATE TABLE x (key, meta)";
    const WRITABLE: bool = false;

    fn connect(state: &Rc<Replica>) -> Self {
        Self(Rc::clone(state))
    }
    fn plan(&self, _constraints: &[Option<Constraint>], _order_by: &[(i32, bool)]) -> Result<Plan> {
        Ok(Plan { cost: 1e6, rows: 1_000_000, ..Plan::default() })
    }
    fn open(&self) -> StagedCursor {
        StagedCursor { replica: Rc::clone(&self.0), index: 0, count: 0 }
    }
}

impl Cursor for StagedCursor {
    fn filter(&mut self, _number: i32, _arguments: &[Arg]) -> Result<()> {
        self.index = 0;
        self.count = self.replica.staging.borrow().rows.len();
        Ok(())
    }
    fn next(&mut self) -> Result<()> {
        self.index += 1;
        Ok(())
    }
    fn eof(&self) -> bool {
        self.index >= self.count
    }
    fn column(&self, context: &mut Context, index: usize) -> Result<()> {
        let staging = self.replica.staging.borrow();
        let Some(row) = staging.rows.get(self.index) else {
            context.result(Cell::Null);
            return Ok(());
        };
        if index == 0 {
            context.result(key_cell(resolve(&staging.bytes, row.key)));
        } else {
            context.result(Cell::Blob(&staging.bytes[row.start..row.start + row.length]));
        }
        Ok(())
    }
    fn rowid(&self) -> i64 {
        self.index as i64
    }
}
