//! The reference model is right: it reproduces every golden vector.

use rusqlite::types::Value;
use tests::model::{Replica, SENTINEL, ident};
use tests::vectors::{self, Dump, Step, Vector, hex, line, sorted};

#[test]
fn the_reference_model_reproduces_every_golden_vector() {
    let vectors = vectors::all().expect("vectors are readable");
    assert_eq!(vectors.len(), 47, "the set of vectors is complete");
    for vector in &vectors {
        replay(vector);
    }
}

fn replay(vector: &Vector) {
    let mut replicas: Vec<Replica> = vector.sites.iter().map(|site| new_replica(vector, site)).collect();
    for (number, step) in vector.steps.iter().enumerate() {
        let place = || format!("{} step {number}", vector.file);
        match step {
            Step::Transaction { on, ts, rollback, statements } => replicas[*on]
                .transaction(ts, |conn| {
                    for (sql, parameters) in statements {
                        conn.execute(sql, rusqlite::params_from_iter(parameters)).expect("a vector's statement runs");
                    }
                    !rollback
                })
                .expect("transaction"),
            Step::Pull { to, rows, impacted } => {
                assert_eq!(replicas[*to].merge(rows).expect("merge"), *impacted, "{} rows_impacted", place());
            }
            Step::Reopen { .. } => {}
            Step::Expect { on, dump } => {
                let found = dump_of(vector, &replicas[*on]);
                assert_eq!(found.tables, dump.tables, "{} tables", place());
                assert_eq!(found.changes, dump.changes, "{} changes", place());
                assert_eq!(found.versions, dump.versions, "{} versions", place());
                assert_eq!(found.db_version, dump.db_version, "{} db_version", place());
            }
        }
    }
}

fn new_replica(vector: &Vector, site: &[u8]) -> Replica {
    let mut replica = Replica::new(site).expect("open");
    for sql in &vector.schema {
        replica.connection().execute_batch(sql).expect("a vector's schema is valid");
    }
    for table in &vector.crr {
        replica.as_crr(table, "0").expect("make replicated");
    }
    replica
}

fn dump_of(vector: &Vector, replica: &Replica) -> Dump {
    let rows = |table: &String| {
        let mut statement = replica.connection().prepare(&format!("SELECT * FROM {}", ident(table))).expect("prepare");
        let width = statement.column_count();
        let rows = statement
            .query_map([], |r| (0..width).map(|i| r.get(i)).collect::<Result<Vec<Value>, _>>())
            .expect("query");
        sorted(rows.map(|row| line(&row.expect("row"))).collect())
    };
    let changes = replica.changes().expect("changes").into_iter();
    let changes = changes.filter(|c| !(c.cid == SENTINEL && c.cl % 2 == 1 && c.table != "tags")).map(|c| {
        line(&[
            Value::Text(c.table),
            Value::Blob(c.pk),
            Value::Text(c.cid),
            c.val,
            Value::Integer(c.col_version),
            Value::Integer(c.db_version),
            Value::Text(hex(&c.site)),
            Value::Integer(c.cl),
            Value::Integer(c.seq),
            Value::Text(c.ts),
        ])
    });
    let versions = replica.versions().iter().map(|(site, v)| line(&[Value::Text(hex(site)), Value::Integer(*v)]));
    Dump {
        db_version: replica.db_version(),
        tables: vector.crr.iter().map(rows).collect(),
        changes: sorted(changes.collect()),
        versions: sorted(versions.collect()),
    }
}
