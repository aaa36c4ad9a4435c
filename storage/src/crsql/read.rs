//! Reads versions back as changesets, for peers.

use std::sync::Arc;

use super::changes::{OwnedKey, select_row, touched_rows};
use super::replica::Replica;
use super::table::Table;
use crate::capture::flush::log_summary;
use crate::change::changeset::{CellChange, Changeset, RowChange, TableChanges};
use crate::change::ids::{DbVersion, Seq, SiteId, Timestamp};
use crate::change::range::RangeSet;
use crate::record::row::RowMeta;
use crate::sqlite::db::Result;
use crate::sqlite::{Cell, SqliteError, Stmt};
use crate::value::pack;

/// What is left of a version; `None` if it is not known here. A known version without a log record was superseded whole.
pub fn changeset(replica: &Replica, site: SiteId, version: DbVersion) -> Result<Option<Changeset>> {
    replica.flush()?;
    let db = replica.db;
    let mut inner = replica.inner.borrow_mut();
    let inner = &mut *inner;
    inner.refresh_catalog(db)?;
    let Some(ordinal) = inner.sites.find(db, site)? else { return Ok(None) };
    if !inner.ledger.known(db, ordinal)?.contains(version.0) && ordinal != 0 {
        return Ok(None);
    }
    let logged = log_summary(db, ordinal, version.0)?;
    if logged.is_none() && ordinal == 0 && version.0 > super::replica::newest_version(db)? {
        return Ok(None);
    }
    let (ts, touched) = touched_rows(replica, ordinal, version.0)?;
    let last_seq = Seq(logged.map_or(0, |l| l.last_seq));
    let mut tables: Vec<Reading> = Vec::new();
    let mut meta = RowMeta::default();
    for (number, key) in touched {
        let Some(table) = inner.catalog.numbered(number).cloned() else { continue };
        let found = inner.statements.get_meta(db, &table, key.as_key(), |bytes| meta.decode(bytes))?;
        let Some(decoded) = found else { continue };
        decoded.map_err(|e| SqliteError::new(e.to_string()))?;
        if !matches!(tables.last(), Some(reading) if reading.number == number) {
            tables.push(Reading::new(number, &table, db.prepare(&select_row(&table))?));
        }
        if let Some(reading) = tables.last_mut() {
            reading.add(&table, &key, &meta, (ordinal, version.0))?;
        }
    }
    Ok(Some(Changeset {
        site,
        version,
        seqs: (Seq(0), last_seq),
        last_seq,
        ts: Timestamp(ts),
        tables: tables.into_iter().map(|r| r.changes).filter(|t| !t.rows.is_empty()).collect(),
    }))
}

/// The whole versions known of a site.
pub fn known_versions(replica: &Replica, site: SiteId) -> Result<RangeSet> {
    let mut inner = replica.inner.borrow_mut();
    let inner = &mut *inner;
    let mut known = match inner.sites.find(replica.db, site)? {
        Some(ordinal) => inner.ledger.known(replica.db, ordinal)?.clone(),
        None => RangeSet::default(),
    };
    if inner.sites.find(replica.db, site)? == Some(0) {
        known.insert(1, super::replica::newest_version(replica.db)?);
    }
    Ok(known)
}

/// One table of the changeset being read.
struct Reading {
    number: u32,
    changes: TableChanges,
    rows: Stmt,
}

impl Reading {
    fn new(number: u32, table: &Table, rows: Stmt) -> Self {
        let columns = table.columns.iter().map(|c| Arc::from(c.name.as_str())).collect();
        Self {
            number,
            changes: TableChanges { table: table.name.as_str().into(), columns, ..TableChanges::default() },
            rows,
        }
    }

    fn add(&mut self, table: &Table, key: &OwnedKey, meta: &RowMeta, (site, version): (u32, u64)) -> Result<()> {
        let sentinel = meta.sentinel.filter(|c| c.site == site && c.version == version).map(|c| Seq(c.seq));
        let start = self.changes.cells.len();
        let pk = match key {
            OwnedKey::Integer(i) => pack::pack(&[Cell::Integer(*i)]),
            OwnedKey::Packed(bytes) => bytes.clone(),
        };
        let mine: Vec<_> = meta.cells.iter().filter(|c| c.clock.site == site && c.clock.version == version).collect();
        if !mine.is_empty() {
            let values = pack::unpack(&pk).map_err(|e| SqliteError::new(e.to_string()))?;
            let cells = &mut self.changes.cells;
            self.rows.first(&values, |row| {
                for cell in mine {
                    if let Some((index, _)) = table.column_numbered(cell.column) {
                        let value = row.column(index).to_value();
                        cells.push(CellChange {
                            column: index as u16,
                            col_version: cell.col_version,
                            seq: Seq(cell.clock.seq),
                            value,
                        });
                    }
                }
            })?;
        }
        let cells = start..self.changes.cells.len();
        if sentinel.is_some() || !cells.is_empty() {
            self.changes.rows.push(RowChange { pk: pk.into(), cl: meta.cl, sentinel, cells });
        }
        Ok(())
    }
}
