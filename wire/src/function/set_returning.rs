//! Set-returning functions as table-valued functions: `generate_series`, `unnest`, splitting, JSON elements.
//!
//! One virtual table serves them all: a function makes an iterator of values from its arguments. Its columns are `value` and
//! `ordinality` (from 1); a NULL argument gives no rows. Rows are made as SQLite asks for them, so that a long series takes
//! no memory.
#![expect(unsafe_code, reason = "rusqlite's traits for virtual tables are unsafe to implement")]

use std::borrow::Cow;
use std::ffi::{CStr, CString, c_int};
use std::marker::PhantomData;
use std::sync::LazyLock;

use storage::rusqlite::vtab::{
    Context, Filters, IndexConstraintOp, IndexInfo, Module, VTab, VTabConfig, VTabConnection, VTabCursor,
};
use storage::rusqlite::{self, Connection, ffi};
use storage::{Value, ValueRef};

use super::body::{Out, borrowed, raise};
use super::packed::{self, PACKED_COLUMNS_MAX};
use super::series::{self, Rows};
use crate::error::SqlError;

/// Makes the rows of one call.
pub(super) type Make = fn(&[Value]) -> Result<Rows, SqlError>;

/// Most arguments of a set-returning function.
const ARGUMENTS_MAX: usize = 5;
/// The first hidden column, which is the first argument.
const FIRST_ARGUMENT: c_int = 2;
/// The hidden columns are the arguments.
const ARGUMENT_COLUMNS: &str =
    "CREATE TABLE x(value, ordinality INTEGER, a0 HIDDEN, a1 HIDDEN, a2 HIDDEN, a3 HIDDEN, a4 HIDDEN";

/// The columns of every table: after the arguments the cells `c1`, `c2`, .. of a packed row, which only `pg_rows` gives.
static DECLARATION: LazyLock<CString> = LazyLock::new(|| {
    let cells: String = (1..=PACKED_COLUMNS_MAX).map(|index| format!(", c{index} HIDDEN")).collect();
    CString::new(format!("{ARGUMENT_COLUMNS}{cells})")).unwrap_or_default()
});

#[repr(C)]
struct Table {
    /// SQLite's part; must be first.
    base: ffi::sqlite3_vtab,
    make: Make,
}

#[repr(C)]
struct Cursor<'vtab> {
    /// SQLite's part; must be first.
    base: ffi::sqlite3_vtab_cursor,
    make: Make,
    rows: Rows,
    /// The current row; `None` at the end.
    current: Option<Value>,
    ordinality: i64,
    table: PhantomData<&'vtab Table>,
}

// SAFETY: `Table` is `repr(C)` and begins with `sqlite3_vtab`, as the trait demands.
unsafe impl<'vtab> VTab<'vtab> for Table {
    type Aux = Make;
    type Cursor = Cursor<'vtab>;

    fn connect(
        db: &mut VTabConnection,
        aux: Option<&Make>,
        _module_name: &[u8],
        _database_name: &[u8],
        _table_name: &[u8],
        _args: &[&[u8]],
    ) -> rusqlite::Result<(Cow<'static, CStr>, Self)> {
        db.config(VTabConfig::Innocuous)?;
        let make = *aux.ok_or(rusqlite::Error::ModuleError("set-returning function without a body".into()))?;
        Ok((Cow::Borrowed(DECLARATION.as_c_str()), Self { base: ffi::sqlite3_vtab::default(), make }))
    }

    fn best_index(&self, info: &mut IndexInfo) -> rusqlite::Result<bool> {
        let mut arguments: [Option<usize>; ARGUMENTS_MAX] = [None; ARGUMENTS_MAX];
        for (at, constraint) in info.constraints().enumerate() {
            let Ok(argument) = usize::try_from(constraint.column() - FIRST_ARGUMENT) else { continue };
            if constraint.operator() != IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_EQ || argument >= ARGUMENTS_MAX {
                continue;
            }
            if !constraint.is_usable() {
                // The argument comes from a table that this plan reads later: no plan.
                return Ok(false);
            }
            arguments[argument] = Some(at);
        }
        // Arguments are given from the first on, so their order is that of the columns.
        for (position, at) in arguments.iter().flatten().enumerate() {
            let mut usage = info.constraint_usage(*at);
            usage.set_argv_index(position as c_int + 1);
            usage.set_omit(true);
        }
        info.set_estimated_rows(1000);
        info.set_estimated_cost(1000.0);
        Ok(true)
    }

    fn open(&'vtab mut self) -> rusqlite::Result<Cursor<'vtab>> {
        Ok(Cursor {
            base: ffi::sqlite3_vtab_cursor::default(),
            make: self.make,
            rows: Box::new(std::iter::empty()),
            current: None,
            ordinality: 0,
            table: PhantomData,
        })
    }
}

// SAFETY: `Cursor` is `repr(C)` and begins with `sqlite3_vtab_cursor`, as the trait demands.
unsafe impl VTabCursor for Cursor<'_> {
    fn filter(&mut self, _idx_num: c_int, _idx_str: Option<&str>, args: &Filters<'_>) -> rusqlite::Result<()> {
        let arguments: Vec<Value> = args
            .iter()
            .map(|value| borrowed(value).map(ValueRef::to_owned))
            .collect::<Result<_, _>>()
            .map_err(|error| raise(&error))?;
        self.ordinality = 0;
        self.rows = if arguments.contains(&Value::Null) {
            Box::new(std::iter::empty())
        } else {
            (self.make)(&arguments).map_err(|error| raise(&error))?
        };
        self.next()
    }

    fn next(&mut self) -> rusqlite::Result<()> {
        self.current = self.rows.next().transpose().map_err(|error| raise(&error))?;
        self.ordinality += 1;
        Ok(())
    }

    fn eof(&self) -> bool {
        self.current.is_none()
    }

    fn column(&self, ctx: &mut Context, column: c_int) -> rusqlite::Result<()> {
        match column {
            0 => ctx.set_result(Out(self.current.clone().unwrap_or_default())),
            1 => ctx.set_result(self.ordinality),
            _ => ctx.set_result(Out(self.cell(column)?)),
        }
    }

    fn rowid(&self) -> rusqlite::Result<i64> {
        Ok(self.ordinality)
    }
}

impl Cursor<'_> {
    /// A cell of the current row if that is packed; the hidden arguments are NULL.
    fn cell(&self, column: c_int) -> rusqlite::Result<Value> {
        let index = usize::try_from(column - FIRST_ARGUMENT).ok().and_then(|at| at.checked_sub(ARGUMENTS_MAX));
        match (index, &self.current) {
            (Some(index), Some(Value::Blob(row))) => packed::cell(row, index).map_err(|error| raise(&error)),
            (_, _) => Ok(Value::Null),
        }
    }
}

pub(super) fn register(conn: &Connection) -> rusqlite::Result<()> {
    const MODULE: Module<'static, Table> = Module::eponymous_only_module();
    for (name, make) in series::BODIES {
        conn.create_module(*name, &MODULE, Some(*make))?;
    }
    Ok(())
}
