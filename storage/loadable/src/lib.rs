//! `crsqlite.so`: the engine's functions and virtual tables for a foreign SQLite, such as the `sqlite3` shell.
//!
//! Promises what the server promises for the `crsql_*` surface. Local writes are captured by the table's triggers; a write is
//! refused while a node runs on the same file. Needs SQLite 3.37 or newer.
#![expect(unsafe_code, reason = "the entry points that SQLite calls")]

use std::ffi::{c_char, c_int, c_void};

use storage::crsql::functions;
use storage::crsql::replica::{FORMAT, Replica};
use storage::sqlite::ffi::{self, sqlite3};
use storage::sqlite::{Db, SqliteError};

/// Oldest host whose table of functions holds all that is used.
const VERSION_MIN: c_int = 3_037_000;

/// The entry point that SQLite derives from the file's name.
///
/// # Safety
/// Called by SQLite with its own arguments.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sqlite3_crsqlite_init(
    db: *mut sqlite3,
    error: *mut *mut c_char,
    routines: *const *const c_void,
) -> c_int {
    // SAFETY: SQLite passes its own table of functions.
    unsafe { ffi::init(routines) };
    // SAFETY: the table was just filled.
    if unsafe { (ffi::api().libversion_number)() } < VERSION_MIN {
        return report(error, &SqliteError::new("crsqlite needs SQLite 3.37 or newer"));
    }
    // SAFETY: SQLite keeps the connection open while the extension is loaded, and uses it from one thread at a time.
    let db = unsafe { Db::from_handle(db) };
    match open(db) {
        Ok(()) => ffi::OK,
        Err(failure) => report(error, &failure),
    }
}

/// The entry point for a file of any other name.
///
/// # Safety
/// Called by SQLite with its own arguments.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sqlite3_extension_init(
    db: *mut sqlite3,
    error: *mut *mut c_char,
    routines: *const *const c_void,
) -> c_int {
    // SAFETY: passed on as received.
    unsafe { sqlite3_crsqlite_init(db, error, routines) }
}

fn open(db: Db) -> Result<(), SqliteError> {
    if let Some(found) = Replica::format(db)?.filter(|found| *found > FORMAT) {
        return Err(SqliteError::new(format!("the database has format {found}; this extension reads up to {FORMAT}")));
    }
    let replica = Replica::open(db, None)?;
    replica.guard_against_node(&db.path());
    functions::register(&replica)
}

fn report(out: *mut *mut c_char, failure: &SqliteError) -> c_int {
    if !out.is_null() {
        // SAFETY: SQLite passes a place for a message that it frees.
        unsafe { *out = storage::sqlite::vtab::allocate_message(&failure.message) };
    }
    ffi::ERROR
}
