//! Turns the counters that the parts of a node keep into Prometheus text, at the moment of a scrape.
//!
//! Nothing is sampled by a timer: a node that nobody scrapes spends nothing on metrics.

use std::fmt;
use std::path::{Path, PathBuf};

use metrics::{describe_gauge, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use storage::Store;

use super::names;

/// The metrics of one node. Each node has its own, so that two in one process do not mix.
pub struct Metrics {
    recorder: PrometheusRecorder,
    store: Store,
    db_path: PathBuf,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("db_path", &self.db_path).finish_non_exhaustive()
    }
}

impl Metrics {
    /// Metrics about `store`, whose file is at `db_path`.
    pub fn new(store: Store, db_path: PathBuf) -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, describe);
        Self { recorder, store, db_path }
    }

    /// The current values in Prometheus' text format 0.0.4.
    pub fn render(&self) -> String {
        metrics::with_local_recorder(&self.recorder, || self.collect());
        self.recorder.handle().render()
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge is a double; sizes below 2^53 bytes are exact")]
    fn collect(&self) {
        gauge!(names::BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        gauge!(names::DB_SIZE).set(file_len(&self.db_path) as f64);
        gauge!(names::DB_WAL_SIZE).set(file_len(&wal_path(&self.db_path)) as f64);
        gauge!(names::DB_TABLES).set(self.store.schema().tables.len() as f64);
    }
}

fn describe() {
    describe_gauge!(names::BUILD_INFO, "Always 1; the label is the running version");
    describe_gauge!(names::DB_SIZE, metrics::Unit::Bytes, "Size of the database file");
    describe_gauge!(names::DB_WAL_SIZE, metrics::Unit::Bytes, "Size of the write-ahead log file");
    describe_gauge!(names::DB_TABLES, "Tables in the schema");
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
