//! CancelRequest: finds the session by process id and secret, and stops the job it runs at this moment.
//!
//! Each job has an [`Interrupt`] of its own, so a request that arrives late hits nothing rather than the next job
//! (`a_late_request_does_not_touch_the_next_job`). Requests come from other connections, on other threads.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use storage::store::Interrupt;
use tokio::sync::Notify;

/// The running job of one session, as others may stop it.
#[derive(Debug, Default)]
pub(crate) struct CancelSlot {
    job: Mutex<Option<Interrupt>>,
    notify: Notify,
}

impl CancelSlot {
    /// Starts a job; its interrupt goes with every statement of it.
    pub(crate) fn begin(&self) -> Interrupt {
        let interrupt = Interrupt::default();
        *lock(&self.job) = Some(interrupt.clone());
        interrupt
    }

    /// Continues an earlier job whose statement still runs: a portal that was suspended.
    pub(crate) fn resume(&self, interrupt: &Interrupt) {
        *lock(&self.job) = Some(interrupt.clone());
    }

    /// Ends the job: later requests find nothing.
    pub(crate) fn end(&self) {
        *lock(&self.job) = None;
    }

    /// Stops the running job, if there is one.
    pub(crate) fn cancel(&self) {
        if let Some(interrupt) = lock(&self.job).as_ref() {
            interrupt.cancel();
            self.notify.notify_waiters();
        }
    }

    /// Waits until `interrupt`, the running job's, is cancelled. For waits that storage does not see. Dropping it leaves nothing.
    pub(crate) async fn cancelled(&self, interrupt: &Interrupt) {
        loop {
            // Registered before the flag is read, so that a request between the two still wakes us.
            let mut notified = std::pin::pin!(self.notify.notified());
            notified.as_mut().enable();
            if interrupt.is_cancelled() {
                return;
            }
            notified.await;
        }
    }
}

/// All sessions of this process that can be cancelled.
#[derive(Debug, Default)]
pub(crate) struct CancelRegistry {
    sessions: Mutex<BTreeMap<i32, Entry>>,
}

#[derive(Debug)]
struct Entry {
    secret: Box<[u8]>,
    slot: Arc<CancelSlot>,
}

impl CancelRegistry {
    /// Makes a session known. Ends with [`Self::remove`].
    pub(crate) fn insert(&self, pid: i32, secret: Box<[u8]>, slot: Arc<CancelSlot>) {
        lock(&self.sessions).insert(pid, Entry { secret, slot });
    }

    pub(crate) fn remove(&self, pid: i32) {
        lock(&self.sessions).remove(&pid);
    }

    /// Stops every session's job.
    pub(crate) fn cancel_all(&self) {
        for entry in lock(&self.sessions).values() {
            entry.slot.cancel();
        }
    }

    /// Stops the job of that session. A wrong pid or secret is ignored: the requester learns nothing either way.
    pub(crate) fn cancel(&self, pid: i32, secret: &[u8]) {
        if let Some(entry) = lock(&self.sessions).get(&pid)
            && equal(&entry.secret, secret)
        {
            entry.slot.cancel();
        }
    }
}

/// Compares secrets in a time that does not tell how far they agree.
fn equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differences, (a, b)| differences | (a ^ b)) == 0
}

/// The guarded values are replaced whole, so a panic elsewhere cannot have left them half written.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_secret_stops_the_job() {
        let registry = CancelRegistry::default();
        let slot = Arc::new(CancelSlot::default());
        registry.insert(7, (*b"right").into(), slot.clone());
        let job = slot.begin();
        registry.cancel(7, b"wrong");
        registry.cancel(7, b"righ");
        registry.cancel(8, b"right");
        assert!(!job.is_cancelled());
        registry.cancel(7, b"right");
        assert!(job.is_cancelled());
    }

    #[test]
    fn a_late_request_does_not_touch_the_next_job() {
        let slot = CancelSlot::default();
        let first = slot.begin();
        slot.end();
        slot.cancel();
        let second = slot.begin();
        assert!(!first.is_cancelled());
        assert!(!second.is_cancelled());
    }

    #[test]
    fn a_removed_session_cannot_be_reached() {
        let registry = CancelRegistry::default();
        let slot = Arc::new(CancelSlot::default());
        registry.insert(7, (*b"right").into(), slot.clone());
        let job = slot.begin();
        registry.remove(7);
        registry.cancel(7, b"right");
        assert!(!job.is_cancelled());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_waiting_job_is_woken() {
        let slot = CancelSlot::default();
        let job = slot.begin();
        tokio::join!(slot.cancelled(&job), async { slot.cancel() });
        assert!(job.is_cancelled());
    }
}
