//! The captured operations of the open transaction, and where savepoints cut them.
//!
//! Pure. A rollback to a savepoint restores the state of its opening exactly: operations captured later go, and operations
//! flushed later become unflushed again, because SQLite undoes what the flush wrote. Operations are therefore kept while a
//! savepoint is open.

use std::rc::Rc;

use crate::crsql::replica::OpenVersion;
use crate::crsql::table::Catalog;
use crate::record::log::Key;

/// Most bytes of captured operations of one transaction. Past it the commit is refused; 100,000 rows take about 6 MB.
pub const BUFFER_BYTES_MAX: usize = 1 << 30;

/// A key in the buffer's arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyRef {
    Integer(i64),
    Packed { start: usize, length: usize },
}

/// What happened to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Appeared, or replaced the row of the same key.
    Insert,
    /// Columns changed; their numbers lie in the buffer at this range.
    Update {
        start: usize,
        length: usize,
    },
    Delete,
    /// The key changed from `old`, and the columns in this range.
    Rename {
        old: KeyRef,
        start: usize,
        length: usize,
    },
}

/// One captured operation.
#[derive(Debug, Clone, Copy)]
pub struct Captured {
    /// Index in the catalog.
    pub table: u32,
    pub key: KeyRef,
    pub operation: Operation,
    /// `total_changes` when it happened: equal within one statement.
    pub statement: i32,
    /// The row's rowid, where the order of rows within a statement must still be made that of the rowids.
    pub rowid: Option<i64>,
}

/// A row that a merge changed, to be entered in the log of the change's version.
#[derive(Debug, Clone, Copy)]
pub struct Merged {
    /// The table's number.
    pub table: u32,
    pub key: KeyRef,
    pub site: u32,
    pub version: u64,
    pub seq: u64,
    pub ts: u64,
}

/// A position that a savepoint remembers.
#[derive(Debug, Clone)]
struct Mark {
    depth: i32,
    position: Position,
    catalog: Rc<Catalog>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Position {
    operations: usize,
    operations_flushed: usize,
    merged: usize,
    merged_flushed: usize,
    columns: usize,
    bytes: usize,
    open: Option<OpenVersion>,
    impacted: i64,
}

/// The buffer.
#[derive(Debug, Default)]
pub struct Buffer {
    pub operations: Vec<Captured>,
    pub operations_flushed: usize,
    pub merged: Vec<Merged>,
    pub merged_flushed: usize,
    /// Column numbers of updates.
    pub columns: Vec<u16>,
    /// Packed keys.
    pub bytes: Vec<u8>,
    /// The version being written, if something of it was flushed.
    pub open: Option<OpenVersion>,
    /// Changes that won in merges of this transaction.
    pub impacted: i64,
    marks: Vec<Mark>,
    /// Why the transaction can no longer be committed.
    pub failure: Option<String>,
}

impl Buffer {
    /// Whether nothing waits to be flushed.
    pub fn is_flushed(&self) -> bool {
        self.operations.len() == self.operations_flushed && self.merged.len() == self.merged_flushed
    }

    /// Forgets everything: the transaction ended, or its version did and no savepoint inside it is open.
    pub fn clear(&mut self) {
        self.operations.clear();
        self.operations_flushed = 0;
        self.merged.clear();
        self.merged_flushed = 0;
        self.columns.clear();
        self.bytes.clear();
        self.open = None;
        self.failure = None;
        self.impacted = 0;
        self.marks.clear();
        // A large transaction must not keep its memory for good.
        if self.operations.capacity() > 1 << 16 {
            *self = Self::default();
        }
    }

    /// Adds an operation. A deletion that a REPLACE of the same statement caused is dropped: the row goes on living.
    pub fn push(&mut self, captured: Captured) {
        if matches!(captured.operation, Operation::Insert | Operation::Rename { .. }) {
            self.drop_replaced(&captured);
        }
        if self.bytes.len() + self.operations.len() * size_of::<Captured>() > BUFFER_BYTES_MAX {
            self.failure.get_or_insert_with(|| "transaction too large: more than 1 GiB of captured changes".to_owned());
            return;
        }
        self.operations.push(captured);
    }

    fn drop_replaced(&mut self, captured: &Captured) {
        while self.operations.len() > self.operations_flushed
            && let Some(last) = self.operations.last()
            && last.operation == Operation::Delete
            && last.table == captured.table
            && last.statement == captured.statement
            && self.key(last.key) == self.key(captured.key)
        {
            self.operations.pop();
        }
    }

    /// Keeps a packed key.
    pub fn intern(&mut self, packed: &[u8]) -> KeyRef {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(packed);
        KeyRef::Packed { start, length: packed.len() }
    }

    /// Keeps a key.
    pub fn intern_key(&mut self, key: Key<'_>) -> KeyRef {
        match key {
            Key::Integer(i) => KeyRef::Integer(i),
            Key::Packed(bytes) => self.intern(bytes),
        }
    }

    /// A key of this buffer.
    pub fn key(&self, key: KeyRef) -> Key<'_> {
        resolve(&self.bytes, key)
    }

    fn position(&self) -> Position {
        Position {
            operations: self.operations.len(),
            operations_flushed: self.operations_flushed,
            merged: self.merged.len(),
            merged_flushed: self.merged_flushed,
            columns: self.columns.len(),
            bytes: self.bytes.len(),
            open: self.open,
            impacted: self.impacted,
        }
    }

    /// A savepoint opened. Several virtual tables report the same one; the first report counts.
    pub fn savepoint(&mut self, depth: i32, catalog: Rc<Catalog>) {
        if self.marks.last().is_none_or(|m| m.depth < depth) {
            self.marks.push(Mark { depth, position: self.position(), catalog });
        }
    }

    /// The savepoint and those inside it were released.
    pub fn release(&mut self, depth: i32) {
        while self.marks.last().is_some_and(|m| m.depth >= depth) {
            self.marks.pop();
        }
    }

    /// Everything since the savepoint was undone; it stays open. Returns the catalog as of its opening.
    pub fn rollback_to(&mut self, depth: i32) -> Option<Rc<Catalog>> {
        let index = self.marks.iter().position(|m| m.depth >= depth)?;
        self.marks.truncate(index + 1);
        let mark = self.marks.last_mut()?;
        mark.depth = depth;
        let (position, catalog) = (mark.position, Rc::clone(&mark.catalog));
        self.operations.truncate(position.operations);
        self.operations_flushed = position.operations_flushed.min(position.operations);
        self.merged.truncate(position.merged);
        self.merged_flushed = position.merged_flushed.min(position.merged);
        self.columns.truncate(position.columns);
        self.bytes.truncate(position.bytes);
        self.open = position.open;
        self.impacted = position.impacted;
        Some(catalog)
    }
}

/// A key in an arena.
pub fn resolve(bytes: &[u8], key: KeyRef) -> Key<'_> {
    match key {
        KeyRef::Integer(i) => Key::Integer(i),
        KeyRef::Packed { start, length } => Key::Packed(&bytes[start..start + length]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(key: i64, statement: i32) -> Captured {
        Captured { table: 0, key: KeyRef::Integer(key), operation: Operation::Insert, statement, rowid: None }
    }

    fn keys(buffer: &Buffer) -> Vec<KeyRef> {
        buffer.operations.iter().map(|o| o.key).collect()
    }

    #[test]
    fn a_rollback_restores_the_state_of_the_savepoint() {
        let mut buffer = Buffer::default();
        buffer.push(insert(1, 0));
        buffer.savepoint(0, Rc::default());
        buffer.push(insert(2, 1));
        buffer.savepoint(1, Rc::default());
        buffer.push(insert(3, 2));
        buffer.operations_flushed = 3;
        buffer.rollback_to(1);
        assert_eq!(keys(&buffer), [KeyRef::Integer(1), KeyRef::Integer(2)]);
        assert_eq!(buffer.operations_flushed, 0, "what was flushed inside the savepoint was undone with it");
        buffer.rollback_to(0);
        assert_eq!(keys(&buffer), [KeyRef::Integer(1)]);
    }

    #[test]
    fn a_savepoint_opened_before_the_table_joined_rolls_back_to_nothing() {
        let mut buffer = Buffer::default();
        buffer.savepoint(2, Rc::default());
        buffer.push(insert(1, 0));
        buffer.rollback_to(0);
        assert!(keys(&buffer).is_empty());
    }

    #[test]
    fn only_a_deletion_of_the_same_statement_is_a_replacement() {
        let mut buffer = Buffer::default();
        buffer.push(Captured { operation: Operation::Delete, ..insert(1, 5) });
        buffer.push(insert(1, 5));
        assert_eq!(buffer.operations.len(), 1);
        buffer.push(Captured { operation: Operation::Delete, ..insert(1, 6) });
        buffer.push(insert(1, 7));
        assert_eq!(buffer.operations.len(), 3);
    }
}
