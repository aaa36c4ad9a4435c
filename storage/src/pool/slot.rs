//! What the WAL policy knows of each reader: how much of the WAL it keeps, and how to make it let go.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::command::{Reply, answer};
use super::shared::Counters;
use super::snapshot::SnapshotCell;
use crate::error::ExecuteError;
use crate::store::Outcome;

const NOT_READING: u64 = u64::MAX;

/// One connection's read transaction.
#[derive(Debug)]
pub(crate) struct Slot {
    /// The WAL position where the transaction began; everything behind it is kept.
    since: AtomicU64,
    too_old: AtomicBool,
    /// Whether the statement that runs is in its sink, where it may wait for a slow client.
    in_sink: AtomicBool,
    /// The caller of the statement that runs now, so that it can be told even while the statement is stuck in its sink.
    reply: Mutex<Option<Reply<Outcome>>>,
}

impl Default for Slot {
    fn default() -> Self {
        Self {
            since: AtomicU64::new(NOT_READING),
            too_old: AtomicBool::new(false),
            in_sink: AtomicBool::new(false),
            reply: Mutex::new(None),
        }
    }
}

impl Slot {
    /// A read transaction is about to begin. Called before it does, so that the position is never too new.
    pub(crate) fn begin(&self, counters: &Counters) {
        self.too_old.store(false, Ordering::Release);
        self.since.store(counters.wal_position.load(Ordering::Acquire), Ordering::Release);
    }

    /// The read transaction is over.
    pub(crate) fn end(&self) {
        self.since.store(NOT_READING, Ordering::Release);
    }

    /// Whether the policy asked this reader to let go.
    pub(crate) fn is_too_old(&self) -> bool {
        self.too_old.load(Ordering::Acquire)
    }

    /// Bytes of the WAL that cannot be reused because of this reader.
    fn keeps(&self, position: u64) -> u64 {
        match self.since.load(Ordering::Acquire) {
            NOT_READING => 0,
            since => position.saturating_sub(since),
        }
    }

    /// The statement enters or leaves its sink.
    pub(crate) fn set_in_sink(&self, in_sink: bool) {
        self.in_sink.store(in_sink, Ordering::Release);
    }

    /// Whose statement runs now.
    pub(crate) fn calling(&self, reply: Reply<Outcome>) {
        *self.reply() = Some(reply);
    }

    /// Answers the caller, unless it was told already.
    pub(crate) fn answer(&self, result: Result<Outcome, ExecuteError>) {
        let reply = self.reply().take();
        if let Some(reply) = reply {
            answer(reply, result);
        }
    }

    fn reply(&self) -> MutexGuard<'_, Option<Reply<Outcome>>> {
        self.reply.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All readers of a store that may last: pool statements and snapshots. Inline reads end within their budget.
#[derive(Debug, Default)]
pub(crate) struct Readers {
    slots: Mutex<Vec<Weak<Slot>>>,
    snapshots: Mutex<Vec<Weak<SnapshotCell>>>,
}

impl Readers {
    /// Every connection of the pool registers its slot once.
    pub(crate) fn register(&self, slot: &Arc<Slot>) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.retain(|slot| slot.strong_count() > 0);
        slots.push(Arc::downgrade(slot));
    }

    /// Every snapshot registers itself once.
    pub(crate) fn register_snapshot(&self, cell: &Arc<SnapshotCell>) {
        let mut snapshots = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        snapshots.retain(|cell| cell.strong_count() > 0);
        snapshots.push(Arc::downgrade(cell));
    }

    /// Makes every reader let go that keeps at least `bytes` of the WAL; how many that were. A statement that runs is
    /// stopped by its gate; its caller learns it now.
    pub(crate) fn evict(&self, counters: &Counters, bytes: u64) -> u64 {
        let position = counters.wal_position.load(Ordering::Acquire);
        let mut evicted = 0;
        for slot in self.slots() {
            if slot.keeps(position) >= bytes {
                if !slot.too_old.swap(true, Ordering::AcqRel) {
                    evicted += 1;
                    Counters::add(&counters.snapshots_lost);
                }
                slot.answer(Err(ExecuteError::SnapshotTooOld));
            }
        }
        for cell in self.cells() {
            cell.let_go_if_too_old();
        }
        evicted
    }

    /// How many statements are in their sinks at this moment.
    pub(crate) fn in_sinks(&self) -> usize {
        self.slots().iter().filter(|slot| slot.in_sink.load(Ordering::Acquire)).count()
    }

    /// The store closes: callers that are stuck in a sink learn it, idle snapshots let go.
    pub(crate) fn close(&self) {
        for slot in self.slots() {
            slot.answer(Err(ExecuteError::Closed));
        }
        for cell in self.cells() {
            cell.let_go();
        }
    }

    fn slots(&self) -> Vec<Arc<Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).iter().filter_map(Weak::upgrade).collect()
    }

    fn cells(&self) -> Vec<Arc<SnapshotCell>> {
        self.snapshots.lock().unwrap_or_else(PoisonError::into_inner).iter().filter_map(Weak::upgrade).collect()
    }
}
