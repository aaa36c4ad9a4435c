//! Removes the log records of versions that newer ones have superseded whole. Such a version is served as empty with its
//! record and without it, so nothing that anybody reads changes.
//!
//! - A sweep walks the log once, in bounded steps between transactions. A version goes when no row that its records name has
//!   metadata that still names the version.
//! - What is superseded stays so: a version's cells win rows only while it is written or merged, and each time they are
//!   entered into a new record. So a step may rely on what an earlier one found, and a crash between two costs nothing.
//! - This node's newest version keeps its record, which is where the next one's number comes from (I1).
//! - A sweep begins when so many rows were overwritten since the last one that half as many versions as it kept may be
//!   superseded: its cost is a constant share of the writes, and superseded records never outnumber the others for long.

use std::collections::VecDeque;

use crate::capture::metadata::integer;
use crate::crsql::replica::{Inner, Replica, newest_version};
use crate::record::log::{Key, LogPlace};
use crate::record::row::{Clock, RowMeta};
use crate::record::varint::Malformed;
use crate::sqlite::db::Result;
use crate::sqlite::{Cell, Db, SqliteError};

/// Overwritten rows below which a sweep is not worth its while.
const OVERWRITTEN_MIN: u64 = 4096;

/// Look-ups and records that one step reads: about half a millisecond.
const EXAMINED_MAX: usize = 256;

/// Records that one step removes, with [`CHUNK_WEIGHT`] for each of a version that has several, which are large.
const REMOVED_MAX: u64 = 256;
const CHUNK_WEIGHT: u64 = 16;

/// Where the counts of the last whole sweep are kept: versions there were when it began, versions it kept.
const VERSIONS_KEY: &[u8] = b"compaction.versions";
const KEPT_KEY: &[u8] = b"compaction.kept";

/// The log of one file, being swept from time to time.
#[derive(Debug, Default)]
pub(crate) struct Compaction {
    /// Rows overwritten, as the replica counts them, when the last sweep began; less what may have been before it was opened.
    swept_to: i64,
    kept: u64,
    sweep: Option<Sweep>,
}

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CompactionStep {
    /// Log records removed.
    pub removed: u64,
    /// Whether the sweep is over.
    pub finished: bool,
}

/// Records of one version, all superseded: the chunks from `first` to `last`.
#[derive(Debug, Clone, Copy)]
struct Superseded {
    site: i64,
    version: i64,
    first: i64,
    last: i64,
}

#[derive(Debug, Default)]
struct Sweep {
    /// The record read last.
    site: i64,
    version: i64,
    chunk: i64,
    /// The next key in it; none if nothing of it is left to read.
    place: Option<LogPlace>,
    /// First chunk of its version, while that may be superseded.
    begun: Option<i64>,
    /// Versions there were when the sweep began.
    versions: u64,
    kept: u64,
    removals: VecDeque<Superseded>,
    read_all: bool,
}

impl Compaction {
    /// Reads what the last sweep left. What was written since it began counts as overwritten.
    pub(crate) fn open(replica: &Replica) -> Result<Self> {
        let setting = |key: &[u8]| -> Result<u64> {
            let found = replica.setting(std::str::from_utf8(key).unwrap_or_default())?;
            Ok(found.and_then(|v| u64::try_from(v).ok()).unwrap_or(0))
        };
        let since = versions(replica.db)?.saturating_sub(setting(VERSIONS_KEY)?);
        let counted = i64::try_from(replica.inner.borrow().statements.overwritten).unwrap_or(i64::MAX);
        let swept_to = counted.saturating_sub_unsigned(since);
        Ok(Self { swept_to, kept: setting(KEPT_KEY)?, sweep: None })
    }

    /// Whether there is a step to take. Cheap.
    pub(crate) fn is_due(&self, replica: &Replica) -> bool {
        let overwritten = replica.inner.borrow().statements.overwritten;
        let since = i64::try_from(overwritten).unwrap_or(i64::MAX).saturating_sub(self.swept_to);
        self.sweep.is_some() || since >= 0 && since.unsigned_abs() >= (self.kept / 2).max(OVERWRITTEN_MIN)
    }

    /// Takes one bounded step of a sweep, beginning one if need be. No transaction is open, and none is when it returns.
    ///
    /// After an error the sweep is given up; the next one is due after as many writes as after a whole one.
    pub(crate) fn step(&mut self, replica: &Replica) -> Result<CompactionStep> {
        let inner = &mut *replica.inner.borrow_mut();
        replica.as_internal(|| self.step_inside(replica, inner))
    }

    fn step_inside(&mut self, replica: &Replica, inner: &mut Inner) -> Result<CompactionStep> {
        inner.refresh_catalog(replica.db)?;
        let mut sweep = match self.sweep.take() {
            Some(sweep) => sweep,
            None => self.begin(replica.db, inner.statements.overwritten)?,
        };
        if sweep.removals.is_empty() && !sweep.read_all {
            sweep.examine(replica.db, inner)?;
        }
        let removed = sweep.remove(replica.db)?;
        let finished = sweep.read_all && sweep.removals.is_empty();
        if finished {
            self.kept = sweep.kept;
            self.remember(replica.db, sweep.versions)?;
        } else {
            self.sweep = Some(sweep);
        }
        Ok(CompactionStep { removed, finished })
    }

    fn begin(&mut self, db: Db, overwritten: u64) -> Result<Sweep> {
        self.swept_to = i64::try_from(overwritten).unwrap_or(i64::MAX);
        Ok(Sweep { versions: versions(db)?, site: -1, ..Sweep::default() })
    }

    fn remember(&self, db: Db, versions: u64) -> Result<()> {
        db.in_transaction(|| {
            let mut set = db.prepare("INSERT OR REPLACE INTO crsql_master (key, value) VALUES (?1, ?2)")?;
            set.run(&[Cell::Text(VERSIONS_KEY), integer(versions)])?;
            set.run(&[Cell::Text(KEPT_KEY), integer(self.kept)])
        })
    }
}

impl Sweep {
    /// Reads on until the step's share is used up or the log ends.
    fn examine(&mut self, db: Db, inner: &mut Inner) -> Result<()> {
        let own_newest = i64::try_from(inner.statements.newest_version(db)?).unwrap_or(i64::MAX);
        let mut records = db.prepare(
            "SELECT site, version, chunk, body FROM crsql_log WHERE (site, version, chunk) >= (?1, ?2, ?3) \
             ORDER BY site, version, chunk",
        )?;
        let next_chunk = self.chunk + i64::from(self.place.is_none());
        for (index, value) in [self.site, self.version, next_chunk].into_iter().enumerate() {
            records.bind(index + 1, Cell::Integer(value))?;
        }
        let mut left = EXAMINED_MAX;
        while left > 0 {
            if !records.step()? {
                self.end_version();
                self.read_all = true;
                break;
            }
            left -= 1;
            let (site, version, chunk) = (records.integer(0), records.integer(1), records.integer(2));
            if (site, version) != (self.site, self.version) {
                self.end_version();
                // The version that the counter of own versions is read from stays.
                let exempt = site == 0 && version >= own_newest;
                self.begun = (!exempt).then_some(chunk);
                (self.site, self.version) = (site, version);
                self.kept += u64::from(exempt);
            }
            let place = self.place.take().unwrap_or_default();
            self.chunk = chunk;
            if self.begun.is_some() {
                let body = records.column(3).bytes().unwrap_or_default();
                self.examine_record(db, inner, body, place, &mut left)?;
            }
        }
        Ok(())
    }

    /// Looks up the rows of one record, until one still names the version.
    fn examine_record(
        &mut self,
        db: Db,
        inner: &mut Inner,
        body: &[u8],
        mut place: LogPlace,
        left: &mut usize,
    ) -> Result<()> {
        let malformed = |error: Malformed| SqliteError::new(error.to_string());
        while *left > 0 {
            let Some((number, key)) = place.next(body).map_err(malformed)? else {
                return Ok(());
            };
            *left -= 1;
            if names(db, inner, number, key, (self.site, self.version))? {
                self.begun = None;
                self.kept += 1;
                return Ok(());
            }
        }
        self.place = Some(place);
        Ok(())
    }

    /// The version's records were all read.
    fn end_version(&mut self) {
        if let Some(first) = self.begun.take() {
            let (site, version) = (self.site, self.version);
            self.removals.push_back(Superseded { site, version, first, last: self.chunk });
        }
    }

    /// Removes what was found, as much as one step may.
    fn remove(&mut self, db: Db) -> Result<u64> {
        let before = db.total_changes();
        if !self.removals.is_empty() {
            db.in_transaction(|| self.remove_some(db))?;
        }
        Ok(u64::try_from(db.total_changes().wrapping_sub(before)).unwrap_or(0))
    }

    fn remove_some(&mut self, db: Db) -> Result<()> {
        let mut delete =
            db.prepare("DELETE FROM crsql_log WHERE site = ?1 AND version = ?2 AND chunk BETWEEN ?3 AND ?4")?;
        let mut left = REMOVED_MAX;
        while let Some(found) = self.removals.front_mut().filter(|_| left > 0) {
            let weight = if found.first == found.last { 1 } else { CHUNK_WEIGHT };
            let last = found.last.min(found.first + (left / weight) as i64);
            delete.run(&[found.site, found.version, found.first, last].map(Cell::Integer))?;
            left = left.saturating_sub(weight * (last - found.first + 1).unsigned_abs());
            found.first = last + 1;
            if found.first > found.last {
                self.removals.pop_front();
            }
        }
        Ok(())
    }
}

/// Whether the row's metadata names the version.
fn names(db: Db, inner: &mut Inner, table: u32, key: Key<'_>, (site, version): (i64, i64)) -> Result<bool> {
    let Some(table) = inner.catalog.numbered(table).cloned() else { return Ok(false) };
    let mut meta = RowMeta::default();
    let found = inner.statements.get_meta(db, &table, key, |bytes| meta.decode(bytes))?;
    let Some(decoded) = found else { return Ok(false) };
    decoded.map_err(|error| SqliteError::new(error.to_string()))?;
    let same = |clock: &Clock| i64::from(clock.site) == site && i64::try_from(clock.version) == Ok(version);
    Ok(meta.sentinel.as_ref().is_some_and(same) || meta.cells.iter().any(|cell| same(&cell.clock)))
}

/// How many versions the file has heard of: an upper bound of those written since an earlier such count.
fn versions(db: Db) -> Result<u64> {
    let heads = db.prepare("SELECT total(version) FROM crsql_heads")?.first(&[], |row| row.integer(0))?.unwrap_or(0);
    Ok(newest_version(db)?.saturating_add(u64::try_from(heads).unwrap_or(0)))
}
