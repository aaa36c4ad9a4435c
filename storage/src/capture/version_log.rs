//! Writes the log records of one version: a new one whenever the last has grown to [`CHUNK_BYTES`].

use super::metadata::Statements;
use crate::record::log::{Key, LogWriter};
use crate::sqlite::Db;
use crate::sqlite::db::Result;

/// Size at which a record is closed: large enough to share what describes it among many rows, small enough that reading
/// one, or removing it, is a short piece of work.
const CHUNK_BYTES: usize = 32 * 1024;

/// The records being written for one version.
#[derive(Debug)]
pub struct VersionLog {
    pub site: u32,
    pub version: u64,
    pub ts: u64,
    /// The version's last sequence number as far as it is known; readers take the largest of all records.
    pub last_seq: u64,
    /// Number of the next record.
    pub chunk: u64,
    pub writer: LogWriter,
}

impl VersionLog {
    /// Enters a row. Rows of one table given ascending are coded best.
    #[inline]
    pub fn push(&mut self, db: Db, statements: &mut Statements, table: u32, key: Key<'_>) -> Result<()> {
        self.writer.push(table, key);
        if self.writer.len() >= CHUNK_BYTES {
            self.close_record(db, statements)?;
        }
        Ok(())
    }

    /// Writes what was entered and not written yet.
    pub fn close_record(&mut self, db: Db, statements: &mut Statements) -> Result<()> {
        if self.writer.is_empty() {
            return Ok(());
        }
        let body = self.writer.finish(self.ts, self.last_seq);
        statements.put_log(db, self.site, self.version, self.chunk, &body)?;
        self.chunk += 1;
        Ok(())
    }
}
