//! The names of all metrics, each with its type, unit and labels.
//!
//! Where an existing Corrosion deployment has a metric for the same fact, it keeps that name, so that dashboards go on
//! working.

/// Gauge, always 1. Label `version`.
pub const BUILD_INFO: &str = "corro_build_info";
/// Gauge, bytes: the database file.
pub const DB_SIZE: &str = "corro_db_size";
/// Gauge, bytes: the write-ahead log file.
pub const DB_WAL_SIZE: &str = "corro_db_wal_size";
/// Gauge, bytes: the part of the write-ahead log in use.
pub const DB_WAL_USED: &str = "corro_db_wal_used_bytes";
/// Gauge: user tables in the schema.
pub const DB_TABLES: &str = "corro_db_tables";
/// Counter: SQLite transactions committed by the writer.
pub const WRITER_GROUPS: &str = "corro_writer_groups_total";
/// Counter: client transactions committed in them.
pub const WRITER_TRANSACTIONS: &str = "corro_writer_transactions_total";
/// Counter: times the write-ahead log was synced.
pub const WRITER_SYNCS: &str = "corro_writer_syncs_total";
/// Counter.
pub const WAL_CHECKPOINTS: &str = "corro_db_wal_checkpoints_total";
/// Counter: checkpoints after which the write-ahead log is used from its start again.
pub const WAL_RESTARTS: &str = "corro_db_wal_restarts_total";
pub const LOG_RECORDS_REMOVED: &str = "corro_db_log_records_removed_total";
/// Gauge: commands that wait for the writer.
pub const WRITER_QUEUE: &str = "corro_writer_queue_len";
/// Gauge: reads that wait for a pool thread.
pub const READER_QUEUE: &str = "corro_reader_queue_len";
/// Counter: transactions rolled back because others waited for the writer (40001).
pub const LEASES_LOST: &str = "corro_leases_lost_total";
/// Counter: snapshots dropped because they kept the write-ahead log from being reused (72000).
pub const SNAPSHOTS_LOST: &str = "corro_snapshots_lost_total";
/// Gauge: sessions now. Labels `source`, `protocol`.
pub const SESSIONS: &str = "corro_api_active_streams";
/// Counter: sessions started. Labels `protocol`, `readonly`.
pub const CONNECTIONS: &str = "corro_api_connection_count";
/// Counter: connections refused because the limit was reached (53300).
pub const SESSIONS_REFUSED: &str = "corro_pg_sessions_refused_total";
/// Counter: connections refused for their encryption, address, certificate, user or password.
pub const AUTHENTICATIONS_FAILED: &str = "corro_pg_authentications_failed_total";
/// Counter: Query and Execute messages.
pub const STATEMENTS: &str = "corro_pg_statements_total";
/// Counter: error responses.
pub const STATEMENT_ERRORS: &str = "corro_pg_errors_total";
/// Counter: reads. Label `path`: `inline`, `offloaded` (tried inline first), `pool`.
pub const READS: &str = "corro_pg_reads_total";
/// Counter: writes. Label `path`: `group` (one statement is its transaction), `lease`.
pub const WRITES: &str = "corro_pg_writes_total";
/// Counter: cancel requests.
pub const CANCEL_REQUESTS: &str = "corro_pg_cancel_requests_total";
