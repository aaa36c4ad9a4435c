//! Makes what was committed to the WAL survive power loss: one fsync of the WAL, through SQLite's own file handle.
//!
//! The write connection runs with `synchronous = NORMAL`, under which a commit is not synced, because SQLite cannot change
//! that inside a transaction and a session may choose its durability as late as at COMMIT. Background:
//! docs/src/decisions/2026-11-22-writer-syncs-the-wal.md; <https://www.sqlite.org/c3ref/c_fcntl_begin_atomic_write.html>.

use std::ptr;

use rusqlite::{Connection, ffi};

use crate::error::ExecuteError;

/// Syncs the WAL of `conn`, which sees no statement running. Commits made before are durable when this succeeds.
///
/// # Errors
/// The sync failed or the file cannot be reached: nothing since the last success is known to be durable, and trying again
/// proves nothing, because the kernel may have dropped the pages. The caller stops writing.
#[expect(unsafe_code, reason = "SQLite offers the WAL's file handle only through its C interface")]
pub(crate) fn sync_wal(conn: &Connection) -> Result<(), ExecuteError> {
    let mut file: *mut ffi::sqlite3_file = ptr::null_mut();
    // SAFETY: the handle is open for as long as `conn` is borrowed, "main" is NUL-terminated, and this opcode writes one
    // `sqlite3_file *` through the pointer, which is valid for that.
    let code = unsafe {
        ffi::sqlite3_file_control(
            conn.handle(),
            c"main".as_ptr(),
            ffi::SQLITE_FCNTL_JOURNAL_POINTER,
            ptr::from_mut(&mut file).cast(),
        )
    };
    if code != ffi::SQLITE_OK {
        return Err(failed(code));
    }
    if file.is_null() {
        return Err(failed(ffi::SQLITE_MISUSE));
    }
    // SAFETY: `file` is the pager's WAL file, which lives as long as the connection; `pMethods` is null when it is not open
    // and else points to the VFS's static table.
    let code = unsafe {
        let Some(methods) = (*file).pMethods.as_ref() else {
            return Err(failed(ffi::SQLITE_MISUSE));
        };
        let Some(sync) = methods.xSync else {
            return Err(failed(ffi::SQLITE_MISUSE));
        };
        sync(file, ffi::SQLITE_SYNC_NORMAL)
    };
    if code == ffi::SQLITE_OK { Ok(()) } else { Err(failed(code)) }
}

fn failed(code: i32) -> ExecuteError {
    // A code that is not of the IO family would not stop the writer.
    let extended_code = if code & 0xff == ffi::SQLITE_IOERR { code } else { ffi::SQLITE_IOERR_FSYNC };
    ExecuteError::Sqlite {
        code: ffi::SQLITE_IOERR,
        extended_code,
        message: format!("fsync of the WAL failed (SQLite error {code})"),
    }
}
