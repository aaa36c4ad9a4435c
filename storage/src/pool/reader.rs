//! The read pool: a few threads for reads that must not run on a worker, over connections that are opened when needed.
//!
//! A thread runs one statement at a time and may block in its sink, waiting for a slow client. While reads wait and threads
//! are stuck that way, others are started in their place. Connections are not tied to threads, so that idle snapshots hold
//! none of them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tracing::warn;

use super::command::{Reply, Waiting, expire, expired};
use super::connection::ReadConnection;
use super::gate::{Abandoned, Stop};
use super::run;
use super::shared::Shared;
use super::slot::{Readers, Slot};
use super::snapshot::{SnapshotCell, await_answer};
use super::time;
use crate::error::{ExecuteError, OpenError};
use crate::schema::model::Schema;
use crate::store::{Limits, Outcome, Row, RowSink, Statement};

/// Reads that may wait for a thread; the next one is refused with [`ExecuteError::QueueFull`].
pub(crate) const QUEUE_LEN_MAX: usize = 16_384;

/// Snapshots open at the same time, each with a connection of its own (some hundred KiB); the next one is refused with
/// [`ExecuteError::QueueFull`].
pub(crate) const SNAPSHOTS_MAX: usize = 256;

/// Threads that may wait for slow clients in their sinks, beyond those that the options allow to run. When that many are
/// stuck, reads wait.
pub(crate) const STUCK_THREADS_MAX: usize = 256;

/// How late a cancelled or expired read learns it while all threads are busy.
const EXPIRY_INTERVAL: Duration = Duration::from_millis(50);

/// What a job runs on.
pub(crate) enum Work {
    /// A connection of the pool, in a transaction of its own.
    Autocommit,
    Snapshot(Arc<SnapshotCell>),
}

/// One read.
pub(crate) struct ReadJob {
    work: Work,
    statement: Statement,
    limits: Limits,
    abandoned: Abandoned,
    sink: RowSink,
    reply: Reply<Outcome>,
}

impl ReadJob {
    /// Answers it without running it.
    pub(crate) fn refuse_with(self, error: ExecuteError) {
        super::command::answer(self.reply, Err(error));
    }
}

/// What waits for a thread.
enum Job {
    Read(ReadJob),
    Open { reply: Reply<SnapshotCell> },
}

impl Waiting for Job {
    fn expired(&self, now: Instant) -> Option<ExecuteError> {
        match self {
            Self::Read(job) if job.abandoned.is_set() => Some(ExecuteError::Interrupted),
            Self::Read(job) => expired(&job.limits, now),
            Self::Open { reply } => reply.is_closed().then_some(ExecuteError::Interrupted),
        }
    }

    fn refuse(self, error: ExecuteError) {
        match self {
            Self::Read(job) => job.refuse_with(error),
            Self::Open { reply } => super::command::answer(reply, Err(error)),
        }
    }
}

/// A connection of the pool with its slot in the WAL policy.
#[derive(Debug)]
pub(crate) struct PoolConnection {
    inner: ReadConnection,
    pub(crate) slot: Arc<Slot>,
    shared: Arc<Shared>,
}

impl PoolConnection {
    fn open(pool: &ReadPool) -> Result<Self, OpenError> {
        let slot = Arc::new(Slot::default());
        let (watched, shared) = (Arc::clone(&slot), Arc::clone(&pool.shared));
        let watch = Box::new(move |_| {
            if shared.is_closing() { Some(Stop::Closed) } else { watched.is_too_old().then_some(Stop::SnapshotTooOld) }
        });
        let inner = ReadConnection::open(&pool.shared, watch)?;
        pool.readers.register(&slot);
        Ok(Self { inner, slot, shared: Arc::clone(&pool.shared) })
    }

    /// Runs a job in whatever transaction is open, and answers it.
    pub(crate) fn run(&mut self, job: ReadJob, schema: &Schema) {
        let ReadJob { work: _, statement, limits, abandoned, mut sink, reply } = job;
        self.slot.calling(reply);
        let result = self.statement(&statement, &limits, &abandoned, schema, &mut sink);
        self.slot.answer(result);
    }

    fn statement(
        &mut self,
        statement: &Statement,
        limits: &Limits,
        abandoned: &Abandoned,
        schema: &Schema,
        sink: &mut RowSink,
    ) -> Result<Outcome, ExecuteError> {
        if statement.uses_catalog {
            self.inner.refresh_catalog(&self.shared.options.on_schema, schema)?;
        }
        self.inner.gate.arm(limits, Some(abandoned))?;
        let slot = &self.slot;
        let mut on_row = |row: &Row<'_>| {
            slot.set_in_sink(true);
            let flow = sink(row);
            slot.set_in_sink(false);
            flow
        };
        run::run(&self.inner.conn, &self.inner.gate, statement, &mut on_row)
    }
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    idle_threads: usize,
    /// Warm connections, last used on top; at most one for each thread is kept.
    connections: Vec<PoolConnection>,
    live_threads: usize,
    closed: bool,
}

/// Shared by the pool's threads and all handles.
pub(crate) struct ReadPool {
    pub(crate) shared: Arc<Shared>,
    pub(crate) readers: Arc<Readers>,
    state: Mutex<State>,
    work: Condvar,
    /// Woken when jobs wait although all threads are busy, and when a thread ends.
    watch: Condvar,
    snapshots: AtomicUsize,
    /// For the snapshots, which give their connection back by themselves.
    me: std::sync::Weak<Self>,
}

impl std::fmt::Debug for ReadPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadPool").field("waiting", &self.waiting()).finish_non_exhaustive()
    }
}

impl ReadPool {
    /// Starts the threads and the one that watches over waiting jobs.
    pub(crate) fn start(shared: &Arc<Shared>, readers: &Arc<Readers>) -> std::io::Result<Arc<Self>> {
        let pool = Arc::new_cyclic(|me| Self {
            shared: Arc::clone(shared),
            readers: Arc::clone(readers),
            state: Mutex::new(State::default()),
            work: Condvar::new(),
            watch: Condvar::new(),
            snapshots: AtomicUsize::new(0),
            me: me.clone(),
        });
        for _ in 0..pool.threads() {
            if let Err(error) = pool.start_thread() {
                pool.close();
                return Err(error);
            }
        }
        let watching = Arc::clone(&pool);
        std::thread::Builder::new().name("read-watch".to_owned()).spawn(move || watching.watch_waiting())?;
        Ok(pool)
    }

    /// Threads that run statements, not counting those stuck in sinks.
    fn threads(&self) -> usize {
        self.shared.options.pool_threads.max(1)
    }

    fn start_thread(&self) -> std::io::Result<()> {
        let Some(running) = self.me.upgrade() else {
            return Ok(());
        };
        self.state().live_threads += 1;
        let spawned = std::thread::Builder::new().name("read".to_owned()).spawn(move || running.serve());
        if spawned.is_err() {
            self.state().live_threads -= 1;
        }
        spawned.map(|_| ())
    }

    /// Runs one statement on a pool thread. Dropping the future interrupts it.
    pub(crate) async fn call(
        &self,
        work: Work,
        statement: Statement,
        limits: Limits,
        sink: RowSink,
    ) -> Result<Outcome, ExecuteError> {
        let (reply, answer) = oneshot::channel();
        let abandoned = Abandoned::default();
        let job = ReadJob { work, statement, limits, abandoned: abandoned.clone(), sink, reply };
        self.push(Job::Read(job));
        await_answer(&abandoned, answer).await
    }

    /// Pins a snapshot. Dropping the future leaves nothing behind.
    pub(crate) async fn open_snapshot(&self) -> Result<Arc<SnapshotCell>, ExecuteError> {
        let (reply, answer) = oneshot::channel();
        self.push(Job::Open { reply });
        let cell = Arc::new(answer.await.unwrap_or(Err(ExecuteError::Closed))?);
        self.readers.register_snapshot(&cell);
        Ok(cell)
    }

    /// Gives a connection back, its transaction ended.
    pub(crate) fn take_back(&self, mut connection: PoolConnection) {
        let ended = connection.inner.end();
        connection.slot.end();
        if let Err(error) = ended {
            warn!(%error, "a reading connection could not end its transaction and is closed");
            return;
        }
        let mut state = self.state();
        if !state.closed && state.connections.len() < self.threads() {
            state.connections.push(connection);
        }
    }

    pub(crate) fn snapshot_ended(&self) {
        self.snapshots.fetch_sub(1, Ordering::AcqRel);
    }

    /// Reads that wait for a thread.
    pub(crate) fn waiting(&self) -> usize {
        self.state().jobs.len()
    }

    /// Refuses what waits and what comes, and ends the threads after what they run.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        let jobs = std::mem::take(&mut state.jobs);
        let connections = std::mem::take(&mut state.connections);
        drop(state);
        for job in jobs {
            job.refuse(ExecuteError::Closed);
        }
        drop(connections);
        self.work.notify_all();
        self.watch.notify_all();
        self.readers.close();
    }

    /// Waits for the threads to end; false if one is still stuck in a sink after `patience`.
    pub(crate) fn join(&self, patience: Duration) -> bool {
        let until = time::now() + patience;
        let mut state = self.state();
        while state.live_threads > 0 {
            let Some(left) = until.checked_duration_since(time::now()) else {
                return false;
            };
            state = self.watch.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn push(&self, job: Job) {
        let mut state = self.state();
        if state.closed {
            drop(state);
            return job.refuse(ExecuteError::Closed);
        }
        if state.jobs.len() >= QUEUE_LEN_MAX {
            drop(state);
            return job.refuse(ExecuteError::QueueFull);
        }
        state.jobs.push_back(job);
        // A thread that was woken for an earlier job counts as idle until it runs, and so does that job as waiting.
        let served = state.jobs.len() <= state.idle_threads;
        drop(state);
        self.work.notify_one();
        if !served {
            self.watch.notify_all();
        }
    }

    fn serve(&self) {
        let alive = Alive(self);
        while let Some(job) = self.next() {
            if let Some(error) = job.expired(time::now()) {
                job.refuse(error);
                continue;
            }
            match job {
                Job::Read(job) => self.read(job),
                Job::Open { reply } => self.open(reply),
            }
        }
        drop(alive);
        self.watch.notify_all();
    }

    /// Waits for a job. A thread that was started in place of a stuck one ends here when it is no longer needed; the count
    /// goes down under the same lock that decides it.
    fn next(&self) -> Option<Job> {
        let mut state = self.state();
        loop {
            let job = if state.closed { None } else { state.jobs.pop_front() };
            if job.is_some() {
                return job;
            }
            if state.closed || state.idle_threads >= self.threads() {
                state.live_threads -= 1;
                return None;
            }
            state.idle_threads += 1;
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle_threads -= 1;
        }
    }

    fn read(&self, mut job: ReadJob) {
        if let Work::Snapshot(cell) = &job.work {
            let cell = Arc::clone(cell);
            job.work = Work::Autocommit;
            return cell.run(job);
        }
        match self.connection() {
            Ok(mut connection) => {
                connection.slot.begin(&self.shared.counters);
                connection.run(job, &self.shared.schema());
                self.take_back(connection);
            }
            Err(error) => job.refuse_with(error),
        }
    }

    fn open(&self, reply: Reply<SnapshotCell>) {
        if self.snapshots.fetch_add(1, Ordering::AcqRel) >= SNAPSHOTS_MAX {
            self.snapshot_ended();
            return super::command::answer(reply, Err(ExecuteError::QueueFull));
        }
        let pinned = self.connection().and_then(|connection| self.pin(connection));
        if pinned.is_err() {
            self.snapshot_ended();
        }
        super::command::answer(reply, pinned);
    }

    fn pin(&self, connection: PoolConnection) -> Result<SnapshotCell, ExecuteError> {
        // Read before pinning: the snapshot holds at least these commits.
        let commits = self.shared.counters.commits.load(Ordering::Acquire);
        connection.slot.begin(&self.shared.counters);
        let schema = match self.shared.with_schema(|| connection.inner.begin()) {
            Ok(schema) => schema,
            Err(error) => {
                self.take_back(connection);
                return Err(error);
            }
        };
        let Some(pool) = self.me.upgrade() else {
            return Err(ExecuteError::Closed);
        };
        Ok(SnapshotCell::new(connection, pool, schema, commits))
    }

    fn connection(&self) -> Result<PoolConnection, ExecuteError> {
        let warm = self.state().connections.pop();
        match warm {
            Some(connection) => Ok(connection),
            None => PoolConnection::open(self).map_err(|error| {
                let message = format!("open a reading connection: {error}");
                ExecuteError::Sqlite { code: rusqlite::ffi::SQLITE_CANTOPEN, extended_code: 14, message }
            }),
        }
    }

    /// While jobs wait and all threads are busy: answers those that were cancelled or are past their deadline, and starts
    /// threads in place of those that are stuck in sinks.
    fn watch_waiting(&self) {
        let mut state = self.state();
        while !state.closed {
            if state.jobs.is_empty() {
                state = self.watch.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            expire(&mut state.jobs, time::now());
            let (waiting, live) = (state.jobs.len(), state.live_threads);
            drop(state);
            self.replace_stuck(waiting, live);
            let state_now = self.state();
            state = self.watch.wait_timeout(state_now, EXPIRY_INTERVAL).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn replace_stuck(&self, waiting: usize, live: usize) {
        let wanted = self.threads() + self.readers.in_sinks().min(STUCK_THREADS_MAX);
        for _ in live..wanted.min(live.saturating_add(waiting)) {
            if let Err(error) = self.start_thread() {
                warn!(%error, "reads wait for slow clients and no thread can be started");
                return;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread of the pool. One that dies of a panic in a sink is replaced; its caller gets [`ExecuteError::Closed`].
struct Alive<'a>(&'a ReadPool);

impl Drop for Alive<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        self.0.state().live_threads -= 1;
        if let Err(error) = self.0.start_thread() {
            warn!(%error, "a reading thread died and no other can be started");
        }
    }
}
