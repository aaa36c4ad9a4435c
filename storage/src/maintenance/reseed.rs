//! Drops the history of a file whose rows are to be the common start of a new cluster: every row becomes a baseline row.
//!
//! - A baseline cell belongs to [`SiteId::BASELINE`] and version 1, on every node. No log record names it, so it is never
//!   sent: nodes that start from copies of one file have nothing to tell each other.
//! - Anything written later has a greater column version and wins over it.
//! - I1 does not hold for baseline cells: files may differ, and all their clocks are equal. Where two meet, which is only
//!   when a difference is healed by hand, the greater value wins on both sides.
//! - The file gets a new identity, because its versions are counted from 1 again (I1).

use crate::change::ids::SiteId;
use crate::crsql::replica::{Inner, Replica};
use crate::crsql::table::{Table, quote};
use crate::record::row::{CellMeta, Clock, RowMeta};
use crate::sqlite::db::Result;
use crate::sqlite::{Cell, SqliteError};

/// The version that baseline cells name.
const BASELINE_VERSION: u64 = 1;

/// Makes every row a baseline row, in one transaction of its own, and gives the file the identity `site`. What waited in
/// parts or was parked is dropped with the rest of the history.
pub(crate) fn reseed(replica: &Replica, site: SiteId) -> Result<()> {
    if site == SiteId::BASELINE {
        return Err(SqliteError::new("a node cannot have the identity of the baseline"));
    }
    let inner = &mut *replica.inner.borrow_mut();
    replica.as_internal(|| {
        let result = replica.db.in_transaction(|| {
            inner.refresh_catalog(replica.db)?;
            forget_history(replica, inner, site)
        });
        inner.forget_readings();
        result
    })
}

fn forget_history(replica: &Replica, inner: &mut Inner, site: SiteId) -> Result<()> {
    let db = replica.db;
    db.exec(
        "DELETE FROM crsql_log; DELETE FROM crsql_heads; DELETE FROM crsql_known; DELETE FROM crsql_partials; \
         DELETE FROM crsql_site_id; DELETE FROM crsql_master WHERE key LIKE 'compaction.%';",
    )?;
    db.prepare("INSERT INTO crsql_site_id (ordinal, site_id) VALUES (0, ?1)")?.run(&[Cell::Blob(&site.0)])?;
    inner.forget_readings();
    let baseline = inner.sites.ordinal(db, SiteId::BASELINE)?;
    for table in &inner.catalog.tables {
        let mut meta = Vec::new();
        baseline_record(table, baseline).encode(&mut meta);
        let rows = table.rows_name();
        db.exec(&format!("DELETE FROM {rows}"))?;
        let insert = format!("INSERT INTO {rows} (key, meta) SELECT {}, ?1 FROM {}", key_of(table), quote(&table.name));
        db.prepare(&insert)?.run(&[Cell::Blob(&meta)])?;
    }
    Ok(())
}

/// The record of each row of the table. Sequence numbers say nothing here, so that all rows share one.
fn baseline_record(table: &Table, site: u32) -> RowMeta {
    let clock = |seq| Clock { site, version: BASELINE_VERSION, seq, ts: None };
    let cells = table.columns.iter().zip(0..);
    RowMeta {
        cl: 1,
        sentinel: table.columns.is_empty().then(|| clock(0)),
        cells: cells
            .map(|(column, seq)| CellMeta { column: column.number, col_version: 1, clock: clock(seq) })
            .collect(),
    }
}

/// The key of a row in its metadata table, as an expression over the table.
fn key_of(table: &Table) -> String {
    let names: Vec<String> = table.key.iter().map(|column| quote(&column.name)).collect();
    if table.integer_key { names.concat() } else { format!("crsql_pack_columns({})", names.join(", ")) }
}
