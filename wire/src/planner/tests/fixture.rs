//! A database of one connection behind a planner: what tests run statements on.

use storage::change::ids::Timestamp;
use storage::engine::Engine;
use storage::rusqlite::{self, types::ToSqlOutput};
use storage::{Schema, Value};

use crate::error::{SqlError, from_function_message};
use crate::plan::{Action, Planned, SessionValue, Slot, Tag};
use crate::planner::{Env, Planner};
use crate::session::settings::Formats;
use crate::types::{catalog, text};

/// The tables that most tests use.
const SCHEMA: &[&str] = &[
    "create table author (id int8 primary key, email text not null, name varchar(80) default 'x', born date, meta jsonb,
     bal numeric(12,2), created timestamptz default now(), uid uuid, raw bytea, ok boolean not null default true, tags text[])",
    "create table post (id int4 primary key, author_id int8 not null, title text, body text, ts timestamp)",
];

pub(super) struct Database {
    engine: Engine,
    schema: Schema,
    pub(super) planner: Planner,
    formats: Formats,
}

/// What a statement gave.
#[derive(Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) rows: Vec<Vec<String>>,
    pub(super) changes: u64,
}

#[expect(clippy::unwrap_in_result, reason = "what is expected here is the fixture's own doing")]
impl Database {
    pub(super) fn empty() -> Self {
        let mut engine = Engine::memory(1).expect("engine");
        let conn = engine.connection();
        storage::schema::register_hidden_key(conn, Some(1)).expect("register the hidden key");
        crate::function::register(conn).expect("register functions");
        crate::catalog::load::attach(conn).expect("attach the catalog");
        conn.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_DQS_DML, false)
            .expect("no strings in double quotes");
        engine.begin().expect("begin");
        engine.begin_version(Timestamp(1)).expect("begin version");
        Self { engine, schema: Schema::default(), planner: Planner::default(), formats: Formats::default() }
    }

    pub(super) fn new() -> Self {
        let mut database = Self::empty();
        for statement in SCHEMA {
            database.run(statement);
        }
        database
    }

    /// Applies a schema file.
    pub(super) fn load_file(&mut self, text: &str) {
        let files = [storage::schema::SchemaFile { path: "a.sql".into(), text: text.into() }];
        let (_, schema) = storage::schema::apply_files(&mut self.engine, &self.schema, &files).expect("apply the file");
        self.schema = schema;
    }

    pub(super) fn plan(&mut self, text: &str, declared: &[u32]) -> Result<Planned, SqlError> {
        let env = Env {
            schema: &self.schema,
            formats: &self.formats,
            search_path: "\"$user\", public",
            user: "u",
            database: "d",
        };
        self.planner.plan(text, declared, &env)
    }

    /// Runs a statement that must succeed.
    pub(super) fn run(&mut self, text: &str) -> Answer {
        self.try_run(text, &[]).unwrap_or_else(|error| panic!("{text}: {error:?}"))
    }

    /// Runs a statement with parameters in text form.
    pub(super) fn try_run(&mut self, text: &str, parameters: &[Option<&str>]) -> Result<Answer, SqlError> {
        let planned = self.plan(text, &[])?;
        match &planned.plan.action {
            Action::Sql(action) => {
                if action.uses_catalog {
                    let options = crate::catalog::Options::default();
                    crate::catalog::load::load(self.engine.connection(), &self.schema, &options)
                        .expect("load the catalog");
                }
                let values: Vec<Value> =
                    action.slots.iter().map(|slot| self.bound(slot, &planned, parameters)).collect::<Result<_, _>>()?;
                self.execute(&action.sql, &values, &planned)
            }
            Action::Refused(error) => Err((**error).clone()),
            Action::Ddl(ddl) => {
                let (_, schema) = storage::schema::execute_ddl(&mut self.engine, &self.schema, ddl)
                    .map_err(|error| SqlError::new("XX000", error.to_string()))?;
                self.schema = schema;
                Ok(Answer { rows: Vec::new(), changes: 0 })
            }
            Action::Utility(_) | Action::Empty => Ok(Answer { rows: Vec::new(), changes: 0 }),
        }
    }

    fn bound(&self, slot: &Slot, planned: &Planned, parameters: &[Option<&str>]) -> Result<Value, SqlError> {
        Ok(match slot {
            Slot::Parameter(index) | Slot::LooseParameter(index) => {
                let index = usize::from(*index);
                match parameters.get(index).copied().flatten() {
                    None => Value::Null,
                    Some(given) if matches!(slot, Slot::LooseParameter(_)) => {
                        planned.plan.decode_text(index, given, &self.formats)?
                    }
                    Some(given) => planned.plan.typed(index, planned.plan.decode_text(index, given, &self.formats)?)?,
                }
            }
            Slot::Literal(index) => planned.literals[usize::from(*index)].clone(),
            Slot::Constant(value) => value.clone(),
            Slot::Step(_) => return Err(SqlError::new("XX000", "sequences run in sessions only")),
            Slot::Session(value) => match value {
                SessionValue::TransactionTimestamp | SessionValue::StatementTimestamp => {
                    Value::Text("2026-01-02 03:04:05+00".into())
                }
                SessionValue::CurrentUser | SessionValue::SessionUser => Value::Text("u".into()),
                SessionValue::CurrentDatabase => Value::Text("d".into()),
                SessionValue::TimeZone => Value::Text("UTC".into()),
                SessionValue::BackendPid => Value::Integer(1),
                SessionValue::Calls => Value::Integer(-1),
                SessionValue::ListeningChannels => Value::Text("{}".into()),
                SessionValue::Setting(name) if name == "search_path" => Value::Text("public".into()),
                SessionValue::Setting(_) => Value::Null,
            },
        })
    }

    fn execute(&self, sql: &str, values: &[Value], planned: &Planned) -> Result<Answer, SqlError> {
        let failed = |error: rusqlite::Error| {
            let message = crate::emit::support::message(&error);
            from_function_message(&message).unwrap_or_else(|| SqlError::new("XX000", format!("{message} in {sql}")))
        };
        let conn = self.engine.connection();
        let before = conn.total_changes();
        let bound: Vec<ToSqlOutput<'_>> = values.iter().map(crate::emit::support::bound).collect();
        let mut statement = conn.prepare(sql).map_err(failed)?;
        let width = planned.plan.columns.len();
        let mut rows = statement.query(rusqlite::params_from_iter(bound)).map_err(failed)?;
        let mut answer = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            let mut cells = Vec::with_capacity(width);
            for (index, column) in planned.plan.columns.iter().enumerate() {
                let value = crate::emit::support::value(row.get_ref(index).map_err(failed)?);
                let mut shown = Vec::new();
                if value == Value::Null {
                    shown.extend_from_slice(b"NULL");
                } else {
                    text::encode(column.type_oid, value.as_ref(), &self.formats, &mut shown);
                }
                cells.push(String::from_utf8(shown).expect("text form is UTF-8"));
            }
            answer.push(cells);
        }
        let changes = if planned.plan.tag == Tag::Select { 0 } else { conn.total_changes() - before };
        Ok(Answer { rows: answer, changes })
    }

    /// The rows of a query: cells separated by `|`, rows by a line break.
    pub(super) fn rows(&mut self, text: &str) -> String {
        shown(&self.run(text))
    }

    pub(super) fn check(&mut self, text: &str, expected: &str) {
        assert_eq!(self.rows(text), expected, "{text}");
    }

    /// What SQLite says of its way to the rows.
    pub(super) fn access(&mut self, text: &str) -> String {
        let planned = self.plan(text, &[]).unwrap_or_else(|error| panic!("{text}: {error:?}"));
        let Action::Sql(action) = &planned.plan.action else { panic!("{text}: has no SQL") };
        let conn = self.engine.connection();
        let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {}", action.sql)).expect("the SQL is valid");
        let mut rows = statement.raw_query();
        let mut lines = Vec::new();
        while let Some(row) = rows.next().expect("a plan") {
            lines.push(row.get::<_, String>(3).expect("a line of the plan"));
        }
        lines.join("; ")
    }

    pub(super) fn error(&mut self, text: &str) -> SqlError {
        match self.try_run(text, &[]) {
            Err(error) => error,
            Ok(answer) => panic!("{text}: must fail, gave {answer:?}"),
        }
    }

    /// The statement fails with this SQLSTATE and message at this position (0: none).
    pub(super) fn check_error(&mut self, text: &str, sqlstate: &str, message: &str, position: u32) {
        let error = self.error(text);
        assert_eq!(
            (error.sqlstate.as_ref(), error.message.as_str(), error.position.unwrap_or(0)),
            (sqlstate, message, position),
            "{text}"
        );
    }
}

pub(super) fn shown(answer: &Answer) -> String {
    answer.rows.iter().map(|row| row.join("|")).collect::<Vec<_>>().join("\n")
}

/// `name:type` of each result column.
pub(super) fn columns(planned: &Planned) -> String {
    let columns = planned.plan.columns.iter().map(|column| format!("{}:{}", column.name, type_name(column.type_oid)));
    columns.collect::<Vec<_>>().join(", ")
}

pub(super) fn type_name(oid: u32) -> String {
    match catalog::element_of(oid).and_then(catalog::by_oid) {
        Some(element) => format!("{}[]", element.name),
        None => catalog::by_oid(oid).map_or_else(|| oid.to_string(), |info| info.name.to_owned()),
    }
}
