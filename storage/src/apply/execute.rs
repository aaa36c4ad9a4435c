//! Merges changesets in the open transaction: what the ledger has is skipped, parts wait for the rest, what this schema cannot
//! hold is parked whole.

use super::table::{Version, merge_table};
use crate::capture::flush::{log_summary, raise_head};
use crate::capture::version_log::VersionLog;
use crate::change::changeset::Changeset;
use crate::change::ids::SiteId;
use crate::crsql::replica::{Inner, Replica};
use crate::ledger::waiting;
use crate::record::log::LogWriter;
use crate::sqlite::SqliteError;
use crate::sqlite::db::Result;
use crate::sqlite::ffi;

/// What became of changesets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    pub impacted: u64,
    pub known: u64,
    pub partial: u64,
    pub parked: u64,
}

/// Largest version, sequence number, causal length or column version that the file can hold.
const NUMBER_MAX: u64 = i64::MAX as u64;

/// Merges the changesets in their order.
pub fn apply(replica: &Replica, changesets: &[Changeset]) -> Result<Summary> {
    merging(replica, |inner, summary| {
        changesets.iter().try_for_each(|changeset| apply_one(replica, inner, changeset, summary))?;
        inner.buffer.impacted += summary.impacted as i64;
        Ok(())
    })
}

/// Tries the parked versions again, after the schema changed.
pub fn retry_parked(replica: &Replica) -> Result<Summary> {
    merging(replica, |inner, summary| {
        for (site, version) in waiting::parked(replica.db)? {
            let site_id = inner.sites.id(replica.db, site)?;
            if let Some(changeset) = waiting::joined(replica.db, site_id, site, version)? {
                waiting::forget(replica.db, site, version)?;
                apply_whole(replica, inner, site, &changeset, summary)?;
            }
        }
        Ok(())
    })
}

/// Merges what `work` merges after what was captured so far, under the newest schema, and writes the ledger.
fn merging(replica: &Replica, work: impl FnOnce(&mut Inner, &mut Summary) -> Result<()>) -> Result<Summary> {
    replica.flush()?;
    replica.as_internal(|| {
        let inner = &mut *replica.inner.borrow_mut();
        inner.refresh_catalog(replica.db)?;
        let mut summary = Summary::default();
        work(inner, &mut summary)?;
        inner.ledger.store(replica.db)?;
        Ok(summary)
    })
}

fn apply_one(replica: &Replica, inner: &mut Inner, changeset: &Changeset, summary: &mut Summary) -> Result<()> {
    refuse_malformed(changeset)?;
    let db = replica.db;
    let site = inner.sites.ordinal(db, changeset.site)?;
    if inner.ledger.known(db, site)?.contains(changeset.version.0) {
        summary.known += 1;
        return Ok(());
    }
    if changeset.is_complete() {
        if inner.statements.is_waiting(db, site, changeset.version.0)? {
            if waiting::is_parked_alike(db, site, changeset)? {
                summary.known += 1;
                return Ok(());
            }
            // Parts of it, or a parked whole of which cells were superseded since.
            waiting::forget(db, site, changeset.version.0)?;
        }
        return apply_whole(replica, inner, site, changeset, summary);
    }
    let mut held = waiting::held(db, site, changeset.version.0)?;
    if held.covers(changeset.seqs.0.0, changeset.seqs.1.0) {
        summary.known += 1;
        return Ok(());
    }
    waiting::keep(db, site, changeset, None)?;
    held.insert(changeset.seqs.0.0, changeset.seqs.1.0);
    if !held.covers(0, changeset.last_seq.0) {
        summary.partial += 1;
        return Ok(());
    }
    match waiting::joined(db, changeset.site, site, changeset.version.0)? {
        Some(whole) => {
            waiting::forget(db, site, changeset.version.0)?;
            apply_whole(replica, inner, site, &whole, summary)
        }
        None => Ok(()),
    }
}

/// A peer's mistake that no schema change would mend.
fn refuse_malformed(changeset: &Changeset) -> Result<()> {
    let malformed = |reason: &str| {
        Err(SqliteError {
            code: MALFORMED,
            message: format!("version {} of {}: {reason}", changeset.version.0, changeset.site),
        })
    };
    if changeset.version.0 == 0 || changeset.version.0 > NUMBER_MAX || changeset.site == SiteId::BASELINE {
        return malformed("no such version");
    }
    if changeset.last_seq.0 > NUMBER_MAX || changeset.seqs.0 > changeset.seqs.1 || changeset.seqs.1 > changeset.last_seq
    {
        return malformed("impossible sequence numbers");
    }
    for table in &changeset.tables {
        for row in &table.rows {
            let Some(cells) = table.cells.get(row.cells.clone()) else { return malformed("cells out of range") };
            if row.cl == 0 || row.cl > NUMBER_MAX {
                return malformed("impossible causal length");
            }
            if row.cl.is_multiple_of(2) && (!cells.is_empty() || row.sentinel.is_none()) {
                return malformed("a deleted row with cells");
            }
            let in_range = |c: &crate::change::changeset::CellChange| {
                usize::from(c.column) < table.columns.len()
                    && c.col_version <= NUMBER_MAX
                    && c.seq <= changeset.last_seq
            };
            if !cells.iter().all(in_range) {
                return malformed("a cell out of range");
            }
        }
    }
    Ok(())
}

/// The code of an error that is the sender's fault.
pub const MALFORMED: i32 = ffi::MISUSE;

/// Applies a whole version, or parks it with the reason.
fn apply_whole(
    replica: &Replica,
    inner: &mut Inner,
    site: u32,
    changeset: &Changeset,
    summary: &mut Summary,
) -> Result<()> {
    let db = replica.db;
    db.exec("SAVEPOINT crsql_apply")?;
    match merge_tables(replica, inner, site, changeset) {
        Ok(impacted) => {
            summary.impacted += impacted;
            inner.ledger.add(db, site, changeset.version.0)?;
            if site != 0 {
                raise_head(db, site, changeset.version.0)?;
            }
            db.exec("RELEASE crsql_apply")
        }
        Err(error) if can_wait(&error) => {
            db.exec("ROLLBACK TO crsql_apply; RELEASE crsql_apply")?;
            replica.staging.borrow_mut().clear();
            replica.incoming.borrow_mut().begin(0);
            waiting::keep(db, site, changeset, Some(&error.message))?;
            summary.parked += 1;
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Whether another schema could hold the version: an unknown table or column, or a constraint of this one.
fn can_wait(error: &SqliteError) -> bool {
    matches!(error.code & 0xff, ffi::ERROR | ffi::CONSTRAINT | ffi::MISMATCH)
}

fn merge_tables(replica: &Replica, inner: &mut Inner, site: u32, changeset: &Changeset) -> Result<u64> {
    let db = replica.db;
    let logged = log_summary(db, site, changeset.version.0)?;
    let ts = logged.map_or(changeset.ts.0, |l| l.ts);
    let version = Version {
        site_id: changeset.site,
        site,
        number: changeset.version.0,
        ts: (ts != changeset.ts.0).then_some(changeset.ts.0),
    };
    let mut log = VersionLog {
        site,
        version: version.number,
        ts,
        last_seq: changeset.last_seq.0,
        chunk: logged.map_or(0, |l| l.next_chunk),
        writer: LogWriter::default(),
    };
    let mut impacted = 0;
    for changes in &changeset.tables {
        impacted += merge_table(replica, inner, changes, version, &mut log)?;
    }
    log.close_record(db, &mut inner.statements)?;
    Ok(impacted)
}
