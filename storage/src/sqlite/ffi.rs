//! The few SQLite entry points the engine calls, behind one table of pointers.
//!
//! With feature `bundled` the table names the symbols of the library that is linked in. Without it the table is filled from
//! the pointers a foreign SQLite hands to a loadable extension; their positions are part of SQLite's stable ABI
//! (<https://www.sqlite.org/src/file/src/sqlite3ext.h>).
#![expect(unsafe_code, reason = "declares and reads C function pointers")]

use std::ffi::{c_char, c_int, c_uchar, c_uint, c_void};

/// A C type only handled by pointer.
macro_rules! opaque {
    ($($name:ident)*) => { $(
        #[repr(C)]
        #[derive(Debug)]
        pub struct $name { _private: [u8; 0] }
    )* };
}
opaque!(sqlite3 sqlite3_stmt sqlite3_value sqlite3_context);

pub type Destructor = Option<unsafe extern "C" fn(*mut c_void)>;
pub type ScalarFn = Option<unsafe extern "C" fn(*mut sqlite3_context, c_int, *mut *mut sqlite3_value)>;
pub type FinalFn = Option<unsafe extern "C" fn(*mut sqlite3_context)>;
pub type ExecFn = Option<unsafe extern "C" fn(*mut c_void, c_int, *mut *mut c_char, *mut *mut c_char) -> c_int>;
pub type CommitFn = Option<unsafe extern "C" fn(*mut c_void) -> c_int>;

/// Declares the table and, for the linked library, its symbols; for a foreign one, the position of each pointer.
macro_rules! api {
    ($($slot:literal $symbol:ident $name:ident ( $($argument:ty),* ) $(-> $result:ty)?;)*) => {
        /// The entry points.
        #[derive(Debug, Clone, Copy)]
        pub struct Api { $(pub $name: unsafe extern "C" fn($($argument),*) $(-> $result)?,)* }

        #[cfg(feature = "bundled")]
        mod linked {
            use super::*;
            unsafe extern "C" { $(pub(super) fn $symbol($(_: $argument),*) $(-> $result)?;)* }
            pub(super) static API: Api = Api { $($name: $symbol,)* };
        }

        #[cfg(not(feature = "bundled"))]
        mod foreign {
            use super::*;
            pub(super) static API: std::sync::OnceLock<Api> = std::sync::OnceLock::new();

            /// # Safety
            /// `routines` points to SQLite's `sqlite3_api_routines`, version 3.37 or newer.
            pub(super) unsafe fn read(routines: *const *const c_void) -> Api {
                // SAFETY: the caller promises the table; each position holds the function declared for it.
                unsafe { Api { $($name: std::mem::transmute::<*const c_void, unsafe extern "C" fn($($argument),*) $(-> $result)?>(*routines.add($slot)),)* } }
            }
        }
    };
}

api! {
    2 sqlite3_bind_blob bind_blob(*mut sqlite3_stmt, c_int, *const c_void, c_int, *const c_void) -> c_int;
    3 sqlite3_bind_double bind_double(*mut sqlite3_stmt, c_int, f64) -> c_int;
    5 sqlite3_bind_int64 bind_int64(*mut sqlite3_stmt, c_int, i64) -> c_int;
    6 sqlite3_bind_null bind_null(*mut sqlite3_stmt, c_int) -> c_int;
    10 sqlite3_bind_text bind_text(*mut sqlite3_stmt, c_int, *const c_char, c_int, *const c_void) -> c_int;
    19 sqlite3_column_blob column_blob(*mut sqlite3_stmt, c_int) -> *const c_void;
    20 sqlite3_column_bytes column_bytes(*mut sqlite3_stmt, c_int) -> c_int;
    27 sqlite3_column_double column_double(*mut sqlite3_stmt, c_int) -> f64;
    29 sqlite3_column_int64 column_int64(*mut sqlite3_stmt, c_int) -> i64;
    38 sqlite3_column_type column_type(*mut sqlite3_stmt, c_int) -> c_int;
    40 sqlite3_commit_hook commit_hook(*mut sqlite3, CommitFn, *mut c_void) -> *mut c_void;
    50 sqlite3_declare_vtab declare_vtab(*mut sqlite3, *const c_char) -> c_int;
    53 sqlite3_errmsg errmsg(*mut sqlite3) -> *const c_char;
    55 sqlite3_exec exec(*mut sqlite3, *const c_char, ExecFn, *mut c_void, *mut *mut c_char) -> c_int;
    57 sqlite3_finalize finalize(*mut sqlite3_stmt) -> c_int;
    58 sqlite3_free free(*mut c_void);
    60 sqlite3_get_autocommit get_autocommit(*mut sqlite3) -> c_int;
    67 sqlite3_libversion_number libversion_number() -> c_int;
    77 sqlite3_reset reset(*mut sqlite3_stmt) -> c_int;
    78 sqlite3_result_blob result_blob(*mut sqlite3_context, *const c_void, c_int, *const c_void);
    79 sqlite3_result_double result_double(*mut sqlite3_context, f64);
    80 sqlite3_result_error result_error(*mut sqlite3_context, *const c_char, c_int);
    83 sqlite3_result_int64 result_int64(*mut sqlite3_context, i64);
    84 sqlite3_result_null result_null(*mut sqlite3_context);
    85 sqlite3_result_text result_text(*mut sqlite3_context, *const c_char, c_int, *const c_void);
    94 sqlite3_step step(*mut sqlite3_stmt) -> c_int;
    97 sqlite3_total_changes total_changes(*mut sqlite3) -> c_int;
    101 sqlite3_user_data user_data(*mut sqlite3_context) -> *mut c_void;
    102 sqlite3_value_blob value_blob(*mut sqlite3_value) -> *const c_void;
    103 sqlite3_value_bytes value_bytes(*mut sqlite3_value) -> c_int;
    105 sqlite3_value_double value_double(*mut sqlite3_value) -> f64;
    107 sqlite3_value_int64 value_int64(*mut sqlite3_value) -> i64;
    109 sqlite3_value_text value_text(*mut sqlite3_value) -> *const c_uchar;
    113 sqlite3_value_type value_type(*mut sqlite3_value) -> c_int;
    118 sqlite3_clear_bindings clear_bindings(*mut sqlite3_stmt) -> c_int;
    119 sqlite3_create_module_v2 create_module_v2(*mut sqlite3, *const c_char, *const c_void, *mut c_void, Destructor) -> c_int;
    148 sqlite3_randomness randomness(c_int, *mut c_void);
    162 sqlite3_create_function_v2 create_function_v2(*mut sqlite3, *const c_char, c_int, c_int, *mut c_void, ScalarFn, ScalarFn, FinalFn, Destructor) -> c_int;
    166 sqlite3_extended_errcode extended_errcode(*mut sqlite3) -> c_int;
    180 sqlite3_db_filename db_filename(*mut sqlite3, *const c_char) -> *const c_char;
    197 sqlite3_malloc64 malloc64(u64) -> *mut c_void;
    217 sqlite3_prepare_v3 prepare_v3(*mut sqlite3, *const c_char, c_int, c_uint, *mut *mut sqlite3_stmt, *mut *const c_char) -> c_int;
}

/// The entry points of the SQLite in use.
#[cfg(feature = "bundled")]
#[inline]
pub fn api() -> &'static Api {
    &linked::API
}

/// The entry points of the SQLite in use.
#[cfg(not(feature = "bundled"))]
#[inline]
pub fn api() -> &'static Api {
    foreign::API.get().expect("the extension's entry point fills the table before it registers anything")
}

/// Fills the table from what SQLite passes to an extension's entry point. Later calls change nothing: a process has one SQLite.
///
/// # Safety
/// `routines` is the pointer SQLite passed, from version 3.37 or newer.
#[cfg(not(feature = "bundled"))]
pub unsafe fn init(routines: *const *const c_void) {
    // SAFETY: promised by the caller.
    let _ = foreign::API.set(unsafe { foreign::read(routines) });
}

pub const OK: c_int = 0;
pub const ERROR: c_int = 1;
pub const NOMEM: c_int = 7;
pub const MISUSE: c_int = 21;
pub const CONSTRAINT: c_int = 19;
/// A CHECK failed.
pub const CONSTRAINT_CHECK: c_int = 275;
pub const MISMATCH: c_int = 20;
pub const ROW: c_int = 100;
pub const DONE: c_int = 101;
pub const UTF8: c_int = 1;
pub const DETERMINISTIC: c_int = 0x800;
pub const INNOCUOUS: c_int = 0x20_0000;
pub const PREPARE_PERSISTENT: c_uint = 1;
/// `SQLITE_TRANSIENT`: SQLite copies the bytes at once.
pub const TRANSIENT: *const c_void = usize::MAX as *const c_void;
/// `SQLITE_STATIC`: the bytes outlive their use.
pub const STATIC: *const c_void = std::ptr::null();

pub const INDEX_EQ: c_uchar = 2;
pub const INDEX_GT: c_uchar = 4;
pub const INDEX_LE: c_uchar = 8;
pub const INDEX_LT: c_uchar = 16;
pub const INDEX_GE: c_uchar = 32;
pub const INDEX_UNIQUE: c_int = 1;

/// What a virtual table's object begins with.
#[repr(C)]
#[derive(Debug)]
pub struct sqlite3_vtab {
    pub module: *const c_void,
    pub references: c_int,
    pub error: *mut c_char,
}

/// What a cursor's object begins with.
#[repr(C)]
#[derive(Debug)]
pub struct sqlite3_vtab_cursor {
    pub table: *mut sqlite3_vtab,
}

#[repr(C)]
#[derive(Debug)]
pub struct IndexConstraint {
    pub column: c_int,
    pub operator: c_uchar,
    pub usable: c_uchar,
    pub term: c_int,
}

#[repr(C)]
#[derive(Debug)]
pub struct IndexOrderBy {
    pub column: c_int,
    pub descending: c_uchar,
}

#[repr(C)]
#[derive(Debug)]
pub struct IndexConstraintUsage {
    pub argument: c_int,
    pub omit: c_uchar,
}

#[repr(C)]
#[derive(Debug)]
pub struct sqlite3_index_info {
    pub constraint_count: c_int,
    pub constraints: *const IndexConstraint,
    pub order_by_count: c_int,
    pub order_by: *const IndexOrderBy,
    pub usage: *mut IndexConstraintUsage,
    pub index_number: c_int,
    pub index_string: *mut c_char,
    pub index_string_owned: c_int,
    pub order_by_consumed: c_int,
    pub estimated_cost: f64,
    pub estimated_rows: i64,
    pub flags: c_int,
    pub columns_used: u64,
}

type TableCall = Option<unsafe extern "C" fn(*mut sqlite3_vtab) -> c_int>;
type TableCallAt = Option<unsafe extern "C" fn(*mut sqlite3_vtab, c_int) -> c_int>;
type CursorCall = Option<unsafe extern "C" fn(*mut sqlite3_vtab_cursor) -> c_int>;
type Connect = unsafe extern "C" fn(
    *mut sqlite3,
    *mut c_void,
    c_int,
    *const *const c_char,
    *mut *mut sqlite3_vtab,
    *mut *mut c_char,
) -> c_int;

/// `sqlite3_module`, version 2 (savepoints).
#[repr(C)]
#[derive(Debug)]
pub struct sqlite3_module {
    pub version: c_int,
    pub create: Option<Connect>,
    pub connect: Option<Connect>,
    pub best_index: Option<unsafe extern "C" fn(*mut sqlite3_vtab, *mut sqlite3_index_info) -> c_int>,
    pub disconnect: TableCall,
    pub destroy: TableCall,
    pub open: Option<unsafe extern "C" fn(*mut sqlite3_vtab, *mut *mut sqlite3_vtab_cursor) -> c_int>,
    pub close: CursorCall,
    pub filter: Option<
        unsafe extern "C" fn(*mut sqlite3_vtab_cursor, c_int, *const c_char, c_int, *mut *mut sqlite3_value) -> c_int,
    >,
    pub next: CursorCall,
    pub eof: CursorCall,
    pub column: Option<unsafe extern "C" fn(*mut sqlite3_vtab_cursor, *mut sqlite3_context, c_int) -> c_int>,
    pub rowid: Option<unsafe extern "C" fn(*mut sqlite3_vtab_cursor, *mut i64) -> c_int>,
    pub update: Option<unsafe extern "C" fn(*mut sqlite3_vtab, c_int, *mut *mut sqlite3_value, *mut i64) -> c_int>,
    pub begin: TableCall,
    pub sync: TableCall,
    pub commit: TableCall,
    pub rollback: TableCall,
    pub find_function: *const c_void,
    pub rename: *const c_void,
    pub savepoint: TableCallAt,
    pub release: TableCallAt,
    pub rollback_to: TableCallAt,
}
