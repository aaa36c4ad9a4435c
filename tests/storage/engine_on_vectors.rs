//! The engine reproduces every golden vector, with either way of capturing local writes.

use std::path::Path;

use rusqlite::types::Value;
use storage::change::ids::{SiteId, Timestamp};
use storage::engine::{CaptureMode, Engine, EngineOptions};
use tests::model::{Change, ident};
use tests::vectors::{self, Dump, Step, Vector, line, sorted};

#[test]
fn the_engine_reproduces_every_golden_vector_through_the_hook() {
    check(CaptureMode::Hook);
}

#[test]
fn the_engine_reproduces_every_golden_vector_through_triggers() {
    check(CaptureMode::Trigger);
}

fn check(capture: CaptureMode) {
    let vectors = vectors::all().expect("vectors are readable");
    assert_eq!(vectors.len(), 47, "the set of vectors is complete");
    for vector in &vectors {
        let directory = tempfile::tempdir().expect("temporary directory");
        let mut replicas: Vec<Replica> =
            (0..vector.sites.len()).map(|i| Replica::new(vector, i, directory.path(), capture)).collect();
        for (number, step) in vector.steps.iter().enumerate() {
            run(vector, &mut replicas, step, &format!("{} step {number}", vector.file));
        }
    }
}

struct Replica {
    engine: Option<Engine>,
    path: std::path::PathBuf,
    options: EngineOptions,
}

impl Replica {
    fn new(vector: &Vector, index: usize, directory: &Path, capture: CaptureMode) -> Self {
        let site_id = SiteId::from_slice(&vector.sites[index]);
        let options = EngineOptions { capture, site_id, ..EngineOptions::default() };
        let path = directory.join(format!("{index}.db"));
        let mut engine = Engine::open(&path, &options).expect("open");
        engine.begin().expect("begin");
        for sql in &vector.schema {
            engine.connection().execute_batch(sql).expect("a vector's schema is valid");
        }
        for table in &vector.crr {
            engine.as_crr(table).expect("make replicated");
        }
        engine.commit().expect("commit");
        Self { engine: Some(engine), path, options }
    }

    fn engine(&mut self) -> &mut Engine {
        self.engine.as_mut().expect("open between steps")
    }

    fn reopen(&mut self) {
        self.engine.take().expect("open between steps").close().expect("close");
        self.engine = Some(Engine::open(&self.path, &self.options).expect("reopen"));
    }

    fn rows(&mut self, sql: &str) -> Vec<String> {
        let connection = self.engine().connection();
        let mut statement = connection.prepare(sql).expect("prepare");
        let width = statement.column_count();
        let rows = statement
            .query_map([], |r| (0..width).map(|i| r.get(i)).collect::<Result<Vec<Value>, _>>())
            .expect("query");
        sorted(rows.map(|row| line(&row.expect("row"))).collect())
    }

    fn number(&mut self, sql: &str) -> i64 {
        self.engine().connection().query_row(sql, [], |r| r.get(0)).expect("one number")
    }

    fn pull(&mut self, rows: &[Change]) -> i64 {
        self.engine().begin().expect("begin");
        for change in rows {
            let mut insert = self
                .engine()
                .connection()
                .prepare_cached(
                    "INSERT INTO crsql_changes (\"table\", pk, cid, val, col_version, db_version, site_id, cl, seq, ts) \
                     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                )
                .expect("prepare");
            let Change { table, pk, cid, val, col_version, db_version, site, cl, seq, ts } = change;
            insert.execute((table, pk, cid, val, col_version, db_version, site, cl, seq, ts)).expect("merge");
        }
        let impacted = self.number("SELECT crsql_rows_impacted()");
        self.engine().commit().expect("commit");
        impacted
    }

    fn transaction(&mut self, ts: &str, rollback: bool, statements: &[(String, Vec<Value>)]) {
        let engine = self.engine();
        engine.begin().expect("begin");
        engine.begin_version(Timestamp(ts.parse().expect("vectors have numeric timestamps"))).expect("begin version");
        for (sql, parameters) in statements {
            engine
                .connection()
                .execute(sql, rusqlite::params_from_iter(parameters))
                .expect("a vector's statement runs");
        }
        if rollback {
            engine.rollback().expect("rollback");
        } else {
            engine.end_version().expect("end version");
            engine.commit().expect("commit");
        }
    }
}

fn run(vector: &Vector, replicas: &mut [Replica], step: &Step, place: &str) {
    match step {
        Step::Transaction { on, ts, rollback, statements } => replicas[*on].transaction(ts, *rollback, statements),
        Step::Pull { to, rows, impacted } => {
            assert_eq!(replicas[*to].pull(rows), i64::try_from(*impacted).expect("small"), "{place} rows_impacted");
        }
        Step::Reopen { on } => replicas[*on].reopen(),
        Step::Expect { on, dump } => {
            let found = dump_of(vector, &mut replicas[*on]);
            assert_eq!(found.tables, dump.tables, "{place} tables");
            assert_eq!(found.changes, dump.changes, "{place} changes");
            assert_eq!(found.versions, dump.versions, "{place} versions");
            assert_eq!(found.db_version, dump.db_version, "{place} db_version");
        }
    }
}

fn dump_of(vector: &Vector, replica: &mut Replica) -> Dump {
    Dump {
        db_version: replica.number("SELECT crsql_db_version()"),
        tables: vector.crr.iter().map(|t| replica.rows(&format!("SELECT * FROM {}", ident(t)))).collect(),
        changes: replica.rows(
            "SELECT \"table\", pk, cid, val, col_version, db_version, hex(site_id), cl, seq, ts FROM crsql_changes \
             WHERE NOT (cid = '-1' AND cl % 2 = 1 AND \"table\" <> 'tags')",
        ),
        versions: replica.rows("SELECT hex(site_id), db_version FROM crsql_db_versions WHERE db_version > 0"),
    }
}
