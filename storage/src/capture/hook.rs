//! Capture by SQLite's preupdate hook: the server's front end. Costs half of what triggers cost.
//!
//! The hook may not run SQL, so the catalog is read when the transaction begins. A write outside a transaction that
//! `crsql_transaction` has joined would never be flushed; the commit hook refuses it.
#![expect(unsafe_code, reason = "C callbacks, and preupdate functions that only the linked SQLite has")]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::rc::Rc;

use super::buffer::{Buffer, Captured, KeyRef, Operation};
use crate::crsql::replica::Replica;
use crate::crsql::table::Table;
use crate::sqlite::ffi::{self, api, sqlite3, sqlite3_value};
use crate::sqlite::{Arg, Cell};
use crate::value::affinity::Affinity;
use crate::value::pack;

type PreupdateFn = unsafe extern "C" fn(*mut c_void, *mut sqlite3, c_int, *const c_char, *const c_char, i64, i64);

unsafe extern "C" {
    fn sqlite3_preupdate_hook(db: *mut sqlite3, hook: Option<PreupdateFn>, data: *mut c_void) -> *mut c_void;
    fn sqlite3_preupdate_old(db: *mut sqlite3, column: c_int, value: *mut *mut sqlite3_value) -> c_int;
    fn sqlite3_preupdate_new(db: *mut sqlite3, column: c_int, value: *mut *mut sqlite3_value) -> c_int;
    fn sqlite3_preupdate_count(db: *mut sqlite3) -> c_int;
}

const INSERT: c_int = 18;
const DELETE: c_int = 9;
const UPDATE: c_int = 23;

/// The installed hooks. Dropping it removes them; drop it before the connection closes.
#[derive(Debug)]
pub struct Hook {
    db: *mut sqlite3,
    replica: *const Replica,
}

impl Hook {
    /// Installs the hooks on the replica's connection.
    pub fn install(replica: &Rc<Replica>) -> Self {
        let db = replica.db.handle();
        let replica = Rc::into_raw(Rc::clone(replica));
        // SAFETY: `replica` stays alive until `drop`, which removes the hooks first.
        unsafe {
            sqlite3_preupdate_hook(db, Some(on_change), replica.cast_mut().cast());
            (api().commit_hook)(db, Some(on_commit), replica.cast_mut().cast());
        }
        Self { db, replica }
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        // SAFETY: the connection is still open (see the type); the reference came from `Rc::into_raw` in `install`.
        unsafe {
            sqlite3_preupdate_hook(self.db, None, std::ptr::null_mut());
            (api().commit_hook)(self.db, None, std::ptr::null_mut());
            drop(Rc::from_raw(self.replica));
        }
    }
}

unsafe extern "C" fn on_commit(data: *mut c_void) -> c_int {
    // SAFETY: `data` is the replica that `install` keeps alive.
    let replica = unsafe { &*data.cast::<Replica>() };
    c_int::from(replica.has_stray_operations())
}

unsafe extern "C" fn on_change(
    data: *mut c_void,
    _db: *mut sqlite3,
    operation: c_int,
    schema: *const c_char,
    table: *const c_char,
    old_rowid: i64,
    new_rowid: i64,
) {
    // SAFETY: `data` is the replica that `install` keeps alive; the names are C strings during the call.
    let (replica, schema, table) = unsafe { (&*data.cast::<Replica>(), CStr::from_ptr(schema), CStr::from_ptr(table)) };
    if replica.is_internal() || schema != c"main" {
        return;
    }
    let Ok(name) = table.to_str() else { return };
    let Ok(mut inner) = replica.inner.try_borrow_mut() else { return };
    let inner = &mut *inner;
    let Some(&index) = inner.catalog.by_name.get(name) else { return };
    let change = Change { replica, table: &inner.catalog.tables[index], index: index as u32, old_rowid, new_rowid };
    if let Err(message) = change.capture(&mut inner.buffer, operation) {
        inner.buffer.failure.get_or_insert(message);
    }
}

/// One call of the hook for a replicated table.
struct Change<'a> {
    replica: &'a Replica,
    table: &'a Table,
    index: u32,
    old_rowid: i64,
    new_rowid: i64,
}

/// The old value as the column holds it: the default of a column that was added after the row was written reaches the hook
/// without the column's REAL affinity, as an integer.
fn converted(old: Cell<'_>, affinity: Affinity) -> Cell<'_> {
    match (old, affinity) {
        (Cell::Integer(i), Affinity::Real) => Cell::Real(i as f64),
        _ => old,
    }
}

/// Which side of a change to read.
#[derive(Clone, Copy)]
enum Side {
    Old,
    New,
}

impl Change<'_> {
    fn capture(&self, buffer: &mut Buffer, operation: c_int) -> Result<(), String> {
        // SAFETY: called from within the hook.
        let width = unsafe { sqlite3_preupdate_count(self.replica.db.handle()) };
        if usize::try_from(width) != Ok(self.table.width) {
            return Err(format!(
                "table {} was altered without crsql_begin_alter and crsql_commit_alter",
                self.table.name
            ));
        }
        let statement = self.replica.db.total_changes();
        let (key, operation) = match operation {
            INSERT => (self.key(buffer, Side::New)?, Operation::Insert),
            DELETE => (self.key(buffer, Side::Old)?, Operation::Delete),
            UPDATE => match self.update(buffer)? {
                Some(update) => update,
                None => return Ok(()),
            },
            _ => return Ok(()),
        };
        buffer.push(Captured { table: self.index, key, operation, statement, rowid: Some(self.old_rowid) });
        Ok(())
    }

    /// `None` if no captured column changed.
    fn update(&self, buffer: &mut Buffer) -> Result<Option<(KeyRef, Operation)>, String> {
        let renamed = self.key_changed()?;
        let start = buffer.columns.len();
        for column in &self.table.columns {
            let (old, new) = (self.cell(Side::Old, column.position)?, self.cell(Side::New, column.position)?);
            if !new.same(converted(old, column.affinity)) {
                buffer.columns.push(column.number);
            }
        }
        let length = buffer.columns.len() - start;
        if renamed {
            let old = self.key(buffer, Side::Old)?;
            return Ok(Some((self.key(buffer, Side::New)?, Operation::Rename { old, start, length })));
        }
        if length == 0 {
            return Ok(None);
        }
        Ok(Some((self.key(buffer, Side::New)?, Operation::Update { start, length })))
    }

    fn key_changed(&self) -> Result<bool, String> {
        if self.table.integer_key {
            return Ok(self.old_rowid != self.new_rowid);
        }
        for column in &self.table.key {
            if !self.cell(Side::New, column.position)?.same(self.cell(Side::Old, column.position)?) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn key(&self, buffer: &mut Buffer, side: Side) -> Result<KeyRef, String> {
        if self.table.integer_key {
            return Ok(KeyRef::Integer(match side {
                Side::Old => self.old_rowid,
                Side::New => self.new_rowid,
            }));
        }
        let start = buffer.bytes.len();
        pack::begin(&mut buffer.bytes, self.table.key.len());
        for column in &self.table.key {
            pack::push(&mut buffer.bytes, self.cell(side, column.position)?);
        }
        Ok(KeyRef::Packed { start, length: buffer.bytes.len() - start })
    }

    /// The value of a column, valid during the hook's call.
    fn cell(&self, side: Side, position: usize) -> Result<Cell<'_>, String> {
        let mut value = std::ptr::null_mut();
        let (db, position) = (self.replica.db.handle(), position as c_int);
        // SAFETY: called from within the hook, on a side that the operation has; the value stays valid during the call.
        let code = unsafe {
            match side {
                Side::Old => sqlite3_preupdate_old(db, position, &raw mut value),
                Side::New => sqlite3_preupdate_new(db, position, &raw mut value),
            }
        };
        if code != ffi::OK || value.is_null() {
            return Err(format!("read column {position} of table {} during capture: code {code}", self.table.name));
        }
        // SAFETY: SQLite just returned it.
        Ok(unsafe { Arg::from_raw(value) }.cell())
    }
}
