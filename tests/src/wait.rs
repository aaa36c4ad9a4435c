//! Waiting on conditions, always with a deadline.

use std::thread;
use std::time::{Duration, Instant};

/// Time between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(10);

/// The time, for a measurement or for a wait that needs more than one condition.
#[expect(clippy::disallowed_methods, reason = "tests wait and measure in real time")]
pub fn now() -> Instant {
    Instant::now()
}

/// Looks at a condition until it yields a value.
///
/// # Panics
/// With `what` when the deadline passes first.
#[track_caller]
pub fn wait_until<T>(what: &str, deadline: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    let start = now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(start.elapsed() < deadline, "waited {deadline:?} for: {what}");
        thread::sleep(PAUSE);
    }
}
