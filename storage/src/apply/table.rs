//! Merges the rows of one table of one version: loads their metadata, decides, writes rows and metadata.
//!
//! Rows are taken in key order. Rows that are new here go in by one INSERT over many; the others cost a statement each.

use std::rc::Rc;

use super::cell::{Stored, row_key};
use super::incoming::{ROWS_MAX, WIDTH_MAX};
use crate::capture::buffer::KeyRef;
use crate::capture::metadata::{Purpose, StagedRow};
use crate::capture::version_log::VersionLog;
use crate::change::changeset::{CellChange, RowChange, TableChanges};
use crate::change::ids::SiteId;
use crate::crdt::merge::{self, Effect, Incoming};
use crate::crsql::replica::{Inner, Replica};
use crate::crsql::table::{Table, quote};
use crate::record::log::Key;
use crate::record::row::{CellMeta, Clock, RowMeta};
use crate::sqlite::db::Result;
use crate::sqlite::{Cell, SqliteError};
use crate::value::pack;

/// The version that the rows belong to.
#[derive(Debug, Clone, Copy)]
pub struct Version {
    pub site_id: SiteId,
    pub site: u32,
    pub number: u64,
    /// Set when the version's log record has another ts.
    pub ts: Option<u64>,
}

/// A row with its key.
struct Row<'a> {
    change: &'a RowChange,
    key: Key<'a>,
    /// Where its metadata lies in the working bytes; none if it is not known here.
    stored: Option<(usize, usize)>,
}

/// Merges the rows; enters those that won anything into `log`. Returns how many changes won.
pub fn merge_table(
    replica: &Replica,
    inner: &mut Inner,
    changes: &TableChanges,
    version: Version,
    log: &mut VersionLog,
) -> Result<u64> {
    let table = inner.catalog.named(&changes.table).cloned();
    let table = table.ok_or_else(|| SqliteError::new(format!("table {} is not replicated here", changes.table)))?;
    let mut columns = Vec::with_capacity(changes.columns.len());
    for name in &changes.columns {
        let column = table.column_named(name);
        columns.push(
            column
                .ok_or_else(|| SqliteError::new(format!("table {} has no replicated column {name}", table.name)))?
                .number,
        );
    }
    let mut rows = Vec::with_capacity(changes.rows.len());
    for change in &changes.rows {
        rows.push(Row { change, key: key_of(&table, change)?, stored: None });
    }
    if !rows.is_sorted_by(|a, b| a.key < b.key) {
        rows.sort_by(|a, b| a.key.cmp(&b.key));
    }
    let mut merger = Merger { replica, table, changes, columns, version, fresh: Fresh::default(), impacted: 0 };
    let mut rest = rows.as_mut_slice();
    while !rest.is_empty() {
        // A key that occurs twice (joined parts of a version) needs its first change stored before the second is read.
        let distinct = 1 + rest.windows(2).take(ROWS_MAX - 1).take_while(|w| w[0].key != w[1].key).count();
        let (batch, tail) = rest.split_at_mut(distinct);
        merger.merge_batch(inner, batch, log)?;
        rest = tail;
    }
    Ok(merger.impacted)
}

fn key_of<'a>(table: &Table, change: &'a RowChange) -> Result<Key<'a>> {
    // The common case without a vector: one integer.
    if let (true, [1, head, rest @ ..]) = (table.integer_key, &*change.pk)
        && head & 7 == 1
        && usize::from(head >> 3) == rest.len()
        && rest.len() <= 8
    {
        return Ok(Key::Integer(rest.iter().fold(0u64, |n, b| n << 8 | u64::from(*b)) as i64));
    }
    let values = pack::unpack(&change.pk).map_err(|e| SqliteError::new(e.to_string()))?;
    if pack::pack(&values) != *change.pk {
        return Err(SqliteError::new(format!(
            "a change of table {} has a key that is not in its one form",
            table.name
        )));
    }
    row_key(table, &values, &change.pk)
}

/// New rows of one shape that wait for their INSERT.
#[derive(Default)]
struct Fresh {
    columns: Vec<u16>,
}

struct Merger<'a> {
    replica: &'a Replica,
    table: Rc<Table>,
    changes: &'a TableChanges,
    /// Numbers of the columns that [`CellChange::column`] counts in.
    columns: Vec<u16>,
    version: Version,
    fresh: Fresh,
    impacted: u64,
}

impl<'a> Merger<'a> {
    fn merge_batch(&mut self, inner: &mut Inner, rows: &mut [Row<'_>], log: &mut VersionLog) -> Result<()> {
        let keys: Vec<Key<'_>> = rows.iter().map(|r| r.key).collect();
        let mut stored = Vec::new();
        inner.statements.load(self.replica.db, &self.table, &keys, |index, meta| {
            rows[index].stored = Some((stored.len(), meta.len()));
            stored.extend_from_slice(meta);
        })?;
        self.replica.staging.borrow_mut().clear();
        let mut meta = RowMeta::default();
        for row in rows.iter() {
            let won = match row.stored {
                None if row.change.cl == 1 && row.change.sentinel.is_none() && !row.change.cells.is_empty() => {
                    self.take_fresh(inner, row)?;
                    true
                }
                None => {
                    meta.cl = 0;
                    meta.sentinel = None;
                    meta.cells.clear();
                    self.merge_row(inner, row, &mut meta)?
                }
                Some((start, length)) => {
                    meta.decode(&stored[start..start + length]).map_err(|e| SqliteError::new(e.to_string()))?;
                    !self.is_known(row.change, &meta) && self.merge_row(inner, row, &mut meta)?
                }
            };
            if won {
                log.push(self.replica.db, &mut inner.statements, self.table.number, row.key)?;
            }
        }
        self.flush_fresh(inner)?;
        inner.statements.put_staged(self.replica.db, &self.table, &self.replica.staging)?;
        self.replica.staging.borrow_mut().clear();
        Ok(())
    }

    fn cells(&self, row: &RowChange) -> &'a [CellChange] {
        let changes: &'a TableChanges = self.changes;
        changes.cells.get(row.cells.clone()).unwrap_or_default()
    }

    /// Whether a living row has exactly these cells already (I1): then nothing can win.
    fn is_known(&self, change: &RowChange, meta: &RowMeta) -> bool {
        let version = (self.version.site, self.version.number);
        change.cl == meta.cl
            && meta.is_alive()
            && self.cells(change).iter().all(|cell| {
                let stored = self.columns.get(usize::from(cell.column)).and_then(|number| meta.cell(*number));
                stored.is_some_and(|s| {
                    s.col_version == cell.col_version
                        && (s.clock.site, s.clock.version) == version
                        && s.clock.seq == cell.seq.0
                })
            })
    }

    fn clock(&self, seq: u64) -> Clock {
        Clock { site: self.version.site, version: self.version.number, seq, ts: self.version.ts }
    }

    fn column_number(&self, cell: &CellChange) -> Result<u16> {
        self.columns
            .get(usize::from(cell.column))
            .copied()
            .ok_or_else(|| SqliteError::new("a change names a column it does not list"))
    }

    /// A row not known here: it goes in as it comes.
    fn take_fresh(&mut self, inner: &mut Inner, row: &Row<'_>) -> Result<()> {
        let cells = self.cells(row.change);
        let same_shape = cells.len() == self.fresh.columns.len()
            && cells.iter().zip(&self.fresh.columns).all(|(c, n)| self.columns.get(usize::from(c.column)) == Some(n));
        let width = self.table.key.len() + cells.len();
        if !same_shape || self.replica.incoming.borrow().rows() >= ROWS_MAX {
            self.flush_fresh(inner)?;
            let numbers: Result<Vec<u16>> = self.cells(row.change).iter().map(|c| self.column_number(c)).collect();
            self.fresh.columns = numbers?;
            self.replica.incoming.borrow_mut().begin(width);
        }
        let cells = self.cells(row.change);
        let mut incoming = self.replica.incoming.borrow_mut();
        if let Key::Integer(i) = row.key {
            incoming.push(Cell::Integer(i));
        } else {
            for cell in pack::unpack(&row.change.pk).map_err(|e| SqliteError::new(e.to_string()))? {
                incoming.push(cell);
            }
        }
        for cell in cells {
            incoming.push(Cell::from(&cell.value));
        }
        drop(incoming);
        let impacted = cells.len() as u64;
        self.stage_fresh_meta(row);
        self.impacted += impacted;
        Ok(())
    }

    fn stage_fresh_meta(&self, row: &Row<'_>) {
        let cells = self.cells(row.change);
        let uniform = self.fresh.columns.iter().enumerate().all(|(i, n)| usize::from(*n) == i)
            && cells
                .iter()
                .zip(0..)
                .all(|(c, i)| c.col_version == 1 && Some(c.seq.0) == cells.first().map(|f| f.seq.0 + i));
        let mut staging = self.replica.staging.borrow_mut();
        let start = staging.bytes.len();
        if uniform {
            let first = cells.first().map_or(0, |c| c.seq.0);
            RowMeta::encode_fresh(&mut staging.bytes, cells.len(), &self.clock(first));
        } else {
            let mut meta = RowMeta { cl: 1, sentinel: None, cells: Vec::with_capacity(cells.len()) };
            for (cell, number) in cells.iter().zip(&self.fresh.columns) {
                meta.set(CellMeta { column: *number, col_version: cell.col_version, clock: self.clock(cell.seq.0) });
            }
            meta.encode(&mut staging.bytes);
        }
        finish_staged(&mut staging, row.key, start);
    }

    /// Inserts the waiting rows.
    fn flush_fresh(&mut self, inner: &mut Inner) -> Result<()> {
        let rows = self.replica.incoming.borrow().rows();
        if rows == 0 {
            return Ok(());
        }
        let width = self.table.key.len() + self.fresh.columns.len();
        let columns = std::mem::take(&mut self.fresh.columns);
        let result = if width <= WIDTH_MAX && rows >= 4 {
            let list: Vec<String> = (0..width).map(|i| format!("c{i}")).collect();
            let source = format!("SELECT {} FROM crsql_incoming WHERE true", list.join(", "));
            inner.statements.upsert(self.replica.db, &self.table, &columns, true, &source)?.run_past_checks(&[])
        } else {
            let incoming = self.replica.incoming.borrow();
            let stmt = inner.statements.upsert(self.replica.db, &self.table, &columns, false, &values_clause(width))?;
            (0..rows).try_for_each(|row| {
                for column in 0..width {
                    stmt.bind(column + 1, incoming.cell(row, column))?;
                }
                stmt.run_past_checks(&[])
            })
        };
        self.replica.incoming.borrow_mut().begin(0);
        result
    }

    /// A row that is known here, or deleted, or in a later life. Returns whether anything won.
    fn merge_row(&mut self, inner: &mut Inner, row: &Row<'_>, meta: &mut RowMeta) -> Result<bool> {
        let key = pack::unpack(&row.change.pk).map_err(|e| SqliteError::new(e.to_string()))?;
        let table = Rc::clone(&self.table);
        let mut write = RowWrite::default();
        {
            let mut local = Stored {
                db: self.replica.db,
                table: &table,
                key: &key,
                statements: &mut inner.statements,
                sites: &mut inner.sites,
                merges_equal_values: self.replica.merges_equal_values.get(),
            };
            let base = Incoming {
                column: None,
                value: Cell::Null,
                col_version: row.change.cl,
                cl: row.change.cl,
                clock: self.clock(0),
                site: self.version.site_id,
            };
            if let Some(seq) = row.change.sentinel {
                let incoming = Incoming { clock: self.clock(seq.0), ..base };
                write.note(merge::merge(meta, &incoming, &mut local)?, None);
            }
            for cell in self.cells(row.change) {
                let column = self.column_number(cell)?;
                let incoming = Incoming {
                    column: Some(column),
                    value: Cell::from(&cell.value),
                    col_version: cell.col_version,
                    clock: self.clock(cell.seq.0),
                    ..base
                };
                write.note(merge::merge(meta, &incoming, &mut local)?, Some((column, cell)));
            }
        }
        if !write.changed {
            return Ok(false);
        }
        self.impacted += write.impacted;
        write.run(self.replica, inner, &table, &key)?;
        let mut staging = self.replica.staging.borrow_mut();
        let start = staging.bytes.len();
        meta.encode(&mut staging.bytes);
        finish_staged(&mut staging, row.key, start);
        Ok(true)
    }
}

fn finish_staged(staging: &mut crate::capture::metadata::Staging, key: Key<'_>, start: usize) {
    let length = staging.bytes.len() - start;
    let key = match key {
        Key::Integer(i) => KeyRef::Integer(i),
        Key::Packed(packed) => {
            let start = staging.bytes.len();
            staging.bytes.extend_from_slice(packed);
            KeyRef::Packed { start, length: packed.len() }
        }
    };
    staging.rows.push(StagedRow { key, start, length });
}

fn values_clause(width: usize) -> String {
    let list: Vec<String> = (1..=width).map(|i| format!("?{i}")).collect();
    format!("VALUES ({})", list.join(", "))
}

/// What is to be done to one stored row.
#[derive(Default)]
struct RowWrite<'a> {
    changed: bool,
    delete: bool,
    create: bool,
    set: Vec<(u16, &'a CellChange)>,
    impacted: u64,
}

impl<'a> RowWrite<'a> {
    fn note(&mut self, effect: Effect, cell: Option<(u16, &'a CellChange)>) {
        self.impacted += effect.impacted();
        self.changed |= effect != Effect::None;
        match effect {
            Effect::None | Effect::Retell => {}
            Effect::Delete => self.delete = true,
            Effect::Create => self.create = true,
            Effect::Set { .. } => self.set.extend(cell),
        }
    }

    fn run(&self, replica: &Replica, inner: &mut Inner, table: &Table, key: &[Cell<'_>]) -> Result<()> {
        let db = replica.db;
        if self.delete {
            let name = quote(&table.name);
            return inner
                .statements
                .get(db, table, Purpose::DeleteRow, || format!("DELETE FROM {name} WHERE {}", table.key_condition(1)))?
                .run(key);
        }
        if !self.create && self.set.is_empty() {
            return Ok(());
        }
        let columns: Vec<u16> = self.set.iter().map(|(number, _)| *number).collect();
        let stmt = inner.statements.upsert(db, table, &columns, false, &values_clause(key.len() + columns.len()))?;
        for (index, cell) in key.iter().enumerate() {
            stmt.bind(index + 1, *cell)?;
        }
        for (index, (_, cell)) in self.set.iter().enumerate() {
            stmt.bind(key.len() + index + 1, Cell::from(&cell.value))?;
        }
        stmt.run_past_checks(&[])
    }
}
