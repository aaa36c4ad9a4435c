//! Rows on their way into a table: `crsql_incoming`, from which one INSERT takes many.

use std::rc::Rc;

use crate::crsql::replica::Replica;
use crate::sqlite::db::Result;
use crate::sqlite::vtab::{Constraint, Cursor, Plan, VirtualTable};
use crate::sqlite::{Arg, Cell, Context};

/// Columns of the virtual table; wider rows are inserted one by one.
pub const WIDTH_MAX: usize = 64;
/// Rows that one INSERT takes: bounds the copy of their values.
pub const ROWS_MAX: usize = 4096;

/// A value whose bytes lie in [`IncomingRows`].
#[derive(Debug, Clone, Copy)]
enum Staged {
    Null,
    Integer(i64),
    Real(f64),
    Text { start: usize, length: usize },
    Blob { start: usize, length: usize },
}

/// The rows of the running INSERT, all of one width.
#[derive(Debug, Default)]
pub struct IncomingRows {
    width: usize,
    cells: Vec<Staged>,
    bytes: Vec<u8>,
}

impl IncomingRows {
    /// Begins rows of that width.
    pub fn begin(&mut self, width: usize) {
        self.width = width;
        self.cells.clear();
        self.bytes.clear();
    }

    /// Appends a value to the row being built.
    pub fn push(&mut self, cell: Cell<'_>) {
        let start = self.bytes.len();
        let staged = match cell {
            Cell::Null => Staged::Null,
            Cell::Integer(i) => Staged::Integer(i),
            Cell::Real(r) => Staged::Real(r),
            Cell::Text(b) => Staged::Text { start, length: b.len() },
            Cell::Blob(b) => Staged::Blob { start, length: b.len() },
        };
        self.bytes.extend_from_slice(cell.bytes().unwrap_or_default());
        self.cells.push(staged);
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.cells.len().checked_div(self.width).unwrap_or(0)
    }

    /// A value.
    pub fn cell(&self, row: usize, column: usize) -> Cell<'_> {
        let Some(staged) = self.cells.get(row * self.width + column).filter(|_| column < self.width) else {
            return Cell::Null;
        };
        match *staged {
            Staged::Null => Cell::Null,
            Staged::Integer(i) => Cell::Integer(i),
            Staged::Real(r) => Cell::Real(r),
            Staged::Text { start, length } => Cell::Text(&self.bytes[start..start + length]),
            Staged::Blob { start, length } => Cell::Blob(&self.bytes[start..start + length]),
        }
    }
}

/// The virtual table.
#[derive(Debug)]
pub struct IncomingTable(Rc<Replica>);

/// A scan of the rows, in their order.
#[derive(Debug)]
pub struct IncomingCursor {
    replica: Rc<Replica>,
    index: usize,
    count: usize,
}

impl VirtualTable for IncomingTable {
    type State = Replica;
    type Cursor = IncomingCursor;
    const DECLARATION: &'static str = "CREATE TABLE x (c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14, c15, c16, \
        c17, c18, c19, c20, c21, c22, c23, c24, c25, c26, c27, c28, c29, c30, c31, c32, c33, c34, c35, c36, c37, c38, c39, c40, c41, \
        c42, c43, c44, c45, c46, c47, c48, c49, c50, c51, c52, c53, c54, c55, c56, c57, c58, c59, c60, c61, c62, c63)";
    const WRITABLE: bool = false;

    fn connect(state: &Rc<Replica>) -> Self {
        Self(Rc::clone(state))
    }
    fn plan(&self, _constraints: &[Option<Constraint>], _order_by: &[(i32, bool)]) -> Result<Plan> {
        Ok(Plan { cost: 1e6, rows: 1_000_000, ..Plan::default() })
    }
    fn open(&self) -> IncomingCursor {
        IncomingCursor { replica: Rc::clone(&self.0), index: 0, count: 0 }
    }
}

impl Cursor for IncomingCursor {
    fn filter(&mut self, _number: i32, _arguments: &[Arg]) -> Result<()> {
        self.index = 0;
        self.count = self.replica.incoming.borrow().rows();
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
        context.result(self.replica.incoming.borrow().cell(self.index, index));
        Ok(())
    }
    fn rowid(&self) -> i64 {
        self.index as i64
    }
}
