//! Local transactions of the model: the log of row events folded into clocks.

use rusqlite::functions::FunctionFlags;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, params};

use super::{Clock, Replica, Row, Table, ident, pack};

/// Registers `model_row(value, ..)`: its arguments, packed and in hexadecimal, so that a log line keeps each value exactly.
pub(super) fn register_row_function(conn: &Connection) -> rusqlite::Result<()> {
    conn.create_scalar_function("model_row", -1, FunctionFlags::SQLITE_UTF8, |context| {
        let values = (0..context.len()).map(|i| context.get::<Value>(i)).collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(pack::pack(&values))
    })
}

impl Replica {
    /// Makes a table replicated. Rows it has become one transaction of changes with that timestamp.
    pub fn as_crr(&mut self, name: &str, ts: &str) -> rusqlite::Result<()> {
        let table = self.describe(name)?;
        self.watch(&table)?;
        let rows = self.read_rows(&table)?;
        self.tables.insert(name.to_owned(), table);
        self.fold(
            rows.into_iter().map(|row| Event { table: name.to_owned(), old: None, new: Some(row) }).collect(),
            ts,
        );
        Ok(())
    }

    /// Follows an ADD COLUMN: cells of old rows have no clock until they are written.
    pub fn altered(&mut self, name: &str) -> rusqlite::Result<()> {
        let mut table = self.describe(name)?;
        self.conn.execute_batch(&drop_watch(name))?;
        self.watch(&table)?;
        if let Some(before) = self.tables.remove(name) {
            table.rows = before.rows;
        }
        self.tables.insert(name.to_owned(), table);
        Ok(())
    }

    /// Runs one local transaction; `work` gets the connection and returns whether to commit.
    pub fn transaction(&mut self, ts: &str, work: impl FnOnce(&Connection) -> bool) -> rusqlite::Result<()> {
        self.conn.execute_batch("BEGIN")?;
        if !work(&self.conn) {
            return self.conn.execute_batch("ROLLBACK; DELETE FROM temp.row_log");
        }
        let events = self.take_log()?;
        self.conn.execute_batch("COMMIT")?;
        self.fold(events, ts);
        Ok(())
    }

    fn describe(&self, name: &str) -> rusqlite::Result<Table> {
        let mut statement = self.conn.prepare("SELECT name, pk, hidden FROM pragma_table_xinfo(?)")?;
        let described: Vec<(String, i64, i64)> =
            statement.query_map([name], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?.collect::<Result<_, _>>()?;
        let mut key: Vec<(i64, String)> = described.iter().filter(|c| c.1 > 0).map(|c| (c.1, c.0.clone())).collect();
        key.sort();
        let columns = described.into_iter().filter(|c| c.1 == 0 && c.2 == 0).map(|c| c.0).collect();
        Ok(Table {
            name: name.to_owned(),
            key: key.into_iter().map(|k| k.1).collect(),
            columns,
            rows: Default::default(),
        })
    }

    fn watch(&self, table: &Table) -> rusqlite::Result<()> {
        let list = |side: &str| {
            let all: Vec<String> =
                table.key.iter().chain(&table.columns).map(|c| format!("{side}.{}", ident(c))).collect();
            format!("model_row({})", all.join(", "))
        };
        for (op, old, new) in [
            ("INSERT", "NULL".to_owned(), list("NEW")),
            ("UPDATE", list("OLD"), list("NEW")),
            ("DELETE", list("OLD"), "NULL".to_owned()),
        ] {
            self.conn.execute_batch(&format!(
                "CREATE TEMP TRIGGER {trigger} AFTER {op} ON main.{name} BEGIN \
                 INSERT INTO row_log VALUES ({literal}, '{op}', {old}, {new}); END",
                trigger = ident(&format!("watch_{op}_{}", table.name)),
                name = ident(&table.name),
                literal = format_args!("'{}'", table.name.replace('\'', "''")),
            ))?;
        }
        Ok(())
    }

    fn read_rows(&self, table: &Table) -> rusqlite::Result<Vec<Vec<Value>>> {
        let list = |columns: &[String]| columns.iter().map(|c| ident(c)).collect::<Vec<_>>().join(", ");
        let all: Vec<String> = table.key.iter().chain(&table.columns).cloned().collect();
        let sql = format!("SELECT {} FROM {} ORDER BY {}", list(&all), ident(&table.name), list(&table.key));
        let mut statement = self.conn.prepare(&sql)?;
        let rows = statement.query_map(params![], |row| (0..all.len()).map(|i| row.get(i)).collect())?;
        rows.collect()
    }

    fn take_log(&self) -> rusqlite::Result<Vec<Event>> {
        let unpack = |value: ValueRef<'_>| value.as_blob().ok().map(pack::unpack);
        let events = self
            .conn
            .prepare("SELECT tbl, old_row, new_row FROM temp.row_log ORDER BY rowid")?
            .query_map([], |r| Ok(Event { table: r.get(0)?, old: unpack(r.get_ref(1)?), new: unpack(r.get_ref(2)?) }))?
            .collect::<Result<_, _>>()?;
        self.conn.execute_batch("DELETE FROM temp.row_log")?;
        Ok(events)
    }

    /// Folds a transaction's events into the clocks; the transaction gets the next version if it left anything.
    fn fold(&mut self, events: Vec<Event>, ts: &str) {
        let mut stamp = Stamp { site: self.site.clone(), db_version: self.db_version + 1, seq: 0, ts: ts.to_owned() };
        for event in events {
            let table = self.tables.get_mut(&event.table).expect("only watched tables are logged");
            table.fold(event, &mut stamp);
        }
        if stamp.seq > 0 {
            self.db_version += 1;
            self.saw_version(&self.site.clone(), self.db_version);
        }
    }
}

fn drop_watch(table: &str) -> String {
    ["INSERT", "UPDATE", "DELETE"]
        .map(|op| format!("DROP TRIGGER temp.{};", ident(&format!("watch_{op}_{table}"))))
        .concat()
}

/// What happened to one row: columns are the key's first, then the others.
struct Event {
    table: String,
    old: Option<Vec<Value>>,
    new: Option<Vec<Value>>,
}

/// Hands out the transaction's sequence numbers.
struct Stamp {
    site: Vec<u8>,
    db_version: i64,
    seq: i64,
    ts: String,
}

impl Stamp {
    fn clock(&mut self, col_version: i64) -> Clock {
        self.seq += 1;
        Clock {
            col_version,
            db_version: self.db_version,
            site: self.site.clone(),
            seq: self.seq - 1,
            ts: self.ts.clone(),
        }
    }
}

impl Table {
    fn fold(&mut self, event: Event, stamp: &mut Stamp) {
        let width = self.key.len();
        match (event.old, event.new) {
            (None, Some(new)) => self.inserted(&new[..width], stamp),
            (Some(old), None) => self.deleted(&pack::pack(&old[..width]), stamp),
            (Some(old), Some(new)) => self.updated(&old, &new, stamp),
            (None, None) => {}
        }
    }

    fn inserted(&mut self, key: &[Value], stamp: &mut Stamp) {
        let row = self.rows.entry(pack::pack(key)).or_default();
        if self.columns.is_empty() {
            row.create(stamp);
        } else if row.causal_length() > 0 {
            row.recreate(stamp);
        }
        for column in &self.columns {
            row.write(column, stamp);
        }
    }

    fn deleted(&mut self, pk: &[u8], stamp: &mut Stamp) {
        let row = self.rows.entry(pk.to_vec()).or_default();
        row.sentinel = Some(match &row.sentinel {
            Some(sentinel) => stamp.clock(sentinel.col_version + 1),
            None => stamp.clock(2),
        });
        row.cells.clear();
    }

    fn updated(&mut self, old: &[Value], new: &[Value], stamp: &mut Stamp) {
        let width = self.key.len();
        let (old_pk, new_pk) = (pack::pack(&old[..width]), pack::pack(&new[..width]));
        if old_pk != new_pk {
            self.moved(&old_pk, new_pk.clone(), stamp);
        }
        let row = self.rows.entry(new_pk).or_default();
        for (column, (before, after)) in self.columns.iter().zip(old[width..].iter().zip(&new[width..])) {
            if !same(before, after) {
                row.write(column, stamp);
            }
        }
    }

    /// A key change deletes the old row and creates the new one, to which every cell that has a clock moves as a new write.
    fn moved(&mut self, old_pk: &[u8], new_pk: Vec<u8>, stamp: &mut Stamp) {
        let cells = self.rows.get(old_pk).map(|row| row.cells.clone()).unwrap_or_default();
        self.deleted(old_pk, stamp);
        let row = self.rows.entry(new_pk).or_default();
        row.create(stamp);
        row.cells.extend(cells);
        for column in &self.columns {
            if row.cells.contains_key(column) {
                row.write(column, stamp);
            } else {
                stamp.seq += 1;
            }
        }
    }
}

impl Row {
    fn create(&mut self, stamp: &mut Stamp) {
        let length = self.sentinel.as_ref().map_or(1, |sentinel| next_life(sentinel.col_version));
        self.sentinel = Some(stamp.clock(length));
    }

    /// An INSERT over a key that was seen before: its sentinel, if it has one, moves to the next life.
    fn recreate(&mut self, stamp: &mut Stamp) {
        let length = self.sentinel.as_ref().map(|sentinel| next_life(sentinel.col_version));
        let clock = stamp.clock(length.unwrap_or_default());
        if length.is_some() {
            self.sentinel = Some(clock);
        }
    }

    fn write(&mut self, column: &str, stamp: &mut Stamp) {
        let version = self.cells.get(column).map_or(0, |clock| clock.col_version) + 1;
        self.cells.insert(column.to_owned(), stamp.clock(version));
    }
}

fn next_life(causal_length: i64) -> i64 {
    if causal_length % 2 == 0 { causal_length + 1 } else { causal_length + 2 }
}

/// Equal in storage class and content; NULL equals NULL.
fn same(a: &Value, b: &Value) -> bool {
    pack::pack(std::slice::from_ref(a)) == pack::pack(std::slice::from_ref(b))
}
