//! Keeps the WAL bounded: the writer checkpoints between transactions, and makes readers let go that defeat it.
//!
//! - The file is reused, never truncated while the store runs: an fsync of a file that does not change its size is twice as
//!   fast. SQLite's own automatic checkpoint is off; it would run inside a commit that somebody waits for.
//! - At [`CHECKPOINT_BYTES`] a passive checkpoint copies everything into the data file, and a restart, which waits for
//!   readers no longer than [`RESTART_PATIENCE`], lets the next commit begin at the start of the WAL again.
//! - A reader keeps all that was written after it began. Past [`StoreOptions::wal_size_max`] every reader that keeps at least
//!   half of that limit loses its snapshot. So the WAL stays below one and a half times the limit and one transaction.
//!
//! [`StoreOptions::wal_size_max`]: crate::store::StoreOptions::wal_size_max

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rusqlite::Connection;
use tracing::warn;

use crate::error::ExecuteError;
use crate::pool::shared::{Counters, Shared};
use crate::pool::slot::Readers;

/// Size at which the WAL is checkpointed: enough that pages written often are copied once, small enough that readers find
/// a page in few index blocks and that the copy stalls the writer for some ten milliseconds.
const CHECKPOINT_BYTES: u64 = 64 << 20;

/// After an attempt that readers defeated, the next one comes when the WAL has grown by this much more.
const RETRY_BYTES: u64 = 1 << 20;

/// How long a restart may keep the writer waiting for readers that are about to finish.
const RESTART_PATIENCE: Duration = Duration::from_millis(10);

/// Bytes of a WAL frame's header. Source: <https://www.sqlite.org/fileformat2.html#walformat>.
const FRAME_HEADER_BYTES: u64 = 24;

/// What to do about the WAL now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Nothing,
    Checkpoint,
    EvictAndCheckpoint,
}

/// Decides by sizes alone. Pure.
#[derive(Debug, Clone, Copy)]
struct Plan {
    checkpoint_bytes: u64,
    size_max: u64,
    /// Size at the last attempt that did not restart the WAL.
    attempted: u64,
}

impl Plan {
    fn new(size_max: u64) -> Self {
        Self { checkpoint_bytes: CHECKPOINT_BYTES.min(size_max / 2), size_max, attempted: 0 }
    }

    fn step(&self, wal_bytes: u64) -> Step {
        let retry = RETRY_BYTES.min(self.size_max / 16);
        if wal_bytes < self.checkpoint_bytes || (self.attempted > 0 && wal_bytes < self.attempted + retry) {
            Step::Nothing
        } else if wal_bytes < self.size_max {
            Step::Checkpoint
        } else {
            Step::EvictAndCheckpoint
        }
    }
}

/// The policy of one store, run by its writer.
#[derive(Debug)]
pub(crate) struct WalPolicy {
    plan: Plan,
    readers: Arc<Readers>,
}

impl WalPolicy {
    /// Follows the size of the WAL through the connection's hook, which also replaces SQLite's automatic checkpoint.
    pub(crate) fn install(
        conn: &mut Connection,
        shared: &Arc<Shared>,
        readers: &Arc<Readers>,
    ) -> rusqlite::Result<Self> {
        let page: u64 = conn.pragma_query_value(None, "page_size", |row| row.get::<_, u32>(0))?.into();
        let (frame, seen) = (page + FRAME_HEADER_BYTES, Arc::clone(shared));
        conn.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, frames: i32| {
            let bytes = u64::try_from(frames).unwrap_or(0) * frame;
            let before = seen.counters.wal_bytes.swap(bytes, Ordering::AcqRel);
            // Fewer frames than before: the WAL began anew, all of them are fresh.
            let written = if bytes < before { bytes } else { bytes - before };
            seen.counters.wal_position.fetch_add(written, Ordering::AcqRel);
            Ok(())
        }))?;
        Ok(Self { plan: Plan::new(shared.options.wal_size_max), readers: Arc::clone(readers) })
    }

    /// Called by the writer between transactions.
    ///
    /// # Errors
    /// The checkpoint failed. A full disk leaves the WAL as it is; after an IO error the data file may be half written,
    /// which the WAL still repairs, but nothing more must be written.
    pub(crate) fn maintain(&mut self, conn: &Connection, shared: &Shared) -> Result<(), ExecuteError> {
        let wal_bytes = shared.counters.wal_bytes.load(Ordering::Acquire);
        let step = self.plan.step(wal_bytes);
        if step == Step::Nothing {
            return Ok(());
        }
        if step == Step::EvictAndCheckpoint {
            let evicted = self.readers.evict(&shared.counters, shared.options.wal_size_max / 2);
            if evicted > 0 {
                warn!(wal_bytes, evicted, "snapshots dropped because they kept the WAL from being reused");
            }
        }
        Counters::add(&shared.counters.checkpoints);
        self.plan.attempted = wal_bytes;
        if checkpoint(conn, "PASSIVE")? && restart(conn)? {
            Counters::add(&shared.counters.wal_restarts);
            shared.counters.wal_bytes.store(0, Ordering::Release);
            self.plan.attempted = 0;
        }
        Ok(())
    }
}

/// Whether the whole WAL is in the data file now.
fn checkpoint(conn: &Connection, mode: &str) -> Result<bool, ExecuteError> {
    let sql = format!("PRAGMA wal_checkpoint({mode})");
    let (busy, frames, copied) = conn
        .prepare_cached(&sql)?
        .query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)))?;
    Ok(busy == 0 && frames == copied)
}

fn restart(conn: &Connection) -> Result<bool, ExecuteError> {
    let patience: u32 = conn.pragma_query_value(None, "busy_timeout", |row| row.get(0))?;
    conn.busy_timeout(RESTART_PATIENCE)?;
    let restarted = checkpoint(conn, "RESTART");
    conn.busy_timeout(Duration::from_millis(patience.into()))?;
    restarted
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn check(attempted: u64, wal_bytes: u64, expected: Step) {
        let plan = Plan { attempted, ..Plan::new(256 * MIB) };
        assert_eq!(plan.step(wal_bytes), expected);
    }

    #[test]
    fn a_small_wal_is_left_alone() {
        check(0, 64 * MIB - 1, Step::Nothing);
    }

    #[test]
    fn a_wal_past_the_bound_is_checkpointed() {
        check(0, 64 * MIB, Step::Checkpoint);
    }

    #[test]
    fn a_defeated_attempt_is_not_repeated_at_once() {
        check(64 * MIB, 65 * MIB - 1, Step::Nothing);
    }

    #[test]
    fn a_defeated_attempt_is_repeated_when_the_wal_has_grown() {
        check(64 * MIB, 65 * MIB, Step::Checkpoint);
    }

    #[test]
    fn past_the_limit_readers_let_go() {
        check(255 * MIB, 256 * MIB, Step::EvictAndCheckpoint);
    }

    #[test]
    fn a_tiny_limit_is_kept_too() {
        assert_eq!(Plan::new(MIB).step(MIB / 2), Step::Checkpoint);
    }
}
