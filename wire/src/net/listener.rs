//! Listening sockets and worker threads: where the wire front end starts and ends.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc as std_mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use storage::{OpenError, Store};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::admission::Admission;
use super::startup::Client;
use super::stats::Stats;
use super::tls::TlsError;
use super::worker::{self, Accepted, INBOX_LEN_MAX, Shared};
use crate::config::{ConfigError, ListenerConfig};
use crate::execute::clock;

/// Pause after an accept that failed for want of resources (file descriptors), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Workers beyond this many cores are not started: the one writer and the pool want cores too.
const WORKERS_MAX: usize = 32;

/// Starting the wire front end failed; nothing listens.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("prepare TLS for PostgreSQL listener {address}")]
    Tls {
        address: SocketAddr,
        #[source]
        source: TlsError,
    },
    #[error("listen on {address}")]
    Listen {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("start worker thread")]
    Thread(#[source] io::Error),
    #[error("open a read connection")]
    Reader(#[from] OpenError),
}

/// The running front end. Dropping it leaves it running; the token given to [`serve`] ends it.
#[derive(Debug)]
pub struct Handle {
    addresses: Vec<SocketAddr>,
    shared: Arc<Shared>,
    certificates: Certificates,
    threads: Vec<JoinHandle<()>>,
    /// Closed when every worker has ended.
    running: mpsc::Receiver<()>,
}

impl Handle {
    /// The addresses listened on, in the order of the configuration, with the ports that were really taken.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The counters at this moment.
    pub fn stats(&self) -> Stats {
        self.shared.counters.snapshot()
    }

    /// A source of [`Stats`] that outlives this handle's use.
    pub fn stats_source(&self) -> impl Fn() -> Stats + Send + Sync + 'static {
        let shared = self.shared.clone();
        move || shared.counters.snapshot()
    }

    /// The certificates of the listeners.
    pub fn certificates(&self) -> Certificates {
        self.certificates.clone()
    }

    /// Waits until all sessions have ended after shutdown began, at most the drain time. Then the store may be closed.
    /// Cancelling it leaves the front end as it is.
    pub async fn stopped(&mut self) {
        // Nothing is ever sent: None says that the last worker dropped its end.
        while self.running.recv().await.is_some() {}
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a worker thread panicked");
            }
        }
    }
}

/// The certificates that listeners show and accept. Clones are of the same ones.
#[derive(Debug, Clone)]
pub struct Certificates(Vec<(SocketAddr, Arc<Admission>)>);

impl Certificates {
    /// Reads every listener's TLS files again; connections from now on are served with what they hold. Returns the number
    /// of listeners with TLS.
    ///
    /// # Errors
    /// The first listener whose files cannot be used; it keeps what it had, and those after it too.
    pub fn reload(&self) -> Result<usize, ServeError> {
        for (address, admission) in &self.0 {
            admission.reload().map_err(|source| ServeError::Tls { address: *address, source })?;
        }
        Ok(self.0.iter().filter(|(_, admission)| admission.tls.is_some()).count())
    }
}

/// Opens the listeners and starts one worker for each core. `shutdown` ends everything: sessions get 57P01.
///
/// # Errors
/// Nothing is left behind.
pub fn serve(config: Vec<ListenerConfig>, store: &Store, shutdown: CancellationToken) -> Result<Handle, ServeError> {
    let listeners = config.iter().map(listen).collect::<Result<Vec<_>, _>>()?;
    let addresses = listeners.iter().map(|(listener, address, _)| local_address(listener, *address)).collect();
    let certificates =
        Certificates(listeners.iter().map(|(_, address, admission)| (*address, Arc::clone(admission))).collect());
    let shared = Arc::new(Shared::new(shutdown.clone()));
    let started = start_workers(store, &shared, listeners);
    let (threads, running) = match started {
        Ok(started) => started,
        Err(error) => {
            shutdown.cancel();
            return Err(error);
        }
    };
    Ok(Handle { addresses, shared, certificates, threads, running })
}

type Listener = (TcpListener, SocketAddr, Arc<Admission>);

fn listen(config: &ListenerConfig) -> Result<Listener, ServeError> {
    config.validate()?;
    let address = config.address;
    let admission = Admission::open(config).map_err(|source| ServeError::Tls { address, source })?;
    let open = || -> io::Result<TcpListener> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    let listener = open().map_err(|source| ServeError::Listen { address, source })?;
    Ok((listener, address, Arc::new(admission)))
}

fn local_address(listener: &TcpListener, configured: SocketAddr) -> SocketAddr {
    listener.local_addr().unwrap_or(configured)
}

fn start_workers(
    store: &Store,
    shared: &Arc<Shared>,
    listeners: Vec<Listener>,
) -> Result<(Vec<JoinHandle<()>>, mpsc::Receiver<()>), ServeError> {
    let count = std::thread::available_parallelism().map_or(1, usize::from).min(WORKERS_MAX);
    let (alive, running) = mpsc::channel(1);
    let (opened, results) = std_mpsc::channel();
    let (inboxes, receivers): (Vec<_>, Vec<_>) = (0..count).map(|_| mpsc::channel(INBOX_LEN_MAX)).unzip();
    let mut listeners = Some(listeners);
    let mut threads = Vec::with_capacity(count);
    for (index, inbox) in receivers.into_iter().enumerate() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ServeError::Thread)?;
        // The first worker also accepts.
        let accepting = listeners.take();
        let (store, shared, inboxes) = (store.clone(), shared.clone(), inboxes.clone());
        let (alive, opened) = (alive.clone(), opened.clone());
        let body = move || {
            if let Some(listeners) = accepting {
                start_accepting(&runtime, listeners, &inboxes, &shared);
            }
            drop(inboxes);
            worker::run(store, shared, inbox, &runtime, &opened);
            drop(alive);
        };
        let name = format!("wire-{index}");
        threads.push(std::thread::Builder::new().name(name).spawn(body).map_err(ServeError::Thread)?);
    }
    drop(opened);
    // One word from each worker; fewer when one panicked, which its thread has reported.
    for result in results.iter().take(count) {
        result?;
    }
    Ok((threads, running))
}

fn start_accepting(
    runtime: &tokio::runtime::Runtime,
    listeners: Vec<Listener>,
    inboxes: &[mpsc::Sender<Accepted>],
    shared: &Arc<Shared>,
) {
    for (listener, address, admission) in listeners {
        // The task ends with its runtime, which ends when its worker has drained.
        drop(runtime.spawn(accept(listener, address, admission, inboxes.to_vec(), shared.clone())));
    }
}

/// Accepts until shutdown and deals the connections to the workers in turn. Cancelling it closes the listener.
async fn accept(
    listener: TcpListener,
    address: SocketAddr,
    admission: Arc<Admission>,
    inboxes: Vec<mpsc::Sender<Accepted>>,
    shared: Arc<Shared>,
) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%address, %error, "listener could not be registered");
            return;
        }
    };
    for inbox in inboxes.iter().cycle() {
        let accepted = tokio::select! {
            accepted = accept_one(&listener, &admission) => accepted,
            () = shared.shutdown.cancelled() => return,
        };
        if inbox.send(accepted).await.is_err() {
            return;
        }
    }
}

/// The next connection, with a place to wait in.
async fn accept_one(listener: &tokio::net::TcpListener, admission: &Arc<Admission>) -> Accepted {
    loop {
        let accepted = async {
            let (stream, peer) = listener.accept().await?;
            stream.set_nodelay(true)?;
            Ok::<_, io::Error>((stream.into_std()?, peer.ip()))
        };
        match accepted.await {
            Ok((stream, address)) => {
                let waiting = admission.waiting.place(clock::now).await;
                let client = Client { address, admission: Arc::clone(admission), waiting };
                return Accepted { stream, client };
            }
            Err(error) => {
                // A client that left again, or no file descriptors: nothing to do but go on.
                tracing::warn!(%error, "connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
