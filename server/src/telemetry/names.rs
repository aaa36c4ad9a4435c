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
/// Gauge: user tables in the schema.
pub const DB_TABLES: &str = "corro_db_tables";
