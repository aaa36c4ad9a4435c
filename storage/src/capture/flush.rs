//! Turns captured operations into metadata records and log records of this node's next version.
//!
//! Runs inside the transaction that the operations belong to (I3), before its commit or when something wants to read the
//! metadata. Operations are taken in segments of one table; within a segment records are loaded and written in key order,
//! while sequence numbers follow the order of the operations.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::buffer::{Buffer, Captured, KeyRef, Operation, resolve};
use super::metadata::{StagedRow, Staging, integer};
use super::order::order_statements;
use super::version_log::VersionLog;
use crate::change::ids::SiteId;
use crate::crdt::local::{self, Stamper};
use crate::crsql::replica::{Inner, OpenVersion, Replica};
use crate::crsql::table::Table;
use crate::record::log::{Key, LogWriter};
use crate::record::row::{Clock, RowMeta};
use crate::sqlite::db::Result;
use crate::sqlite::{Cell, Db, SqliteError};

/// Most operations of one segment: bounds what a flush holds beside the buffer.
const SEGMENT_OPERATIONS: usize = 100_000;

/// Flushes everything that waits.
pub fn flush(replica: &Replica, inner: &mut Inner) -> Result<()> {
    if inner.buffer.operations_flushed < inner.buffer.operations.len() {
        flush_operations(replica, inner)?;
    }
    flush_merged(replica.db, inner)
}

fn flush_operations(replica: &Replica, inner: &mut Inner) -> Result<()> {
    let mut open = match inner.buffer.open {
        Some(open) => open,
        None => OpenVersion { number: inner.own_version(replica.db)? + 1, next_seq: 0, ts: replica.ts.get(), chunk: 0 },
    };
    let Buffer { operations, operations_flushed, bytes, .. } = &mut inner.buffer;
    let catalog = &inner.catalog;
    order_statements(&mut operations[*operations_flushed..], bytes, |index| {
        catalog.tables.get(index as usize).map(|t| &**t)
    });
    let ts = replica.ts.get();
    let mut stamper = Stamper { version: open.number, next_seq: open.next_seq, ts: (ts != open.ts).then_some(ts) };
    let mut log = VersionLog {
        site: 0,
        version: open.number,
        ts: open.ts,
        last_seq: 0,
        chunk: open.chunk,
        writer: LogWriter::default(),
    };
    while inner.buffer.operations_flushed < inner.buffer.operations.len() {
        let start = inner.buffer.operations_flushed;
        let table_index = inner.buffer.operations[start].table;
        let length = inner.buffer.operations[start..]
            .iter()
            .take(SEGMENT_OPERATIONS)
            .take_while(|o| o.table == table_index)
            .count();
        let table = Rc::clone(
            inner
                .catalog
                .tables
                .get(table_index as usize)
                .ok_or_else(|| SqliteError::new("a captured table is gone from the catalog"))?,
        );
        let segment = Segment {
            table: &table,
            buffer: &inner.buffer,
            operations: &inner.buffer.operations[start..start + length],
        };
        segment.flush(replica, &mut inner.statements, &mut stamper, &mut log)?;
        inner.buffer.operations_flushed += length;
    }
    log.close_record(replica.db, &mut inner.statements)?;
    open.chunk = log.chunk;
    open.next_seq = stamper.next_seq;
    inner.buffer.open = Some(open);
    Ok(())
}

/// Consecutive operations on one table.
struct Segment<'a> {
    table: &'a Table,
    buffer: &'a Buffer,
    operations: &'a [Captured],
}

/// A row touched by the segment: where its record lies in the working bytes.
#[derive(Clone, Copy, Default)]
struct Slot {
    start: usize,
    length: usize,
    exists: bool,
}

impl Segment<'_> {
    fn flush(
        &self,
        replica: &Replica,
        statements: &mut super::metadata::Statements,
        stamper: &mut Stamper,
        log: &mut VersionLog,
    ) -> Result<()> {
        if self.flush_single(replica.db, statements, stamper, log)? {
            return Ok(());
        }
        let (keys, slots_of) = self.distinct_keys();
        let mut slots = vec![Slot::default(); keys.len()];
        let mut bytes = Vec::with_capacity(keys.len() * 16);
        statements.load(replica.db, self.table, &keys, |index, meta| {
            slots[index] = Slot { start: bytes.len(), length: meta.len(), exists: true };
            bytes.extend_from_slice(meta);
        })?;
        let mut work = Work { table: self.table, slots, bytes, meta: RowMeta::default(), other: RowMeta::default() };
        for (captured, (slot, old)) in self.operations.iter().zip(&slots_of) {
            work.apply(self.buffer, captured, *slot, *old, stamper)?;
        }
        let Work { slots, bytes, .. } = work;
        stage(replica, &keys, &slots, bytes);
        let result = statements.put_staged(replica.db, self.table, &replica.staging);
        replica.staging.borrow_mut().clear();
        result?;
        log.last_seq = stamper.next_seq.saturating_sub(1);
        for key in &keys {
            log.push(replica.db, statements, self.table.number, *key)?;
        }
        Ok(())
    }

    /// The short way of a lone insertion whose row has no record yet: one statement finds that out and writes the record.
    /// `false` if nothing was done.
    fn flush_single(
        &self,
        db: Db,
        statements: &mut super::metadata::Statements,
        stamper: &mut Stamper,
        log: &mut VersionLog,
    ) -> Result<bool> {
        let [captured] = self.operations else { return Ok(false) };
        if captured.operation != Operation::Insert || !self.table.has_short_records() {
            return Ok(false);
        }
        let (key, columns) = (self.buffer.key(captured.key), self.table.columns.len());
        let mut meta = Vec::with_capacity(32);
        RowMeta::encode_fresh(&mut meta, columns, &fresh_clock(stamper));
        let written = statements.put_new_meta(db, self.table, key, &meta)?;
        if written {
            stamper.next_seq += columns as u64;
            log.last_seq = stamper.next_seq.saturating_sub(1);
            log.push(db, statements, self.table.number, key)?;
        }
        Ok(written)
    }

    /// The touched keys, ascending, and for each operation the slots of its key and of the key it had before.
    fn distinct_keys(&self) -> (Vec<Key<'_>>, Vec<(u32, u32)>) {
        let ascending = self.operations.windows(2).all(|w| self.buffer.key(w[0].key) < self.buffer.key(w[1].key));
        let renames = self.operations.iter().any(|o| matches!(o.operation, Operation::Rename { .. }));
        if ascending && !renames {
            let keys = self.operations.iter().map(|o| self.buffer.key(o.key)).collect();
            return (keys, (0..self.operations.len() as u32).map(|i| (i, i)).collect());
        }
        let mut touched: Vec<Key<'_>> = Vec::with_capacity(self.operations.len());
        for operation in self.operations {
            touched.push(self.buffer.key(operation.key));
            if let Operation::Rename { old, .. } = operation.operation {
                touched.push(self.buffer.key(old));
            }
        }
        touched.sort_unstable();
        touched.dedup();
        let slot = |key: KeyRef| touched.binary_search(&self.buffer.key(key)).unwrap_or(0) as u32;
        let slots = self
            .operations
            .iter()
            .map(|o| match o.operation {
                Operation::Rename { old, .. } => (slot(o.key), slot(old)),
                Operation::Insert | Operation::Update { .. } | Operation::Delete => (slot(o.key), 0),
            })
            .collect();
        (touched, slots)
    }
}

/// The records being changed.
struct Work<'a> {
    table: &'a Table,
    slots: Vec<Slot>,
    bytes: Vec<u8>,
    meta: RowMeta,
    other: RowMeta,
}

impl Work<'_> {
    fn apply(
        &mut self,
        buffer: &Buffer,
        captured: &Captured,
        slot: u32,
        old: u32,
        stamper: &mut Stamper,
    ) -> Result<()> {
        let existed = self.slots[slot as usize].exists;
        let changed = |start: usize, length: usize| buffer.columns[start..start + length].iter().copied();
        let table = self.table;
        let all = table.columns.iter().map(|c| c.number);
        match captured.operation {
            Operation::Insert if !existed && self.table.has_short_records() => {
                self.insert_fresh(slot, stamper);
                return Ok(());
            }
            Operation::Insert => {
                self.read(slot)?;
                local::insert(&mut self.meta, existed, all, stamper);
            }
            Operation::Update { start, length } => {
                self.read(slot)?;
                local::update(&mut self.meta, changed(start, length), stamper);
            }
            Operation::Delete => {
                self.read(slot)?;
                local::delete(&mut self.meta, stamper);
            }
            Operation::Rename { start, length, .. } => {
                self.read(old)?;
                std::mem::swap(&mut self.meta, &mut self.other);
                self.read(slot)?;
                local::rename((&mut self.other, &mut self.meta), existed, all, changed(start, length), stamper);
                std::mem::swap(&mut self.meta, &mut self.other);
                self.write(old);
                std::mem::swap(&mut self.meta, &mut self.other);
            }
        }
        self.write(slot);
        Ok(())
    }

    fn insert_fresh(&mut self, slot: u32, stamper: &mut Stamper) {
        let start = self.bytes.len();
        RowMeta::encode_fresh(&mut self.bytes, self.table.columns.len(), &fresh_clock(stamper));
        stamper.next_seq += self.table.columns.len() as u64;
        self.slots[slot as usize] = Slot { start, length: self.bytes.len() - start, exists: true };
    }

    fn read(&mut self, slot: u32) -> Result<()> {
        let slot = self.slots[slot as usize];
        if !slot.exists {
            self.meta.cl = 0;
            self.meta.sentinel = None;
            self.meta.cells.clear();
            return Ok(());
        }
        self.meta.decode(&self.bytes[slot.start..slot.start + slot.length]).map_err(|e| SqliteError::new(e.to_string()))
    }

    fn write(&mut self, slot: u32) {
        let start = self.bytes.len();
        self.meta.encode(&mut self.bytes);
        self.slots[slot as usize] = Slot { start, length: self.bytes.len() - start, exists: true };
    }
}

/// The clock of the next cell that this node writes.
fn fresh_clock(stamper: &Stamper) -> Clock {
    Clock { site: 0, version: stamper.version, seq: stamper.next_seq, ts: stamper.ts }
}

fn stage(replica: &Replica, keys: &[Key<'_>], slots: &[Slot], mut bytes: Vec<u8>) {
    let mut staging = replica.staging.borrow_mut();
    let rows = keys.iter().zip(slots).map(|(key, slot)| {
        let key = match key {
            Key::Integer(i) => KeyRef::Integer(*i),
            Key::Packed(packed) => {
                let start = bytes.len();
                bytes.extend_from_slice(packed);
                KeyRef::Packed { start, length: packed.len() }
            }
        };
        StagedRow { key, start: slot.start, length: slot.length }
    });
    let rows: Vec<StagedRow> = rows.collect();
    *staging = Staging { rows, bytes };
}

/// Enters merged rows into the logs of their versions, and their versions into the heads.
fn flush_merged(db: Db, inner: &mut Inner) -> Result<()> {
    let waiting = &inner.buffer.merged[inner.buffer.merged_flushed..];
    let mut versions: BTreeMap<(u32, u64), Vec<usize>> = BTreeMap::new();
    for (index, merged) in waiting.iter().enumerate() {
        versions.entry((merged.site, merged.version)).or_default().push(index);
    }
    for ((site, version), members) in versions {
        if site != 0 && inner.sites.id(db, site)? == SiteId::BASELINE {
            // Nobody is ever sent a baseline cell.
            continue;
        }
        let existing = log_summary(db, site, version)?;
        let mut members: Vec<(u32, Key<'_>)> = members
            .iter()
            .map(|&i| &waiting[i])
            .filter(|m| m.table != SEEN_ONLY)
            .map(|m| (m.table, resolve(&inner.buffer.bytes, m.key)))
            .collect();
        members.sort_unstable();
        members.dedup();
        let last_seq =
            waiting.iter().filter(|m| (m.site, m.version) == (site, version)).map(|m| m.seq).max().unwrap_or(0);
        let ts = existing.map_or_else(
            || waiting.iter().find(|m| (m.site, m.version) == (site, version)).map_or(0, |m| m.ts),
            |e| e.ts,
        );
        let mut log = VersionLog {
            site,
            version,
            ts,
            last_seq: last_seq.max(existing.map_or(0, |e| e.last_seq)),
            chunk: existing.map_or(0, |e| e.next_chunk),
            writer: LogWriter::default(),
        };
        for (table, key) in members {
            log.push(db, &mut inner.statements, table, key)?;
        }
        log.close_record(db, &mut inner.statements)?;
        if site != 0 {
            raise_head(db, site, version)?;
        }
    }
    inner.buffer.merged_flushed = inner.buffer.merged.len();
    Ok(())
}

/// Table number of a merged change that lost: only its version is noted.
pub const SEEN_ONLY: u32 = u32::MAX;

/// Raises the newest version seen of a site.
pub fn raise_head(db: Db, site: u32, version: u64) -> Result<()> {
    db.prepare("INSERT INTO crsql_heads (site, version) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET version = max(version, excluded.version)")?
        .run(&[Cell::Integer(i64::from(site)), integer(version)])
}

/// What the log says about a version.
#[derive(Debug, Clone, Copy)]
pub struct LogSummary {
    pub ts: u64,
    pub last_seq: u64,
    pub next_chunk: u64,
}

/// What the log says about a version; `None` if it has no record.
pub fn log_summary(db: Db, site: u32, version: u64) -> Result<Option<LogSummary>> {
    let mut summary: Option<LogSummary> = None;
    db.prepare("SELECT chunk, substr(body, 1, 20) FROM crsql_log WHERE site = ?1 AND version = ?2 ORDER BY chunk")?
        .each(&[Cell::Integer(i64::from(site)), integer(version)], |row| {
            let head = crate::record::log::head(row.column(1).bytes().unwrap_or_default())
                .map_err(|e| SqliteError::new(e.to_string()))?;
            let next_chunk = u64::try_from(row.integer(0)).unwrap_or(0) + 1;
            let first = summary.get_or_insert(LogSummary { ts: head.ts, last_seq: 0, next_chunk });
            first.last_seq = first.last_seq.max(head.last_seq);
            first.next_chunk = next_chunk;
            Ok(())
        })?;
    Ok(summary)
}
