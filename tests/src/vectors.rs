//! The golden vectors (`tests/vectors`, format in its README): scripts over replicas with every expectation read off cr-sqlite.

use std::path::PathBuf;

use anyhow::{Context, Result};
use rusqlite::types::Value;
use serde_json::Value as Json;

use crate::model::Change;

/// One script.
#[derive(Debug)]
pub struct Vector {
    pub file: String,
    pub schema: Vec<String>,
    /// Tables that become replicated.
    pub crr: Vec<String>,
    pub sites: Vec<Vec<u8>>,
    pub steps: Vec<Step>,
}

#[derive(Debug)]
pub enum Step {
    Transaction { on: usize, ts: String, rollback: bool, statements: Vec<(String, Vec<Value>)> },
    Pull { to: usize, rows: Vec<Change>, impacted: u64 },
    Reopen { on: usize },
    Expect { on: usize, dump: Box<Dump> },
}

/// What a replica must look like. Lists are sorted; live sentinels of tables with other columns are left out.
#[derive(Debug, PartialEq)]
pub struct Dump {
    pub db_version: i64,
    /// Per table of the script, in its order.
    pub tables: Vec<Vec<String>>,
    pub changes: Vec<String>,
    pub versions: Vec<String>,
}

/// All vectors, by file name.
pub fn all() -> Result<Vec<Vector>> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&directory)?.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>()?;
    files.retain(|path| path.extension().is_some_and(|e| e == "json"));
    files.sort();
    files.into_iter().map(|path| read(&path).with_context(|| format!("read {}", path.display()))).collect()
}

fn read(path: &std::path::Path) -> Result<Vector> {
    let json: Json = serde_json::from_str(&std::fs::read_to_string(path)?)?;
    let crr = strings(&json["crr"]);
    Ok(Vector {
        file: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        schema: strings(&json["schema"]),
        sites: strings(&json["sites"]).iter().map(|s| bytes(s)).collect(),
        steps: list(&json["steps"]).iter().map(|step| read_step(step, &crr)).collect::<Result<_>>()?,
        crr,
    })
}

fn read_step(step: &Json, crr: &[String]) -> Result<Step> {
    let replica = |key: &str| step[key].as_u64().map(|n| n as usize).context("replica number");
    Ok(match step["op"].as_str().context("op")? {
        "txn" => Step::Transaction {
            on: replica("on")?,
            ts: step["ts"].as_str().context("ts")?.to_owned(),
            rollback: step["rollback"].as_bool().unwrap_or_default(),
            statements: list(&step["stmts"])
                .iter()
                .map(|s| (s[0].as_str().unwrap_or_default().to_owned(), list(&s[1]).iter().map(value).collect()))
                .collect(),
        },
        "pull" => Step::Pull {
            to: replica("to")?,
            rows: list(&step["rows"]).iter().map(|row| change(list(row))).collect(),
            impacted: step["rows_impacted"].as_u64().context("rows_impacted")?,
        },
        "reopen" => Step::Reopen { on: replica("on")? },
        "expect" => Step::Expect { on: replica("on")?, dump: Box::new(dump(&step["dump"], crr)?) },
        other => anyhow::bail!("unknown step {other}"),
    })
}

fn change(row: &[Json]) -> Change {
    let text = |i: usize| row[i][1].as_str().unwrap_or_default().to_owned();
    let integer = |i: usize| row[i][1].as_i64().unwrap_or_default();
    Change {
        table: text(0),
        pk: bytes(&text(1)),
        cid: text(2),
        val: value(&row[3]),
        col_version: integer(4),
        db_version: integer(5),
        site: bytes(&text(6)),
        cl: integer(7),
        seq: integer(8),
        ts: text(9),
    }
}

fn dump(json: &Json, crr: &[String]) -> Result<Dump> {
    let rows = |key: &str| -> Vec<String> {
        list(&json[key]).iter().map(|row| line(&list(row).iter().map(value).collect::<Vec<_>>())).collect()
    };
    Ok(Dump {
        db_version: json["db_version"][1].as_i64().context("db_version")?,
        tables: crr.iter().map(|table| sorted(rows(table))).collect(),
        changes: sorted(rows("changes")),
        versions: sorted(rows("versions")),
    })
}

/// A row as one comparable line.
pub fn line(values: &[Value]) -> String {
    let cells: Vec<String> = values
        .iter()
        .map(|value| match value {
            Value::Null => "null".to_owned(),
            Value::Integer(i) => format!("i{i}"),
            Value::Real(r) => format!("r{r:?}"),
            Value::Text(t) => format!("t{t:?}"),
            Value::Blob(b) => format!("b{}", hex(b)),
        })
        .collect();
    cells.join(" ")
}

/// Sorts lines, for lists that are compared as sets.
pub fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

/// Upper-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02X}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2)
        .map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).expect("vectors hold hexadecimal"))
        .collect()
}

fn value(json: &Json) -> Value {
    let Some(kind) = json[0].as_str() else { return Value::Null };
    match kind {
        "i" => Value::Integer(json[1].as_i64().unwrap_or_default()),
        "r" => Value::Real(json[1].as_f64().unwrap_or_default()),
        "t" => Value::Text(json[1].as_str().unwrap_or_default().to_owned()),
        _ => Value::Blob(bytes(json[1].as_str().unwrap_or_default())),
    }
}

fn list(json: &Json) -> &[Json] {
    json.as_array().map_or(&[], Vec::as_slice)
}

fn strings(json: &Json) -> Vec<String> {
    list(json).iter().filter_map(Json::as_str).map(str::to_owned).collect()
}
