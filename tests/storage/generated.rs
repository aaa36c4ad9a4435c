//! The generated set: random schemas and histories, the engine against the reference model, both capture front ends.
//!
//! `CORROSION_SEEDS=FROM-TO cargo test --release -p tests --test storage generated` runs more seeds than the fixed part. A failure
//! prints its seed; a seed is the whole case.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::types::Value;
use storage::change::ids::{SiteId, Timestamp};
use storage::engine::{CaptureMode, Engine, EngineOptions};
use tests::generate::{self, Script, Statement, Step};
use tests::model::{Change, Replica, SENTINEL, ident};
use tests::rng::Rng;
use tests::vectors::{line, sorted};

#[test]
fn the_engine_equals_the_reference_model_on_random_histories() {
    for seed in seeds() {
        eprintln!("seed {seed}");
        run(seed, &[CaptureMode::Hook, CaptureMode::Trigger]);
    }
}

#[test]
fn the_reference_model_itself_converges_on_random_histories() {
    for seed in seeds() {
        eprintln!("seed {seed}");
        run(seed, &[]);
    }
}

/// Seeds that failed once. 1042: `0.0` and `-0.0` were equal to capture and to the order that decides ties, and nodes kept
/// whichever came first.
const KEPT: [u64; 1] = [1042];

/// The fixed part of CI, or what CORROSION_SEEDS says. In CI only the first of the large seeds: each takes as long as a
/// hundred others.
fn seeds() -> Vec<u64> {
    let Ok(range) = std::env::var("CORROSION_SEEDS") else {
        return (0..40).filter(|seed| *seed < 8 || !generate::is_large(*seed)).chain(KEPT).collect();
    };
    let (from, to) = range.split_once('-').expect("CORROSION_SEEDS is FROM-TO");
    (from.parse().expect("FROM is a number")..to.parse().expect("TO is a number")).collect()
}

fn run(seed: u64, front_ends: &[CaptureMode]) {
    let script = generate::script(seed);
    let mut world = World::new(&script, front_ends);
    let mut rng = Rng::new(!seed);
    for (number, step) in script.steps.iter().enumerate() {
        let touched = world.step(step, number, &mut rng);
        if number % 3 == 2 {
            world.compact();
        }
        for on in touched {
            world.compare(on, &format!("seed {seed} step {number} replica {on}"));
        }
    }
    world.converged(&format!("seed {seed}"));
}

/// Each replica several times: the model, and the engine with each front end.
struct World<'a> {
    script: &'a Script,
    directory: tempfile::TempDir,
    models: Vec<Replica>,
    /// Per replica, per front end.
    engines: Vec<Vec<Option<Engine>>>,
    front_ends: &'a [CaptureMode],
    /// Tables that have other columns than the key's, or get one.
    with_columns: BTreeSet<&'a str>,
    /// Versions whose sequence numbers may have other holes than the model's: a savepoint was rolled back, or the rows were
    /// there before the table became replicated.
    loose: BTreeSet<(Vec<u8>, i64)>,
}

impl<'a> World<'a> {
    fn new(script: &'a Script, front_ends: &'a [CaptureMode]) -> Self {
        let mut world = Self {
            script,
            directory: tempfile::tempdir().expect("directory"),
            models: Vec::new(),
            engines: Vec::new(),
            front_ends,
            with_columns: tables_with_columns(script),
            loose: BTreeSet::new(),
        };
        for (number, site) in script.sites.iter().enumerate() {
            world.models.push(Replica::new(site).expect("model"));
            world.engines.push((0..front_ends.len()).map(|kind| Some(world.open(number, kind))).collect());
            world.set_up(number);
        }
        world
    }

    fn path(&self, replica: usize, kind: usize) -> PathBuf {
        self.directory.path().join(format!("{replica}-{kind}.db"))
    }

    fn open(&self, replica: usize, kind: usize) -> Engine {
        let options = EngineOptions {
            capture: self.front_ends[kind],
            site_id: Some(SiteId(self.script.sites[replica])),
            ..EngineOptions::default()
        };
        Engine::open(Path::new(&self.path(replica, kind)), &options).expect("open")
    }

    /// Creates the tables, writes rows, makes the tables replicated.
    fn set_up(&mut self, replica: usize) {
        let before = &self.script.before[replica];
        let model = &mut self.models[replica];
        for table in &self.script.tables {
            model.connection().execute_batch(&table.create).expect("a generated table is valid");
        }
        let outcome: Vec<bool> = before.iter().map(|s| execute(model.connection(), s)).collect();
        for engine in self.engines[replica].iter_mut().flatten() {
            engine.begin().expect("begin");
            for table in &self.script.tables {
                engine.connection().execute_batch(&table.create).expect("create");
            }
            let found: Vec<bool> = before.iter().map(|s| execute(engine.connection(), s)).collect();
            assert_eq!(found, outcome, "rows before");
            engine.commit().expect("commit");
        }
        for (number, table) in self.script.tables.iter().enumerate() {
            let model = &mut self.models[replica];
            model.as_crr(&table.name, &number.to_string()).expect("model as_crr");
            self.loose.insert((self.script.sites[replica].to_vec(), model.db_version()));
            for engine in self.engines[replica].iter_mut().flatten() {
                in_version(engine, number as u64, |engine| engine.as_crr(&table.name).expect("as_crr"));
            }
        }
    }

    /// A step of compaction, which nobody may notice.
    fn compact(&mut self) {
        for engine in self.engines.iter_mut().flatten().flatten() {
            engine.compact().expect("compact");
        }
    }

    fn step(&mut self, step: &Step, number: usize, rng: &mut Rng) -> Vec<usize> {
        let ts = 1000 + number as u64;
        match step {
            Step::Transaction { on, statements, commit } => {
                self.transaction(*on, statements, *commit, ts);
                vec![*on]
            }
            Step::Pull { from, to, keep, shuffled } => {
                self.pull(*from, *to, *keep, *shuffled, rng);
                vec![*to]
            }
            Step::Reopen { on } => {
                for kind in 0..self.front_ends.len() {
                    self.engines[*on][kind].take().expect("open").close().expect("close");
                    self.engines[*on][kind] = Some(self.open(*on, kind));
                }
                vec![*on]
            }
            Step::Alter { table, sql } => {
                let name = &self.script.tables[*table].name;
                for replica in 0..self.models.len() {
                    self.models[replica].connection().execute_batch(sql).expect("alter");
                    self.models[replica].altered(name).expect("altered");
                    for engine in self.engines[replica].iter_mut().flatten() {
                        in_version(engine, ts, |engine| {
                            engine.begin_alter(name).expect("begin_alter");
                            engine.connection().execute_batch(sql).expect("alter");
                            engine.commit_alter(name).expect("commit_alter");
                        });
                    }
                }
                (0..self.models.len()).collect()
            }
        }
    }

    fn transaction(&mut self, on: usize, statements: &[Statement], commit: bool, ts: u64) {
        let mut outcome = Vec::new();
        let work = |conn: &Connection| {
            outcome = statements.iter().map(|s| execute(conn, s)).collect();
            commit
        };
        self.models[on].transaction(&ts.to_string(), work).expect("model transaction");
        if statements.iter().any(|(sql, _)| sql.starts_with("ROLLBACK")) || outcome.contains(&false) {
            self.loose.insert((self.script.sites[on].to_vec(), self.models[on].db_version()));
        }
        for engine in self.engines[on].iter_mut().flatten() {
            engine.begin().expect("begin");
            engine.begin_version(Timestamp(ts)).expect("begin_version");
            let found: Vec<bool> = statements.iter().map(|s| execute(engine.connection(), s)).collect();
            assert_eq!(found, outcome, "statements succeed and fail alike: {statements:?}");
            if commit {
                engine.end_version().expect("end_version");
            } else {
                engine.abandon_version().expect("abandon_version");
            }
            engine.commit().expect("commit");
        }
    }

    fn pull(&mut self, from: usize, to: usize, keep: u64, shuffled: bool, rng: &mut Rng) {
        let mut changes = self.models[from].changes().expect("changes");
        changes.sort_by(|a, b| (a.db_version, &a.site, a.seq).cmp(&(b.db_version, &b.site, b.seq)));
        changes.retain(|_| rng.chance(keep));
        if shuffled {
            rng.shuffle(&mut changes);
        }
        let impacted = self.models[to].merge(&changes).expect("model merge");
        for engine in self.engines[to].iter_mut().flatten() {
            engine.begin().expect("begin");
            let conn = engine.connection();
            for change in &changes {
                merge_one(conn, change);
            }
            let found: i64 = conn.query_row("SELECT crsql_rows_impacted()", [], |r| r.get(0)).expect("rows impacted");
            assert_eq!(found, impacted as i64, "rows impacted");
            engine.commit().expect("commit");
        }
    }

    /// The engine's two forms equal the model.
    fn compare(&self, on: usize, place: &str) {
        let model = &self.models[on];
        let tables = self.rows(model.connection());
        let changes = self.lines(model.changes().expect("changes"));
        for (engine, front_end) in self.engines[on].iter().zip(self.front_ends) {
            let conn = engine.as_ref().expect("open").connection();
            assert_eq!(self.rows(conn), tables, "{place} {front_end:?}: rows");
            assert_eq!(self.lines(read_changes(conn)), changes, "{place} {front_end:?}: changes");
            let version: i64 = conn.query_row("SELECT crsql_db_version()", [], |r| r.get(0)).expect("db_version");
            assert_eq!(version, model.db_version(), "{place} {front_end:?}: db_version");
            assert_eq!(&read_versions(conn), model.versions(), "{place} {front_end:?}: versions");
        }
    }

    /// After everybody merged everybody's changes all rows are equal (I6).
    fn converged(&self, place: &str) {
        let first = self.rows(self.models[0].connection());
        for model in &self.models[1..] {
            assert_eq!(self.rows(model.connection()), first, "{place}: replicas converge");
        }
        for engine in self.engines.iter().flatten().flatten() {
            let check: String =
                engine.connection().query_row("PRAGMA integrity_check", [], |r| r.get(0)).expect("check");
            assert_eq!(check, "ok", "{place}");
        }
    }

    fn rows(&self, conn: &Connection) -> Vec<Vec<String>> {
        self.script.tables.iter().map(|table| read_rows(conn, &table.name)).collect()
    }

    /// Changes as comparable lines: live sentinels of tables with other columns left out, as the vectors do; in loose versions
    /// the sequence numbers replaced by their order within the row.
    fn lines(&self, mut changes: Vec<Change>) -> Vec<String> {
        let has_columns = |name: &str| self.with_columns.contains(name);
        changes.sort_by_key(|c| c.seq);
        changes.retain(|c| !(c.cid == SENTINEL && c.cl % 2 == 1 && has_columns(&c.table)));
        let mut seen = BTreeMap::new();
        for change in &changes {
            let place = (change.site.clone(), change.db_version, change.seq);
            let other = seen.insert(place, change);
            assert!(other.is_none(), "I1: two cells with one place: {change:?} and {other:?}");
        }
        let mut order: BTreeMap<(String, Vec<u8>, Vec<u8>, i64), i64> = BTreeMap::new();
        let lines = changes.into_iter().map(|mut change| {
            if self.loose.contains(&(change.site.clone(), change.db_version)) {
                let place = (change.table.clone(), change.pk.clone(), change.site.clone(), change.db_version);
                let next = order.entry(place).or_insert(0);
                change.seq = *next;
                *next += 1;
            }
            line_of(change)
        });
        sorted(lines.collect())
    }
}

fn tables_with_columns(script: &Script) -> BTreeSet<&str> {
    let altered = script.steps.iter().filter_map(|step| match step {
        Step::Alter { table, .. } => Some(*table),
        Step::Transaction { .. } | Step::Pull { .. } | Step::Reopen { .. } => None,
    });
    let declared = (0..script.tables.len()).filter(|n| !script.tables[*n].columns.is_empty());
    declared.chain(altered).map(|n| script.tables[n].name.as_str()).collect()
}

fn in_version(engine: &mut Engine, ts: u64, work: impl FnOnce(&mut Engine)) {
    engine.begin().expect("begin");
    engine.begin_version(Timestamp(ts)).expect("begin_version");
    work(engine);
    engine.end_version().expect("end_version");
    engine.commit().expect("commit");
}

/// Whether the statement succeeded; that it fails alike everywhere is part of the comparison.
fn execute(conn: &Connection, (sql, parameters): &Statement) -> bool {
    conn.prepare_cached(sql).and_then(|mut s| s.execute(rusqlite::params_from_iter(parameters))).is_ok()
}

fn merge_one(conn: &Connection, change: &Change) {
    let sql = "INSERT INTO crsql_changes (\"table\", pk, cid, val, col_version, db_version, site_id, cl, seq, ts) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    let Change { table, pk, cid, val, col_version, db_version, site, cl, seq, ts } = change;
    conn.prepare_cached(sql)
        .and_then(|mut s| s.execute(rusqlite::params![table, pk, cid, val, col_version, db_version, site, cl, seq, ts]))
        .expect("a merge never fails on data");
}

fn read_changes(conn: &Connection) -> Vec<Change> {
    let sql = "SELECT \"table\", pk, cid, val, col_version, db_version, site_id, cl, seq, ts FROM crsql_changes";
    let mut statement = conn.prepare_cached(sql).expect("prepare");
    let rows = statement.query_map([], |r| {
        Ok(Change {
            table: r.get(0)?,
            pk: r.get(1)?,
            cid: r.get(2)?,
            val: r.get(3)?,
            col_version: r.get(4)?,
            db_version: r.get(5)?,
            site: r.get(6)?,
            cl: r.get(7)?,
            seq: r.get(8)?,
            ts: r.get(9)?,
        })
    });
    rows.expect("query").collect::<Result<_, _>>().expect("changes")
}

fn read_versions(conn: &Connection) -> BTreeMap<Vec<u8>, i64> {
    let mut statement =
        conn.prepare_cached("SELECT site_id, db_version FROM crsql_db_versions WHERE db_version > 0").expect("prepare");
    let rows = statement.query_map([], |r| Ok((r.get(0)?, r.get(1)?))).expect("query");
    rows.collect::<Result<_, _>>().expect("versions")
}

fn read_rows(conn: &Connection, table: &str) -> Vec<String> {
    let mut statement = conn.prepare(&format!("SELECT * FROM {}", ident(table))).expect("prepare");
    let width = statement.column_count();
    let rows =
        statement.query_map([], |r| (0..width).map(|i| r.get(i)).collect::<Result<Vec<Value>, _>>()).expect("query");
    sorted(rows.map(|row| line(&row.expect("row"))).collect())
}

fn line_of(c: Change) -> String {
    line(&[
        Value::Text(c.table),
        Value::Blob(c.pk),
        Value::Text(c.cid),
        c.val,
        Value::Integer(c.col_version),
        Value::Integer(c.db_version),
        Value::Blob(c.site),
        Value::Integer(c.cl),
        Value::Integer(c.seq),
        Value::Text(c.ts),
    ])
}
