//! `crsql_unpack_columns(packed)`: one row a column.

use std::rc::Rc;

use super::replica::Replica;
use crate::sqlite::db::Result;
use crate::sqlite::ffi::INDEX_EQ;
use crate::sqlite::vtab::{Constraint, Cursor, Plan, VirtualTable};
use crate::sqlite::{Arg, Cell, Context, SqliteError};
use crate::value::{Value, pack};

/// The table-valued function.
#[derive(Debug)]
pub struct UnpackTable;

/// The columns of one packed key.
#[derive(Debug, Default)]
pub struct UnpackCursor {
    package: Vec<u8>,
    values: Vec<Value>,
    index: usize,
}

impl VirtualTable for UnpackTable {
    type State = Replica;
    type Cursor = UnpackCursor;
    const DECLARATION: &'static str = "CREATE TABLE x (cell ANY, package BLOB HIDDEN)";
    const WRITABLE: bool = false;

    fn connect(_state: &Rc<Replica>) -> Self {
        Self
    }

    fn plan(&self, constraints: &[Option<Constraint>], _order_by: &[(i32, bool)]) -> Result<Plan> {
        let package = constraints.iter().position(|c| c.is_some_and(|c| c.column == 1 && c.operator == INDEX_EQ));
        let package =
            package.ok_or_else(|| SqliteError::new("crsql_unpack_columns needs the packed columns as its argument"))?;
        Ok(Plan { used: vec![package], cost: 1.0, rows: 4, ..Plan::default() })
    }

    fn open(&self) -> UnpackCursor {
        UnpackCursor::default()
    }
}

impl Cursor for UnpackCursor {
    fn filter(&mut self, _number: i32, arguments: &[Arg]) -> Result<()> {
        self.package = arguments.first().and_then(|a| a.cell().bytes()).unwrap_or_default().to_vec();
        let cells = pack::unpack(&self.package).map_err(|e| SqliteError::new(e.to_string()))?;
        self.values = cells.into_iter().map(Cell::to_value).collect();
        self.index = 0;
        Ok(())
    }

    fn next(&mut self) -> Result<()> {
        self.index += 1;
        Ok(())
    }

    fn eof(&self) -> bool {
        self.index >= self.values.len()
    }

    fn column(&self, context: &mut Context, index: usize) -> Result<()> {
        let value = if index == 0 {
            self.values.get(self.index).map_or(Cell::Null, Cell::from)
        } else {
            Cell::Blob(&self.package)
        };
        context.result(value);
        Ok(())
    }

    fn rowid(&self) -> i64 {
        self.index as i64
    }
}
