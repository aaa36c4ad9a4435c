//! What a client's statement may do, asked of us by SQLite while it prepares the statement.
//!
//! Front ends write the SQL that reaches SQLite; this is the second lock. Reading anything but the users is allowed. Writing is allowed on
//! the user's tables in the main database, and nowhere else: the metadata of replication, our own catalog and SQLite's
//! schema change only through the engine. Schema changes, transactions and savepoints have their own doors.
//!
//! The question is asked when a statement is prepared, so one that the engine has prepared before under the same text is not
//! asked about again. The emitter of the wire produces no such text; a door that passes on the text of clients has to
//! prepare it without the cache.
//! `VACUUM` is not asked about either; inside a transaction, where clients' writes run, it fails by itself.
//! Source: <https://www.sqlite.org/c3ref/set_authorizer.html>.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

use crate::schema::is_reserved;

/// Pragmas that only read. They are refused with a value unless it names what to read.
const PRAGMAS_READ: [&str; 13] = [
    "table_info",
    "table_xinfo",
    "table_list",
    "index_list",
    "index_info",
    "index_xinfo",
    "foreign_key_list",
    "database_list",
    "function_list",
    "collation_list",
    "compile_options",
    "data_version",
    "encoding",
];

/// Of these, the ones that set something when they have a value.
const PRAGMAS_READ_WITHOUT_VALUE: [&str; 2] = ["encoding", "data_version"];

/// Functions that change the engine's state or the process.
const FUNCTIONS_REFUSED: [&str; 9] = [
    "load_extension",
    "fts3_tokenizer",
    "crsql_as_crr",
    "crsql_as_table",
    "crsql_begin_alter",
    "crsql_commit_alter",
    "crsql_set_ts",
    "crsql_config_set",
    "crsql_finalize",
];

/// Tables that no client reads.
const TABLES_SECRET: [&str; 2] = ["__corro_users", "__corro_secrets"];

/// The lock on one connection: open for the engine's own statements, closed while a client's is prepared.
#[derive(Debug, Clone)]
pub(crate) struct Authorizer(Arc<AtomicBool>);

impl Authorizer {
    /// Puts the lock on the connection, in place of any authorizer it had. Statements prepared before are prepared again.
    pub(crate) fn install(conn: &mut Connection) -> rusqlite::Result<Self> {
        let lock = Self(Arc::new(AtomicBool::new(false)));
        let closed = Arc::clone(&lock.0);
        let ask = move |context: AuthContext<'_>| {
            if !closed.load(Ordering::Relaxed) || is_allowed(&context) {
                return Authorization::Allow;
            }
            Authorization::Deny
        };
        conn.authorizer(Some(ask))?;
        Ok(lock)
    }

    /// Runs `prepare` with the lock closed. SQLite refuses what is not allowed with `not authorized` (`SQLITE_AUTH`).
    pub(crate) fn for_client<T>(&self, prepare: impl FnOnce() -> T) -> T {
        self.0.store(true, Ordering::Relaxed);
        let prepared = prepare();
        self.0.store(false, Ordering::Relaxed);
        prepared
    }
}

fn is_allowed(context: &AuthContext<'_>) -> bool {
    match context.action {
        AuthAction::Select | AuthAction::Recursive => true,
        AuthAction::Read { table_name, .. } => !is_secret(table_name),
        AuthAction::Insert { table_name }
        | AuthAction::Delete { table_name }
        | AuthAction::Update { table_name, .. } => context.database_name == Some("main") && !is_reserved(table_name),
        AuthAction::Function { function_name } => {
            !FUNCTIONS_REFUSED.iter().any(|refused| function_name.eq_ignore_ascii_case(refused))
        }
        AuthAction::Pragma { pragma_name, pragma_value } => {
            let is_one_of = |names: &[&str]| names.iter().any(|name| pragma_name.eq_ignore_ascii_case(name));
            is_one_of(&PRAGMAS_READ) && (pragma_value.is_none() || !is_one_of(&PRAGMAS_READ_WITHOUT_VALUE))
        }
        AuthAction::CreateVtable { .. }
        | AuthAction::DropVtable { .. }
        | AuthAction::CreateIndex { .. }
        | AuthAction::CreateTable { .. }
        | AuthAction::CreateTempIndex { .. }
        | AuthAction::CreateTempTable { .. }
        | AuthAction::CreateTempTrigger { .. }
        | AuthAction::CreateTempView { .. }
        | AuthAction::CreateTrigger { .. }
        | AuthAction::CreateView { .. }
        | AuthAction::DropIndex { .. }
        | AuthAction::DropTable { .. }
        | AuthAction::DropTempIndex { .. }
        | AuthAction::DropTempTable { .. }
        | AuthAction::DropTempTrigger { .. }
        | AuthAction::DropTempView { .. }
        | AuthAction::DropTrigger { .. }
        | AuthAction::DropView { .. }
        | AuthAction::AlterTable { .. }
        | AuthAction::Reindex { .. }
        | AuthAction::Analyze { .. }
        | AuthAction::Attach { .. }
        | AuthAction::Detach { .. }
        | AuthAction::Transaction { .. }
        | AuthAction::Savepoint { .. }
        | AuthAction::Unknown { .. } => false,
        // A kind of action that this version of the library does not list is refused too.
        _ => false,
    }
}

/// Who has a user's verifier can guess the password at leisure.
fn is_secret(table: &str) -> bool {
    TABLES_SECRET.iter().any(|secret| table.eq_ignore_ascii_case(secret))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Engine;

    fn database() -> (Engine, Authorizer) {
        let mut engine = Engine::memory(1).expect("engine");
        engine.connection().execute_batch("ATTACH ':memory:' AS cat; CREATE TABLE cat.c (a)").expect("attach");
        let lock = Authorizer::install(engine.connection_mut()).expect("install");
        engine.begin().expect("begin");
        engine.connection().execute_batch("CREATE TABLE t (k INTEGER PRIMARY KEY, a)").expect("create");
        engine.as_crr("t").expect("replicate");
        (engine, lock)
    }

    /// Whether a client may prepare it; the engine itself may.
    fn may(sql: &str) -> bool {
        let (engine, lock) = database();
        let prepared = lock.for_client(|| engine.connection().prepare(sql).map(|_| ()));
        if let Err(error) = &prepared {
            let text = error.to_string();
            assert!(text.contains("not authorized") || text.contains("is prohibited"), "{sql}: {text}");
            engine.connection().prepare(sql).map(|_| ()).expect("the engine may");
        }
        prepared.is_ok()
    }

    #[test]
    fn users_tables_are_read_and_written() {
        for sql in [
            "SELECT * FROM t",
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n, cat.c",
            "INSERT INTO t VALUES (1, 2) ON CONFLICT DO UPDATE SET a = 3 RETURNING k",
            "UPDATE t SET a = 1",
            "DELETE FROM t",
            "SELECT name FROM sqlite_schema",
            "SELECT count(*) FROM crsql_changes",
            "SELECT crsql_site_id(), crsql_db_version()",
            "PRAGMA table_info(t)",
        ] {
            assert!(may(sql), "{sql}");
        }
    }

    #[test]
    fn users_and_secrets_are_not_read() {
        for sql in [
            "SELECT * FROM __corro_users",
            "SELECT count(*) FROM main.__CORRO_users",
            "SELECT rowid FROM __corro_users AS u",
            "SELECT k FROM t WHERE a = (SELECT verifier FROM __corro_users)",
            "SELECT value FROM __corro_secrets",
            "INSERT INTO t SELECT 1, verifier FROM __corro_users",
            "DELETE FROM __corro_users",
            "UPDATE __corro_users SET role = 'admin'",
            "INSERT INTO __corro_users VALUES ('x', 'admin', NULL)",
        ] {
            assert!(!may(sql), "{sql}");
        }
    }

    #[test]
    fn nothing_else_is_written() {
        for sql in [
            "DELETE FROM t__crsql_rows",
            "UPDATE crsql_master SET value = 1",
            "INSERT INTO crsql_changes SELECT * FROM crsql_changes",
            "INSERT INTO cat.c VALUES (1)",
            "ATTACH ':memory:' AS other",
            "DETACH cat",
            "PRAGMA journal_mode = DELETE",
            "PRAGMA encoding = 'UTF-16'",
            "PRAGMA writable_schema = ON",
            "CREATE TABLE u (a)",
            "CREATE TEMP TABLE u (a)",
            "CREATE INDEX i ON t (a)",
            "CREATE VIEW v AS SELECT 1",
            "DROP TABLE t",
            "ALTER TABLE t ADD COLUMN b",
            "ANALYZE",
            "REINDEX",
            "COMMIT",
            "SAVEPOINT s",
            "SELECT crsql_as_crr('t')",
            "SELECT crsql_set_ts('1')",
        ] {
            assert!(!may(sql), "{sql}");
        }
    }
}
