//! What a reading connection needs to decode records: `crsql_changes`, the clock views and the functions that only read.
#![expect(unsafe_code, reason = "moves single-threaded state together with the connection it belongs to")]

use std::rc::Rc;

use rusqlite::Connection;

use super::core::db_of;
use crate::crsql::functions;
use crate::crsql::replica::Replica;
use crate::sqlite::SqliteError;

/// Belongs to one connection and is dropped before it: the statements it keeps prepared would hold the connection open.
#[derive(Debug)]
pub(crate) struct Reading(Rc<Replica>);

// SAFETY: every reference to the replica belongs to this value or to functions and virtual tables registered on the same
// connection; the owner moves both to another thread together, and one thread at a time uses them.
unsafe impl Send for Reading {}

impl Reading {
    /// Registers on `conn` what the write connection has. Functions that write fail there, as every write does.
    pub(crate) fn register(conn: &Connection) -> Result<Self, SqliteError> {
        let replica = Replica::attach(db_of(conn));
        functions::register(&replica)?;
        replica.read_settings()?;
        Ok(Self(replica))
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.finalize();
    }
}
