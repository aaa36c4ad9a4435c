//! `corrosion agent`: runs a node until SIGTERM or SIGINT.
//!
//! The first signal shuts down in order; a second one ends the process at once, which costs nothing but the recovery
//! at the next start.

use anyhow::Context;
use server::config::{Flags, load};
use server::node::Node;
use server::telemetry::logging;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

/// Threads of the runtime for administration and metrics. Clients are served by the front end's own threads.
const RUNTIME_THREADS: usize = 2;

pub(crate) fn run(flags: &Flags) -> anyhow::Result<()> {
    let config = load(flags)?;
    logging::init(&config.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(RUNTIME_THREADS)
        .thread_name("corrosion-main")
        .enable_all()
        .build()
        .context("start the runtime")?;
    runtime.block_on(async {
        let mut signals = Signals::new().context("watch for signals")?;
        let node = tokio::select! {
            started = Node::start(config) => started?,
            name = signals.next() => {
                info!(signal = name, "stopped before the start was complete");
                return Ok(());
            }
        };
        let name = signals.next().await;
        info!(signal = name, "shutting down; a second signal ends the process at once");
        tokio::select! {
            () = node.shutdown() => info!("stopped"),
            name = signals.next() => {
                warn!(signal = name, "ended before the shutdown was complete; the next start recovers");
                anyhow::bail!("ended by a second signal");
            }
        }
        Ok(())
    })
}

/// The signals that ask a node to stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// The name of the next signal. Cancelling it loses none.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
