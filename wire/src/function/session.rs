//! Functions about the session and the server, and those that answer with something new each time: `version`, `pg_sleep`,
//! `gen_random_uuid`, `pg_typeof`, `pg_size_pretty`.
#![expect(unsafe_code, reason = "rusqlite gives a function its connection, which tells of interrupts, only so")]

use std::time::Duration;

use storage::Value;
use storage::rusqlite::functions::{Context, FunctionFlags};
use storage::rusqlite::{self, Connection};

use super::Form::{Call, Pattern, Special};
use super::body::{Out, raise, strict, text, volatile};
use super::{Function, function_table};
use crate::error::SqlError;
use crate::execute::clock::now;
use crate::session::guc::SERVER_VERSION;
use crate::types::numeric::Numeric;
use crate::types::text::hex_digits;

/// Longest that `pg_sleep` goes without looking whether its statement was cancelled.
const SLEEP_STEP_MAX: Duration = Duration::from_millis(10);
/// Longest sleep, in seconds: a year. Longer ones are cut, as nobody can wait to see.
const SLEEP_MAX_SECONDS: f64 = 31_536_000.0;

pub(super) static FUNCTIONS: &[Function] = function_table! {
    "version"() -> TEXT, Stable, Call("pg_version");
    "pg_backend_pid"() -> INT4, Stable, Pattern("{backend_pid}");
    "current_user"() -> NAME, Stable, Pattern("{current_user}");
    "session_user"() -> NAME, Stable, Pattern("{session_user}");
    "current_database"() -> NAME, Stable, Pattern("{current_database}");
    "current_setting"(TEXT) -> TEXT, Stable, Special("current_setting");
    "current_setting"(TEXT, BOOL) -> TEXT, Stable, Special("current_setting");
    "pg_typeof"(ANY) -> REGTYPE, Stable, Pattern("{type0}");
    "pg_sleep"(FLOAT8) -> VOID, Volatile, Call("pg_sleep");
    "gen_random_uuid"() -> UUID, Volatile, Call("pg_random_uuid");
    "pg_size_pretty"(INT8) -> TEXT, Immutable, Call("pg_size_pretty");
    "pg_size_pretty"(NUMERIC) -> TEXT, Immutable, Pattern("pg_size_pretty(pg_numeric_to_int(pg_trunc_numeric({0}, 0), 64))");
    "inet_server_port"() -> INT4, Stable, Pattern("NULL");
    "inet_client_port"() -> INT4, Stable, Pattern("NULL");
};

pub(super) fn register(conn: &Connection) -> rusqlite::Result<()> {
    strict(conn, "pg_version", 0, |_| Ok(text(format!("PostgreSQL {SERVER_VERSION}"))))?;
    strict(conn, "pg_size_pretty", 1, |a| Ok(text(size_pretty(a.int(0)?))))?;
    volatile(conn, "pg_random_uuid", 0, |_| random_uuid().map(text))?;
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DIRECTONLY;
    conn.create_scalar_function("pg_sleep", 1, flags, |ctx| sleep(ctx).map(Out).map_err(|error| raise(&error)))
}

/// Enough instructions of SQLite that its progress handler is asked, where a connection learns that its statement is
/// cancelled, out of time or no longer wanted (`storage::pool::gate`). It does not look into one long function by itself.
const ASK: &str =
    "WITH RECURSIVE steps(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM steps LIMIT 1000) SELECT count(*) FROM steps";

/// Sleeps in short steps, and between them asks whether its statement shall stop; the statement then fails as cancelled.
fn sleep(ctx: &Context<'_>) -> Result<Value, SqlError> {
    let seconds = match ctx.get_raw(0) {
        rusqlite::types::ValueRef::Null => return Ok(Value::Null),
        rusqlite::types::ValueRef::Integer(seconds) => seconds as f64,
        rusqlite::types::ValueRef::Real(seconds) => seconds,
        rusqlite::types::ValueRef::Text(_) | rusqlite::types::ValueRef::Blob(_) => SLEEP_MAX_SECONDS,
    };
    let failed = |_| SqlError::new("XX000", "function has no connection");
    // SAFETY: the reference is used on this thread, inside this call, and only to run a query that reads no table.
    let conn = unsafe { ctx.get_connection() }.map_err(failed)?;
    let stopped = |_| SqlError::new("57014", "canceling statement due to user request");
    let mut ask = conn.prepare(ASK).map_err(stopped)?;
    let end = now() + Duration::from_secs_f64(seconds.clamp(0.0, SLEEP_MAX_SECONDS));
    loop {
        let left = end.saturating_duration_since(now());
        if left.is_zero() {
            // The result of a function that returns nothing is shown as an empty text.
            return Ok(text(""));
        }
        std::thread::sleep(left.min(SLEEP_STEP_MAX));
        ask.query_row([], |_| Ok(())).map_err(stopped)?;
    }
}

/// A random UUID, version 4 (RFC 9562), from the operating system's generator.
fn random_uuid() -> Result<String, SqlError> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).map_err(|_| SqlError::new("XX000", "could not generate random values"))?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let digits = hex_digits(&bytes);
    Ok(format!("{}-{}-{}-{}-{}", &digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]))
}

/// A size in the largest unit that leaves fewer than 10240 of it, halves rounded up.
fn size_pretty(bytes: i64) -> String {
    let mut size = Numeric::from(bytes);
    let limit = Numeric::from(10 * 1024i64);
    let units = ["bytes", "kB", "MB", "GB", "TB", "PB"];
    for (at, unit) in units.iter().enumerate() {
        let shown = size.round(0);
        if shown.absolute() < limit || at + 1 == units.len() {
            return format!("{shown} {unit}");
        }
        size = size.divide(&Numeric::from(1024i64)).unwrap_or(size);
    }
    format!("{bytes} bytes")
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, eval};

    #[test]
    fn sizes_are_shown_as_postgresql_does() {
        for (size, shown) in [
            ("0", "0 bytes"),
            ("10239", "10239 bytes"),
            ("10240", "10 kB"),
            ("1048576", "1024 kB"),
            ("104857600", "100 MB"),
            ("-20000", "-20 kB"),
        ] {
            check(&format!("pg_size_pretty({size})"), shown);
        }
    }

    #[test]
    fn random_uuids_are_version_4_and_differ() {
        let (a, b) = (eval("pg_random_uuid()"), eval("pg_random_uuid()"));
        assert_ne!(a, b);
        assert_eq!((a.len(), &a[14..15]), (36, "4"));
        assert!("89ab".contains(&a[19..20]));
    }

    #[test]
    fn a_short_sleep_ends_and_null_sleeps_not() {
        check("pg_sleep(0.001)", "");
        check("pg_sleep(NULL)", "NULL");
    }

    #[test]
    fn what_stops_a_statement_between_its_instructions_ends_a_long_sleep() {
        let mut conn = storage::rusqlite::Connection::open_in_memory().expect("open");
        super::register(&conn).expect("register");
        let started = super::now();
        let stop = move || started.elapsed() > std::time::Duration::from_millis(50);
        conn.progress_handler(1000, Some(stop)).expect("install");
        assert!(conn.query_row("SELECT pg_sleep(60)", [], |_| Ok(())).is_err());
        assert!(started.elapsed() < std::time::Duration::from_secs(30));
    }
}
