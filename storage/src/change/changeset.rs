//! What one transaction of one site changed, by table and row: the unit of broadcast, sync and merge.
//!
//! Pure data. Cells of a table lie in one array and rows point into it, so that a bulk insert is a few allocations.

use std::ops::Range;
use std::sync::Arc;

use super::ids::{DbVersion, Seq, SiteId, Timestamp};
use crate::value::Value;

/// A transaction, or the part of one that covers `seqs`.
#[derive(Debug, Clone, PartialEq)]
pub struct Changeset {
    pub site: SiteId,
    pub version: DbVersion,
    /// What `tables` covers, inclusive. Sequence numbers without a cell were superseded.
    pub seqs: (Seq, Seq),
    /// The transaction's last sequence number: the changeset is whole when `seqs` is 0 to this.
    pub last_seq: Seq,
    pub ts: Timestamp,
    pub tables: Vec<TableChanges>,
}

impl Changeset {
    /// Whether this is the whole transaction.
    pub fn is_complete(&self) -> bool {
        self.seqs.0.0 == 0 && self.seqs.1 >= self.last_seq
    }

    /// Number of cells and sentinels.
    pub fn len(&self) -> usize {
        self.tables.iter().map(|t| t.cells.len() + t.rows.iter().filter(|r| r.sentinel.is_some()).count()).sum()
    }

    /// Whether nothing is left of the transaction.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The changed rows of one table.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TableChanges {
    pub table: Arc<str>,
    /// Names that [`CellChange::column`] counts in.
    pub columns: Vec<Arc<str>>,
    pub rows: Vec<RowChange>,
    pub cells: Vec<CellChange>,
}

/// One changed row.
#[derive(Debug, Clone, PartialEq)]
pub struct RowChange {
    /// The key, packed (as `crsql_pack_columns` does).
    pub pk: Box<[u8]>,
    /// Causal length: odd alive, even deleted.
    pub cl: u64,
    /// Set when the row's own creation or deletion belongs to this transaction.
    pub sentinel: Option<Seq>,
    /// This row's cells in [`TableChanges::cells`].
    pub cells: Range<usize>,
}

/// One changed cell.
#[derive(Debug, Clone, PartialEq)]
pub struct CellChange {
    /// Index into [`TableChanges::columns`].
    pub column: u16,
    pub col_version: u64,
    pub seq: Seq,
    pub value: Value,
}
