//! What the wire front end counts, for whoever exports it.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Counters of all workers. Relaxed: each is only ever read for show.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub sessions_open: AtomicUsize,
    pub sessions_started: AtomicU64,
    pub sessions_refused: AtomicU64,
    pub authentications_failed: AtomicU64,
    pub statements: AtomicU64,
    pub errors: AtomicU64,
    pub inline_reads: AtomicU64,
    pub offloaded_reads: AtomicU64,
    pub pool_reads: AtomicU64,
    pub group_writes: AtomicU64,
    pub leases: AtomicU64,
    pub cancel_requests: AtomicU64,
}

/// The counters at one moment. All count from the start of the process but the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Sessions now.
    pub sessions_open: usize,
    pub sessions_started: u64,
    /// Connections that found the limit reached (53300).
    pub sessions_refused: u64,
    /// Connections refused for their encryption, address, certificate, user or password.
    pub authentications_failed: u64,
    /// Query and Execute messages.
    pub statements: u64,
    /// ErrorResponses.
    pub errors: u64,
    /// Reads that ran on their session's thread.
    pub inline_reads: u64,
    /// Of those tried inline, the ones that overran the budget.
    pub offloaded_reads: u64,
    /// Reads that ran on the pool.
    pub pool_reads: u64,
    /// Writes that were their whole transaction.
    pub group_writes: u64,
    /// Transactions that took the writer.
    pub leases: u64,
    pub cancel_requests: u64,
}

impl Counters {
    pub(crate) fn snapshot(&self) -> Stats {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            sessions_open: self.sessions_open.load(Ordering::Relaxed),
            sessions_started: load(&self.sessions_started),
            sessions_refused: load(&self.sessions_refused),
            authentications_failed: load(&self.authentications_failed),
            statements: load(&self.statements),
            errors: load(&self.errors),
            inline_reads: load(&self.inline_reads),
            offloaded_reads: load(&self.offloaded_reads),
            pool_reads: load(&self.pool_reads),
            group_writes: load(&self.group_writes),
            leases: load(&self.leases),
            cancel_requests: load(&self.cancel_requests),
        }
    }
}
