//! The places of those who have connected to a listener and not authenticated yet.
//!
//! Their number is bounded (I10). When all are taken, whoever came first and has had its minimum of time gives its place
//! to the newcomer, so that strangers who connect and stay silent keep nobody out; until then newcomers wait in the
//! kernel's queue, so that a herd of honest clients is served by turns and none is refused.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Time that a connection has at least, before another may take its place. Start-up with TLS and a password takes three
/// round trips.
const TIME_MIN: Duration = Duration::from_secs(1);

/// One listener's places.
#[derive(Debug)]
pub(crate) struct Waiting {
    places_max: usize,
    queue: Mutex<Queue>,
    freed: Notify,
}

/// In the order of arrival.
#[derive(Debug, Default)]
struct Queue {
    next: u64,
    places: BTreeMap<u64, (Instant, CancellationToken)>,
}

/// A place; given back when dropped.
#[derive(Debug)]
pub(crate) struct WaitingPlace {
    waiting: Arc<Waiting>,
    number: u64,
    lost: CancellationToken,
}

/// What became of asking for a place.
#[derive(Debug)]
enum Asked {
    Taken(u64, CancellationToken),
    /// All are taken, by connections that may stay until then at least.
    NotBefore(Instant),
}

impl Waiting {
    /// At least one place.
    pub(crate) fn new(places_max: usize) -> Arc<Self> {
        Arc::new(Self { places_max: places_max.max(1), queue: Mutex::default(), freed: Notify::new() })
    }

    /// Waits for a place, at most [`TIME_MIN`]. `now` reads the clock. Cancelling it takes none.
    pub(crate) async fn place(self: &Arc<Self>, now: impl Fn() -> Instant) -> WaitingPlace {
        loop {
            let freed = self.freed.notified();
            let asked = self.lock().ask(self.places_max, now());
            match asked {
                Asked::Taken(number, lost) => return WaitingPlace { waiting: Arc::clone(self), number, lost },
                Asked::NotBefore(due) => {
                    // Which of the two it was shows when it asks again.
                    let _ = tokio::time::timeout_at(due.into(), freed).await;
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn ask(&mut self, places_max: usize, now: Instant) -> Asked {
        if self.places.len() >= places_max
            && let Some(oldest) = self.places.first_entry()
        {
            let due = oldest.get().0 + TIME_MIN;
            if now < due {
                return Asked::NotBefore(due);
            }
            let (_, lost) = oldest.remove();
            lost.cancel();
        }
        let number = self.next;
        self.next += 1;
        let lost = CancellationToken::new();
        self.places.insert(number, (now, lost.clone()));
        Asked::Taken(number, lost)
    }
}

impl WaitingPlace {
    /// Cancelled when another connection has been given the place.
    pub(crate) fn lost(&self) -> CancellationToken {
        self.lost.clone()
    }
}

impl Drop for WaitingPlace {
    fn drop(&mut self) {
        self.waiting.lock().places.remove(&self.number);
        self.waiting.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks at these milliseconds for one of two places: `+n` got place n, `-n` lost it, `.` waits.
    fn check(asks: &[u64], expected: &str) {
        let start = crate::execute::clock::now();
        let mut queue = Queue::default();
        let mut held: Vec<(u64, CancellationToken)> = Vec::new();
        let mut seen = Vec::new();
        for ms in asks {
            match queue.ask(2, start + Duration::from_millis(*ms)) {
                Asked::Taken(number, lost) => {
                    let gone =
                        held.iter().filter(|(_, lost)| lost.is_cancelled()).map(|(number, _)| format!("-{number}"));
                    seen.extend(gone);
                    held.retain(|(_, lost)| !lost.is_cancelled());
                    held.push((number, lost));
                    seen.push(format!("+{number}"));
                }
                Asked::NotBefore(due) => seen.push(format!(".{}", (due - start).as_millis())),
            }
            assert!(queue.places.len() <= 2);
        }
        assert_eq!(seen.join(" "), expected);
    }

    #[test]
    fn the_first_who_came_gives_its_place_after_its_minimum_of_time() {
        check(&[0, 10], "+0 +1");
        check(&[0, 10, 20], "+0 +1 .1000");
        check(&[0, 10, 1000, 1005, 1010], "+0 +1 -0 +2 .1010 -1 +3");
    }

    #[test]
    fn a_place_that_was_lost_and_then_dropped_takes_nothing_from_its_new_holder() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("runtime");
        runtime.block_on(async {
            let start = crate::execute::clock::now();
            let waiting = Waiting::new(1);
            let first = waiting.place(|| start).await;
            let second = waiting.place(|| start + TIME_MIN).await;
            assert!(first.lost().is_cancelled() && !second.lost().is_cancelled());
            drop(first);
            assert_eq!(waiting.lock().places.len(), 1);
            drop(second);
            assert_eq!(waiting.lock().places.len(), 0);
        });
    }
}
