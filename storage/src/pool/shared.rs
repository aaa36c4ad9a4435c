//! What the writer, the readers and the handles of one store share: options, published schema, counters, the closing flag.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use crate::schema::model::Schema;
use crate::store::StoreOptions;

/// One per store.
pub(crate) struct Shared {
    pub(crate) options: StoreOptions,
    schema: RwLock<Arc<Schema>>,
    closing: AtomicBool,
    pub(crate) counters: Counters,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn new(options: StoreOptions, schema: Schema) -> Self {
        Self {
            options,
            schema: RwLock::new(Arc::new(schema)),
            closing: AtomicBool::new(false),
            counters: Counters::default(),
        }
    }

    /// The committed schema.
    pub(crate) fn schema(&self) -> Arc<Schema> {
        Arc::clone(&self.schema.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Held by the writer over the commit that changes the schema, and set after it.
    pub(crate) fn publishing(&self) -> RwLockWriteGuard<'_, Arc<Schema>> {
        self.schema.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `pin` while no schema change commits, and returns the schema that goes with what it saw.
    pub(crate) fn with_schema<E>(&self, pin: impl FnOnce() -> Result<(), E>) -> Result<Arc<Schema>, E> {
        let schema = self.schema.read().unwrap_or_else(PoisonError::into_inner);
        pin()?;
        Ok(Arc::clone(&schema))
    }

    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }
}

/// What happened since the store was opened, and two positions.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Commits that changed something. Read before a snapshot is pinned, it is never newer than the snapshot.
    pub(crate) commits: AtomicU64,
    pub(crate) groups: AtomicU64,
    pub(crate) transactions: AtomicU64,
    pub(crate) syncs: AtomicU64,
    pub(crate) checkpoints: AtomicU64,
    pub(crate) wal_restarts: AtomicU64,
    /// Bytes in the WAL that the next restart makes reusable.
    pub(crate) wal_bytes: AtomicU64,
    /// Bytes ever written to the WAL: how much of it a reader keeps is the difference to where it began.
    pub(crate) wal_position: AtomicU64,
    pub(crate) log_records_removed: AtomicU64,
    pub(crate) leases_lost: AtomicU64,
    pub(crate) snapshots_lost: AtomicU64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::AcqRel);
    }
}
