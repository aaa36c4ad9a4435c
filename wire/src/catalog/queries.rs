//! Queries on the catalog as drivers send them, planned and run on that of a small schema. What psql sends is tested beside
//! PostgreSQL (`tests/it/describe.rs`).

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
        Slot::Step(_) => Value::Null,
        Slot::Parameter(_) | Slot::LooseParameter(_) => Value::Null,
        Slot::Session(SessionValue::CurrentDatabase) => Value::Text("corrosion".into()),
        Slot::Session(_) => Value::Text("UTC".into()),
    }
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

/// One query with its rows.
fn check(sql: &str, expected: &[&str]) {
    assert_eq!(Session::new().rows(sql).expect("rows"), expected, "{sql}");
}

#[test]
fn vectors_and_arrays_of_column_numbers_are_taken_apart() {
    check(
        "select a.attname from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey)
         where i.indrelid = 't2'::regclass and i.indisprimary order by a.attnum",
        &["a", "b"],
    );
    check(
        "select indkey[0], array_upper(indkey, 1), generate_subscripts(indkey, 1) from pg_index where indexrelid = 20003",
        &["3|1|0", "3|1|1"],
    );
    check("select unnest(conkey) from pg_constraint where conname = 't2_pkey'", &["1", "2"]);
    check(
        "select a.attname, k.n from pg_constraint c cross join lateral unnest(c.conkey) with ordinality as k(num, n)
         join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.num where c.conname = 't2_pkey' order by 2",
        &["a|1", "b|2"],
    );
}

#[test]
fn information_schema_answers_what_drivers_ask() {
    check(
        "select column_name, data_type, is_nullable, column_default from information_schema.columns
         where table_schema = 'public' and table_name = 't2' order by ordinal_position",
        &["a|integer|NO|", "b|character varying|NO|", "c|numeric|YES|1.5"],
    );
    check(
        "select tc.constraint_name, kcu.column_name from information_schema.table_constraints tc
         join information_schema.key_column_usage kcu using (constraint_schema, constraint_name)
         where tc.table_name = 't2' and constraint_type = 'PRIMARY KEY' order by kcu.ordinal_position",
        &["t2_pkey|a", "t2_pkey|b"],
    );
}

#[test]
fn system_columns_and_comments_join_by_class() {
    check("select tableoid::regclass, relname from pg_class where relname = 'todos'", &["pg_class|todos"]);
    check(
        "select n.oid, n.nspname, d.description from pg_namespace n left join pg_description d
         on d.objoid = n.oid and d.classoid = 'pg_namespace'::regclass where n.nspname = 'public'",
        &["2200|public|standard public schema"],
    );
    check("select (current_schemas(true))[1], current_schemas(false) from pg_am limit 1", &["pg_catalog|{public}"]);
}
