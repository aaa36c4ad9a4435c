//! A running node: what is started in which order, and how it stops.
//!
//! Start: directories, database, schema files, PostgreSQL listeners, metrics, administration socket. A step that fails
//! ends the start; what was started before is dropped. Schema files that cannot be applied do not end it: the node
//! serves the schema it has and says so as an error, so that a bad file cannot take down a cluster that restarts.
//!
//! Shutdown, in this order, so that nothing is served by something that is already gone:
//! 1. the administration socket and the metrics stop accepting;
//! 2. PostgreSQL listeners close; every session ends with 57P01, within the front end's drain deadline;
//! 3. running administration requests end, within [`crate::lifecycle::TASK_DRAIN_MAX`];
//! 4. the database is checkpointed and its files are closed.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::available_parallelism;

use storage::{OpenError, Store, StoreOptions};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::admin::handlers::Handlers;
use crate::admin::socket::{AdminSocket, SocketError};
use crate::config::{Config, Source};
use crate::lifecycle::{Shutdown, ShutdownTrigger, TASK_DRAIN_MAX, drain};
use crate::schema_files::SchemaFiles;
use crate::telemetry::exporter;
use crate::telemetry::metrics::Metrics;

/// The node could not start. What was started is stopped again.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("create directory {path}")]
    Directory {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("listen on {addr} for {purpose}")]
    Listen {
        addr: SocketAddr,
        purpose: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("serve PostgreSQL")]
    Wire(#[from] wire::ServeError),
    #[error(transparent)]
    Admin(#[from] SocketError),
    /// A thread of the start ended early.
    #[error("start was interrupted")]
    Interrupted,
}

/// A running node. Dropping it without [`Node::shutdown`] stops the tasks but does not wait for them.
#[derive(Debug)]
pub struct Node {
    store: Store,
    wire: wire::Handle,
    wire_shutdown: CancellationToken,
    trigger: ShutdownTrigger,
    tasks: JoinSet<()>,
}

impl Node {
    /// Starts a node. Cancelling it drops what was started.
    ///
    /// # Errors
    /// The first step that failed.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        announce(&config);
        create_directories(&config)?;
        let store = open_store(&config).await?;
        let schema_files = SchemaFiles::new(config.db.schema_paths.clone(), store.clone());
        apply_schema_files(&schema_files).await;

        let wire_shutdown = CancellationToken::new();
        let guard = wire_shutdown.clone().drop_guard();
        let wire = wire::serve(config.wire.clone(), &store, wire_shutdown.clone())?;

        let (trigger, shutdown) = ShutdownTrigger::new();
        let mut tasks = JoinSet::new();
        if let Some(addr) = config.telemetry.prometheus_addr {
            let metrics = Arc::new(Metrics::new(store.clone(), Box::new(wire.stats_source()), config.db.path.clone()));
            start_exporter(addr, metrics, &mut tasks, shutdown.clone()).await?;
        }
        let socket = AdminSocket::bind(&config.admin.path)?;
        info!(path = %config.admin.path.display(), "admin socket is open");
        tasks.spawn(socket.serve(Arc::new(Handlers::new(schema_files, wire.certificates(), store.clone())), shutdown));
        announce_ready(wire.addresses(), config.wire.first().is_some_and(|first| first.tls.is_some()));
        guard.disarm();
        Ok(Self { store, wire, wire_shutdown, trigger, tasks })
    }

    /// Stops the node in the order that the module describes. Cancelling it leaves the rest to the process's end, which
    /// is safe: the database is as after a crash.
    pub async fn shutdown(mut self) {
        self.trigger.trigger();
        self.wire_shutdown.cancel();
        self.wire.stopped().await;
        drain(&mut self.tasks, TASK_DRAIN_MAX).await;
        self.store.close().await;
        info!("database is closed");
    }
}

/// Says once what a user may not expect from their configuration.
fn announce(config: &Config) {
    info!(version = env!("CARGO_PKG_VERSION"), "corrosion starts");
    match &config.source {
        Source::BuiltIn { data_dir } => {
            info!(data = %data_dir.display(), "no configuration file: built-in defaults");
        }
        Source::File(path) => info!(path = %path.display(), "configuration file"),
    }
    if !config.without_effect.is_empty() {
        info!(keys = config.without_effect.join(", "), "these keys are accepted but have no effect in this version");
    }
}

/// Says where the node listens, and how a user gets in. `encrypted`: by TLS on the first address.
fn announce_ready(addresses: &[SocketAddr], encrypted: bool) {
    for addr in addresses {
        info!(%addr, "PostgreSQL connections are accepted");
    }
    match addresses.first() {
        Some(addr) => info!("ready; connect with: {}", psql_command(*addr, encrypted)),
        None => info!("ready; no PostgreSQL listener is configured"),
    }
}

/// The command that connects from this machine.
fn psql_command(addr: SocketAddr, encrypted: bool) -> String {
    let host = match addr.ip() {
        ip if ip.is_unspecified() => "localhost".to_owned(),
        ip => ip.to_string(),
    };
    let port = addr.port();
    if encrypted {
        format!("psql 'host={host} port={port} dbname=corrosion sslmode=require'")
    } else {
        format!("psql -h {host} -p {port} corrosion")
    }
}

fn create_directories(config: &Config) -> Result<(), StartError> {
    let create = |path: &Path| {
        std::fs::create_dir_all(path).map_err(|source| StartError::Directory { path: path.to_owned(), source })
    };
    if let Some(parent) = config.db.path.parent() {
        create(parent)?;
    }
    if let Source::BuiltIn { .. } = config.source {
        // The directory is ours, so a first start needs no preparation; a path that a user wrote must exist.
        for path in &config.db.schema_paths {
            create(path)?;
        }
    }
    Ok(())
}

async fn open_store(config: &Config) -> Result<Store, StartError> {
    let options = StoreOptions {
        path: config.db.path.clone(),
        cache_size: config.db.cache_size_kib,
        wal_size_max: config.perf.wal_size_max,
        lease_idle_max: config.perf.write_lease_idle_max,
        lease_held_max: config.perf.write_lease_max,
        pool_threads: pool_threads(available_parallelism().map_or(1, usize::from)),
        on_open: vec![wire::catalog::on_open()],
        on_schema: vec![wire::catalog::on_schema(wire::catalog::Options::default())],
    };
    let opened = tokio::task::spawn_blocking(move || Store::open(options)).await;
    Ok(opened.map_err(|_| StartError::Interrupted)??)
}

/// Threads for statements and snapshots that last: they mostly wait for their clients, so more than cores, but each
/// costs a connection with its cache.
fn pool_threads(cores: usize) -> usize {
    (cores * 4).clamp(8, 64)
}

async fn apply_schema_files(schema_files: &SchemaFiles) {
    match schema_files.apply().await {
        Ok(applied) => {
            for warning in applied.warnings() {
                warn!("{warning}");
            }
            info!("{}", applied.summary());
        }
        Err(failed) => {
            error!(
                error = crate::error_chain(&failed),
                "schema files were not applied; the schema is as it was before"
            );
        }
    }
}

async fn start_exporter(
    addr: SocketAddr,
    metrics: Arc<Metrics>,
    tasks: &mut JoinSet<()>,
    shutdown: Shutdown,
) -> Result<(), StartError> {
    let listen = |source| StartError::Listen { addr, purpose: "metrics", source };
    let listener = TcpListener::bind(addr).await.map_err(listen)?;
    let addr = listener.local_addr().map_err(listen)?;
    info!(%addr, "metrics are served");
    tasks.spawn(exporter::serve(listener, metrics, shutdown));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{pool_threads, psql_command};

    #[test]
    fn the_psql_command_reaches_the_listener_from_this_machine() {
        let command = |addr: &str| psql_command(addr.parse().expect("an address"), false);
        assert_eq!(command("127.0.0.1:5470"), "psql -h 127.0.0.1 -p 5470 corrosion");
        assert_eq!(command("[::1]:5470"), "psql -h ::1 -p 5470 corrosion");
        assert_eq!(command("0.0.0.0:5470"), "psql -h localhost -p 5470 corrosion");
        assert_eq!(
            psql_command(([127, 0, 0, 1], 5470).into(), true),
            "psql 'host=127.0.0.1 port=5470 dbname=corrosion sslmode=require'"
        );
    }

    #[test]
    fn pool_threads_follow_cores_within_bounds() {
        assert_eq!([1, 2, 8, 100].map(pool_threads), [8, 8, 32, 64]);
    }
}
