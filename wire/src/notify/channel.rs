//! Names of channels and texts of notifications: what is accepted.
//!
//! Pure. Sources: <https://www.postgresql.org/docs/15/sql-notify.html>, and for the wording `src/backend/commands/async.c`.

use crate::error::{SqlError, sqlstate};

/// Longest channel name in bytes, PostgreSQL's (`NAMEDATALEN` - 1). LISTEN and NOTIFY cut identifiers at it, `pg_notify` refuses.
pub(crate) const CHANNEL_LEN_MAX: usize = 63;
/// Longest payload in bytes, PostgreSQL's: more is 22023.
pub(crate) const PAYLOAD_LEN_MAX: usize = 7_999;

/// Beginnings of names that are kept for subscriptions, in lower case.
const RESERVED: [&str; 4] = ["select ", "select\n", "sub:", "table:"];

/// Checks a channel's name.
///
/// # Errors
/// 22023 for no name or a long one; 0A000 for names that are kept for subscriptions.
pub(crate) fn check_channel(name: &str) -> Result<(), SqlError> {
    if name.is_empty() {
        return Err(invalid("channel name cannot be empty"));
    }
    if name.len() > CHANNEL_LEN_MAX {
        return Err(invalid("channel name too long"));
    }
    let start = name.trim_start().to_ascii_lowercase();
    if RESERVED.iter().any(|reserved| start.starts_with(reserved)) {
        return Err(SqlError::unsupported(format!("channel \"{name}\" is reserved for subscriptions"))
            .hint("Channels whose names begin with \"SELECT \", \"sub:\" or \"table:\" are not supported yet."));
    }
    Ok(())
}

/// Checks a payload.
///
/// # Errors
/// 22023 if it is too long.
pub(crate) fn check_payload(payload: &str) -> Result<(), SqlError> {
    if payload.len() > PAYLOAD_LEN_MAX { Err(invalid("payload string too long")) } else { Ok(()) }
}

fn invalid(message: &str) -> SqlError {
    SqlError::new(sqlstate::INVALID_PARAMETER_VALUE, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str) -> String {
        check_channel(name).map_or_else(|error| error.sqlstate.into_owned(), |()| "fine".into())
    }

    #[test]
    fn names_have_one_to_63_bytes() {
        assert_eq!(check("a"), "fine");
        assert_eq!(check(&"x".repeat(63)), "fine");
        assert_eq!(check(&"x".repeat(64)), "22023");
        assert_eq!(check(""), "22023");
    }

    #[test]
    fn names_of_subscriptions_are_reserved() {
        for name in ["SELECT 1", " select id from t", "sub:x", "Table:todos"] {
            assert_eq!(check(name), "0A000", "{name}");
        }
        for name in ["selected", "subscribers", "tables", "a sub:x"] {
            assert_eq!(check(name), "fine", "{name}");
        }
    }

    #[test]
    fn payloads_end_below_8000_bytes() {
        assert!(check_payload(&"x".repeat(7_999)).is_ok());
        assert_eq!(check_payload(&"x".repeat(8_000)).expect_err("long").sqlstate, "22023");
    }
}
