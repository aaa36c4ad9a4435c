//! Random schemas and scripts for the CRDT engine: what a seed means.
//!
//! Statements are plain SQLite text with parameters, so that the same script runs on the engine and on the reference model.

use rusqlite::types::Value;

use crate::model::ident;
use crate::rng::Rng;

/// A table of a script.
#[derive(Debug, Clone)]
pub struct TableShape {
    pub name: String,
    pub keys: Vec<ColumnShape>,
    pub columns: Vec<ColumnShape>,
    pub create: String,
}

#[derive(Debug, Clone)]
pub struct ColumnShape {
    pub name: String,
    kind: &'static str,
    nullable: bool,
}

/// A statement with its parameters.
pub type Statement = (String, Vec<Value>);

/// One step of a script over several replicas.
#[derive(Debug, Clone)]
pub enum Step {
    Transaction {
        on: usize,
        statements: Vec<Statement>,
        commit: bool,
    },
    /// Merge what `from` has into `to`: a share of it in percent, shuffled or in order.
    Pull {
        from: usize,
        to: usize,
        keep: u64,
        shuffled: bool,
    },
    Reopen {
        on: usize,
    },
    /// ADD COLUMN on every replica.
    Alter {
        table: usize,
        sql: String,
    },
}

/// Everything a seed stands for.
#[derive(Debug, Clone)]
pub struct Script {
    pub sites: Vec<[u8; 16]>,
    pub tables: Vec<TableShape>,
    /// Per replica: rows written before the tables become replicated.
    pub before: Vec<Vec<Statement>>,
    pub steps: Vec<Step>,
}

/// Whether the seed's script has a transaction of 10,000 rows.
pub fn is_large(seed: u64) -> bool {
    seed % 8 == 7
}

/// The script of a seed.
pub fn script(seed: u64) -> Script {
    let mut rng = Rng::new(seed);
    let replicas = rng.between(2, 3) as usize;
    let large = is_large(seed);
    let tables: Vec<TableShape> = (0..rng.between(1, 3)).map(|n| table(&mut rng, n as usize, large)).collect();
    let sites = (0..replicas).map(|_| site(&mut rng)).collect();
    let before = (0..replicas).map(|_| rows_before(&mut rng, &tables)).collect();
    let mut shapes = tables.clone();
    let mut steps: Vec<Step> =
        (0..if large { 3 } else { rng.between(8, 24) }).map(|n| step(&mut rng, &mut shapes, replicas, n)).collect();
    if large {
        steps.insert(1, bulk(&mut rng, &tables));
    }
    for _ in 0..if large { 1 } else { 2 } {
        for from in 0..replicas {
            steps.extend((0..replicas).filter(|to| *to != from).map(|to| Step::Pull {
                from,
                to,
                keep: 100,
                shuffled: false,
            }));
        }
    }
    Script { sites, tables, before, steps }
}

fn site(rng: &mut Rng) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&rng.bits().to_be_bytes());
    bytes[8..].copy_from_slice(&rng.bits().to_be_bytes());
    bytes
}

fn table(rng: &mut Rng, number: usize, large: bool) -> TableShape {
    let name = if rng.chance(10) { format!("odd \"name\" {number}") } else { format!("t{number}") };
    let key_count = if rng.chance(60) { 1 } else { rng.between(2, 4) };
    let column_count = match rng.below(100) {
        0..8 => 0,
        8..85 => rng.between(1, 5),
        _ if large => 3,
        _ => rng.between(5, 40 - key_count),
    };
    let rowid_alias = key_count == 1 && rng.chance(50);
    let without_rowid = !rowid_alias && rng.chance(30);
    let keys: Vec<ColumnShape> = (0..key_count)
        .map(|n| ColumnShape {
            name: format!("k{n}"),
            kind: if rowid_alias { "INTEGER" } else { rng.pick::<&str>(&["INT", "TEXT", "BLOB", "", "INTEGER"]) },
            nullable: false,
        })
        .collect();
    let columns: Vec<ColumnShape> = (0..column_count).map(|n| column(rng, n)).collect();
    let create = create_table(rng, &name, &keys, &columns, rowid_alias, without_rowid);
    TableShape { name, keys, columns, create }
}

fn column(rng: &mut Rng, number: u64) -> ColumnShape {
    ColumnShape {
        name: if rng.chance(5) { format!("c {number}") } else { format!("c{number}") },
        kind: rng.pick::<&str>(&["INTEGER", "TEXT", "REAL", "BLOB", "NUMERIC", "", "BOOLEAN"]),
        nullable: rng.chance(70),
    }
}

fn definition(column: &ColumnShape) -> String {
    let constraint = if column.nullable { "" } else { " NOT NULL DEFAULT 7" };
    format!("{} {}{constraint}", ident(&column.name), column.kind)
}

fn create_table(
    rng: &mut Rng,
    name: &str,
    keys: &[ColumnShape],
    columns: &[ColumnShape],
    alias: bool,
    without: bool,
) -> String {
    let mut parts: Vec<String> = keys
        .iter()
        .map(|k| format!("{} {} NOT NULL{}", ident(&k.name), k.kind, if alias { " PRIMARY KEY" } else { "" }))
        .chain(columns.iter().map(definition))
        .collect();
    if rng.chance(25) && !columns.is_empty() {
        let (kind, source) = (rng.pick::<&str>(&["VIRTUAL", "STORED"]), ident(&columns[0].name));
        // Between the others, so that positions of stored and declared columns differ.
        parts.insert(keys.len(), format!("g TEXT GENERATED ALWAYS AS (quote({source})) {kind}"));
    }
    if !alias {
        let mut names: Vec<String> = keys.iter().map(|k| ident(&k.name)).collect();
        if rng.chance(30) {
            names.reverse();
        }
        parts.push(format!("PRIMARY KEY ({})", names.join(", ")));
    }
    format!("CREATE TABLE {} ({}){}", ident(name), parts.join(", "), if without { " WITHOUT ROWID" } else { "" })
}

fn rows_before(rng: &mut Rng, tables: &[TableShape]) -> Vec<Statement> {
    let mut statements = Vec::new();
    for table in tables {
        if rng.chance(40) {
            statements.extend((0..rng.between(1, 5)).map(|_| insert(rng, table, "OR IGNORE")));
        }
    }
    statements
}

fn step(rng: &mut Rng, tables: &mut [TableShape], replicas: usize, number: u64) -> Step {
    let on = rng.below(replicas as u64) as usize;
    match rng.below(100) {
        0..62 => {
            let statements = (0..rng.between(1, 5)).flat_map(|_| statements(rng, tables)).collect();
            Step::Transaction { on, statements, commit: rng.chance(90) }
        }
        62..88 => {
            let from = (on + rng.between(1, replicas as u64 - 1) as usize) % replicas;
            Step::Pull { from, to: on, keep: *rng.pick(&[100, 100, 60, 20]), shuffled: rng.chance(40) }
        }
        88..94 => Step::Reopen { on },
        _ => alter(rng, tables, number),
    }
}

fn alter(rng: &mut Rng, tables: &mut [TableShape], number: u64) -> Step {
    let table = rng.below(tables.len() as u64) as usize;
    let added = ColumnShape { name: format!("added{number}"), ..column(rng, number) };
    let sql = format!("ALTER TABLE {} ADD COLUMN {}", ident(&tables[table].name), definition(&added));
    tables[table].columns.push(added);
    Step::Alter { table, sql }
}

/// One transaction of 10,000 rows.
fn bulk(rng: &mut Rng, tables: &[TableShape]) -> Step {
    let table = &tables[0];
    let all: Vec<&ColumnShape> = table.keys.iter().chain(&table.columns).collect();
    let names: Vec<String> = all.iter().map(|c| ident(&c.name)).collect();
    let values: Vec<String> =
        all.iter().enumerate().map(|(n, _)| format!("n * {} + {}", n + 1, rng.below(1000))).collect();
    let sql = format!(
        "WITH RECURSIVE counted(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM counted WHERE n < 10000) \
         INSERT OR IGNORE INTO {} ({}) SELECT {} FROM counted",
        ident(&table.name),
        names.join(", "),
        values.join(", ")
    );
    let mut statements = vec![(sql, vec![])];
    if let Some(column) = table.columns.first() {
        let (name, column) = (ident(&table.name), ident(&column.name));
        statements
            .push((format!("UPDATE {name} SET {column} = 5 WHERE {} % 3 = 0", ident(&table.keys[0].name)), vec![]));
    }
    statements
        .push((format!("DELETE FROM {} WHERE {} % 7 = 0", ident(&table.name), ident(&table.keys[0].name)), vec![]));
    Step::Transaction { on: 0, statements, commit: true }
}

/// One statement, or a savepoint with what happens inside it.
fn statements(rng: &mut Rng, tables: &[TableShape]) -> Vec<Statement> {
    if rng.chance(15) {
        let mut inner = vec![("SAVEPOINT s".to_owned(), vec![])];
        inner.extend((0..rng.between(1, 3)).map(|_| statement(rng, tables)));
        if rng.chance(60) {
            inner.push(("ROLLBACK TO s".to_owned(), vec![]));
        }
        inner.push(("RELEASE s".to_owned(), vec![]));
        return inner;
    }
    vec![statement(rng, tables)]
}

fn statement(rng: &mut Rng, tables: &[TableShape]) -> Statement {
    let table = rng.pick(tables);
    let choice = if table.columns.is_empty() { *rng.pick(&[0, 1, 5, 6]) } else { rng.below(9) };
    match choice {
        0 => insert(rng, table, "OR IGNORE"),
        1 => insert(rng, table, "OR REPLACE"),
        2 => upsert(rng, table),
        3 | 4 => update(rng, table),
        5 => delete(rng, table),
        6 => change_key(rng, table),
        7 => insert_two(rng, table),
        _ => update_everything(rng, table),
    }
}

fn insert(rng: &mut Rng, table: &TableShape, conflict: &str) -> Statement {
    let (names, parameters) = row(rng, table);
    let marks = vec!["?"; names.len()].join(", ");
    (format!("INSERT {conflict} INTO {} ({}) VALUES ({marks})", ident(&table.name), names.join(", ")), parameters)
}

/// Two rows at once; fails as a whole if the second one's key is taken.
fn insert_two(rng: &mut Rng, table: &TableShape) -> Statement {
    let (names, mut parameters) = row(rng, table);
    parameters.extend(table.keys.iter().map(|k| key_value(rng, k)));
    parameters.extend(names.iter().skip(table.keys.len()).map(|_| Value::Integer(3)));
    let marks = vec!["?"; names.len()].join(", ");
    (format!("INSERT INTO {} ({}) VALUES ({marks}), ({marks})", ident(&table.name), names.join(", ")), parameters)
}

fn row(rng: &mut Rng, table: &TableShape) -> (Vec<String>, Vec<Value>) {
    let mut names: Vec<String> = table.keys.iter().map(|k| ident(&k.name)).collect();
    let mut values: Vec<Value> = table.keys.iter().map(|k| key_value(rng, k)).collect();
    for column in &table.columns {
        if rng.chance(70) {
            names.push(ident(&column.name));
            values.push(cell_value(rng, column));
        }
    }
    (names, values)
}

fn upsert(rng: &mut Rng, table: &TableShape) -> Statement {
    let (sql, parameters) = insert(rng, table, "");
    let column = rng.pick(&table.columns);
    (format!("{sql} ON CONFLICT DO UPDATE SET {0} = excluded.{0}", ident(&column.name)), parameters)
}

fn update(rng: &mut Rng, table: &TableShape) -> Statement {
    let mut parameters = Vec::new();
    let mut sets = Vec::new();
    for _ in 0..rng.between(1, 3) {
        let column = rng.pick(&table.columns);
        let name = ident(&column.name);
        if !sets.contains(&format!("{name} = ?")) {
            sets.push(format!("{name} = ?"));
            parameters.push(cell_value(rng, column));
        }
    }
    let (condition, value) = key_range(rng, table);
    parameters.push(value);
    (format!("UPDATE {} SET {} WHERE {condition}", ident(&table.name), sets.join(", ")), parameters)
}

fn update_everything(rng: &mut Rng, table: &TableShape) -> Statement {
    let column = rng.pick(&table.columns);
    (format!("UPDATE {} SET {} = ?", ident(&table.name), ident(&column.name)), vec![cell_value(rng, column)])
}

fn delete(rng: &mut Rng, table: &TableShape) -> Statement {
    let (condition, value) = key_range(rng, table);
    (format!("DELETE FROM {} WHERE {condition}", ident(&table.name)), vec![value])
}

fn change_key(rng: &mut Rng, table: &TableShape) -> Statement {
    let key = rng.pick(&table.keys);
    let mut parameters = vec![key_value(rng, key)];
    let mut sets = vec![format!("{} = ?", ident(&key.name))];
    if let (Some(column), true) = (table.columns.first(), rng.chance(40)) {
        sets.push(format!("{} = ?", ident(&column.name)));
        parameters.push(cell_value(rng, column));
    }
    let (condition, value) = key_range(rng, table);
    parameters.push(value);
    (format!("UPDATE OR IGNORE {} SET {} WHERE {condition}", ident(&table.name), sets.join(", ")), parameters)
}

fn key_range(rng: &mut Rng, table: &TableShape) -> (String, Value) {
    let key = rng.pick(&table.keys);
    let operator = rng.pick(&["=", "=", "=", "<", ">"]);
    (format!("{} {operator} ?", ident(&key.name)), key_value(rng, key))
}

/// Few different keys, so that replicas meet; integers around the widths of the packed form.
fn key_value(rng: &mut Rng, key: &ColumnShape) -> Value {
    let number = *rng.pick(&[0, 1, 2, 3, 4, 127, 128, 255, 256, 65_536, -1, 1 << 31, 1 << 40, i64::MIN, i64::MAX]);
    match key.kind {
        "INTEGER" | "INT" => Value::Integer(number),
        "TEXT" => {
            Value::Text(rng.pick(&["", "a", "b", "ä", "longer key of some forty characters or so", "1"]).to_string())
        }
        "BLOB" => Value::Blob(rng.pick(&[&b""[..], b"\x00", b"a", b"\xff\xfe"]).to_vec()),
        _ => rng
            .pick(&[Value::Integer(number), Value::Real(1.5), Value::Text("a".into()), Value::Blob(b"a".to_vec())])
            .clone(),
    }
}

fn cell_value(rng: &mut Rng, column: &ColumnShape) -> Value {
    let any = [
        Value::Integer(rng.below(4) as i64),
        Value::Integer(rng.bits() as i64),
        Value::Real(*rng.pick(&[0.0, -0.0, 1.5, -2.25, 1e100, f64::INFINITY])),
        Value::Text(rng.pick(&["", "a", "b", "zz", "é", "1", "1.0"]).to_string()),
        Value::Blob(rng.pick(&[&b""[..], b"\x00", b"ab", b"\xff"]).to_vec()),
        Value::Null,
    ];
    let choices = if column.nullable { &any[..] } else { &any[..5] };
    rng.pick(choices).clone()
}
