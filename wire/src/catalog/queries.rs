//! The queries that psql sends for `\d` and its family, planned and run on the catalog of a small schema.

use storage::rusqlite::{Connection, params_from_iter};
use storage::{Schema, Value, ValueRef};

use super::fixture::schema;
use super::{Options, load};
use crate::plan::{Action, SessionValue, Slot};
use crate::planner::{Env, Planner};
use crate::session::settings::Formats;
use crate::types::text;

/// A connection with the catalog, and what plans for it.
struct Session {
    connection: Connection,
    schema: Schema,
    planner: Planner,
    formats: Formats,
}

impl Session {
    fn new() -> Self {
        let connection = Connection::open_in_memory().expect("open");
        crate::function::register(&connection).expect("register");
        load::attach(&connection).expect("attach");
        let schema = schema();
        load::load(&connection, &schema, &Options::default()).expect("load");
        Self { connection, schema, planner: Planner::default(), formats: Formats::default() }
    }

    /// Rows of a query, cells separated by `|`; or the error.
    fn rows(&mut self, sql: &str) -> Result<Vec<String>, String> {
        let env = Env {
            schema: &self.schema,
            formats: &self.formats,
            search_path: "\"$user\", public",
            user: "postgres",
            database: "corrosion",
        };
        let planned = self.planner.plan(sql, &[], &env).map_err(|e| format!("{e} at {:?}", e.position))?;
        let Action::Sql(action) = &planned.plan.action else { return Err("no query".into()) };
        assert!(action.uses_catalog, "{sql}");
        let values: Vec<Value> = action.slots.iter().map(|slot| slot_value(slot, &planned.literals)).collect();
        let mut statement = self.connection.prepare(&action.sql).map_err(|e| format!("{e}\n{}", action.sql))?;
        let mut rows = statement
            .query(params_from_iter(values.iter().map(crate::emit::support::bound)))
            .map_err(|e| e.to_string())?;
        let mut shown = Vec::new();
        while let Some(row) = rows.next().map_err(|e| format!("{e}\n{}", action.sql))? {
            let mut cells = Vec::new();
            for (at, column) in planned.plan.columns.iter().enumerate() {
                let value = crate::emit::support::value(row.get_ref(at).map_err(|e| e.to_string())?);
                let mut cell = Vec::new();
                if value.as_ref() != ValueRef::Null {
                    text::encode(column.type_oid, value.as_ref(), &self.formats, &mut cell);
                }
                cells.push(String::from_utf8_lossy(&cell).into_owned());
            }
            shown.push(cells.join("|"));
        }
        Ok(shown)
    }
}

fn slot_value(slot: &Slot, literals: &[Value]) -> Value {
    match slot {
        Slot::Literal(at) => literals[usize::from(*at)].clone(),
        Slot::Constant(value) => value.clone(),
        Slot::Parameter(_) => Value::Null,
        Slot::Session(SessionValue::CurrentDatabase) => Value::Text("corrosion".into()),
        Slot::Session(_) => Value::Text("UTC".into()),
    }
}

/// The queries of the file with the command each belongs to.
fn queries() -> Vec<(String, String)> {
    let file = include_str!("testdata/psql15.sql")
        .replace(":todos", "20001")
        .replace(":t2_c", "20003")
        .replace(":t2", "20002");
    let mut queries = Vec::new();
    let mut command = String::new();
    let mut query = String::new();
    for line in file.lines() {
        match line.strip_prefix("-- ") {
            Some(name) => name.clone_into(&mut command),
            None if line == ";" => queries.push((command.clone(), std::mem::take(&mut query))),
            None => {
                query.push_str(line);
                query.push('\n');
            }
        }
    }
    queries
}

#[test]
fn every_query_of_psql_runs() {
    let mut session = Session::new();
    let all = queries();
    assert!(all.len() > 60, "{}", all.len());
    let mut failed = Vec::new();
    for (command, query) in &all {
        if let Err(error) = session.rows(query) {
            failed.push(format!("{command}: {error}\n{query}"));
        }
    }
    assert!(failed.is_empty(), "{} of {} fail:\n{}", failed.len(), all.len(), failed.join("\n"));
}

/// The rows of the n-th query of a command.
fn answer(command: &str, n: usize) -> Vec<String> {
    let all = queries();
    let (_, query) = all.iter().filter(|(name, _)| name == command).nth(n).expect("such a query");
    Session::new().rows(query).expect("rows")
}

#[test]
fn a_tables_columns_are_described() {
    assert_eq!(
        answer(r"\d todos", 2),
        [
            "id|text||t|||",
            "title|text|''::text|t|||",
            "done|boolean|false|t|||",
            "at|timestamp with time zone|now()|f|||"
        ]
    );
}

#[test]
fn a_tables_indexes_are_described_key_first() {
    assert_eq!(
        answer(r"\d todos", 3),
        ["todos_pkey|t|t|f|t|CREATE UNIQUE INDEX todos_pkey ON todos USING btree (id)|PRIMARY KEY (id)|p|f|f|f|0"]
    );
}

#[test]
fn tables_are_listed_with_their_owner() {
    assert_eq!(answer(r"\dt", 0), ["public|t2|table|postgres", "public|todos|table|postgres"]);
}

#[test]
fn indexes_are_listed_with_their_tables() {
    assert_eq!(
        answer(r"\di", 0),
        ["public|t2_c|index|postgres|t2", "public|t2_pkey|index|postgres|t2", "public|todos_pkey|index|postgres|todos"]
    );
}

#[test]
fn object_names_are_result_columns_with_oid_and_name() {
    let mut session = Session::new();
    let mut rows = |sql: &str| session.rows(sql).expect("rows");
    assert_eq!(
        rows("select oid::regclass, oid::regclass::text from pg_class where relname = 'todos'"),
        ["todos|todos"]
    );
    assert_eq!(rows("select 'todos'::regclass::oid = 20001"), ["t"]);
    assert_eq!(
        rows(
            "select oid::regclass as r from pg_class where oid in (20001, 20002) union all select 1259::regclass order by r"
        ),
        ["pg_class", "todos", "t2"]
    );
    assert_eq!(rows("select distinct conrelid::regclass from pg_constraint order by 1"), ["todos", "t2"]);
    assert_eq!(
        rows("select atttypid::regtype from pg_attribute where attrelid = 'todos'::regclass and attnum = 4"),
        ["timestamp with time zone"]
    );
    assert!(
        session
            .rows("select 'nosuch'::regclass")
            .expect_err("no such table")
            .contains("relation \"nosuch\" does not exist")
    );
}
