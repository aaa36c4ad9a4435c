//! Turns the counters that the parts of a node keep into Prometheus text, at the moment of a scrape.
//!
//! Nothing is sampled by a timer: a node that nobody scrapes spends nothing on metrics.

use std::fmt;
use std::path::{Path, PathBuf};

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use storage::Store;

use super::names;

/// Where the counters of the PostgreSQL front end come from.
pub type WireStats = Box<dyn Fn() -> wire::Stats + Send + Sync>;

/// The metrics of one node. Each node has its own, so that two in one process do not mix.
pub struct Metrics {
    recorder: PrometheusRecorder,
    store: Store,
    wire: WireStats,
    db_path: PathBuf,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("db_path", &self.db_path).finish_non_exhaustive()
    }
}

impl Metrics {
    /// Metrics about `store`, whose file is at `db_path`, and the sessions on it.
    pub fn new(store: Store, wire: WireStats, db_path: PathBuf) -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, describe);
        Self { recorder, store, wire, db_path }
    }

    /// The current values in Prometheus' text format 0.0.4.
    pub fn render(&self) -> String {
        metrics::with_local_recorder(&self.recorder, || {
            gauge!(names::BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
            set(names::DB_SIZE, file_len(&self.db_path));
            set(names::DB_WAL_SIZE, file_len(&wal_path(&self.db_path)));
            set(names::DB_TABLES, self.store.schema().tables.len() as u64);
            collect_store(&self.store.stats());
            collect_wire(&(self.wire)());
        });
        self.recorder.handle().render()
    }
}

fn collect_store(stats: &storage::store::Stats) {
    set(names::DB_WAL_USED, stats.wal_bytes);
    set(names::WRITER_QUEUE, stats.writer_queue_len);
    set(names::READER_QUEUE, stats.reader_queue_len);
    for (name, value) in [
        (names::WRITER_GROUPS, stats.groups),
        (names::WRITER_TRANSACTIONS, stats.transactions),
        (names::WRITER_SYNCS, stats.syncs),
        (names::WAL_CHECKPOINTS, stats.checkpoints),
        (names::WAL_RESTARTS, stats.wal_restarts),
        (names::LOG_RECORDS_REMOVED, stats.log_records_removed),
        (names::LEASES_LOST, stats.leases_lost),
        (names::SNAPSHOTS_LOST, stats.snapshots_lost),
    ] {
        counter!(name).absolute(value);
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a double; counts of sessions are small")]
fn collect_wire(stats: &wire::Stats) {
    gauge!(names::SESSIONS, "source" => "session", "protocol" => "pg").set(stats.sessions_open as f64);
    counter!(names::CONNECTIONS, "protocol" => "pg", "readonly" => "false").absolute(stats.sessions_started);
    for (name, value) in [
        (names::SESSIONS_REFUSED, stats.sessions_refused),
        (names::AUTHENTICATIONS_FAILED, stats.authentications_failed),
        (names::STATEMENTS, stats.statements),
        (names::STATEMENT_ERRORS, stats.errors),
        (names::CANCEL_REQUESTS, stats.cancel_requests),
    ] {
        counter!(name).absolute(value);
    }
    for (path, value) in
        [("inline", stats.inline_reads), ("offloaded", stats.offloaded_reads), ("pool", stats.pool_reads)]
    {
        counter!(names::READS, "path" => path).absolute(value);
    }
    for (path, value) in [("group", stats.group_writes), ("lease", stats.leases)] {
        counter!(names::WRITES, "path" => path).absolute(value);
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a double; sizes below 2^53 bytes are exact")]
fn set(name: &'static str, value: u64) {
    gauge!(name).set(value as f64);
}

fn describe() {
    for (name, unit, text) in [
        (names::BUILD_INFO, Unit::Count, "Always 1; the label is the running version"),
        (names::DB_SIZE, Unit::Bytes, "Size of the database file"),
        (names::DB_WAL_SIZE, Unit::Bytes, "Size of the write-ahead log file"),
        (names::DB_WAL_USED, Unit::Bytes, "Part of the write-ahead log in use"),
        (names::DB_TABLES, Unit::Count, "Tables in the schema"),
        (names::WRITER_QUEUE, Unit::Count, "Commands that wait for the writer"),
        (names::READER_QUEUE, Unit::Count, "Reads that wait for a pool thread"),
        (names::SESSIONS, Unit::Count, "Sessions now"),
    ] {
        describe_gauge!(name, unit, text);
    }
    for (name, text) in [
        (names::WRITER_GROUPS, "SQLite transactions committed by the writer"),
        (names::WRITER_TRANSACTIONS, "Client transactions committed"),
        (names::WRITER_SYNCS, "Times the write-ahead log was synced"),
        (names::WAL_CHECKPOINTS, "Checkpoints"),
        (names::WAL_RESTARTS, "Checkpoints after which the write-ahead log is used from its start again"),
        (names::LOG_RECORDS_REMOVED, "Records of superseded transactions removed from the log"),
        (names::LEASES_LOST, "Transactions rolled back because others waited for the writer"),
        (names::SNAPSHOTS_LOST, "Snapshots dropped because they kept the write-ahead log from being reused"),
        (names::CONNECTIONS, "Sessions started"),
        (names::SESSIONS_REFUSED, "Connections refused because the limit was reached"),
        (
            names::AUTHENTICATIONS_FAILED,
            "Connections refused for their encryption, address, certificate, user or password",
        ),
        (names::STATEMENTS, "Query and Execute messages"),
        (names::STATEMENT_ERRORS, "Error responses"),
        (names::READS, "Reads, by where they ran"),
        (names::WRITES, "Writes, by how they ran"),
        (names::CANCEL_REQUESTS, "Cancel requests"),
    ] {
        describe_counter!(name, text);
    }
}

/// The size of a file; one that is not there has none.
fn file_len(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}

fn wal_path(db_path: &Path) -> PathBuf {
    let mut path = db_path.as_os_str().to_owned();
    path.push("-wal");
    path.into()
}
