//! One worker: a thread with its own runtime, read connection and plan cache, and the sessions pinned to it.
//!
//! Sessions of a worker share its reader, so nothing of it may be held across an await.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use storage::{InlineReader, OpenError, Store};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::LocalSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection;
use super::startup::Client;
use super::stats::Counters;
use crate::execute::offload::Offloads;
use crate::notify::hub::Hub;
use crate::notify::mailbox::Listeners;
use crate::planner::Planner;
use crate::protocol::cancel::CancelRegistry;
use crate::session::advisory::AdvisoryLocks;

/// Accepted connections on their way to a worker. Full: accepting waits, and clients queue in the kernel.
pub(crate) const INBOX_LEN_MAX: usize = 128;
/// Time sessions get to say goodbye at shutdown; then they are cut off.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(5);
/// Read and write buffers a worker keeps for its sessions to borrow; more are freed.
const SPARE_BUFFERS_MAX: usize = 64;
/// A buffer larger than this is freed rather than kept.
const SPARE_CAPACITY_MAX: usize = 64 * 1024;

/// What all workers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub cancels: CancelRegistry,
    pub counters: Counters,
    pub shutdown: CancellationToken,
    pub hub: Arc<Hub>,
    pub locks: Arc<AdvisoryLocks>,
    next_pid: AtomicI32,
}

impl Shared {
    pub(crate) fn new(shutdown: CancellationToken) -> Self {
        Self {
            cancels: CancelRegistry::default(),
            counters: Counters::default(),
            shutdown,
            hub: Arc::default(),
            locks: Arc::default(),
            next_pid: AtomicI32::new(1),
        }
    }

    /// A number for a new session: positive, and in use by no other session unless 2^31 were started meanwhile.
    pub(crate) fn next_pid(&self) -> i32 {
        self.next_pid.fetch_add(1, Ordering::Relaxed) & i32::MAX
    }
}

/// A connection that a listener accepted.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub stream: std::net::TcpStream,
    pub client: Client,
}

/// What the sessions of one thread share.
pub(crate) struct Worker {
    pub store: Store,
    /// None once the worker has drained.
    pub reader: RefCell<Option<InlineReader>>,
    pub planner: RefCell<Planner>,
    pub offloads: RefCell<Offloads>,
    pub listeners: Listeners,
    pub shared: Arc<Shared>,
    spare: RefCell<Vec<Vec<u8>>>,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").finish_non_exhaustive()
    }
}

impl Worker {
    /// An empty buffer.
    pub(crate) fn take_buffer(&self) -> Vec<u8> {
        self.spare.borrow_mut().pop().unwrap_or_default()
    }

    /// Gives a buffer back for other sessions.
    pub(crate) fn give_buffer(&self, mut buffer: Vec<u8>) {
        let mut spare = self.spare.borrow_mut();
        if spare.len() < SPARE_BUFFERS_MAX && (1..=SPARE_CAPACITY_MAX).contains(&buffer.capacity()) {
            buffer.clear();
            spare.push(buffer);
        }
    }
}

/// Runs a worker until shutdown: call on its own thread. `opened` learns whether the reader could be opened.
pub(crate) fn run(
    store: Store,
    shared: Arc<Shared>,
    inbox: mpsc::Receiver<Accepted>,
    runtime: &tokio::runtime::Runtime,
    opened: &std::sync::mpsc::Sender<Result<(), OpenError>>,
) {
    let reader = match store.inline_reader() {
        Ok(reader) => reader,
        Err(error) => {
            // Whoever starts the workers waits for this; if it is gone, so is the wish for a worker.
            let _ = opened.send(Err(error));
            return;
        }
    };
    let _ = opened.send(Ok(()));
    let worker = Rc::new(Worker {
        store,
        reader: RefCell::new(Some(reader)),
        planner: RefCell::new(Planner::default()),
        offloads: RefCell::default(),
        listeners: Listeners::new(Arc::clone(&shared.hub)),
        shared,
        spare: RefCell::default(),
    });
    let local = LocalSet::new();
    local.block_on(runtime, serve(&worker, inbox));
    // Sessions that did not end in time still hold the worker; the reader is closed here all the same.
    drop(worker.reader.borrow_mut().take());
}

/// Starts a session for each connection, deals out notifications, and at shutdown waits for the sessions. Cancelling it cuts the sessions off.
async fn serve(worker: &Rc<Worker>, mut inbox: mpsc::Receiver<Accepted>) {
    let sessions = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = inbox.recv() => accepted,
            () = worker.listeners.arrived() => {
                worker.listeners.deliver();
                continue;
            }
            () = worker.shared.shutdown.cancelled() => None,
        };
        let Some(Accepted { stream, client }) = accepted else { break };
        match TcpStream::from_std(stream) {
            Ok(stream) => {
                sessions.spawn_local(connection::serve(stream, client, Rc::clone(worker)));
            }
            Err(error) => tracing::warn!(%error, "connection could not be registered"),
        }
    }
    sessions.close();
    worker.shared.cancels.cancel_all();
    if tokio::time::timeout(DRAIN_TIME_MAX, sessions.wait()).await.is_err() {
        tracing::warn!(sessions = sessions.len(), "sessions did not end in time and are cut off");
    }
}
