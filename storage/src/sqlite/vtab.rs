//! Virtual tables in Rust: a trait for the table, one for its cursor, and the C functions between.
#![expect(unsafe_code, reason = "C callbacks")]

use std::ffi::{CString, c_char, c_int, c_void};
use std::ptr::{null, null_mut};
use std::rc::Rc;

use super::cell::Arg;
use super::db::{Db, Result, SqliteError};
use super::ffi::{
    self, IndexConstraint, api, sqlite3, sqlite3_context, sqlite3_index_info, sqlite3_module, sqlite3_value,
    sqlite3_vtab, sqlite3_vtab_cursor,
};
use super::function::Context;

/// A constraint SQLite offers to a virtual table.
#[derive(Debug, Clone, Copy)]
pub struct Constraint {
    pub column: i32,
    pub operator: u8,
}

/// What a table answers to SQLite's planner.
#[derive(Debug, Default)]
pub struct Plan {
    /// Passed to [`Cursor::filter`].
    pub number: i32,
    /// Positions of used constraints, in the order of the arguments of [`Cursor::filter`]. SQLite checks them again.
    pub used: Vec<usize>,
    pub cost: f64,
    pub rows: i64,
    /// At most one row.
    pub unique: bool,
    /// Rows come in the order that was asked for.
    pub ordered: bool,
}

/// A virtual table, existing once per connection without `CREATE` (eponymous).
pub trait VirtualTable: Sized + 'static {
    type State: 'static;
    type Cursor: Cursor;
    /// The `CREATE TABLE` statement that declares the columns.
    const DECLARATION: &'static str;
    /// Whether INSERT is possible and transactions are reported.
    const WRITABLE: bool;

    fn connect(state: &Rc<Self::State>) -> Self;
    /// `None` for a constraint that cannot be used.
    fn plan(&self, constraints: &[Option<Constraint>], order_by: &[(i32, bool)]) -> Result<Plan>;
    fn open(&self) -> Self::Cursor;
    /// Takes an INSERT's column values.
    fn insert(&self, _values: &[Arg]) -> Result<()> {
        Err(SqliteError::new("this table cannot be written"))
    }
    fn begin(&self) -> Result<()> {
        Ok(())
    }
    /// Before the transaction commits; may write ordinary tables.
    fn sync(&self) -> Result<()> {
        Ok(())
    }
    fn commit(&self) {}
    fn rollback(&self) {}
    fn savepoint(&self, _depth: i32) {}
    fn release(&self, _depth: i32) {}
    fn rollback_to(&self, _depth: i32) {}
    /// The connection is closing or forgets the table.
    fn disconnect(&self) {}
}

/// A scan of a virtual table.
pub trait Cursor {
    fn filter(&mut self, number: i32, arguments: &[Arg]) -> Result<()>;
    fn next(&mut self) -> Result<()>;
    fn eof(&self) -> bool;
    fn column(&self, context: &mut Context, index: usize) -> Result<()>;
    fn rowid(&self) -> i64;
}

#[repr(C)]
struct TableObject<T> {
    base: sqlite3_vtab,
    table: T,
}

#[repr(C)]
struct CursorObject<C> {
    base: sqlite3_vtab_cursor,
    cursor: C,
}

struct Module<T: VirtualTable> {
    module: sqlite3_module,
    state: Rc<T::State>,
}

/// Registers the table under `name`.
pub fn create_module<T: VirtualTable>(db: Db, name: &str, state: &Rc<T::State>) -> Result<()> {
    let c_name = CString::new(name).map_err(|_| SqliteError::new("module name contains a NUL byte"))?;
    let writable = T::WRITABLE;
    let module = sqlite3_module {
        version: 2,
        create: None,
        connect: Some(connect::<T>),
        best_index: Some(best_index::<T>),
        disconnect: Some(disconnect::<T>),
        destroy: None,
        open: Some(open::<T>),
        close: Some(close::<T>),
        filter: Some(filter::<T>),
        next: Some(next::<T>),
        eof: Some(eof::<T>),
        column: Some(column::<T>),
        rowid: Some(rowid::<T>),
        update: if writable { Some(update::<T>) } else { None },
        begin: if writable { Some(begin::<T>) } else { None },
        sync: if writable { Some(sync::<T>) } else { None },
        commit: if writable { Some(commit::<T>) } else { None },
        rollback: if writable { Some(rollback::<T>) } else { None },
        find_function: null(),
        rename: null(),
        savepoint: if writable { Some(savepoint::<T>) } else { None },
        release: if writable { Some(release::<T>) } else { None },
        rollback_to: if writable { Some(rollback_to::<T>) } else { None },
    };
    let data = Box::into_raw(Box::new(Module::<T> { module, state: Rc::clone(state) }));
    // SAFETY: the module lives in `data`, which SQLite owns from here and frees through `drop_module`, also on failure.
    let code = unsafe {
        let module = (&raw const (*data).module).cast::<c_void>();
        (api().create_module_v2)(db.0, c_name.as_ptr(), module, data.cast(), Some(drop_module::<T>))
    };
    if code == ffi::OK { Ok(()) } else { Err(db.error(code)) }
}

unsafe extern "C" fn drop_module<T: VirtualTable>(data: *mut c_void) {
    // SAFETY: `data` came from `Box::into_raw` in `create_module` and is freed once.
    drop(unsafe { Box::from_raw(data.cast::<Module<T>>()) });
}

/// Copies a message into memory that SQLite frees; null when out of memory.
pub fn allocate_message(message: &str) -> *mut c_char {
    // SAFETY: the block has one byte more than the message, for the terminator.
    unsafe {
        let block = (api().malloc64)(message.len() as u64 + 1).cast::<u8>();
        if !block.is_null() {
            std::ptr::copy_nonoverlapping(message.as_ptr(), block, message.len());
            *block.add(message.len()) = 0;
        }
        block.cast()
    }
}

unsafe extern "C" fn connect<T: VirtualTable>(
    db: *mut sqlite3,
    data: *mut c_void,
    _argc: c_int,
    _argv: *const *const c_char,
    out: *mut *mut sqlite3_vtab,
    error: *mut *mut c_char,
) -> c_int {
    let Ok(declaration) = CString::new(T::DECLARATION) else { return ffi::ERROR };
    // SAFETY: SQLite passes our `Module` and valid out-pointers; the object is freed in `disconnect`.
    unsafe {
        let code = (api().declare_vtab)(db, declaration.as_ptr());
        if code != ffi::OK {
            *error = allocate_message("declare the virtual table");
            return code;
        }
        let module = &*data.cast::<Module<T>>();
        let object = TableObject {
            base: sqlite3_vtab { module: null(), references: 0, error: null_mut() },
            table: T::connect(&module.state),
        };
        *out = Box::into_raw(Box::new(object)).cast();
    }
    ffi::OK
}

unsafe extern "C" fn disconnect<T: VirtualTable>(table: *mut sqlite3_vtab) -> c_int {
    // SAFETY: made by `connect`, freed once.
    let object = unsafe { Box::from_raw(table.cast::<TableObject<T>>()) };
    object.table.disconnect();
    ffi::OK
}

/// # Safety
/// `table` is an object made by `connect` for the same `T`.
unsafe fn table_of<'a, T: VirtualTable>(table: *mut sqlite3_vtab) -> &'a T {
    // SAFETY: promised by the caller.
    unsafe { &(*table.cast::<TableObject<T>>()).table }
}

/// Turns a result into SQLite's code, leaving the message in the table.
///
/// # Safety
/// `table` is a live virtual table object.
unsafe fn report(table: *mut sqlite3_vtab, result: Result<()>) -> c_int {
    let Err(error) = result else { return ffi::OK };
    // SAFETY: promised by the caller; an earlier message is SQLite's memory.
    unsafe {
        if !(*table).error.is_null() {
            (api().free)((*table).error.cast());
        }
        (*table).error = allocate_message(&error.message);
    }
    if error.code & 0xff == ffi::OK { ffi::ERROR } else { error.code }
}

unsafe extern "C" fn best_index<T: VirtualTable>(table: *mut sqlite3_vtab, info: *mut sqlite3_index_info) -> c_int {
    // SAFETY: SQLite passes valid arrays of the stated lengths; all usages are written below.
    unsafe {
        let info = &mut *info;
        let slice = |count: c_int| count.max(0) as usize;
        let constraints: Vec<Option<Constraint>> = (0..slice(info.constraint_count))
            .map(|i| {
                let c: &IndexConstraint = &*info.constraints.add(i);
                (c.usable != 0).then_some(Constraint { column: c.column, operator: c.operator })
            })
            .collect();
        let order_by: Vec<(i32, bool)> = (0..slice(info.order_by_count))
            .map(|i| {
                let o = &*info.order_by.add(i);
                (o.column, o.descending != 0)
            })
            .collect();
        match table_of::<T>(table).plan(&constraints, &order_by) {
            Ok(plan) => {
                for (position, &constraint) in plan.used.iter().enumerate() {
                    (*info.usage.add(constraint)).argument = position as c_int + 1;
                }
                info.index_number = plan.number;
                info.estimated_cost = plan.cost;
                info.estimated_rows = plan.rows;
                info.order_by_consumed = c_int::from(plan.ordered);
                if plan.unique {
                    info.flags |= ffi::INDEX_UNIQUE;
                }
                ffi::OK
            }
            Err(error) => report(table, Err(error)),
        }
    }
}

unsafe extern "C" fn open<T: VirtualTable>(table: *mut sqlite3_vtab, out: *mut *mut sqlite3_vtab_cursor) -> c_int {
    // SAFETY: the table is ours; the object is freed in `close`.
    unsafe {
        let object =
            CursorObject { base: sqlite3_vtab_cursor { table: null_mut() }, cursor: table_of::<T>(table).open() };
        *out = Box::into_raw(Box::new(object)).cast();
    }
    ffi::OK
}

unsafe extern "C" fn close<T: VirtualTable>(cursor: *mut sqlite3_vtab_cursor) -> c_int {
    // SAFETY: made by `open`, freed once.
    drop(unsafe { Box::from_raw(cursor.cast::<CursorObject<T::Cursor>>()) });
    ffi::OK
}

/// # Safety
/// `cursor` is an object made by `open` for the same `T`, used by one call at a time.
unsafe fn cursor_of<'a, T: VirtualTable>(cursor: *mut sqlite3_vtab_cursor) -> &'a mut T::Cursor {
    // SAFETY: promised by the caller.
    unsafe { &mut (*cursor.cast::<CursorObject<T::Cursor>>()).cursor }
}

unsafe extern "C" fn filter<T: VirtualTable>(
    cursor: *mut sqlite3_vtab_cursor,
    number: c_int,
    _text: *const c_char,
    argc: c_int,
    argv: *mut *mut sqlite3_value,
) -> c_int {
    // SAFETY: a live cursor of ours and a valid argument array.
    unsafe { report((*cursor).table, cursor_of::<T>(cursor).filter(number, Arg::slice(argc, argv))) }
}

unsafe extern "C" fn next<T: VirtualTable>(cursor: *mut sqlite3_vtab_cursor) -> c_int {
    // SAFETY: a live cursor of ours.
    unsafe { report((*cursor).table, cursor_of::<T>(cursor).next()) }
}

unsafe extern "C" fn eof<T: VirtualTable>(cursor: *mut sqlite3_vtab_cursor) -> c_int {
    // SAFETY: a live cursor of ours.
    unsafe { c_int::from(cursor_of::<T>(cursor).eof()) }
}

unsafe extern "C" fn column<T: VirtualTable>(
    cursor: *mut sqlite3_vtab_cursor,
    context: *mut sqlite3_context,
    index: c_int,
) -> c_int {
    // SAFETY: a live cursor of ours and a valid context.
    unsafe { report((*cursor).table, cursor_of::<T>(cursor).column(&mut Context::new(context), index.max(0) as usize)) }
}

unsafe extern "C" fn rowid<T: VirtualTable>(cursor: *mut sqlite3_vtab_cursor, out: *mut i64) -> c_int {
    // SAFETY: a live cursor of ours and a valid out-pointer.
    unsafe { *out = cursor_of::<T>(cursor).rowid() };
    ffi::OK
}

unsafe extern "C" fn update<T: VirtualTable>(
    table: *mut sqlite3_vtab,
    argc: c_int,
    argv: *mut *mut sqlite3_value,
    _rowid: *mut i64,
) -> c_int {
    // SAFETY: a live table of ours and a valid argument array.
    unsafe {
        let arguments = Arg::slice(argc, argv);
        // An INSERT has a null old rowid, the new rowid, and the columns.
        let is_insert = arguments.len() > 2 && matches!(arguments[0].cell(), super::Cell::Null);
        let result = if is_insert {
            table_of::<T>(table).insert(&arguments[2..])
        } else {
            Err(SqliteError::new("only INSERT and SELECT are possible on this table"))
        };
        report(table, result)
    }
}

unsafe extern "C" fn begin<T: VirtualTable>(table: *mut sqlite3_vtab) -> c_int {
    // SAFETY: a live table of ours.
    unsafe { report(table, table_of::<T>(table).begin()) }
}

unsafe extern "C" fn sync<T: VirtualTable>(table: *mut sqlite3_vtab) -> c_int {
    // SAFETY: a live table of ours.
    unsafe { report(table, table_of::<T>(table).sync()) }
}

unsafe extern "C" fn commit<T: VirtualTable>(table: *mut sqlite3_vtab) -> c_int {
    // SAFETY: a live table of ours.
    unsafe { table_of::<T>(table).commit() };
    ffi::OK
}

unsafe extern "C" fn rollback<T: VirtualTable>(table: *mut sqlite3_vtab) -> c_int {
    // SAFETY: a live table of ours.
    unsafe { table_of::<T>(table).rollback() };
    ffi::OK
}

unsafe extern "C" fn savepoint<T: VirtualTable>(table: *mut sqlite3_vtab, depth: c_int) -> c_int {
    // SAFETY: a live table of ours.
    unsafe { table_of::<T>(table).savepoint(depth) };
    ffi::OK
}

unsafe extern "C" fn release<T: VirtualTable>(table: *mut sqlite3_vtab, depth: c_int) -> c_int {
    // SAFETY: a live table of ours.
    unsafe { table_of::<T>(table).release(depth) };
    ffi::OK
}

unsafe extern "C" fn rollback_to<T: VirtualTable>(table: *mut sqlite3_vtab, depth: c_int) -> c_int {
    // SAFETY: a live table of ours.
    unsafe { table_of::<T>(table).rollback_to(depth) };
    ffi::OK
}
