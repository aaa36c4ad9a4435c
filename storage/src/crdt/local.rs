//! What a local write does to a row's metadata, and how many sequence numbers it takes.
//!
//! Pure. Sequence numbers are those of cr-sqlite: an insert takes one for the sentinel where the row was known before (or the
//! table has only key columns), then one a column; a deletion one; a key change two, one a column and one a changed column.

use crate::record::row::{CellMeta, Clock, RowMeta};

/// Hands out the clocks of one version.
#[derive(Debug, Clone, Copy)]
pub struct Stamper {
    pub version: u64,
    pub next_seq: u64,
    /// Set when the version's log record has another ts.
    pub ts: Option<u64>,
}

impl Stamper {
    fn stamp(&mut self) -> Clock {
        let clock = Clock { site: 0, version: self.version, seq: self.next_seq, ts: self.ts };
        self.next_seq += 1;
        clock
    }
}

/// A row appeared, or replaced one of the same key. `existed`: there was metadata.
pub fn insert(meta: &mut RowMeta, existed: bool, columns: impl Iterator<Item = u16>, stamper: &mut Stamper) {
    let mut columns = columns.peekable();
    if columns.peek().is_none() {
        create(meta, existed, stamper);
        return;
    }
    if existed {
        let clock = stamper.stamp();
        if meta.sentinel.is_some() {
            meta.cl = next_life(meta.cl);
            meta.sentinel = Some(clock);
        }
    } else {
        meta.cl = 1;
    }
    update(meta, columns, stamper);
}

/// Columns of a living row changed.
pub fn update(meta: &mut RowMeta, columns: impl Iterator<Item = u16>, stamper: &mut Stamper) {
    // A row that capture never saw before is as good as created.
    meta.cl = meta.cl.max(1);
    for column in columns {
        let col_version = meta.cell(column).map_or(1, |c| c.col_version.saturating_add(1));
        meta.set(CellMeta { column, col_version, clock: stamper.stamp() });
    }
}

/// The row went away: its columns are forgotten, its causal length is even from now on.
pub fn delete(meta: &mut RowMeta, stamper: &mut Stamper) {
    meta.cl = if meta.sentinel.is_some() { meta.cl.saturating_add(1) } else { 2 };
    meta.sentinel = Some(stamper.stamp());
    meta.cells.clear();
}

/// The key changed from the row of `old` to the row of `new`: one dies, the other is created, and every cell with metadata
/// moves along as a new write. `all` are the table's columns, `changed` those that changed with the key.
pub fn rename(
    (old, new): (&mut RowMeta, &mut RowMeta),
    new_existed: bool,
    all: impl Iterator<Item = u16>,
    changed: impl Iterator<Item = u16>,
    stamper: &mut Stamper,
) {
    let cells = std::mem::take(&mut old.cells);
    delete(old, stamper);
    create(new, new_existed, stamper);
    for cell in cells {
        new.set(cell);
    }
    for column in all {
        // A column without metadata takes a number all the same.
        let clock = stamper.stamp();
        if let Some(cell) = new.cell(column) {
            new.set(CellMeta { column, col_version: cell.col_version.saturating_add(1), clock });
        }
    }
    update(new, changed, stamper);
}

/// Begins a life with a sentinel.
fn create(meta: &mut RowMeta, existed: bool, stamper: &mut Stamper) {
    meta.cl = if existed && meta.sentinel.is_some() { next_life(meta.cl) } else { 1 };
    meta.sentinel = Some(stamper.stamp());
}

/// The next odd causal length.
fn next_life(cl: u64) -> u64 {
    cl.saturating_add(1 + cl % 2)
}
