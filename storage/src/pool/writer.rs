//! The one writer: owns the write connection, groups autocommit writes into one SQLite transaction, serves leases.
//!
//! - A group is what is queued already, and what joins while it runs; there is no timer. Each member is a version of its own inside the group, so that a
//!   member that fails leaves its neighbours alone.
//! - Nothing is acknowledged before the commit, and nothing that asked for it before the fsync.
//! - SQLite undoes the whole transaction when a write is interrupted. The members before it are then run again, each in a
//!   transaction of its own.
//! - After an IO error nothing is written any more; a full disk fails what hits it and the next group tries again.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::ffi;
use tracing::{error, warn};

use super::command::{WriteJob, answer};
use super::connection::CatalogVersion;
use super::gate::{Abandoned, Gate, Stop};
use super::mailbox::{EXPIRY_INTERVAL, GROUP_LEN_MAX, Mailbox, Next};
use super::run::{self, OnRow, STATEMENTS_CACHED_MAX};
use super::shared::{Counters, Shared};
use super::slot::Readers;
use super::sync::sync_wal;
use super::time;
use crate::change::clock::{self, Clock};
use crate::engine::{Engine, EngineOptions};
use crate::error::{ExecuteError, LeaseLoss, OpenError};
use crate::maintenance::checkpoint::WalPolicy;
use crate::schema::{self, model::Schema};
use crate::store::{Durability, Limits, Outcome, Row, Statement, StoreOptions};
use crate::value::ValueRef;

/// A group that has run for this long commits, so that its first members are not kept waiting by its last.
const GROUP_TIME_MAX: Duration = Duration::from_millis(10);

/// While writes keep coming, a step of compaction that is due is taken after so many of them. It reads about twice as many
/// versions as these wrote, so that superseded ones do not pile up, and takes less than a tenth of their time.
const COMPACTION_INTERVAL: u64 = 128;

/// Writes that are queued while a group runs join it, if it has run for no longer than this: clients whose last write was just
/// acknowledged are back by then, and one fsync serves them as well. Longer would add to the latency of those who came first.
const JOIN_TIME_MAX: Duration = Duration::from_millis(2);

/// How far ahead of this node's wall clock another node's may be and still be adopted.
const CLOCK_DRIFT_MAX: Duration = Duration::from_secs(10);

/// Since when a transaction has kept others waiting; read by the progress handler.
pub(super) type HeldSince = Arc<Mutex<Option<Instant>>>;

/// Runs on its own thread.
pub(crate) struct Writer {
    pub(super) engine: Engine,
    pub(super) gate: Gate,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) shared: Arc<Shared>,
    pub(super) catalog: CatalogVersion,
    pub(super) held_since: HeldSince,
    pub(super) lease_id_last: u64,
    clock: Clock,
    wal: WalPolicy,
    transactions_at_compaction: u64,
    /// Set once: why no transaction begins any more.
    failed: Option<ExecuteError>,
}

/// What became of a client transaction that did not succeed.
pub(super) enum Failure {
    /// It left no effect; the group goes on.
    Alone(ExecuteError),
    /// SQLite undid the whole open transaction.
    Undone(ExecuteError),
    /// An IO error: the transaction is undone and nothing must be written any more.
    Fatal(ExecuteError),
}

/// A member that ran, waiting for the group's commit.
struct Ran {
    job: WriteJob,
    outcome: Outcome,
    /// Hash of the rows it returned.
    rows: u64,
}

impl Writer {
    /// Opens the database for writing.
    pub(crate) fn open(options: &StoreOptions) -> Result<Engine, OpenError> {
        let engine_options = EngineOptions {
            cache_size: options.cache_size,
            on_open: options.on_open.clone(),
            ..EngineOptions::default()
        };
        Engine::open(&options.path, &engine_options)
    }

    pub(crate) fn new(
        mut engine: Engine,
        mailbox: Arc<Mailbox>,
        shared: Arc<Shared>,
        readers: &Arc<Readers>,
    ) -> Result<Self, OpenError> {
        let path = shared.options.path.clone();
        let sqlite = |source| OpenError::Sqlite { path: path.clone(), source };
        let held_since = HeldSince::default();
        let wal = WalPolicy::install(engine.connection_mut(), &shared, readers).map_err(sqlite)?;
        let watch = watch(Arc::clone(&mailbox), Arc::clone(&shared), Arc::clone(&held_since));
        let gate = Gate::install(engine.connection_mut(), watch).map_err(sqlite)?;
        engine.connection().set_prepared_statement_cache_capacity(STATEMENTS_CACHED_MAX);
        schema::register_hidden_key(engine.connection(), None).map_err(sqlite)?;
        let catalog = CatalogVersion::default();
        Ok(Self {
            engine,
            gate,
            mailbox,
            shared,
            catalog,
            held_since,
            lease_id_last: 0,
            clock: Clock::new(CLOCK_DRIFT_MAX),
            wal,
            transactions_at_compaction: 0,
            failed: None,
        })
    }

    /// Serves until the store closes, and gives the engine back.
    pub(crate) fn serve(mut self) -> Engine {
        loop {
            let compacts = self.failed.is_none() && self.engine.compaction_is_due();
            match if compacts { self.mailbox.next_at_once() } else { self.mailbox.next() } {
                Next::Group(jobs) => self.groups(jobs),
                Next::Lease(job) => self.serve_lease(job),
                Next::SchemaFiles(job) => self.serve_schema_files(job),
                Next::User(job) => self.serve_user(job),
                Next::Idle => self.compact(),
                Next::Stopped => return self.engine,
            }
            if compacts && self.transactions() - self.transactions_at_compaction >= COMPACTION_INTERVAL {
                self.compact();
            }
            match self.wal.maintain(self.engine.connection(), &self.shared) {
                Ok(()) => {}
                Err(error) if is_fatal(&error) => drop(self.fail(&error)),
                Err(error) => warn!(%error, "checkpoint failed; it is tried again when the WAL has grown"),
            }
        }
    }

    /// Client transactions committed so far.
    fn transactions(&self) -> u64 {
        self.shared.counters.transactions.load(Ordering::Acquire)
    }

    /// Takes a step of compaction.
    fn compact(&mut self) {
        self.transactions_at_compaction = self.transactions();
        match self.engine.compact() {
            Ok(step) => drop(self.shared.counters.log_records_removed.fetch_add(step.removed, Ordering::AcqRel)),
            Err(error) if is_fatal(&error) => drop(self.fail(&error)),
            Err(error) => warn!(%error, "compaction of the log failed; it is tried again after more writes"),
        }
    }

    fn groups(&mut self, jobs: Vec<WriteJob>) {
        let mut jobs = jobs.into_iter();
        while jobs.len() > 0 {
            self.group(&mut jobs);
        }
    }

    /// Runs members until the time is up, and commits them together.
    fn group(&mut self, jobs: &mut std::vec::IntoIter<WriteJob>) {
        if let Err(error) = self.begin_group() {
            return self.refuse(jobs, &error);
        }
        let began = time::now();
        let mut ran: Vec<Ran> = Vec::with_capacity(jobs.len());
        loop {
            let Some(mut job) = jobs.next() else {
                let room = GROUP_LEN_MAX.saturating_sub(ran.len());
                if began.elapsed() >= JOIN_TIME_MAX || room == 0 {
                    break;
                }
                *jobs = self.mailbox.take_writes(room).into_iter();
                if jobs.len() == 0 {
                    break;
                }
                continue;
            };
            match self.member(&mut job) {
                Ok((outcome, rows)) => ran.push(Ran { job, outcome, rows }),
                Err(Failure::Alone(error)) => answer(job.reply, Err(error)),
                Err(Failure::Undone(error)) => {
                    answer(job.reply, Err(error));
                    return self.again_alone(ran);
                }
                Err(Failure::Fatal(error)) => {
                    let error = self.fail(&error);
                    answer(job.reply, Err(error.clone()));
                    refuse_ran(ran, &error);
                    return self.refuse(jobs, &error);
                }
            }
            if began.elapsed() >= GROUP_TIME_MAX {
                break;
            }
        }
        self.finish_group(ran);
    }

    /// One autocommit write as a version of the open group; its outcome and the hash of its rows.
    fn member(&mut self, job: &mut WriteJob) -> Result<(Outcome, u64), Failure> {
        if job.planned_for.is_some_and(|version| version != self.shared.schema().version) {
            return Err(Failure::Alone(ExecuteError::StalePlan));
        }
        let mut rows = RowsHash::default();
        let sink = &mut job.sink;
        let mut on_row = |row: &Row<'_>| {
            rows.add(row);
            sink(row)
        };
        let outcome = self.version(&job.statement, &job.limits, &mut on_row)?;
        Ok((outcome, rows.0.finish()))
    }

    /// Runs the members of an undone group once more, each in its own transaction and in the same order, from the same
    /// state. Their rows are with their readers already: one whose rows come out differently (a volatile function) is
    /// undone and told to try again.
    fn again_alone(&mut self, ran: Vec<Ran>) {
        let mut left = ran.into_iter();
        while let Some(Ran { job, outcome: _, rows }) = left.next() {
            let mut again = RowsHash::default();
            let mut on_row = |row: &Row<'_>| {
                again.add(row);
                Ok(crate::store::Flow::Continue)
            };
            let result = self.begin_group().map_err(Failure::Undone);
            let result = result.and_then(|()| self.version(&job.statement, &job.limits, &mut on_row));
            match result {
                Ok(outcome) if again.0.finish() == rows => self.finish_group(vec![Ran { job, outcome, rows }]),
                Ok(_) => {
                    self.rollback();
                    answer(job.reply, Err(ExecuteError::SnapshotStale));
                }
                Err(Failure::Alone(error) | Failure::Undone(error)) => {
                    self.rollback();
                    answer(job.reply, Err(error));
                }
                Err(Failure::Fatal(error)) => {
                    let error = self.fail(&error);
                    answer(job.reply, Err(error.clone()));
                    return refuse_ran(left, &error);
                }
            }
        }
    }

    /// Commits, acknowledges who does not wait for the disk, syncs, acknowledges the rest.
    fn finish_group(&mut self, ran: Vec<Ran>) {
        let changed = ran.iter().any(|ran| ran.outcome.changes > 0);
        if let Err(error) = self.commit(changed) {
            let error = self.told(error);
            return refuse_ran(ran, &error);
        }
        let transactions = u64::try_from(ran.len()).unwrap_or(u64::MAX);
        self.shared.counters.transactions.fetch_add(transactions, Ordering::AcqRel);
        // A write that changed nothing has nothing to wait for, but what it saw may not be durable yet: it waits as well.
        let (durable, quick): (Vec<_>, Vec<_>) =
            ran.into_iter().partition(|ran| ran.job.durability == Durability::Fsynced);
        for ran in quick {
            answer(ran.job.reply, Ok(ran.outcome));
        }
        if durable.is_empty() {
            return;
        }
        match self.sync() {
            Ok(()) => {
                for ran in durable {
                    answer(ran.job.reply, Ok(ran.outcome));
                }
            }
            Err(error) => refuse_ran(durable, &error),
        }
    }

    /// Runs one statement as one client transaction of the open group.
    fn version(&mut self, statement: &Statement, limits: &Limits, on_row: OnRow<'_>) -> Result<Outcome, Failure> {
        if let Some(error) = super::command::expired(limits, time::now()) {
            return Err(Failure::Alone(error));
        }
        let schema = self.shared.schema();
        self.begin_version().map_err(|error| self.undo_group(error))?;
        self.hold(Some(time::now()));
        let result = self.run(statement, limits, None, &schema, on_row);
        self.hold(None);
        let result = result.and_then(|outcome| self.engine.end_version().map(|_| outcome));
        result.map_err(|error| self.undo_version(error))
    }

    /// Runs one statement in the open version.
    pub(super) fn run(
        &mut self,
        statement: &Statement,
        limits: &Limits,
        abandoned: Option<&Abandoned>,
        schema: &Schema,
        on_row: OnRow<'_>,
    ) -> Result<Outcome, ExecuteError> {
        if statement.uses_catalog && self.catalog.is_older_than(schema) {
            self.catalog.refresh(self.engine.connection(), &self.shared.options.on_schema, schema)?;
        }
        self.gate.arm(limits, abandoned)?;
        run::run(self.engine.connection(), &self.gate, statement, on_row)
    }

    /// A failed member leaves the group as it was before it, if SQLite left the group standing.
    fn undo_version(&mut self, error: ExecuteError) -> Failure {
        self.catalog.forget();
        if is_fatal(&error) {
            return self.undo_group(error);
        }
        if self.engine.connection().is_autocommit() || self.engine.abandon_version().is_err() {
            return self.undo_group(error);
        }
        Failure::Alone(error)
    }

    pub(super) fn undo_group(&mut self, error: ExecuteError) -> Failure {
        self.rollback();
        if is_fatal(&error) { Failure::Fatal(error) } else { Failure::Undone(error) }
    }

    /// Opens the SQLite transaction of a group or a lease; after an error none is open.
    pub(super) fn begin_group(&mut self) -> Result<(), ExecuteError> {
        // Also for what was taken from the queue before the failure: a later sync may succeed without what an earlier one lost.
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        let Err(error) = self.engine.begin() else {
            return Ok(());
        };
        if !self.engine.connection().is_autocommit() {
            self.rollback();
        }
        Err(self.told(error))
    }

    /// Commits the open transaction; after an error it is rolled back.
    pub(super) fn commit(&mut self, changed: bool) -> Result<(), ExecuteError> {
        if let Err(error) = self.engine.commit() {
            self.rollback();
            return Err(error);
        }
        Counters::add(&self.shared.counters.groups);
        if changed {
            Counters::add(&self.shared.counters.commits);
        }
        Ok(())
    }

    /// Makes all commits so far durable. A failure stops the writer.
    pub(super) fn sync(&mut self) -> Result<(), ExecuteError> {
        Counters::add(&self.shared.counters.syncs);
        sync_wal(self.engine.connection()).map_err(|error| self.fail(&error))
    }

    /// Opens a client transaction, stamped with the clock's next reading.
    pub(super) fn begin_version(&mut self) -> Result<(), ExecuteError> {
        let now = clock::timestamp(time::since_epoch());
        self.engine.begin_version(self.clock.tick(now))
    }

    /// Ends whatever transaction is open. SQLite may have ended it before.
    pub(super) fn rollback(&mut self) {
        self.catalog.forget();
        if let Err(error) = self.engine.rollback()
            && !self.engine.connection().is_autocommit()
        {
            warn!(%error, "rollback failed");
            self.fail(&error);
        }
    }

    /// Stops writing for good, and says why to everybody.
    pub(super) fn fail(&mut self, error: &ExecuteError) -> ExecuteError {
        if let Some(failed) = &self.failed {
            return failed.clone();
        }
        let failed = ExecuteError::WriterFailed { message: error.to_string() };
        error!(%error, "writes have stopped; reads go on");
        self.failed = Some(failed.clone());
        self.mailbox.refuse_all(&failed);
        failed
    }

    pub(super) fn hold(&self, since: Option<Instant>) {
        *self.held_since.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    fn refuse(&self, jobs: &mut std::vec::IntoIter<WriteJob>, error: &ExecuteError) {
        for job in jobs {
            answer(job.reply, Err(error.clone()));
        }
    }
}

fn refuse_ran(ran: impl IntoIterator<Item = Ran>, error: &ExecuteError) {
    for ran in ran {
        answer(ran.job.reply, Err(error.clone()));
    }
}

/// Whether the error says that the file or the disk under it can no longer be trusted.
pub(super) fn is_fatal(error: &ExecuteError) -> bool {
    let ExecuteError::Sqlite { code, .. } = error else {
        return false;
    };
    matches!(*code, ffi::SQLITE_IOERR | ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB | ffi::SQLITE_CANTOPEN)
}

/// While a statement runs on the writer: closing, the time it may keep others waiting, and those who wait no longer.
fn watch(mailbox: Arc<Mailbox>, shared: Arc<Shared>, held_since: HeldSince) -> super::gate::Watch {
    let held_max = shared.options.lease_held_max;
    let mut expiry_last = time::now();
    Box::new(move |now| {
        if shared.is_closing() {
            return Some(Stop::Closed);
        }
        if mailbox.len() == 0 {
            return None;
        }
        if now.duration_since(expiry_last) >= EXPIRY_INTERVAL {
            expiry_last = now;
            mailbox.expire(now);
        }
        let since = *held_since.lock().unwrap_or_else(PoisonError::into_inner);
        let held = since.is_some_and(|since| now.duration_since(since) >= held_max);
        (held && mailbox.len() > 0).then_some(Stop::Lease(LeaseLoss::Held))
    })
}

/// Tells whether two runs of a statement returned the same rows.
#[derive(Default)]
struct RowsHash(DefaultHasher);

impl RowsHash {
    fn add(&mut self, row: &Row<'_>) {
        for index in 0..row.len() {
            match row.value(index) {
                ValueRef::Null => 0_u8.hash(&mut self.0),
                ValueRef::Integer(i) => (1_u8, i).hash(&mut self.0),
                ValueRef::Real(r) => (2_u8, r.to_bits()).hash(&mut self.0),
                ValueRef::Text(t) => (3_u8, t).hash(&mut self.0),
                ValueRef::Blob(b) => (4_u8, b).hash(&mut self.0),
            }
        }
    }
}
