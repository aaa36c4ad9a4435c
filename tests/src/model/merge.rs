//! Merging one change at a time, as an INSERT into `crsql_changes` does.

use std::cmp::Ordering;

use rusqlite::types::Value;

use super::{Change, Clock, Replica, Row, SENTINEL, Table, ident, key_condition, pack};

impl Replica {
    /// Merges changes in the given order in one transaction and returns how many had an effect.
    pub fn merge(&mut self, changes: &[Change]) -> rusqlite::Result<u64> {
        self.conn.execute_batch("BEGIN")?;
        let mut impacted = 0;
        for change in changes {
            impacted += self.merge_one(change)?;
            self.saw_version(&change.site, change.db_version);
        }
        // Merged rows are not local writes: what the triggers logged is forgotten.
        self.conn.execute_batch("DELETE FROM temp.row_log; COMMIT")?;
        Ok(impacted)
    }

    fn merge_one(&mut self, change: &Change) -> rusqlite::Result<u64> {
        let table = self.tables.get(&change.table).expect("the generator merges into tables that exist").clone_shape();
        let row = self.tables.get(&change.table).and_then(|t| t.rows.get(&change.pk)).cloned().unwrap_or_default();
        let local = row.causal_length();
        if change.cl < local {
            return Ok(0);
        }
        if change.cl == local && change.cl % 2 == 0 {
            self.settle_delete(&row, change);
            return Ok(0);
        }
        if change.cl == local && change.cid == SENTINEL {
            return Ok(0);
        }
        if change.cl % 2 == 0 {
            self.delete(&table, change)?;
            return Ok(1);
        }
        if change.cid == SENTINEL {
            self.revive(&table, change, change.col_version)?;
            return Ok(1);
        }
        let revives = change.cl > local && (local != 0 || change.cl > 1);
        if revives {
            self.revive(&table, change, change.cl)?;
        }
        if !revives && local != 0 && !self.cell_wins(&table, &row, change)? {
            return Ok(0);
        }
        self.set_cell(&table, change)?;
        Ok(u64::from(revives) + 1)
    }

    /// The same deletion told by two sites: the larger site's telling stays, which counts as no impact.
    fn settle_delete(&mut self, row: &Row, change: &Change) {
        let wins = row.sentinel.as_ref().is_none_or(|sentinel| change.site > sentinel.site);
        if wins {
            self.row_mut(change).sentinel = Some(clock_of(change, change.cl));
        }
    }

    fn delete(&mut self, table: &Table, change: &Change) -> rusqlite::Result<()> {
        let sql = format!("DELETE FROM {} WHERE {}", ident(&table.name), key_condition(table));
        self.conn.prepare_cached(&sql)?.execute(rusqlite::params_from_iter(pack::unpack(&change.pk)))?;
        let row = self.row_mut(change);
        row.sentinel = Some(clock_of(change, change.col_version));
        row.cells.clear();
        Ok(())
    }

    /// Begins the life `causal_length`; cells of earlier lives lose to any cell of this one.
    fn revive(&mut self, table: &Table, change: &Change, causal_length: i64) -> rusqlite::Result<()> {
        let keys: Vec<String> = table.key.iter().map(|c| ident(c)).collect();
        let marks = vec!["?"; keys.len()].join(", ");
        let sql = format!("INSERT OR IGNORE INTO {} ({}) VALUES ({marks})", ident(&table.name), keys.join(", "));
        self.conn.prepare_cached(&sql)?.execute(rusqlite::params_from_iter(pack::unpack(&change.pk)))?;
        let row = self.row_mut(change);
        for clock in row.cells.values_mut() {
            clock.col_version = 0;
        }
        row.sentinel = Some(clock_of(change, causal_length));
        Ok(())
    }

    fn cell_wins(&self, table: &Table, row: &Row, change: &Change) -> rusqlite::Result<bool> {
        let Some(clock) = row.cells.get(&change.cid) else { return Ok(true) };
        let order = change.col_version.cmp(&clock.col_version);
        if order != Ordering::Equal {
            return Ok(order == Ordering::Greater);
        }
        let local = self.cell(table, &change.pk, &change.cid)?;
        Ok(compare(&change.val, &local).then_with(|| change.site.cmp(&clock.site)) == Ordering::Greater)
    }

    fn set_cell(&mut self, table: &Table, change: &Change) -> rusqlite::Result<()> {
        let keys: Vec<String> = table.key.iter().map(|c| ident(c)).collect();
        let marks = vec!["?"; keys.len() + 1].join(", ");
        let sql = format!(
            "INSERT INTO {table} ({keys}, {column}) VALUES ({marks}) ON CONFLICT DO UPDATE SET {column} = excluded.{column}",
            table = ident(&table.name),
            keys = keys.join(", "),
            column = ident(&change.cid),
        );
        let values = pack::unpack(&change.pk).into_iter().chain([change.val.clone()]);
        self.conn.prepare_cached(&sql)?.execute(rusqlite::params_from_iter(values))?;
        let clock = clock_of(change, change.col_version);
        self.row_mut(change).cells.insert(change.cid.clone(), clock);
        Ok(())
    }

    fn row_mut(&mut self, change: &Change) -> &mut Row {
        let table = self.tables.get_mut(&change.table).expect("looked up before");
        table.rows.entry(change.pk.clone()).or_default()
    }
}

impl Table {
    fn clone_shape(&self) -> Self {
        Self { name: self.name.clone(), key: self.key.clone(), columns: self.columns.clone(), rows: Default::default() }
    }
}

fn clock_of(change: &Change, col_version: i64) -> Clock {
    Clock {
        col_version,
        db_version: change.db_version,
        site: change.site.clone(),
        seq: change.seq,
        ts: change.ts.clone(),
    }
}

/// The order of values that decides ties: by storage class (null, blob, text, real, integer), then by content.
fn compare(a: &Value, b: &Value) -> Ordering {
    let rank = |value: &Value| match value {
        Value::Null => 0,
        Value::Blob(_) => 1,
        Value::Text(_) => 2,
        Value::Real(_) => 3,
        Value::Integer(_) => 4,
    };
    match (a, b) {
        (Value::Blob(a), Value::Blob(b)) => a.cmp(b),
        (Value::Text(a), Value::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Value::Real(a), Value::Real(b)) => a.total_cmp(b),
        (Value::Integer(a), Value::Integer(b)) => a.cmp(b),
        (a, b) => rank(a).cmp(&rank(b)),
    }
}
