//! The metadata record of one row: its causal length and, per column, who wrote it last.
//!
//! Pure. Layout, all numbers varints:
//!
//! | part | fields |
//! |---|---|
//! | head | causal length × 2 + (1 if a sentinel follows) |
//! | sentinel | clock of the row's own creation or deletion |
//! | runs, ascending, to the end | columns in the run × 2 + (1 if the clock has a ts); columns skipped since the last run; column version; clock of its first column |
//! | clock | site ordinal (sentinel: × 2 + ts flag); db_version; seq; ts only if flagged |
//!
//! The columns of a run are consecutive, as are their sequence numbers. A clock without ts has the ts of its version's log
//! record. A column without metadata holds its default and never wins.

use super::varint::{Malformed, read, write};

/// When and by whom something was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Clock {
    /// Position of the site in `crsql_site_id`; 0 is this node.
    pub site: u32,
    pub version: u64,
    pub seq: u64,
    /// Only where it differs from the log record's.
    pub ts: Option<u64>,
}

/// One column's metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CellMeta {
    pub column: u16,
    pub col_version: u64,
    pub clock: Clock,
}

/// A row's metadata, unpacked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RowMeta {
    /// Causal length: odd while the row lives, even once deleted; grows with each deletion and re-creation.
    pub cl: u64,
    /// Clock of the last creation or deletion; absent for rows created once whose table has other columns.
    pub sentinel: Option<Clock>,
    /// By column, ascending, without repetition.
    pub cells: Vec<CellMeta>,
}

impl RowMeta {
    /// Whether the row lives.
    pub fn is_alive(&self) -> bool {
        self.cl % 2 == 1
    }

    /// A column's metadata.
    pub fn cell(&self, column: u16) -> Option<&CellMeta> {
        self.cells.binary_search_by_key(&column, |c| c.column).ok().and_then(|i| self.cells.get(i))
    }

    /// Sets a column's metadata.
    pub fn set(&mut self, cell: CellMeta) {
        match self.cells.binary_search_by_key(&cell.column, |c| c.column) {
            Ok(index) => self.cells[index] = cell,
            Err(index) => self.cells.insert(index, cell),
        }
    }

    /// Appends the packed record.
    pub fn encode(&self, out: &mut Vec<u8>) {
        write(out, self.cl << 1 | u64::from(self.sentinel.is_some()));
        if let Some(clock) = &self.sentinel {
            write(out, u64::from(clock.site) << 1 | u64::from(clock.ts.is_some()));
            encode_clock(out, clock);
        }
        let mut next_column = 0;
        let mut rest = self.cells.as_slice();
        while let Some(first) = rest.first() {
            let length = run_length(rest);
            write(out, (length as u64) << 1 | u64::from(first.clock.ts.is_some()));
            write(out, u64::from(first.column) - next_column);
            write(out, first.col_version);
            write(out, u64::from(first.clock.site));
            encode_clock(out, &first.clock);
            next_column = u64::from(first.column) + length as u64;
            rest = &rest[length..];
        }
    }

    /// Appends the record of a row just created by this node with `columns` columns from 0 on, as [`Self::encode`] would.
    #[inline]
    pub fn encode_fresh(out: &mut Vec<u8>, columns: usize, clock: &Clock) {
        write(out, 1 << 1);
        if columns > 0 {
            write(out, (columns as u64) << 1 | u64::from(clock.ts.is_some()));
            write(out, 0);
            write(out, 1);
            write(out, u64::from(clock.site));
            encode_clock(out, clock);
        }
    }

    /// Unpacks a record into `self`, reusing its memory.
    pub fn decode(&mut self, mut bytes: &[u8]) -> Result<(), Malformed> {
        self.cells.clear();
        let head = read(&mut bytes)?;
        self.cl = head >> 1;
        self.sentinel = None;
        if head & 1 == 1 {
            let site = read(&mut bytes)?;
            self.sentinel = Some(decode_clock(&mut bytes, site >> 1, site & 1 == 1)?);
        }
        let mut next_column = 0u64;
        while !bytes.is_empty() {
            let head = read(&mut bytes)?;
            let (length, has_ts) = (head >> 1, head & 1 == 1);
            let start = next_column.checked_add(read(&mut bytes)?).ok_or(Malformed)?;
            let end = start.checked_add(length).ok_or(Malformed)?;
            if length == 0 || end > u64::from(u16::MAX) {
                return Err(Malformed);
            }
            let col_version = read(&mut bytes)?;
            let site = read(&mut bytes)?;
            let clock = decode_clock(&mut bytes, site, has_ts)?;
            clock.seq.checked_add(length).ok_or(Malformed)?;
            for index in 0..length {
                let clock = Clock { seq: clock.seq + index, ..clock };
                self.cells.push(CellMeta { column: (start + index) as u16, col_version, clock });
            }
            next_column = end;
        }
        Ok(())
    }

    /// Unpacks a record.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut meta = Self::default();
        meta.decode(bytes)?;
        Ok(meta)
    }
}

/// How many of the first cells fit in one run.
fn run_length(cells: &[CellMeta]) -> usize {
    let follows = |a: &CellMeta, b: &CellMeta| {
        let next = Clock { seq: a.clock.seq.wrapping_add(1), ..a.clock };
        b.column == a.column.wrapping_add(1) && b.col_version == a.col_version && b.clock == next
    };
    1 + cells.windows(2).take_while(|w| follows(&w[0], &w[1])).count()
}

fn encode_clock(out: &mut Vec<u8>, clock: &Clock) {
    write(out, clock.version);
    write(out, clock.seq);
    if let Some(ts) = clock.ts {
        write(out, ts);
    }
}

fn decode_clock(bytes: &mut &[u8], site: u64, has_ts: bool) -> Result<Clock, Malformed> {
    let site = u32::try_from(site).map_err(|_| Malformed)?;
    let (version, seq) = (read(bytes)?, read(bytes)?);
    let ts = if has_ts { Some(read(bytes)?) } else { None };
    Ok(Clock { site, version, seq, ts })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn clock() -> impl Strategy<Value = Clock> {
        (0u32..5, any::<u64>(), 0u64..1 << 40, prop::option::of(any::<u64>()))
            .prop_map(|(site, version, seq, ts)| Clock { site, version, seq, ts })
    }

    fn meta() -> impl Strategy<Value = RowMeta> {
        let cells = prop::collection::btree_map(0u16..80, (0u64..4, clock()), 0..50);
        (0u64..1 << 40, prop::option::of(clock()), cells).prop_map(|(cl, sentinel, cells)| RowMeta {
            cl,
            sentinel,
            cells: cells
                .into_iter()
                .map(|(column, (col_version, clock))| CellMeta { column, col_version, clock })
                .collect(),
        })
    }

    proptest! {
        #[test]
        fn a_record_reads_back_as_written(meta in meta()) {
            let mut bytes = Vec::new();
            meta.encode(&mut bytes);
            prop_assert_eq!(RowMeta::from_bytes(&bytes).expect("own encoding"), meta);
        }

        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(meta) = RowMeta::from_bytes(&bytes) {
                let mut again = Vec::new();
                meta.encode(&mut again);
                prop_assert_eq!(RowMeta::from_bytes(&again).expect("own encoding"), meta);
            }
        }

        #[test]
        fn the_short_way_writes_what_the_long_way_writes(columns in 0usize..20, clock in clock()) {
            let cells = (0..columns).map(|i| CellMeta {
                column: i as u16, col_version: 1, clock: Clock { seq: clock.seq + i as u64, ..clock },
            });
            let meta = RowMeta { cl: 1, sentinel: None, cells: cells.collect() };
            let (mut long, mut short) = (Vec::new(), Vec::new());
            meta.encode(&mut long);
            RowMeta::encode_fresh(&mut short, columns, &clock);
            prop_assert_eq!(long, short);
        }
    }

    #[test]
    fn a_row_just_inserted_takes_at_most_fourteen_bytes() {
        let mut bytes = Vec::new();
        RowMeta::encode_fresh(&mut bytes, 40, &Clock { site: 3, version: 2_000_000, seq: 4_000_000, ts: None });
        assert!(bytes.len() <= 14, "{} bytes", bytes.len());
    }

    #[test]
    fn a_tombstone_takes_at_most_twelve_bytes() {
        let clock = Clock { site: 3, version: 2_000_000, seq: 2_000_000, ts: None };
        let mut bytes = Vec::new();
        RowMeta { cl: 2, sentinel: Some(clock), cells: Vec::new() }.encode(&mut bytes);
        assert!(bytes.len() <= 12, "{} bytes", bytes.len());
    }
}
