//! LISTEN and NOTIFY between the sessions of this node, with PostgreSQL's transactional rules.
//!
//! | file | holds |
//! |---|---|
//! | [`channel`] | which names and payloads there are; pure |
//! | [`pending`] | what the open transaction of a session will do at its commit; pure |
//! | [`hub`] | commits of all workers, put in order, and dealt to the workers that have listeners |
//! | [`mailbox`] | the listeners of one worker, and what waits for each |
//!
//! A notification goes from the committing session to the hub, as one message to each worker with a listener, and from there to
//! the mailboxes of its sessions, which wake up if they idle. Nobody polls. A commit waits for commits before it, never for a
//! listener: a mailbox that overflows ends its session.
//! Source: <https://www.postgresql.org/docs/15/sql-notify.html>

pub(crate) mod channel;
pub(crate) mod hub;
pub(crate) mod mailbox;
pub(crate) mod pending;

use std::sync::Arc;

/// One notification as its listeners get it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Notification {
    pub channel: Box<str>,
    pub payload: Box<str>,
    /// The process id of the session that sent it.
    pub pid: i32,
}

impl Notification {
    /// Bytes that count against the limits: its texts, and what keeping it costs.
    pub(crate) fn size(&self) -> usize {
        NOTIFICATION_OVERHEAD + self.channel.len() + self.payload.len()
    }
}

/// What a waiting notification costs beside its texts, roughly.
pub(crate) const NOTIFICATION_OVERHEAD: usize = 96;

/// The notifications of one commit, in order. Each is shared by those it waits for, so that a slow listener keeps only its own.
pub(crate) type Batch = Arc<[Arc<Notification>]>;
