//! Functions that act on the session that calls them: `pg_notify`, `set_config`, advisory locks.
//!
//! Their first argument is the number of the session's [`Calls`], which the binder's forms put there; it cannot be written in SQL.

use storage::Value;
use storage::rusqlite::functions::FunctionFlags;
use storage::rusqlite::{self, Connection};

use super::Form::Pattern;
use super::body::{Arguments, Body, Out, boolean, raise, text};
use super::{Function, function_table};
use crate::error::SqlError;
use crate::session::advisory::{Key, Lock, Mode, Span};
use crate::session::calls::{Calls, Patience};

pub(super) static FUNCTIONS: &[Function] = function_table! {
    "pg_notify"(TEXT, TEXT) -> VOID, Volatile, Pattern("pg_notify_of({session}, {0}, {1})");
    SetReturning "pg_listening_channels"() -> TEXT, Stable, Pattern("pg_unnest({listening}, 25)");
    "pg_notification_queue_usage"() -> FLOAT8, Volatile, Pattern("0.0");
    "set_config"(TEXT, TEXT, BOOL) -> TEXT, Volatile, Pattern("pg_set_of({session}, {0}, {1}, {2})");
    "pg_advisory_lock"(INT8) -> VOID, Volatile, Pattern("pg_lock_of({session}, 'session exclusive wait', {0})");
    "pg_advisory_lock"(INT4, INT4) -> VOID, Volatile, Pattern("pg_lock_of({session}, 'session exclusive wait', {0}, {1})");
    "pg_advisory_lock_shared"(INT8) -> VOID, Volatile, Pattern("pg_lock_of({session}, 'session shared wait', {0})");
    "pg_advisory_lock_shared"(INT4, INT4) -> VOID, Volatile, Pattern("pg_lock_of({session}, 'session shared wait', {0}, {1})");
    "pg_advisory_xact_lock"(INT8) -> VOID, Volatile, Pattern("pg_lock_of({session}, 'transaction exclusive wait', {0})");
    "pg_advisory_xact_lock"(INT4, INT4) -> VOID, Volatile, Pattern("pg_lock_of({session}, 'transaction exclusive wait', {0}, {1})");
    "pg_advisory_xact_lock_shared"(INT8) -> VOID, Volatile, Pattern("pg_lock_of({session}, 'transaction shared wait', {0})");
    "pg_advisory_xact_lock_shared"(INT4, INT4) -> VOID, Volatile, Pattern("pg_lock_of({session}, 'transaction shared wait', {0}, {1})");
    "pg_try_advisory_lock"(INT8) -> BOOL, Volatile, Pattern("pg_lock_of({session}, 'session exclusive try', {0})");
    "pg_try_advisory_lock"(INT4, INT4) -> BOOL, Volatile, Pattern("pg_lock_of({session}, 'session exclusive try', {0}, {1})");
    "pg_try_advisory_lock_shared"(INT8) -> BOOL, Volatile, Pattern("pg_lock_of({session}, 'session shared try', {0})");
    "pg_try_advisory_lock_shared"(INT4, INT4) -> BOOL, Volatile, Pattern("pg_lock_of({session}, 'session shared try', {0}, {1})");
    "pg_try_advisory_xact_lock"(INT8) -> BOOL, Volatile, Pattern("pg_lock_of({session}, 'transaction exclusive try', {0})");
    "pg_try_advisory_xact_lock"(INT4, INT4) -> BOOL, Volatile, Pattern("pg_lock_of({session}, 'transaction exclusive try', {0}, {1})");
    "pg_try_advisory_xact_lock_shared"(INT8) -> BOOL, Volatile, Pattern("pg_lock_of({session}, 'transaction shared try', {0})");
    "pg_try_advisory_xact_lock_shared"(INT4, INT4) -> BOOL, Volatile, Pattern("pg_lock_of({session}, 'transaction shared try', {0}, {1})");
    "pg_advisory_unlock"(INT8) -> BOOL, Volatile, Pattern("pg_unlock_of({session}, 'exclusive', {0})");
    "pg_advisory_unlock"(INT4, INT4) -> BOOL, Volatile, Pattern("pg_unlock_of({session}, 'exclusive', {0}, {1})");
    "pg_advisory_unlock_shared"(INT8) -> BOOL, Volatile, Pattern("pg_unlock_of({session}, 'shared', {0})");
    "pg_advisory_unlock_shared"(INT4, INT4) -> BOOL, Volatile, Pattern("pg_unlock_of({session}, 'shared', {0}, {1})");
    "pg_advisory_unlock_all"() -> VOID, Volatile, Pattern("pg_unlock_all_of({session})");
};

pub(super) fn register(conn: &Connection) -> rusqlite::Result<()> {
    acting(conn, "pg_notify_of", 3, |a| {
        // NULL is no channel, and an empty payload.
        Calls::find(a.int(0)?)?.notify(&a.text(1)?, &a.text(2)?)?;
        Ok(nothing())
    })?;
    acting(conn, "pg_set_of", 4, |a| {
        if a.is_null(1) {
            return Err(SqlError::new("22004", "SET requires parameter name"));
        }
        let value = if a.is_null(2) { None } else { Some(a.text(2)?) };
        let local = !a.is_null(3) && a.int(3)? != 0;
        Calls::find(a.int(0)?)?.set(&a.text(1)?, value.as_deref(), local).map(text)
    })?;
    for arity in [3, 4] {
        acting(conn, "pg_lock_of", arity, |a| {
            let Some(key) = key(a)? else { return Ok(Value::Null) };
            let words = a.text(1)?;
            let is = |word: &str| words.split(' ').any(|w| w == word);
            let mode = if is("shared") { Mode::Shared } else { Mode::Exclusive };
            let span = if is("transaction") { Span::Transaction } else { Span::Session };
            let patience = if is("try") { Patience::Try } else { Patience::Wait };
            let taken = Calls::find(a.int(0)?)?.take(Lock { key, mode, span }, patience)?;
            Ok(if patience == Patience::Try { boolean(taken) } else { nothing() })
        })?;
        acting(conn, "pg_unlock_of", arity, |a| {
            let Some(key) = key(a)? else { return Ok(Value::Null) };
            let mode = if a.text(1)? == "shared" { Mode::Shared } else { Mode::Exclusive };
            Calls::find(a.int(0)?)?.give_back(key, mode).map(boolean)
        })?;
    }
    acting(conn, "pg_unlock_all_of", 1, |a| {
        Calls::find(a.int(0)?)?.give_back_all()?;
        Ok(nothing())
    })
}

/// The lock that the arguments from the third on name; None if one is NULL.
fn key(a: &Arguments<'_>) -> Result<Option<Key>, SqlError> {
    if (2..a.len()).any(|at| a.is_null(at)) {
        return Ok(None);
    }
    Ok(Some(if a.len() == 4 { Key::Two(a.int32(2)?, a.int32(3)?) } else { Key::One(a.int(2)?) }))
}

/// The result of a function that returns nothing is shown as an empty text.
fn nothing() -> Value {
    text("")
}

/// Registers a function that sees NULL arguments and is called once for each row, from statements of clients only: a view or
/// trigger in the file knows no session.
fn acting(conn: &Connection, name: &str, arity: i32, body: Body) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DIRECTONLY;
    conn.create_scalar_function(name, arity, flags, move |ctx| {
        let arguments = Arguments::of(ctx).map_err(|error| raise(&error))?;
        body(&arguments).map(Out).map_err(|error| raise(&error))
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;

    #[test]
    fn a_call_without_its_session_is_refused() {
        check("pg_notify_of(-1, 'c', 'p')", "the session of this call has ended (XX000)");
        check("pg_lock_of(-1, 'session shared wait', NULL)", "NULL");
        check("pg_set_of(-1, NULL, 'x', 0)", "SET requires parameter name (22004)");
    }
}
