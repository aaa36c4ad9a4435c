//! A connection by reference, its statements and errors.
#![expect(unsafe_code, reason = "calls SQLite")]

use std::ffi::{CStr, CString, c_int};
use std::ptr::null_mut;

use super::cell::{Cell, bytes};
use super::ffi::{self, api, sqlite3, sqlite3_stmt};

/// SQLite refused or failed a call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SqliteError {
    /// The extended result code.
    pub code: i32,
    pub message: String,
}

impl SqliteError {
    /// An error of our own, reported as `SQLITE_ERROR`.
    pub fn new(message: impl Into<String>) -> Self {
        Self { code: ffi::ERROR, message: message.into() }
    }
}

pub type Result<T, E = SqliteError> = std::result::Result<T, E>;

/// A connection somebody else owns. Whoever keeps one must drop it before the connection closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Db(pub(super) *mut sqlite3);

impl Db {
    /// Refers to an open connection.
    ///
    /// # Safety
    /// `handle` stays open, and is used by this thread only, for as long as the result and what is made of it is used.
    pub unsafe fn from_handle(handle: *mut sqlite3) -> Self {
        Self(handle)
    }

    /// The C handle.
    pub fn handle(self) -> *mut sqlite3 {
        self.0
    }

    /// Prepares one statement that will be kept.
    pub fn prepare(self, sql: &str) -> Result<Stmt> {
        let mut stmt = null_mut();
        let length = c_int::try_from(sql.len()).map_err(|_| SqliteError::new("statement too long"))?;
        // SAFETY: the pointer and length describe `sql`; `stmt` receives the statement or null.
        let code = unsafe {
            (api().prepare_v3)(self.0, sql.as_ptr().cast(), length, ffi::PREPARE_PERSISTENT, &raw mut stmt, null_mut())
        };
        if code == ffi::OK && !stmt.is_null() { Ok(Stmt { db: self, stmt }) } else { Err(self.error(code)) }
    }

    /// Runs statements that return nothing.
    pub fn exec(self, sql: &str) -> Result<()> {
        let text = CString::new(sql).map_err(|_| SqliteError::new("statement contains a NUL byte"))?;
        // SAFETY: `text` is NUL-terminated and outlives the call.
        let code = unsafe { (api().exec)(self.0, text.as_ptr(), None, null_mut(), null_mut()) };
        if code == ffi::OK { Ok(()) } else { Err(self.error(code)) }
    }

    /// Runs `work` in a transaction of its own, which is undone after an error. No transaction is open.
    pub fn in_transaction(self, work: impl FnOnce() -> Result<()>) -> Result<()> {
        self.exec("BEGIN IMMEDIATE")?;
        let result = work().and_then(|()| self.exec("COMMIT"));
        if result.is_err() && !self.is_autocommit() {
            self.exec("ROLLBACK")?;
        }
        result
    }

    /// Rows changed by all finished statements of this connection; may wrap.
    pub fn total_changes(self) -> i32 {
        // SAFETY: the connection is open.
        unsafe { (api().total_changes)(self.0) }
    }

    /// Whether no transaction is open.
    pub fn is_autocommit(self) -> bool {
        // SAFETY: the connection is open.
        unsafe { (api().get_autocommit)(self.0) != 0 }
    }

    /// The path of the main database; empty for one in memory.
    pub fn path(self) -> String {
        // SAFETY: the name is a C string; the result is null or a C string that lives as long as the connection.
        unsafe {
            let path = (api().db_filename)(self.0, c"main".as_ptr());
            if path.is_null() { String::new() } else { CStr::from_ptr(path).to_string_lossy().into_owned() }
        }
    }

    /// Random bytes from SQLite's generator.
    pub fn random_bytes(self) -> [u8; 16] {
        let mut out = [0u8; 16];
        // SAFETY: writes 16 bytes into `out`.
        unsafe { (api().randomness)(16, out.as_mut_ptr().cast()) };
        out
    }

    pub(super) fn error(self, code: c_int) -> SqliteError {
        // SAFETY: the connection is open; the message is a C string valid until the next call on it.
        let (code, message) = unsafe {
            let extended = (api().extended_errcode)(self.0);
            let message = CStr::from_ptr((api().errmsg)(self.0)).to_string_lossy().into_owned();
            (if extended & 0xff == code & 0xff { extended } else { code }, message)
        };
        SqliteError { code, message }
    }
}

/// A prepared statement. Dropping it finalises it.
#[derive(Debug)]
pub struct Stmt {
    db: Db,
    stmt: *mut sqlite3_stmt,
}

impl Stmt {
    /// Binds a value at `index`, counted from 1. Bytes are copied.
    #[inline]
    pub fn bind(&mut self, index: usize, value: Cell<'_>) -> Result<()> {
        let index = index as c_int;
        // SAFETY: the statement is live; SQLite copies the bytes (TRANSIENT).
        let code = unsafe {
            let api = api();
            match value {
                Cell::Null => (api.bind_null)(self.stmt, index),
                Cell::Integer(i) => (api.bind_int64)(self.stmt, index, i),
                Cell::Real(r) => (api.bind_double)(self.stmt, index, r),
                Cell::Text(b) => (api.bind_text)(self.stmt, index, b.as_ptr().cast(), length(b)?, ffi::TRANSIENT),
                Cell::Blob(b) => (api.bind_blob)(self.stmt, index, b.as_ptr().cast(), length(b)?, ffi::TRANSIENT),
            }
        };
        if code == ffi::OK { Ok(()) } else { Err(self.db.error(code)) }
    }

    /// Whether there is a row.
    #[inline]
    pub fn step(&mut self) -> Result<bool> {
        // SAFETY: the statement is live.
        match unsafe { (api().step)(self.stmt) } {
            ffi::ROW => Ok(true),
            ffi::DONE => Ok(false),
            code => {
                let error = self.db.error(code);
                self.reset();
                Err(error)
            }
        }
    }

    /// Runs the statement with these values to its end, ignoring rows.
    pub fn run(&mut self, values: &[Cell<'_>]) -> Result<()> {
        for (index, value) in values.iter().enumerate() {
            self.bind(index + 1, *value)?;
        }
        while self.step()? {}
        self.reset();
        Ok(())
    }

    /// As [`Self::run`], past CHECK constraints: what a merge writes was accepted where it came from. They are switched off
    /// only after one has failed, because the switch makes every statement of the connection be compiled anew.
    pub fn run_past_checks(&mut self, values: &[Cell<'_>]) -> Result<()> {
        match self.run(values) {
            Err(error) if error.code == ffi::CONSTRAINT_CHECK => {
                self.db.exec("PRAGMA ignore_check_constraints = ON")?;
                let result = self.run(&[]);
                self.db.exec("PRAGMA ignore_check_constraints = OFF")?;
                result
            }
            result => result,
        }
    }

    /// Runs the statement with these values and gives its first row to `read`; `None` without a row.
    pub fn first<T>(&mut self, values: &[Cell<'_>], read: impl FnOnce(&Self) -> T) -> Result<Option<T>> {
        for (index, value) in values.iter().enumerate() {
            self.bind(index + 1, *value)?;
        }
        let result = if self.step()? { Some(read(self)) } else { None };
        self.reset();
        Ok(result)
    }

    /// Runs the statement with these values and gives each row to `read`.
    pub fn each(&mut self, values: &[Cell<'_>], mut read: impl FnMut(&Self) -> Result<()>) -> Result<()> {
        for (index, value) in values.iter().enumerate() {
            self.bind(index + 1, *value)?;
        }
        while self.step()? {
            if let Err(error) = read(self) {
                self.reset();
                return Err(error);
            }
        }
        self.reset();
        Ok(())
    }

    /// Ends the run; bindings stay.
    #[inline]
    pub fn reset(&mut self) {
        // SAFETY: the statement is live. The code repeats the last step's error, which was already reported.
        unsafe { (api().reset)(self.stmt) };
    }

    /// Lets go of bound values.
    pub fn clear_bindings(&mut self) {
        // SAFETY: the statement is live.
        unsafe { (api().clear_bindings)(self.stmt) };
    }

    /// The cell of the current row at `index`, counted from 0, valid until the next step.
    #[inline]
    pub fn column(&self, index: usize) -> Cell<'_> {
        let index = index as c_int;
        // SAFETY: the statement is live and on a row; the borrow of `self` ends before the next step.
        unsafe {
            let api = api();
            match (api.column_type)(self.stmt, index) {
                1 => Cell::Integer((api.column_int64)(self.stmt, index)),
                2 => Cell::Real((api.column_double)(self.stmt, index)),
                kind @ (3 | 4) => {
                    let data = (api.column_blob)(self.stmt, index).cast::<u8>();
                    let data = bytes(data, (api.column_bytes)(self.stmt, index));
                    if kind == 3 { Cell::Text(data) } else { Cell::Blob(data) }
                }
                _ => Cell::Null,
            }
        }
    }

    /// The integer at `index`; 0 for anything else.
    #[inline]
    pub fn integer(&self, index: usize) -> i64 {
        // SAFETY: the statement is live and on a row.
        unsafe { (api().column_int64)(self.stmt, index as c_int) }
    }

    /// The text at `index`, with what is not UTF-8 replaced.
    pub fn string(&self, index: usize) -> String {
        self.column(index).bytes().map(|b| String::from_utf8_lossy(b).into_owned()).unwrap_or_default()
    }
}

impl Drop for Stmt {
    fn drop(&mut self) {
        // SAFETY: the statement is live and dropped once; its connection outlives it (see `Db`).
        unsafe { (api().finalize)(self.stmt) };
    }
}

fn length(bytes: &[u8]) -> Result<c_int> {
    c_int::try_from(bytes.len()).map_err(|_| SqliteError { code: 18, message: "string or blob too big".to_owned() })
}
