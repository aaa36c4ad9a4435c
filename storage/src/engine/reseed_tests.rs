//! Files without history: rows of the baseline are sent to nobody and lose against anything written later.

use super::tests::{apply, changesets_of, engine, rows, state, write};
use super::{CaptureMode, Engine};
use crate::change::ids::{DbVersion, SiteId};

/// A node whose file had these rows, under another identity before, and has no history.
fn reseeded(site: u8, sql: &str) -> Engine {
    let mut node = engine(100 + site, CaptureMode::Hook);
    write(&mut node, sql);
    write(
        &mut node,
        "UPDATE items SET name = name || '!'; INSERT INTO tags VALUES ('gone'); DELETE FROM tags WHERE k = 'gone'",
    );
    node.reseed(SiteId([site; 16])).expect("reseed");
    node
}

const ROWS: &str = "INSERT INTO items (id, name, note) VALUES (1, 'a', 1), (2, 'b', 2); \
    INSERT INTO pairs VALUES ('p', x'01', 1.5); INSERT INTO tags VALUES ('t')";

/// Everything each node has is merged into the other.
fn exchange(one: &mut Engine, other: &mut Engine) {
    let sites = |node: &Engine| node.site_id().0[0];
    let (first, second) = (changesets_of(one, sites(one)), changesets_of(other, sites(other)));
    apply(one, &second);
    apply(other, &first);
}

fn tables(engine: &Engine) -> Vec<String> {
    state(engine)
        .into_iter()
        .filter(|line| line.starts_with("[Text(\"items\"), Integer") || line.contains("pairs"))
        .collect()
}

#[test]
fn nodes_reseeded_from_the_same_rows_have_nothing_to_send() {
    let (one, other) = (reseeded(1, ROWS), reseeded(2, ROWS));
    for node in [&one, &other] {
        assert_eq!(rows(node, "SELECT count(*) FROM crsql_changes"), ["Integer(0)"]);
        assert_eq!(rows(node, "SELECT crsql_db_version()"), ["Integer(0)"]);
        assert_eq!(rows(node, "SELECT count(*) FROM crsql_db_versions WHERE db_version > 0"), ["Integer(0)"]);
        assert!(changesets_of(node, 0).is_empty(), "the baseline is no version that could be asked for");
    }
    assert_eq!(state(&one), state(&other));
    let clocks = "SELECT count(*) FROM items__crsql_clock c JOIN crsql_site_id s ON s.ordinal = c.site_id \
                  WHERE s.site_id = zeroblob(16) AND c.db_version = 1 AND c.col_version = 1";
    assert_eq!(rows(&one, clocks), ["Integer(4)"], "every cell belongs to the baseline");
}

#[test]
fn what_is_written_after_a_reseed_travels_and_wins_over_the_baseline() {
    let (mut one, mut other) = (reseeded(1, ROWS), reseeded(2, ROWS));
    write(&mut one, "UPDATE items SET name = '' WHERE id = 1");
    write(&mut one, "DELETE FROM tags");
    write(&mut other, "UPDATE items SET note = NULL WHERE id = 1; DELETE FROM items WHERE id = 2");
    exchange(&mut one, &mut other);
    assert_eq!(state(&one), state(&other));
    assert_eq!(rows(&one, "SELECT id || quote(name) || quote(note) FROM items"), ["Text(\"1''NULL\")"]);
    assert_eq!(rows(&other, "SELECT count(*) FROM tags"), ["Integer(0)"]);
    let sent: usize = changesets_of(&one, 1).iter().flat_map(|c| &c.tables).map(|t| t.cells.len()).sum();
    assert_eq!(sent, 1, "the cell that was written, and none of the baseline");
}

#[test]
fn where_baselines_differ_the_greater_value_wins_on_both_sides() {
    let (one, other) = (reseeded(1, ROWS), reseeded(2, &ROWS.replace("(1, 'a', 1)", "(1, 'z', 0)")));
    let cell = |name: &str, value: &str| {
        format!(
            "INSERT INTO crsql_changes (\"table\", pk, cid, val, col_version, db_version, site_id, cl, seq, ts) \
             VALUES ('items', crsql_pack_columns(1), '{name}', {value}, 1, 1, zeroblob(16), 1, {}, '0')",
            i32::from(name == "note")
        )
    };
    let mut nodes = [one, other];
    let told = [[cell("name", "'z!'"), cell("note", "0")], [cell("name", "'a!'"), cell("note", "1")]];
    for (node, told) in nodes.iter_mut().zip(&told) {
        node.begin().expect("begin");
        for cell in told {
            node.connection().execute_batch(cell).expect("merge");
        }
        node.commit().expect("commit");
    }
    let [one, other] = &nodes;
    assert_eq!(rows(one, "SELECT name || note FROM items WHERE id = 1"), ["Text(\"z!1\")"]);
    assert_eq!(tables(one), tables(other));
    for node in [one, other] {
        assert_eq!(rows(node, "SELECT count(*) FROM crsql_changes"), ["Integer(0)"], "still nothing to send");
    }
}

#[test]
fn a_reseeded_file_has_the_new_identity_and_counts_from_one_again() {
    let mut node = reseeded(7, ROWS);
    write(&mut node, "INSERT INTO tags VALUES ('new')");
    assert_eq!(node.site_id(), SiteId([7; 16]));
    assert_eq!(rows(&node, "SELECT crsql_site_id() = x'07070707070707070707070707070707'"), ["Integer(1)"]);
    assert!(node.changeset(SiteId([7; 16]), DbVersion(1)).expect("read").is_some());
    assert_eq!(rows(&node, "SELECT count(*) FROM crsql_site_id WHERE ordinal = 0"), ["Integer(1)"]);
}

#[test]
fn the_baseline_is_no_nodes_identity() {
    let mut node = engine(1, CaptureMode::Hook);
    write(&mut node, ROWS);
    let before = state(&node);
    node.reseed(SiteId::BASELINE).expect_err("refused");
    assert_eq!(state(&node), before);
}
