//! Merges one cell at a time: what an INSERT into `crsql_changes` does.

use std::cmp::Ordering;
use std::rc::Rc;

use crate::capture::buffer::Merged;
use crate::capture::flush::{SEEN_ONLY, log_summary};
use crate::capture::metadata::{Purpose, Statements};
use crate::change::ids::SiteId;
use crate::crdt::merge::{self, Effect, Incoming, Local};
use crate::crsql::functions::timestamp;
use crate::crsql::replica::{Inner, Replica};
use crate::crsql::site::Sites;
use crate::crsql::table::{Column, Table, quote};
use crate::record::log::Key;
use crate::record::row::{Clock, RowMeta};
use crate::sqlite::db::Result;
use crate::sqlite::{Arg, Cell, Db, SqliteError};
use crate::value::pack;

/// The column name of a row's own creation or deletion.
pub const SENTINEL: &str = "-1";

/// One row of `crsql_changes`.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    pub table: &'a str,
    pub pk: &'a [u8],
    pub cid: &'a str,
    pub value: Cell<'a>,
    pub col_version: u64,
    pub db_version: u64,
    pub site: SiteId,
    pub cl: u64,
    pub seq: u64,
    pub ts: u64,
}

/// Merges the values of an INSERT.
pub fn merge_arguments(replica: &Replica, values: &[Arg]) -> Result<()> {
    let cells: Vec<Cell<'_>> = values.iter().map(|a| a.cell()).collect();
    let &[table, pk, cid, value, col_version, db_version, site, cl, seq, ts] = cells.as_slice() else {
        return Err(SqliteError::new("crsql_changes has ten columns"));
    };
    let text = |cell: Cell<'_>, name: &str| match cell {
        Cell::Text(bytes) if std::str::from_utf8(bytes).is_ok() => Ok(()),
        Cell::Null | Cell::Integer(_) | Cell::Real(_) | Cell::Text(_) | Cell::Blob(_) => {
            Err(SqliteError::new(format!("crsql_changes.{name} is not text")))
        }
    };
    text(table, "table")?;
    text(cid, "cid")?;
    let number = |cell: Cell<'_>, name: &str, least: i64| {
        let valid = cell.integer().filter(|n| *n >= least).and_then(|n| u64::try_from(n).ok());
        valid.ok_or_else(|| SqliteError::new(format!("crsql_changes.{name} is not an integer of at least {least}")))
    };
    let change = Change {
        table: table.text().unwrap_or_default(),
        pk: pk.bytes().ok_or_else(|| SqliteError::new("crsql_changes.pk is not a blob"))?,
        cid: cid.text().unwrap_or_default(),
        value,
        col_version: number(col_version, "col_version", 0)?,
        db_version: number(db_version, "db_version", 1)?,
        site: site
            .bytes()
            .and_then(SiteId::from_slice)
            .ok_or_else(|| SqliteError::new("crsql_changes.site_id is not a blob of 16 bytes"))?,
        cl: number(cl, "cl", 1)?,
        seq: number(seq, "seq", 0)?,
        ts: timestamp(ts).unwrap_or(0),
    };
    replica.as_internal(|| {
        merge_change(replica.db, &mut replica.inner.borrow_mut(), replica.merges_equal_values.get(), &change)
    })
}

/// Merges one change in the open transaction.
pub fn merge_change(db: Db, inner: &mut Inner, merges_equal_values: bool, change: &Change<'_>) -> Result<()> {
    let Some(table) = inner.catalog.named(change.table).cloned() else {
        return Err(SqliteError::new(format!("table {} is not replicated here", change.table)));
    };
    let column = if change.cid == SENTINEL { None } else { Some(known_column(&table, change.cid)?) };
    let key_values = pack::unpack(change.pk).map_err(|e| SqliteError::new(e.to_string()))?;
    let canonical = pack::pack(&key_values);
    let key = row_key(&table, &key_values, &canonical)?;
    let site = inner.sites.ordinal(db, change.site)?;
    let mut meta = RowMeta::default();
    let found = inner.statements.get_meta(db, &table, key, |bytes| meta.decode(bytes))?;
    inner.statements.overwritten += u64::from(found.is_some());
    found.transpose().map_err(|e| SqliteError::new(e.to_string()))?;
    let logged = logged_ts(db, inner, site, change)?;
    let incoming = Incoming {
        column: column.map(|c| c.number),
        value: change.value,
        col_version: change.col_version,
        cl: change.cl,
        clock: Clock {
            site,
            version: change.db_version,
            seq: change.seq,
            ts: (logged != change.ts).then_some(change.ts),
        },
        site: change.site,
    };
    let mut local = Stored {
        db,
        table: &table,
        key: &key_values,
        statements: &mut inner.statements,
        sites: &mut inner.sites,
        merges_equal_values,
    };
    let effect = merge::merge(&mut meta, &incoming, &mut local)?;
    write_row(db, &mut inner.statements, &table, &key_values, column, change.value, effect)?;
    if effect != Effect::None {
        let mut bytes = Vec::with_capacity(24);
        meta.encode(&mut bytes);
        inner.statements.put_meta(db, &table, key, &bytes)?;
    }
    inner.buffer.impacted += effect.impacted() as i64;
    note_merged(inner, &table, key, &incoming, effect, change.ts);
    Ok(())
}

fn known_column<'a>(table: &'a Rc<Table>, name: &str) -> Result<&'a Column> {
    table
        .column_named(name)
        .ok_or_else(|| SqliteError::new(format!("table {} has no replicated column {name}", table.name)))
}

/// The key of the row in its metadata table.
pub fn row_key<'a>(table: &Table, values: &[Cell<'_>], packed: &'a [u8]) -> Result<Key<'a>> {
    if values.len() != table.key.len() {
        return Err(SqliteError::new(format!(
            "a change of table {} has {} key columns instead of {}",
            table.name,
            values.len(),
            table.key.len()
        )));
    }
    if !table.integer_key {
        return Ok(Key::Packed(packed));
    }
    match values.first() {
        Some(Cell::Integer(i)) => Ok(Key::Integer(*i)),
        Some(_) | None => {
            Err(SqliteError::new(format!("a change of table {} has a key that is not an integer", table.name)))
        }
    }
}

/// The ts that cells of the change's version have unless they say otherwise.
fn logged_ts(db: Db, inner: &Inner, site: u32, change: &Change<'_>) -> Result<u64> {
    let waiting = inner.buffer.merged[inner.buffer.merged_flushed..].iter();
    let waiting = waiting.filter(|m| m.site == site && m.version == change.db_version).map(|m| m.ts).next();
    Ok(match log_summary(db, site, change.db_version)? {
        Some(summary) => summary.ts,
        None => waiting.unwrap_or(change.ts),
    })
}

/// Enters the row into the log of the change's version.
fn note_merged(inner: &mut Inner, table: &Table, key: Key<'_>, incoming: &Incoming<'_>, effect: Effect, ts: u64) {
    let Clock { site, version, seq, .. } = incoming.clock;
    if effect == Effect::None {
        inner.buffer.merged.push(Merged {
            table: SEEN_ONLY,
            key: crate::capture::buffer::KeyRef::Integer(0),
            site,
            version,
            seq,
            ts,
        });
        return;
    }
    let key = inner.buffer.intern_key(key);
    inner.buffer.merged.push(Merged { table: table.number, key, site, version, seq, ts });
}

/// The local side of a merge: stored values and sites.
#[derive(Debug)]
pub struct Stored<'a> {
    pub db: Db,
    pub table: &'a Table,
    pub key: &'a [Cell<'a>],
    pub statements: &'a mut Statements,
    pub sites: &'a mut Sites,
    pub merges_equal_values: bool,
}

impl Local for Stored<'_> {
    type Error = SqliteError;

    fn compare_value(&mut self, column: u16, incoming: Cell<'_>) -> Result<Ordering> {
        let Some((_, info)) = self.table.column_numbered(column) else { return Ok(Ordering::Greater) };
        let stmt = self.statements.get(self.db, self.table, Purpose::Column(column), || {
            format!(
                "SELECT {} FROM {} WHERE {}",
                quote(&info.name),
                quote(&self.table.name),
                self.table.key_condition(1)
            )
        })?;
        let ordering = stmt.first(self.key, |row| merge::compare(incoming, row.column(0)))?;
        Ok(ordering.unwrap_or(Ordering::Greater))
    }

    fn site(&mut self, ordinal: u32) -> Result<SiteId> {
        self.sites.id(self.db, ordinal)
    }

    fn merges_equal_values(&self) -> bool {
        self.merges_equal_values
    }
}

/// Does to the stored row what the merge decided.
fn write_row(
    db: Db,
    statements: &mut Statements,
    table: &Table,
    key: &[Cell<'_>],
    column: Option<&Column>,
    value: Cell<'_>,
    effect: Effect,
) -> Result<()> {
    let name = quote(&table.name);
    match (effect, column) {
        (Effect::None | Effect::Retell, _) => Ok(()),
        (Effect::Delete, _) => statements
            .get(db, table, Purpose::DeleteRow, || format!("DELETE FROM {name} WHERE {}", table.key_condition(1)))?
            .run(key),
        (Effect::Set { .. }, Some(column)) => {
            let stmt = statements.get(db, table, Purpose::SetColumn(column.number), || set_column(table, column))?;
            for (index, cell) in key.iter().enumerate() {
                stmt.bind(index + 1, *cell)?;
            }
            stmt.bind(key.len() + 1, value)?;
            stmt.run_past_checks(&[])
        }
        (Effect::Create | Effect::Set { .. }, _) => {
            statements.get(db, table, Purpose::CreateRow, || create_row(table))?.run_past_checks(key)
        }
    }
}

fn key_names(table: &Table) -> String {
    let names: Vec<String> = table.key.iter().map(|c| quote(&c.name)).collect();
    names.join(", ")
}

fn placeholders(count: usize) -> String {
    let list: Vec<String> = (1..=count).map(|i| format!("?{i}")).collect();
    list.join(", ")
}

fn create_row(table: &Table) -> String {
    let keys = key_names(table);
    format!(
        "INSERT INTO {} ({keys}) VALUES ({}) ON CONFLICT ({keys}) DO NOTHING",
        quote(&table.name),
        placeholders(table.key.len())
    )
}

fn set_column(table: &Table, column: &Column) -> String {
    let keys = key_names(table);
    let column = quote(&column.name);
    format!(
        "INSERT INTO {} ({keys}, {column}) VALUES ({}) ON CONFLICT ({keys}) DO UPDATE SET {column} = excluded.{column}",
        quote(&table.name),
        placeholders(table.key.len() + 1)
    )
}
