//! Versions that wait in the file: parts of a version whose rest is missing, and whole versions that this schema cannot hold,
//! with the reason. Never dropped; parked versions are tried again when the schema changed.

use crate::capture::metadata::integer;
use crate::change::changeset::Changeset;
use crate::change::codec;
use crate::change::ids::{DbVersion, Seq, SiteId, Timestamp};
use crate::change::range::RangeSet;
use crate::sqlite::db::Result;
use crate::sqlite::{Cell, Db, SqliteError};

/// Keeps a part of a version, or a whole one with the reason why it cannot be applied.
pub fn keep(db: Db, site: u32, changeset: &Changeset, reason: Option<&str>) -> Result<()> {
    db.prepare(
        "INSERT OR REPLACE INTO crsql_partials (site, version, first, last, last_seq, ts, reason, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .run(&[
        Cell::Integer(i64::from(site)),
        integer(changeset.version.0),
        integer(changeset.seqs.0.0),
        integer(changeset.seqs.1.0),
        integer(changeset.last_seq.0),
        Cell::Integer(changeset.ts.0.cast_signed()),
        reason.map_or(Cell::Null, |r| Cell::Text(r.as_bytes())),
        Cell::Blob(&codec::encode(&changeset.tables)),
    ])
}

/// Whether the version is parked with exactly these cells, which this schema could not hold.
pub fn is_parked_alike(db: Db, site: u32, changeset: &Changeset) -> Result<bool> {
    let mut parked = db.prepare(
        "SELECT 1 FROM crsql_partials WHERE site = ?1 AND version = ?2 AND reason IS NOT NULL AND body = ?3",
    )?;
    let body = codec::encode(&changeset.tables);
    let values = [Cell::Integer(i64::from(site)), integer(changeset.version.0), Cell::Blob(&body)];
    Ok(parked.first(&values, |_| ())?.is_some())
}

/// The parts of a version held so far, and the sequence numbers they cover.
pub fn held(db: Db, site: u32, version: u64) -> Result<RangeSet> {
    let mut covered = RangeSet::default();
    db.prepare("SELECT first, last FROM crsql_partials WHERE site = ?1 AND version = ?2")?.each(
        &[Cell::Integer(i64::from(site)), integer(version)],
        |row| {
            if let (Ok(first), Ok(last)) = (u64::try_from(row.integer(0)), u64::try_from(row.integer(1))) {
                covered.insert(first, last);
            }
            Ok(())
        },
    )?;
    Ok(covered)
}

/// The parts of a version joined into one changeset; `None` if nothing is held. Parts may overlap: merging is idempotent (I2).
pub fn joined(db: Db, site_id: SiteId, site: u32, version: u64) -> Result<Option<Changeset>> {
    let mut joined: Option<Changeset> = None;
    db.prepare(
        "SELECT first, last, last_seq, ts, body FROM crsql_partials WHERE site = ?1 AND version = ?2 ORDER BY first",
    )?
    .each(&[Cell::Integer(i64::from(site)), integer(version)], |row| {
        let tables =
            codec::decode(row.column(4).bytes().unwrap_or_default()).map_err(|e| SqliteError::new(e.to_string()))?;
        let number = |index| u64::try_from(row.integer(index)).unwrap_or(0);
        let whole = joined.get_or_insert_with(|| Changeset {
            site: site_id,
            version: DbVersion(version),
            seqs: (Seq(number(0)), Seq(number(1))),
            last_seq: Seq(number(2)),
            ts: Timestamp(row.integer(3).cast_unsigned()),
            tables: Vec::new(),
        });
        whole.seqs.1 = whole.seqs.1.max(Seq(number(1)));
        whole.tables.extend(tables);
        Ok(())
    })?;
    Ok(joined)
}

/// Forgets the parts of a version: it was applied.
pub fn forget(db: Db, site: u32, version: u64) -> Result<()> {
    db.prepare("DELETE FROM crsql_partials WHERE site = ?1 AND version = ?2")?
        .run(&[Cell::Integer(i64::from(site)), integer(version)])
}

/// The parked versions.
pub fn parked(db: Db) -> Result<Vec<(u32, u64)>> {
    let mut parked = Vec::new();
    db.prepare("SELECT DISTINCT site, version FROM crsql_partials WHERE reason IS NOT NULL ORDER BY site, version")?
        .each(&[], |row| {
            if let (Ok(site), Ok(version)) = (u32::try_from(row.integer(0)), u64::try_from(row.integer(1))) {
                parked.push((site, version));
            }
            Ok(())
        })?;
    Ok(parked)
}
