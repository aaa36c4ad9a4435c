//! What hangs on the write connection and must go before it: the hooks, the group's statements and the replica's.
#![expect(unsafe_code, reason = "shares rusqlite's handle and moves single-threaded state with it")]

use std::rc::Rc;

use rusqlite::Connection;

use super::group::Group;
use super::open::CaptureMode;
use crate::capture::hook::Hook;
use crate::crsql::replica::Replica;
use crate::sqlite::Db;

/// Owned by the engine, dropped before its connection.
#[derive(Debug)]
pub(super) struct Core {
    hook: Option<Hook>,
    group: Group,
    replica: Rc<Replica>,
}

// SAFETY: the group's statements belong to the engine's connection, and every reference to the replica belongs to this core, to its hook or to functions and virtual tables registered on
// the engine's connection; the engine moves them all to another thread together and is used by one thread at a time.
unsafe impl Send for Core {}

impl Core {
    pub(super) fn new(replica: Rc<Replica>, capture: CaptureMode, group: Group) -> Self {
        let hook = match capture {
            CaptureMode::Hook => Some(Hook::install(&replica)),
            CaptureMode::Trigger => None,
        };
        Self { hook, group, replica }
    }

    pub(super) fn group(&mut self) -> &mut Group {
        &mut self.group
    }

    pub(super) fn replica(&self) -> &Rc<Replica> {
        &self.replica
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.hook = None;
        self.replica.finalize();
    }
}

/// The connection's handle for the layer below rusqlite.
pub(crate) fn db_of(conn: &Connection) -> Db {
    // SAFETY: the engine keeps what is made of it away from other threads and drops it before the connection.
    unsafe { Db::from_handle(conn.handle().cast()) }
}
