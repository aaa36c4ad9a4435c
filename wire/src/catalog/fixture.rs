//! The schema that the catalog's tests describe: the tables `todos` and `t2`, and `nokey`-like cases on top.

use std::collections::BTreeMap;
use std::sync::Arc;

use storage::Schema;
use storage::schema::model::{Affinity, Column, Index, IndexColumn, Origin, PgType, Table};

use crate::types::oid;

/// `todos (id text primary key, title text not null default '', done boolean not null default false, at timestamptz
/// default now())` and `t2 (a int, b varchar(10), c numeric(12,2) default 1.5, primary key (a, b))` with an index.
pub(crate) fn schema() -> Schema {
    let todos = Table {
        name: "todos".into(),
        oid: 20001,
        origin: Origin::Wire,
        columns: vec![
            column(1, "id", (oid::TEXT, -1), None).not_null(),
            column(2, "title", (oid::TEXT, -1), Some("''")).not_null(),
            column(3, "done", (oid::BOOL, -1), Some("false")).not_null(),
            column(4, "at", (oid::TIMESTAMPTZ, -1), Some("now()")),
        ],
        primary_key: vec![0],
        primary_key_name: Some("todos_pkey".into()),
        without_rowid: false,
        indexes: Vec::new(),
    };
    let t2 = Table {
        name: "t2".into(),
        oid: 20002,
        origin: Origin::Wire,
        columns: vec![
            column(1, "a", (oid::INT4, -1), None).not_null(),
            column(2, "b", (oid::VARCHAR, 14), None).not_null(),
            column(3, "c", (oid::NUMERIC, (12 << 16) + 2 + 4), Some("1.5")),
        ],
        primary_key: vec![0, 1],
        primary_key_name: Some("t2_pkey".into()),
        without_rowid: false,
        indexes: vec![Index {
            name: "t2_c".into(),
            oid: 20003,
            origin: Origin::Wire,
            columns: vec![
                IndexColumn { name: "c".into(), is_expression: false, descending: true },
                IndexColumn { name: "lower(b)".into(), is_expression: true, descending: false },
            ],
            sql: "CREATE INDEX t2_c ON t2 (c DESC, lower(b)) WHERE a > 5".into(),
            predicate: Some("a > 5".into()),
        }],
    };
    let tables = [todos, t2].into_iter().map(|t| (t.name.clone(), Arc::new(t)));
    Schema { version: 1, tables: tables.collect::<BTreeMap<_, _>>(), ..Schema::default() }
}

fn column(number: i16, name: &str, (oid, typmod): (u32, i32), default: Option<&str>) -> Column {
    Column {
        name: name.into(),
        number,
        declared_type: "TEXT".into(),
        affinity: Affinity::Text,
        pg_type: Some(PgType { oid, typmod }),
        not_null: false,
        default: default.map(Into::into),
        generated: false,
        hidden: false,
    }
}

trait NotNull {
    fn not_null(self) -> Self;
}

impl NotNull for Column {
    fn not_null(mut self) -> Self {
        self.not_null = true;
        self
    }
}
