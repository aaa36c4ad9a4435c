//! The time of transactions and statements, as `now()` and `statement_timestamp()` show it.
//!
//! The one place of this crate that reads clocks.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::types::datetime::Timestamp;

/// Microseconds from 1970-01-01, where the system counts from, to 2000-01-01, where PostgreSQL does.
const EPOCH_DIFFERENCE: i64 = 946_684_800 * 1_000_000;

/// A moment, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WallTime(Timestamp);

impl WallTime {
    /// The time now. A clock set before 1970 counts as 1970.
    #[expect(clippy::disallowed_methods, reason = "the edge where a transaction begins")]
    pub(crate) fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::from_unix_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    fn from_unix_micros(micros: i64) -> Self {
        Self(Timestamp(micros - EPOCH_DIFFERENCE))
    }

    /// The storage form of timestamptz: `2026-11-22 13:05:43.25+00`.
    pub(crate) fn to_storage(self) -> String {
        self.0.store_zoned()
    }
}

/// The monotonic time, for timeouts.
#[expect(clippy::disallowed_methods, reason = "the edge where a statement begins")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_storage_form() {
        let stored = |micros| WallTime::from_unix_micros(micros).to_storage();
        assert_eq!(stored(0), "1970-01-01 00:00:00+00");
        assert_eq!(stored(1_795_353_543_250_000), "2026-11-22 13:19:03.25+00");
    }
}
