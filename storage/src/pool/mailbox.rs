//! The writer's mailbox: one bounded queue for everybody, and a private line for the session that holds the lease.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::command::{Command, LeaseJob, LeaseOp, SchemaFilesJob, UserJob, Waiting, WriteJob, expire};
use super::time;
use crate::error::{ExecuteError, LeaseLoss};

/// Commands that may wait. Each caller has at most one, so this bounds concurrent writers; the next one is refused at once
/// with [`ExecuteError::QueueFull`].
pub(crate) const QUEUE_LEN_MAX: usize = 16_384;

/// Calls that a holder may leave behind by dropping futures; then it is refused with [`ExecuteError::QueueFull`].
pub(crate) const LEASE_OPS_MAX: usize = 64;

/// Writes in one group: enough to share an fsync among all of them, few enough that the first does not wait long.
pub(crate) const GROUP_LEN_MAX: usize = 512;

/// How late a cancelled or expired command learns it while it waits for somebody else's transaction.
pub(crate) const EXPIRY_INTERVAL: Duration = Duration::from_millis(50);

/// When the holder of the lease must give way. Pure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LeaseClock {
    pub(crate) started: Instant,
    pub(crate) idle_since: Instant,
    pub(crate) idle_max: Duration,
    pub(crate) held_max: Duration,
}

impl LeaseClock {
    /// Whether a holder that runs nothing at `now` loses the lease, given that others wait.
    pub(crate) fn loss(&self, now: Instant) -> Option<LeaseLoss> {
        if now.duration_since(self.started) >= self.held_max {
            Some(LeaseLoss::Held)
        } else if now.duration_since(self.idle_since) >= self.idle_max {
            Some(LeaseLoss::Idle)
        } else {
            None
        }
    }

    fn remaining(&self, now: Instant) -> Duration {
        let held = self.held_max.saturating_sub(now.duration_since(self.started));
        held.min(self.idle_max.saturating_sub(now.duration_since(self.idle_since)))
    }
}

/// What the writer does next when nobody holds the lease.
pub(crate) enum Next {
    Group(Vec<WriteJob>),
    Lease(LeaseJob),
    SchemaFiles(SchemaFilesJob),
    User(UserJob),
    /// Nothing waits.
    Idle,
    Stopped,
}

/// What the writer does next for the holder.
pub(crate) enum NextOp {
    Op(LeaseOp),
    Lost(LeaseLoss),
    Stopped,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Command>,
    ops: VecDeque<LeaseOp>,
    holder: Option<u64>,
    /// Set once: why nothing is accepted any more.
    refusing: Option<ExecuteError>,
    closed: bool,
    parked: bool,
}

/// Shared by the writer thread and all handles.
#[derive(Default)]
pub(crate) struct Mailbox {
    state: Mutex<State>,
    wake: Condvar,
    len: AtomicUsize,
}

impl std::fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mailbox").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl Mailbox {
    /// Queues a command, or answers it at once if the queue is full or the writer has stopped.
    pub(crate) fn push(&self, command: Command) {
        let mut state = self.state();
        if let Some(error) = state.refusing.clone() {
            drop(state);
            return command.refuse(error);
        }
        if state.queue.len() >= QUEUE_LEN_MAX {
            expire(&mut state.queue, time::now());
        }
        if state.queue.len() >= QUEUE_LEN_MAX {
            drop(state);
            return command.refuse(ExecuteError::QueueFull);
        }
        state.queue.push_back(command);
        self.changed(state);
    }

    /// Queues a call of the lease's holder; gives it back if `id` does not hold the lease any more.
    pub(crate) fn push_op(&self, id: u64, op: LeaseOp) -> Result<(), PushOpError> {
        let mut state = self.state();
        if state.holder != Some(id) {
            return Err(PushOpError::NotHolder);
        }
        if state.ops.len() >= LEASE_OPS_MAX && !matches!(op, LeaseOp::Rollback { .. }) {
            return Err(PushOpError::Full);
        }
        state.ops.push_back(op);
        self.changed(state);
        Ok(())
    }

    /// How many commands wait. Never blocks.
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    /// Refuses what waits and what comes with `error`. The first reason stays, but closing is always told to the writer.
    pub(crate) fn refuse_all(&self, error: &ExecuteError) {
        let mut state = self.state();
        state.closed |= matches!(error, ExecuteError::Closed);
        let error = state.refusing.get_or_insert_with(|| error.clone()).clone();
        let waiting = std::mem::take(&mut state.queue);
        self.changed(state);
        for command in waiting {
            command.refuse(error.clone());
        }
    }

    /// Answers waiting commands that were cancelled or are past their deadline.
    pub(crate) fn expire(&self, now: Instant) {
        let mut state = self.state();
        expire(&mut state.queue, now);
        self.len.store(state.queue.len(), Ordering::Release);
    }

    /// Waits for work, in order of arrival: a lease, or all the writes at the head of the queue.
    pub(crate) fn next(&self) -> Next {
        let mut state = self.state();
        loop {
            match self.take(&mut state) {
                Next::Idle => state = self.park(state, None),
                next @ (Next::Group(_) | Next::Lease(_) | Next::SchemaFiles(_) | Next::User(_) | Next::Stopped) => {
                    return next;
                }
            }
        }
    }

    /// As [`Self::next`] without waiting.
    pub(crate) fn next_at_once(&self) -> Next {
        self.take(&mut self.state())
    }

    fn take(&self, state: &mut State) -> Next {
        if state.closed {
            return Next::Stopped;
        }
        let next = take_next(&mut state.queue);
        self.len.store(state.queue.len(), Ordering::Release);
        next.unwrap_or(Next::Idle)
    }

    /// The writes at the head of the queue, at most `count`. Never waits.
    pub(crate) fn take_writes(&self, count: usize) -> Vec<WriteJob> {
        let mut state = self.state();
        if state.closed {
            return Vec::new();
        }
        let writes = writes_at_head(&mut state.queue, count);
        self.len.store(state.queue.len(), Ordering::Release);
        writes
    }

    /// From here on the session `id` holds the lease.
    pub(crate) fn grant(&self, id: u64) {
        self.state().holder = Some(id);
    }

    /// The lease is over; calls that its holder left behind are dropped, which answers them.
    pub(crate) fn end_lease(&self) {
        let mut state = self.state();
        state.holder = None;
        let left = std::mem::take(&mut state.ops);
        drop(state);
        drop(left);
    }

    /// Waits for the holder's next call, or until it must give way to those who wait.
    pub(crate) fn next_op(&self, clock: &LeaseClock) -> NextOp {
        let mut state = self.state();
        loop {
            let now = time::now();
            expire(&mut state.queue, now);
            self.len.store(state.queue.len(), Ordering::Release);
            let contended = !state.queue.is_empty();
            if state.closed {
                return NextOp::Stopped;
            }
            // A call that is there already ends the idle time, but never the holding time.
            let loss = if contended { clock.loss(now) } else { None };
            match (loss, state.ops.is_empty()) {
                (Some(LeaseLoss::Held), _) => return NextOp::Lost(LeaseLoss::Held),
                (Some(loss), true) => return NextOp::Lost(loss),
                (Some(_) | None, _) => {}
            }
            if let Some(op) = state.ops.pop_front() {
                return NextOp::Op(op);
            }
            let patience = contended.then(|| clock.remaining(now).min(EXPIRY_INTERVAL));
            state = self.park(state, patience);
        }
    }

    fn park<'a>(&'a self, mut state: MutexGuard<'a, State>, patience: Option<Duration>) -> MutexGuard<'a, State> {
        state.parked = true;
        let mut state = match patience {
            Some(patience) => {
                // At least a millisecond: a remainder that rounds to nothing must not spin.
                let patience = patience.max(Duration::from_millis(1));
                self.wake.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner).0
            }
            None => self.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
        };
        state.parked = false;
        state
    }

    fn changed(&self, state: MutexGuard<'_, State>) {
        self.len.store(state.queue.len(), Ordering::Release);
        let parked = state.parked;
        drop(state);
        if parked {
            self.wake.notify_one();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a call of a lease was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PushOpError {
    NotHolder,
    Full,
}

fn take_next(queue: &mut VecDeque<Command>) -> Option<Next> {
    let writes = writes_at_head(queue, GROUP_LEN_MAX);
    if !writes.is_empty() {
        return Some(Next::Group(writes));
    }
    match queue.pop_front()? {
        Command::Write(job) => Some(Next::Group(vec![job])),
        Command::Lease(job) => Some(Next::Lease(job)),
        Command::SchemaFiles(job) => Some(Next::SchemaFiles(job)),
        Command::User(job) => Some(Next::User(job)),
    }
}

fn writes_at_head(queue: &mut VecDeque<Command>, count: usize) -> Vec<WriteJob> {
    let mut writes = Vec::new();
    while writes.len() < count {
        match queue.pop_front() {
            Some(Command::Write(job)) => writes.push(job),
            Some(other) => {
                queue.push_front(other);
                break;
            }
            None => break,
        }
    }
    writes
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::oneshot;

    use super::*;
    use crate::store::{Durability, Flow, Limits, Outcome, Statement};

    type Answer = oneshot::Receiver<Result<Outcome, ExecuteError>>;

    fn write(limits: Limits) -> (Command, Answer) {
        let (reply, answer) = oneshot::channel();
        let statement = Statement { sql: Arc::from("SELECT 1"), params: Vec::new(), uses_catalog: false };
        let sink = Box::new(|_: &crate::store::Row<'_>| Ok(Flow::Continue));
        (
            Command::Write(WriteJob {
                planned_for: None,
                statement,
                durability: Durability::Fsynced,
                limits,
                sink,
                reply,
            }),
            answer,
        )
    }

    fn lease() -> Command {
        Command::Lease(LeaseJob { limits: Limits::default(), snapshot: None, reply: oneshot::channel().0 })
    }

    fn group_len(next: &Next) -> Option<usize> {
        match next {
            Next::Group(jobs) => Some(jobs.len()),
            Next::Lease(_) | Next::SchemaFiles(_) | Next::User(_) | Next::Idle | Next::Stopped => None,
        }
    }

    #[test]
    fn those_who_join_a_group_pass_nobody() {
        let mailbox = Mailbox::default();
        for command in [write(Limits::default()).0, write(Limits::default()).0, lease(), write(Limits::default()).0] {
            mailbox.push(command);
        }
        assert_eq!([1, 5, 5].map(|room| mailbox.take_writes(room).len()), [1, 1, 0]);
        assert!(matches!(mailbox.next(), Next::Lease(_)));
        mailbox.refuse_all(&ExecuteError::Closed);
        assert_eq!(mailbox.take_writes(5).len(), 0);
    }

    #[test]
    fn a_lease_waits_for_the_writes_before_it_and_not_for_those_after() {
        let mailbox = Mailbox::default();
        for command in [write(Limits::default()).0, write(Limits::default()).0, lease(), write(Limits::default()).0] {
            mailbox.push(command);
        }
        assert_eq!(group_len(&mailbox.next()), Some(2));
        assert!(matches!(mailbox.next(), Next::Lease(_)));
        assert_eq!(group_len(&mailbox.next()), Some(1));
    }

    #[test]
    fn a_full_queue_refuses_the_next_command() {
        let mailbox = Mailbox::default();
        for _ in 0..QUEUE_LEN_MAX {
            mailbox.push(write(Limits::default()).0);
        }
        let (command, mut answer) = write(Limits::default());
        mailbox.push(command);
        assert!(matches!(answer.try_recv(), Ok(Err(ExecuteError::QueueFull))));
    }

    #[test]
    fn a_cancelled_command_makes_room_in_a_full_queue() {
        let mailbox = Mailbox::default();
        let limits = Limits::default();
        let (first, mut cancelled) = write(limits.clone());
        mailbox.push(first);
        for _ in 1..QUEUE_LEN_MAX {
            mailbox.push(write(Limits::default()).0);
        }
        limits.interrupt.cancel();
        let (command, mut answer) = write(Limits::default());
        mailbox.push(command);
        assert!(answer.try_recv().is_err(), "still waiting");
        assert!(matches!(cancelled.try_recv(), Ok(Err(ExecuteError::Interrupted))));
    }

    #[test]
    fn a_stopped_writer_answers_what_waits_and_what_comes() {
        let mailbox = Mailbox::default();
        let (before, mut first) = write(Limits::default());
        mailbox.push(before);
        mailbox.refuse_all(&ExecuteError::WriterFailed { message: "disk gone".to_owned() });
        let (after, mut second) = write(Limits::default());
        mailbox.push(after);
        assert!(matches!(first.try_recv(), Ok(Err(ExecuteError::WriterFailed { .. }))));
        assert!(matches!(second.try_recv(), Ok(Err(ExecuteError::WriterFailed { .. }))));
    }

    #[test]
    fn a_lease_is_lost_for_idling_before_it_is_lost_for_holding() {
        let started = time::now();
        let second = Duration::from_secs(1);
        let clock = LeaseClock { started, idle_since: started + second, idle_max: 5 * second, held_max: 10 * second };
        assert_eq!(clock.loss(started + 5 * second), None);
        assert_eq!(clock.loss(started + 6 * second), Some(LeaseLoss::Idle));
        assert_eq!(clock.loss(started + 10 * second), Some(LeaseLoss::Held));
    }

    #[test]
    fn only_the_holder_may_use_the_private_line() {
        let mailbox = Mailbox::default();
        mailbox.grant(7);
        assert_eq!(mailbox.push_op(6, LeaseOp::Rollback { reply: None }), Err(PushOpError::NotHolder));
        assert_eq!(mailbox.push_op(7, LeaseOp::Rollback { reply: None }), Ok(()));
        mailbox.end_lease();
        assert_eq!(mailbox.push_op(7, LeaseOp::Rollback { reply: None }), Err(PushOpError::NotHolder));
    }
}
