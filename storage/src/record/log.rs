//! The log record of one transaction: its time and which rows it touched. Serving a version reads these rows' metadata and
//! emits the cells that still name the version.
//!
//! Pure. Layout, numbers are varints: ts; last seq; then to the end per table: table number × 2 + (1 for packed keys),
//! number of items, items. An item of integer keys is (zigzag of the distance from the end of the last run, rows after the
//! first); an item of packed keys is (length, bytes). A transaction may have several records (chunks).

use super::varint::{Malformed, read, unzigzag, write, zigzag};

/// A row's key in a metadata table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key<'a> {
    /// The rowid of a table whose key is an INTEGER PRIMARY KEY.
    Integer(i64),
    /// The packed key of any other table.
    Packed(&'a [u8]),
}

/// Builds a record. Keys of one table given one after the other are coded together; give them ascending.
#[derive(Debug, Default)]
pub struct LogWriter {
    body: Vec<u8>,
    /// The items of the table being written.
    items: Vec<u8>,
    count: u64,
    table: Option<u64>,
    /// First key and further rows of the open run of integer keys.
    run: Option<(i64, u64)>,
    previous_end: i64,
}

impl LogWriter {
    /// Bytes so far, without the head. Begin a new record at some size.
    pub fn len(&self) -> usize {
        self.body.len() + self.items.len()
    }

    /// Whether no key was added.
    pub fn is_empty(&self) -> bool {
        self.table.is_none()
    }

    /// Adds a row of the table with that number.
    pub fn push(&mut self, table: u32, key: Key<'_>) {
        let table = u64::from(table) << 1 | u64::from(matches!(key, Key::Packed(_)));
        if self.table != Some(table) {
            self.end_table();
            self.table = Some(table);
        }
        match key {
            Key::Integer(key) => match &mut self.run {
                Some((first, more)) if first.checked_add_unsigned(*more + 1) == Some(key) => *more += 1,
                Some(_) | None => {
                    self.end_run();
                    self.run = Some((key, 0));
                }
            },
            Key::Packed(bytes) => {
                self.count += 1;
                write(&mut self.items, bytes.len() as u64);
                self.items.extend_from_slice(bytes);
            }
        }
    }

    fn end_run(&mut self) {
        if let Some((first, more)) = self.run.take() {
            self.count += 1;
            write(&mut self.items, zigzag(first.wrapping_sub(self.previous_end)));
            write(&mut self.items, more);
            self.previous_end = first.wrapping_add_unsigned(more);
        }
    }

    fn end_table(&mut self) {
        self.end_run();
        if let Some(table) = self.table.take() {
            write(&mut self.body, table);
            write(&mut self.body, self.count);
            self.body.append(&mut self.items);
        }
        self.count = 0;
        self.previous_end = 0;
    }

    /// The record; the writer is empty again.
    pub fn finish(&mut self, ts: u64, last_seq: u64) -> Vec<u8> {
        self.end_table();
        let mut out = Vec::with_capacity(self.body.len() + 16);
        write(&mut out, ts);
        write(&mut out, last_seq);
        out.append(&mut self.body);
        out
    }
}

/// Rows of one run that a record can name; more in one transaction does not fit a buffer.
const RUN_ROWS_MAX: u64 = 1 << 32;

/// The head of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogHead {
    pub ts: u64,
    pub last_seq: u64,
}

/// Reads the head only.
pub fn head(mut bytes: &[u8]) -> Result<LogHead, Malformed> {
    Ok(LogHead { ts: read(&mut bytes)?, last_seq: read(&mut bytes)? })
}

/// Gives every key to `visit`, with its table's number. Stops at the first error of `visit`.
pub fn each<E: From<Malformed>>(
    bytes: &[u8],
    mut visit: impl FnMut(u32, Key<'_>) -> Result<(), E>,
) -> Result<LogHead, E> {
    let head = head(bytes)?;
    let mut place = LogPlace::default();
    while let Some((table, key)) = place.next(bytes)? {
        visit(table, key)?;
    }
    Ok(head)
}

/// A place between two keys of a record. Keeps no reference, so that reading can go on later where it stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogPlace {
    /// Bytes read; 0 before the head.
    offset: usize,
    /// Table number × 2 + (1 for packed keys), and its items not read yet.
    table: u64,
    items: u64,
    /// What is left of the run being read: its next key and its last one.
    run: Option<(i64, i64)>,
    previous_end: i64,
}

impl LogPlace {
    /// The next key with its table's number, from the record that the earlier ones came from; `None` after the last.
    pub fn next<'a>(&mut self, bytes: &'a [u8]) -> Result<Option<(u32, Key<'a>)>, Malformed> {
        let mut rest = bytes.get(self.offset..).ok_or(Malformed)?;
        if self.offset == 0 {
            read(&mut rest)?;
            read(&mut rest)?;
        }
        let found = self.advance(&mut rest);
        self.offset = bytes.len() - rest.len();
        found
    }

    fn advance<'a>(&mut self, rest: &mut &'a [u8]) -> Result<Option<(u32, Key<'a>)>, Malformed> {
        while self.run.is_none() && self.items == 0 {
            if rest.is_empty() {
                return Ok(None);
            }
            self.table = read(rest)?;
            self.items = read(rest)?;
            self.previous_end = 0;
        }
        let number = u32::try_from(self.table >> 1).map_err(|_| Malformed)?;
        if let Some((key, last)) = self.run {
            self.run = (key < last).then(|| (key + 1, last));
            return Ok(Some((number, Key::Integer(key))));
        }
        self.items -= 1;
        if self.table & 1 == 1 {
            let length = usize::try_from(read(rest)?).map_err(|_| Malformed)?;
            let (key, after) = rest.split_at_checked(length).ok_or(Malformed)?;
            *rest = after;
            return Ok(Some((number, Key::Packed(key))));
        }
        let first = self.previous_end.wrapping_add(unzigzag(read(rest)?));
        let more = read(rest)?;
        self.previous_end = first.checked_add_unsigned(more).filter(|_| more < RUN_ROWS_MAX).ok_or(Malformed)?;
        self.run = (more > 0).then(|| (first + 1, self.previous_end));
        Ok(Some((number, Key::Integer(first))))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn collect(bytes: &[u8]) -> Result<(LogHead, Vec<(u32, String)>), Malformed> {
        let mut keys = Vec::new();
        let head = each(bytes, |table, key| {
            keys.push((table, format!("{key:?}")));
            if keys.len() > 10_000 { Err(Malformed) } else { Ok(()) }
        })?;
        Ok((head, keys))
    }

    proptest! {
        #[test]
        fn a_log_record_reads_back_as_written(
            keys in prop::collection::vec((0u32..3, prop_oneof![(-5i64..20), any::<i64>()]), 0..60),
            packed in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..12), 0..20),
            ts in any::<u64>(), last_seq in any::<u64>(),
        ) {
            let mut writer = LogWriter::default();
            let mut expected = Vec::new();
            for (table, key) in &keys {
                writer.push(*table, Key::Integer(*key));
                expected.push((*table, format!("{:?}", Key::Integer(*key))));
            }
            for key in &packed {
                writer.push(7, Key::Packed(key));
                expected.push((7, format!("{:?}", Key::Packed(key))));
            }
            let bytes = writer.finish(ts, last_seq);
            prop_assert_eq!(collect(&bytes).expect("own encoding"), (LogHead { ts, last_seq }, expected));
            prop_assert_eq!(head(&bytes).expect("own encoding"), LogHead { ts, last_seq });
            prop_assert!(writer.is_empty());
        }

        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = collect(&bytes);
        }
    }

    #[test]
    fn a_hundred_thousand_consecutive_rows_take_a_few_bytes() {
        let mut writer = LogWriter::default();
        for key in 1..=100_000 {
            writer.push(1, Key::Integer(key));
        }
        assert!(writer.finish(1 << 60, 300_000).len() < 24);
    }
}
