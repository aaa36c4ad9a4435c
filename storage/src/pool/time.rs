//! The one place of the pool that reads clocks; decisions take the time as an argument.
#![expect(clippy::disallowed_methods, reason = "the edge where the pool's threads read the time")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The monotonic time, for deadlines and waits.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The wall clock, since 1970. A clock set before 1970 counts as 1970.
pub(crate) fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
