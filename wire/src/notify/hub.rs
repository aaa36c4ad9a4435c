//! Puts the notifications of all sessions in the order of their commits and deals them to the workers.
//!
//! Before its commit a session takes a [`Ticket`]; one that writes holds the writer then, so tickets are numbered in the order of
//! commits. Whoever commits hands its notifications in; they go out when every ticket before has been handed in or
//! dropped, and the session waits that long, so that at most one batch of each session is kept here. What it waits for are commits
//! of others that are under way, never listeners.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::Batch;

/// Bytes of notifications that wait for one worker to deal them out. It does so between the messages of its sessions, so this is
/// reached only by a worker that hangs; then its listening sessions end, because they missed some.
const INBOX_BYTES_MAX: usize = 64 << 20;

/// What waits for one worker. Filled by all, emptied by that worker.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    state: Mutex<InboxState>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct InboxState {
    batches: Vec<Batch>,
    bytes: usize,
    overrun: bool,
}

/// What an inbox held.
#[derive(Debug, Default)]
pub(crate) struct Arrived {
    pub batches: Vec<Batch>,
    /// There was more than could be kept, and some is lost.
    pub overrun: bool,
}

impl Inbox {
    /// Waits until something has arrived since the last call. Dropping it loses nothing.
    pub(crate) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// Takes all that is there.
    pub(crate) fn take(&self) -> Arrived {
        let mut state = lock(&self.state);
        state.bytes = 0;
        Arrived { batches: std::mem::take(&mut state.batches), overrun: std::mem::take(&mut state.overrun) }
    }

    fn put(&self, batch: &Batch, bytes: usize) {
        let mut state = lock(&self.state);
        if state.overrun {
            return;
        }
        if state.bytes + bytes > INBOX_BYTES_MAX {
            *state = InboxState { overrun: true, ..InboxState::default() };
        } else {
            state.batches.push(Arc::clone(batch));
            state.bytes += bytes;
        }
        drop(state);
        self.arrived.notify_one();
    }
}

/// Shared by all workers.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    state: Mutex<State>,
    /// Woken when the turn goes on.
    turn: Notify,
}

#[derive(Debug, Default)]
struct State {
    inboxes: Vec<Arc<Inbox>>,
    /// For each channel with a listener: how many listen to it, by worker.
    interest: BTreeMap<Box<str>, BTreeMap<usize, usize>>,
    next_ticket: u64,
    /// The first ticket that is still out.
    turn: u64,
    /// Later tickets that are back. None: dropped.
    back: BTreeMap<u64, Option<Batch>>,
}

impl Hub {
    /// Adds a worker: its number and inbox.
    pub(crate) fn join(&self) -> (usize, Arc<Inbox>) {
        let mut state = lock(&self.state);
        let inbox = Arc::new(Inbox::default());
        state.inboxes.push(Arc::clone(&inbox));
        (state.inboxes.len() - 1, inbox)
    }

    /// A session of the worker listens to the channel from now on.
    pub(crate) fn listen(&self, worker: usize, channel: &str) {
        let mut state = lock(&self.state);
        *state.interest.entry(channel.into()).or_default().entry(worker).or_default() += 1;
    }

    /// One session less listens.
    pub(crate) fn unlisten(&self, worker: usize, channel: &str) {
        let mut state = lock(&self.state);
        let Some(workers) = state.interest.get_mut(channel) else { return };
        if let Some(count) = workers.get_mut(&worker) {
            *count -= 1;
            if *count == 0 {
                workers.remove(&worker);
            }
        }
        if workers.is_empty() {
            state.interest.remove(channel);
        }
    }

    /// A place in the order of commits.
    pub(crate) fn ticket(self: &Arc<Self>) -> Ticket {
        let mut state = lock(&self.state);
        let number = state.next_ticket;
        state.next_ticket += 1;
        Ticket { hub: Arc::clone(self), number, is_back: false }
    }

    fn give_back(&self, number: u64, batch: Option<Batch>) {
        let mut state = lock(&self.state);
        state.back.insert(number, batch);
        let before = state.turn;
        loop {
            let turn = state.turn;
            let Some(batch) = state.back.remove(&turn) else { break };
            if let Some(batch) = batch {
                state.deal(&batch);
            }
            state.turn += 1;
        }
        let moved = state.turn != before;
        drop(state);
        if moved {
            self.turn.notify_waiters();
        }
    }

    /// Waits until the turn has passed `number`. Dropping it leaves nothing.
    async fn passed(&self, number: u64) {
        loop {
            // Registered before the turn is read, so that a change between the two still wakes us.
            let mut moved = std::pin::pin!(self.turn.notified());
            moved.as_mut().enable();
            if lock(&self.state).turn > number {
                return;
            }
            moved.await;
        }
    }
}

impl State {
    fn deal(&self, batch: &Batch) {
        let mut bytes: BTreeMap<usize, usize> = BTreeMap::new();
        for notification in batch.iter() {
            for worker in self.interest.get(&notification.channel).into_iter().flat_map(BTreeMap::keys) {
                *bytes.entry(*worker).or_default() += notification.size();
            }
        }
        for (worker, bytes) in bytes {
            if let Some(inbox) = self.inboxes.get(worker) {
                inbox.put(batch, bytes);
            }
        }
    }
}

/// A place in the order of commits. Dropped, nothing is sent in it.
#[derive(Debug)]
pub(crate) struct Ticket {
    hub: Arc<Hub>,
    number: u64,
    is_back: bool,
}

impl Ticket {
    /// The commit is done: sends its notifications in its turn, and waits for it. Dropping the future does not take them back.
    pub(crate) async fn publish(mut self, batch: Batch) {
        self.is_back = true;
        self.hub.give_back(self.number, Some(batch));
        self.hub.passed(self.number).await;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.is_back {
            self.hub.give_back(self.number, None);
        }
    }
}

/// Each change under the lock is whole before anything can panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::super::Notification;
    use super::*;

    fn batch(channel: &str, payload: &str) -> Batch {
        vec![Arc::new(Notification { channel: channel.into(), payload: payload.into(), pid: 1 })].into()
    }

    fn payloads(inbox: &Inbox) -> String {
        let batches = inbox.take().batches;
        let all: Vec<&str> = batches.iter().flat_map(|batch| batch.iter().map(|n| &*n.payload)).collect();
        all.join(" ")
    }

    fn poll(future: std::pin::Pin<&mut impl Future<Output = ()>>) -> bool {
        future.poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(())
    }

    #[test]
    fn a_batch_goes_once_to_each_worker_that_has_listeners() {
        let hub = Arc::new(Hub::default());
        let ((a, inbox_a), (_, inbox_b)) = (hub.join(), hub.join());
        hub.listen(a, "x");
        hub.listen(a, "x");
        assert!(poll(std::pin::pin!(hub.ticket().publish(batch("x", "1")))));
        assert_eq!((payloads(&inbox_a).as_str(), payloads(&inbox_b).as_str()), ("1", ""));
        hub.unlisten(a, "x");
        assert!(poll(std::pin::pin!(hub.ticket().publish(batch("x", "2")))));
        assert_eq!(payloads(&inbox_a), "2");
        hub.unlisten(a, "x");
        assert!(poll(std::pin::pin!(hub.ticket().publish(batch("x", "3")))));
        assert_eq!(payloads(&inbox_a), "");
    }

    #[test]
    fn notifications_go_out_in_the_order_of_tickets() {
        let hub = Arc::new(Hub::default());
        let (worker, inbox) = hub.join();
        hub.listen(worker, "x");
        let (first, second, third) = (hub.ticket(), hub.ticket(), hub.ticket());
        let mut publish_third = std::pin::pin!(third.publish(batch("x", "3")));
        assert!(!poll(publish_third.as_mut()), "it waits for those before");
        drop(first);
        assert!(!poll(publish_third.as_mut()));
        assert_eq!(payloads(&inbox), "");
        assert!(poll(std::pin::pin!(second.publish(batch("x", "2")))));
        assert!(poll(publish_third.as_mut()));
        assert_eq!(payloads(&inbox), "2 3");
    }

    #[test]
    fn a_session_that_leaves_while_it_waits_has_still_notified() {
        let hub = Arc::new(Hub::default());
        let (worker, inbox) = hub.join();
        hub.listen(worker, "x");
        let first = hub.ticket();
        {
            let mut publish = std::pin::pin!(hub.ticket().publish(batch("x", "2")));
            assert!(!poll(publish.as_mut()));
        }
        drop(first);
        assert_eq!(payloads(&inbox), "2");
    }

    #[test]
    fn an_inbox_is_bounded_and_says_that_it_overran() {
        let hub = Arc::new(Hub::default());
        let (worker, inbox) = hub.join();
        hub.listen(worker, "x");
        let large = batch("x", &"y".repeat(1 << 20));
        for _ in 0..70 {
            assert!(poll(std::pin::pin!(hub.ticket().publish(large.clone()))), "a commit never waits for listeners");
        }
        let arrived = inbox.take();
        assert!(arrived.overrun && arrived.batches.is_empty());
        assert!(poll(std::pin::pin!(hub.ticket().publish(batch("x", "after")))));
        assert_eq!(payloads(&inbox), "after");
    }
}
