//! What may stop the statement that runs on a connection: SQLite's progress handler asks here every thousand instructions.
//!
//! One gate belongs to one connection. It is armed for one statement at a time and remembers why it stopped it, so that a
//! cancellation meant for one statement never reaches the next. It does not reach into a single long instruction (a
//! user function, a sort step), an fsync or a checkpoint.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{CachedStatement, Connection};

use super::time;
use crate::engine::authorizer::Authorizer;
use crate::error::{ExecuteError, LeaseLoss};
use crate::store::Limits;

/// SQLite instructions between two questions: about 10 us of work, and not measurable on a point read.
const INSTRUCTIONS_PER_CHECK: i32 = 1000;

/// Why a statement was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    Interrupted,
    Deadline,
    Budget,
    SnapshotTooOld,
    Lease(LeaseLoss),
    Closed,
}

impl From<Stop> for ExecuteError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Interrupted => Self::Interrupted,
            Stop::Deadline => Self::DeadlineExceeded,
            Stop::Budget => Self::BudgetExceeded,
            Stop::SnapshotTooOld => Self::SnapshotTooOld,
            Stop::Lease(loss) => Self::LeaseLost(loss),
            Stop::Closed => Self::Closed,
        }
    }
}

/// Set when the caller's future is dropped: its statement is of no use any more.
#[derive(Debug, Clone, Default)]
pub(crate) struct Abandoned(Arc<AtomicBool>);

impl Abandoned {
    /// Whether the caller went away.
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Sets the flag when dropped, unless the caller got its answer first.
    pub(crate) fn guard(&self) -> AbandonGuard {
        AbandonGuard(Some(self.clone()))
    }
}

/// Lives in the caller's future.
#[derive(Debug)]
pub(crate) struct AbandonGuard(Option<Abandoned>);

impl AbandonGuard {
    /// The answer arrived.
    pub(crate) fn defuse(mut self) {
        self.0 = None;
    }
}

impl Drop for AbandonGuard {
    fn drop(&mut self) {
        if let Some(abandoned) = &self.0 {
            abandoned.0.store(true, Ordering::Release);
        }
    }
}

/// What the owner of a connection watches besides the statement's own limits: closing, the lease's time, the WAL.
pub(crate) type Watch = Box<dyn FnMut(Instant) -> Option<Stop> + Send>;

#[derive(Default)]
struct State {
    limits: Limits,
    abandoned: Option<Abandoned>,
    budget_end: Option<Instant>,
    stopped: Option<Stop>,
}

impl State {
    fn reason(&self, now: Instant) -> Option<Stop> {
        if self.limits.interrupt.is_cancelled() || self.abandoned.as_ref().is_some_and(Abandoned::is_set) {
            Some(Stop::Interrupted)
        } else if self.limits.deadline.is_some_and(|deadline| now >= deadline) {
            Some(Stop::Deadline)
        } else if self.budget_end.is_some_and(|end| now >= end) {
            Some(Stop::Budget)
        } else {
            None
        }
    }
}

/// The gate of one connection.
#[derive(Clone)]
pub(crate) struct Gate {
    state: Arc<Mutex<State>>,
    authorizer: Authorizer,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gate")
    }
}

impl Gate {
    /// Puts a gate on the connection, in place of any progress handler and authorizer it had.
    pub(crate) fn install(conn: &mut Connection, mut watch: Watch) -> rusqlite::Result<Self> {
        let gate = Self { state: Arc::default(), authorizer: Authorizer::install(conn)? };
        let asked = gate.clone();
        let handler = move || {
            let now = time::now();
            let mut state = asked.state();
            let stop = state.reason(now).or_else(|| watch(now));
            if stop.is_some() {
                state.stopped = stop;
            }
            stop.is_some()
        };
        conn.progress_handler(INSTRUCTIONS_PER_CHECK, Some(handler))?;
        Ok(gate)
    }

    /// What the armed statement's own limits say, asked while it waits outside of SQLite.
    pub(crate) fn reason(&self, now: Instant) -> Option<Stop> {
        self.state().reason(now)
    }

    /// Prepares a client's statement, or takes it from the connection's cache.
    ///
    /// # Errors
    /// What SQLite says, `not authorized` among it.
    pub(crate) fn prepare<'conn>(
        &self,
        conn: &'conn Connection,
        sql: &str,
    ) -> rusqlite::Result<CachedStatement<'conn>> {
        self.authorizer.for_client(|| conn.prepare_cached(sql))
    }

    /// Sets what may stop the next statement. Fails without running it if that has already happened.
    pub(crate) fn arm(&self, limits: &Limits, abandoned: Option<&Abandoned>) -> Result<(), ExecuteError> {
        self.arm_until(limits, abandoned, None)
    }

    /// As [`Self::arm`], with a time budget from now on.
    pub(crate) fn arm_budget(&self, limits: &Limits, budget: Duration) -> Result<(), ExecuteError> {
        self.arm_until(limits, None, Some(time::now() + budget))
    }

    fn arm_until(
        &self,
        limits: &Limits,
        abandoned: Option<&Abandoned>,
        budget_end: Option<Instant>,
    ) -> Result<(), ExecuteError> {
        let mut state = self.state();
        *state = State { limits: limits.clone(), abandoned: abandoned.cloned(), budget_end, stopped: None };
        let expired = limits.deadline.is_some_and(|deadline| time::now() >= deadline);
        if limits.interrupt.is_cancelled() {
            Err(ExecuteError::Interrupted)
        } else if expired {
            Err(ExecuteError::DeadlineExceeded)
        } else {
            Ok(())
        }
    }

    /// After the statement: nothing of it stops what runs next (commits, savepoints). Returns why it was stopped, if it was.
    pub(crate) fn disarm(&self) -> Option<Stop> {
        std::mem::take(&mut *self.state()).stopped
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Interrupt;

    const ENDLESS: &str = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c";

    fn gated() -> (Connection, Gate) {
        let mut conn = Connection::open_in_memory().expect("open in memory");
        let gate = Gate::install(&mut conn, Box::new(|_| None)).expect("install");
        (conn, gate)
    }

    fn run_endless(conn: &Connection) -> bool {
        conn.query_row(ENDLESS, [], |_| Ok(())).is_err()
    }

    #[test]
    fn a_deadline_stops_an_endless_statement() {
        let (conn, gate) = gated();
        let limits =
            Limits { deadline: Some(time::now() + Duration::from_millis(20)), interrupt: Interrupt::default() };
        gate.arm(&limits, None).expect("not yet over");
        assert!(run_endless(&conn));
        assert_eq!(gate.disarm(), Some(Stop::Deadline));
    }

    #[test]
    fn a_cancelled_statement_does_not_start() {
        let (_, gate) = gated();
        let limits = Limits::default();
        limits.interrupt.cancel();
        assert!(matches!(gate.arm(&limits, None), Err(ExecuteError::Interrupted)));
    }

    #[test]
    fn a_dropped_caller_stops_its_statement() {
        let (conn, gate) = gated();
        let abandoned = Abandoned::default();
        gate.arm(&Limits::default(), Some(&abandoned)).expect("fresh");
        drop(abandoned.guard());
        assert!(run_endless(&conn));
        assert_eq!(gate.disarm(), Some(Stop::Interrupted));
    }

    #[test]
    fn an_old_cancellation_does_not_reach_the_next_statement() {
        let (conn, gate) = gated();
        let limits = Limits::default();
        gate.arm(&limits, None).expect("fresh");
        limits.interrupt.cancel();
        gate.disarm();
        gate.arm(&Limits::default(), None).expect("fresh");
        let long = ENDLESS.replace("FROM c)", "FROM c WHERE n < 20000)");
        assert_eq!(conn.query_row(&long, [], |row| row.get::<_, i64>(0)).expect("runs to its end"), 20_000);
    }
}
