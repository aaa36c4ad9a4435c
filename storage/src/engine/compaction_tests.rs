//! Compaction of the log: superseded versions lose their records, and nobody can tell.

use proptest::prelude::*;

use super::tests::{apply, changesets_of, engine, histories, rows, state, write};
use super::{CaptureMode, Engine, EngineOptions};
use crate::change::ids::{DbVersion, SiteId, Timestamp};
use crate::testing::{CrashVfs, Fault};

/// A whole sweep; how many records it removed and in how many steps.
fn sweep(engine: &mut Engine) -> (u64, usize) {
    let mut removed = 0;
    for steps in 1.. {
        let step = engine.compact().expect("compact");
        removed += step.removed;
        if step.finished {
            return (removed, steps);
        }
    }
    (removed, 0)
}

fn log(engine: &Engine) -> Vec<String> {
    rows(engine, "SELECT DISTINCT site || '.' || version FROM crsql_log ORDER BY site, version")
        .iter()
        .map(|text| text.trim_start_matches("Text(\"").trim_end_matches("\")").to_owned())
        .collect()
}

/// Every clock that a row's metadata names is in the log: what changes says it all.
fn assert_log_is_whole(engine: &Engine) {
    for table in ["items", "pairs", "tags"] {
        let missing = format!(
            "SELECT count(*) FROM (SELECT col_name, db_version, seq, s.site_id FROM \"{table}__crsql_clock\" c \
             JOIN crsql_site_id s ON s.ordinal = c.site_id \
             EXCEPT SELECT cid, db_version, seq, site_id FROM crsql_changes WHERE \"table\" = '{table}')"
        );
        assert_eq!(rows(engine, &missing), ["Integer(0)"], "{table}");
    }
}

#[test]
fn versions_superseded_whole_lose_their_records_and_are_served_as_empty() {
    let mut engine = engine(1, CaptureMode::Hook);
    write(&mut engine, "INSERT INTO items (id, name, note) VALUES (1, 'a', 1)");
    write(&mut engine, "UPDATE items SET name = 'b'");
    write(&mut engine, "UPDATE items SET name = 'c'");
    write(&mut engine, "INSERT INTO tags VALUES ('p')");
    let before = state(&engine);
    assert_eq!(sweep(&mut engine).0, 1);
    assert_eq!(log(&engine), ["0.1", "0.3", "0.4"], "the first still has its note");
    assert_eq!(state(&engine), before);
    let served = engine.changeset(SiteId([1; 16]), DbVersion(2)).expect("read").expect("known");
    assert!(served.tables.is_empty() && served.is_complete());
}

#[test]
fn the_newest_version_keeps_its_record_so_that_its_number_is_not_given_again() {
    let mut engine = engine(1, CaptureMode::Hook);
    write(&mut engine, "INSERT INTO items (id, name) VALUES (1, 'a')");
    let mut other = super::tests::engine(2, CaptureMode::Hook);
    apply(&mut other, &changesets_of(&engine, 1));
    write(&mut other, "UPDATE items SET name = 'b', note = 2");
    apply(&mut engine, &changesets_of(&other, 2));
    assert_eq!(sweep(&mut engine).0, 0);
    write(&mut engine, "INSERT INTO tags VALUES ('p')");
    assert_eq!(rows(&engine, "SELECT crsql_db_version()"), ["Integer(2)"]);
    assert_eq!(sweep(&mut engine).0, 1, "now it is not the newest any more");
    assert_eq!(rows(&engine, "SELECT crsql_db_version()"), ["Integer(2)"]);
}

#[test]
fn a_large_superseded_version_goes_in_bounded_steps() {
    let mut engine = engine(1, CaptureMode::Hook);
    let numbers = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 10000)";
    write(&mut engine, &format!("{numbers} INSERT INTO tags SELECT 'a tag with a long name ' || n FROM c"));
    let chunks = rows(&engine, "SELECT count(*) > 5 FROM crsql_log");
    assert_eq!(chunks, ["Integer(1)"], "several records");
    write(&mut engine, "DELETE FROM tags");
    write(&mut engine, "INSERT INTO tags VALUES ('p')");
    let before = state(&engine);
    let (removed, steps) = sweep(&mut engine);
    assert!(removed > 5 && steps > 10_000 / 256, "{removed} records in {steps} steps");
    assert_eq!(log(&engine), ["0.2", "0.3"]);
    assert_eq!(state(&engine), before);
}

#[test]
fn a_record_merged_into_a_version_while_it_is_swept_stays() {
    let mut source = engine(1, CaptureMode::Hook);
    write(&mut source, "INSERT INTO items (id, name, note) VALUES (1, 'a', 1), (2, 'b', 2)");
    let cells = "SELECT \"table\", quote(pk), cid, quote(val), col_version, db_version, quote(site_id), cl, seq, ts FROM crsql_changes";
    let mut statement = source.connection().prepare(cells).expect("prepare");
    let cells: Vec<String> = statement
        .query_map([], |row| {
            Ok(format!(
                "INSERT INTO crsql_changes (\"table\", pk, cid, val, col_version, db_version, site_id, cl, seq, ts) \
                 VALUES ('{}', {}, '{}', {}, {}, {}, {}, {}, {}, '{}');",
                row.get::<_, String>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, String>(2)?,
                row.get::<_, String>(3)?,
                row.get::<_, i64>(4)?,
                row.get::<_, i64>(5)?,
                row.get::<_, String>(6)?,
                row.get::<_, i64>(7)?,
                row.get::<_, i64>(8)?,
                row.get::<_, String>(9)?,
            ))
        })
        .expect("query")
        .map(|cell| cell.expect("cell"))
        .collect();
    let mut target = engine(2, CaptureMode::Hook);
    for (number, cell) in cells.iter().enumerate() {
        target.begin().expect("begin");
        target.connection().execute_batch(cell).expect("merge");
        target.commit().expect("commit");
        // Superseded at once, but for the last one, and swept.
        if number + 1 < cells.len() {
            write(&mut target, "UPDATE items SET name = name || 'x', note = 7; DELETE FROM items WHERE id = 9");
        }
        sweep(&mut target);
        assert_log_is_whole(&target);
    }
}

#[test]
fn a_sweep_is_due_once_enough_rows_were_overwritten_also_after_a_restart() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("a.db");
    let open = || Engine::open(&path, &EngineOptions::default()).expect("open");
    let mut engine = open();
    engine.connection().execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY NOT NULL, v)").expect("create");
    engine.begin().expect("begin");
    engine.as_crr("t").expect("replicate");
    engine.commit().expect("commit");
    let single = |engine: &mut Engine, sql: &str| {
        engine.begin().expect("begin");
        for n in 0..5000i64 {
            engine.begin_version(Timestamp(1)).expect("begin version");
            engine.connection().prepare_cached(sql).expect("prepare").execute([n]).expect("write");
            engine.end_version().expect("end version");
        }
        engine.commit().expect("commit");
    };
    single(&mut engine, "INSERT INTO t VALUES (?1, 0)");
    assert!(!engine.compaction_is_due(), "insertions supersede nothing");
    single(&mut engine, "UPDATE t SET v = 1 WHERE id = ?1");
    assert!(engine.compaction_is_due());
    engine.close().expect("close");
    let mut engine = open();
    assert!(engine.compaction_is_due(), "not forgotten");
    assert_eq!(sweep(&mut engine).0, 5000);
    assert!(!engine.compaction_is_due());
    engine.close().expect("close");
    assert!(!open().compaction_is_due(), "the sweep is not forgotten either");
}

#[test]
fn a_crash_while_compacting_loses_no_record_that_is_in_use() {
    for seed in 0..40 {
        let vfs = CrashVfs::register(seed);
        let options = EngineOptions { site_id: Some(SiteId([1; 16])), ..EngineOptions::default() };
        let mut node = Engine::open(&vfs.path(), &options).expect("open");
        super::tests::create(&mut node);
        vfs.inject(Fault::CrashAfter(60 + seed * 11));
        for n in 0.. {
            let id = n % 7;
            let sql = format!(
                "INSERT OR REPLACE INTO items VALUES ({id}, 'n', {n}); UPDATE items SET name = 'x' WHERE id = {n} % 5; \
                 INSERT OR REPLACE INTO tags VALUES ({n} % 3); DELETE FROM tags WHERE k = ({n} + 1) % 3"
            );
            let written = node.begin().and_then(|()| {
                node.begin_version(Timestamp(7))?;
                node.connection().execute_batch(&sql)?;
                node.end_version()?;
                node.commit()
            });
            let compacted = node.compact();
            if n % 11 == 0 {
                let _: Result<i64, _> = node.connection().query_row("PRAGMA wal_checkpoint(RESTART)", [], |r| r.get(0));
            }
            if written.is_err() || compacted.is_err() || vfs.is_off() {
                break;
            }
        }
        drop(node);
        vfs.repair();
        let mut again = Engine::open(&vfs.path(), &options).expect("open what is left");
        assert_log_is_whole(&again);
        let before = state(&again);
        sweep(&mut again);
        assert_eq!(state(&again), before, "seed {seed}");
        assert_eq!(rows(&again, "PRAGMA integrity_check"), ["Text(\"ok\")"]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn a_compacted_node_answers_as_one_that_never_was(
        histories in histories(), pauses in prop::collection::vec(any::<bool>(), 20),
    ) {
        let mut plain = engine(1, CaptureMode::Hook);
        let mut compacted = engine(1, CaptureMode::Hook);
        let mut other = engine(2, CaptureMode::Hook);
        for ((number, transaction), pause) in histories.iter().flatten().enumerate().zip(pauses.iter().cycle()) {
            if number % 3 == 2 {
                write(&mut other, transaction);
            } else {
                write(&mut plain, transaction);
                write(&mut compacted, transaction);
            }
            if *pause {
                let merged = changesets_of(&other, 2);
                apply(&mut plain, &merged);
                apply(&mut compacted, &merged);
                compacted.compact().expect("compact");
            }
        }
        sweep(&mut compacted);
        assert_log_is_whole(&compacted);
        prop_assert_eq!(state(&plain), state(&compacted));
        // Also to peers: what they get from either is the same.
        let (mut from_plain, mut from_compacted) = (engine(9, CaptureMode::Hook), engine(9, CaptureMode::Hook));
        for site in [1, 2] {
            prop_assert_eq!(changesets_of(&plain, site).len(), changesets_of(&compacted, site).len());
            apply(&mut from_plain, &changesets_of(&plain, site));
            apply(&mut from_compacted, &changesets_of(&compacted, site));
        }
        prop_assert_eq!(state(&from_plain), state(&from_compacted));
    }
}
