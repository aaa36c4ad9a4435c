//! Carries out what statements do to their session: notifications and advisory locks, at once or with the transaction.

use std::rc::Rc;
use std::sync::Arc;

use storage::error::ExecuteError;

use super::executor::{Executor, Failure, Job};
use super::outbox::CHUNK_SIZE;
use super::run::Progress;
use crate::error::{SqlError, sqlstate};
use crate::net::worker::Worker;
use crate::notify::channel;
use crate::notify::hub::Ticket;
use crate::notify::mailbox::Mailbox;
use crate::notify::pending::Action;
use crate::protocol::backend::{self, Severity};
use crate::session::advisory::{Key, Lock, Mode, Span};
use crate::session::calls::{Effect, Left, OpenCalls};

/// A session among the listeners of its worker; dropping it takes it out.
#[derive(Debug)]
pub(crate) struct Listening {
    worker: Rc<Worker>,
    pid: i32,
    pub mailbox: Rc<Mailbox>,
}

impl Listening {
    pub(crate) fn new(worker: Rc<Worker>, pid: i32) -> Self {
        Self { worker, pid, mailbox: Rc::default() }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.worker.listeners.leave(self.pid, &self.mailbox);
    }
}

/// What follows a statement that called functions which act on the session.
pub(super) enum After {
    Done(Result<Progress, Failure>),
    /// It waited for a lock and runs again, as if it had not run.
    Again,
}

impl Executor {
    /// LISTEN, from the commit on.
    ///
    /// # Errors
    /// 0A000 for a reserved name, 53400 and 54000 at limits.
    pub(super) fn listen(&mut self, channel: &str) -> Result<(), SqlError> {
        channel::check_channel(channel)?;
        self.listening.mailbox.check_room()?;
        self.pending.act(Action::Listen(channel.into()))
    }

    /// UNLISTEN, from the commit on.
    ///
    /// # Errors
    /// 54000 at a limit.
    pub(super) fn unlisten(&mut self, channel: Option<&str>) -> Result<(), SqlError> {
        self.pending.act(channel.map_or(Action::UnlistenAll, |channel| Action::Unlisten(channel.into())))
    }

    /// NOTIFY, at the commit.
    ///
    /// # Errors
    /// 22023 for a long payload, 0A000 for a reserved name, 54000 at a limit.
    pub(super) fn notify(&mut self, channel: &str, payload: &str) -> Result<(), SqlError> {
        channel::check_channel(channel)?;
        channel::check_payload(payload)?;
        self.pending.notify(channel, payload)
    }

    /// The place in the order of commits that a commit about to start needs; None if it notifies nobody.
    pub(super) fn notification_ticket(&self) -> Option<Ticket> {
        self.pending.notifies().then(|| self.worker.listeners.hub().ticket())
    }

    /// The transaction is committed: what it said about channels takes effect, and its notifications go out.
    pub(super) async fn committed(&mut self, ticket: Option<Ticket>) {
        self.give_back_transaction_locks();
        let (actions, notifications) = self.pending.take(self.identity.pid);
        if !actions.is_empty() {
            self.worker.listeners.apply(self.identity.pid, &self.listening.mailbox, actions);
        }
        if let Some(ticket) = ticket {
            ticket.publish(Arc::from(notifications)).await;
            // The session's own are in its mailbox before it is ready again.
            self.worker.listeners.deliver();
        }
    }

    /// The transaction came to nothing.
    pub(super) fn forget_effects(&mut self) {
        self.pending.clear();
        self.give_back_transaction_locks();
    }

    fn give_back_transaction_locks(&mut self) {
        let locks = self.transaction_locks.take();
        self.give_back(&locks);
    }

    pub(super) fn give_back(&self, locks: &[Lock]) {
        if let Some(calls) = &self.calls {
            locks.iter().for_each(|lock| self.worker.shared.locks.give_back(calls.number(), *lock));
        }
    }

    /// Appends waiting notifications, about a chunk of them at most.
    pub(crate) fn write_notifications(&mut self) {
        let enough = self.outbox.buf.len() + CHUNK_SIZE;
        while self.outbox.buf.len() < enough
            && let Some(notification) = self.listening.mailbox.next()
        {
            backend::notification(&mut self.outbox.buf, &notification);
        }
    }

    /// A statement that calls functions which act on the session is about to run.
    pub(super) fn start_calls(&mut self) {
        let locks = &self.worker.shared.locks;
        let calls = self.calls.get_or_insert_with(|| OpenCalls::new(Arc::clone(locks)));
        calls.start(&self.settings);
    }

    /// Does what such a statement left to do. A failed one leaves its advisory locks alone, as they are not undone in
    /// PostgreSQL either; those of the transaction are given back with it.
    ///
    /// # Errors
    /// While waiting for a lock: 40P01, 55P03 after `lock_timeout`, 57014.
    pub(super) async fn settle_calls(
        &mut self,
        result: Result<Progress, Failure>,
        job: &Job,
    ) -> Result<After, Failure> {
        let Some(calls) = &self.calls else { return Ok(After::Done(result)) };
        let owner = calls.number();
        let Left { effects, blocked } = calls.take();
        if let (Err(Failure::Sql(_)), Some((key, mode))) = (&result, blocked) {
            let taken = effects.iter().filter_map(|effect| match effect {
                Effect::Locked(lock) => Some(*lock),
                Effect::Notify { .. }
                | Effect::Set { .. }
                | Effect::Unlock(_)
                | Effect::UnlockAll
                | Effect::NotHeld(_) => None,
            });
            self.give_back(&taken.collect::<Vec<_>>());
            self.wait_for_lock(owner, key, mode, job).await?;
            return Ok(After::Again);
        }
        for effect in effects {
            self.carry_out(owner, effect, result.is_ok())?;
        }
        Ok(After::Done(result))
    }

    fn carry_out(&mut self, owner: i64, effect: Effect, succeeded: bool) -> Result<(), SqlError> {
        match effect {
            Effect::Notify { channel, payload } if succeeded => self.pending.notify(&channel, &payload)?,
            Effect::Set { name, value, local } if succeeded => self.set(&name, value.as_deref(), local)?,
            Effect::Notify { .. } | Effect::Set { .. } => {}
            Effect::Locked(lock) => {
                if lock.span == Span::Transaction {
                    self.transaction_locks.push(lock);
                }
            }
            Effect::Unlock(lock) => self.worker.shared.locks.give_back(owner, lock),
            Effect::UnlockAll => self.worker.shared.locks.give_back_session(owner),
            Effect::NotHeld(mode) => {
                let text = format!("you don't own a lock of type {}", mode.name());
                self.notice(Severity::Warning, &SqlError::new(sqlstate::WARNING, text));
            }
        }
        Ok(())
    }

    async fn wait_for_lock(&mut self, owner: i64, key: Key, mode: Mode, job: &Job) -> Result<(), Failure> {
        let locks = Arc::clone(&self.worker.shared.locks);
        let slot = Arc::clone(&self.slot);
        let lock_timeout = self.settings.timeouts().lock;
        tokio::select! {
            waited = locks.wait(owner, key, mode) => Ok(waited?),
            () = slot.cancelled(&job.interrupt) => Err(self.storage_failure(&ExecuteError::Interrupted)),
            () = until(job.deadline) => Err(self.storage_failure(&ExecuteError::DeadlineExceeded)),
            () = after(lock_timeout) => {
                let text = "canceling statement due to lock timeout";
                Err(SqlError::new(sqlstate::LOCK_NOT_AVAILABLE, text).into())
            }
        }
    }

    /// `pg_advisory_unlock_all()` of DISCARD ALL.
    pub(super) fn give_back_session_locks(&self) {
        if let Some(calls) = &self.calls {
            self.worker.shared.locks.give_back_session(calls.number());
        }
    }
}

async fn until(deadline: Option<std::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

async fn after(time: Option<std::time::Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}
