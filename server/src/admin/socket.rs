//! The Unix socket of the administration: who may connect, and the loop of a connection.
//!
//! The file has mode 0600. As a file exists for a moment before its mode is set, the peer's user is checked too: only
//! the node's own user and root are served.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tracing::{debug, warn};

use super::handlers::Handlers;
use super::protocol::{REQUEST_LEN_MAX, Request, Response, read_frame, write_frame};
use crate::lifecycle::{Shutdown, pause_after_accept_error};

/// Connections served at the same time; further ones wait in the accept queue.
const CONNECTIONS_MAX: usize = 16;
/// Longest silence on a connection, and longest time to take an answer.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// The socket could not be made. Nothing was changed, except that a stale socket may have been removed.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    #[error("a node already answers on {path}; stop it first, or use another admin.path")]
    InUse { path: PathBuf },
    #[error("{path} exists and is not a socket; it is left alone")]
    NotASocket { path: PathBuf },
    #[error("create admin socket {path}")]
    Create {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// The bound socket. Dropping it removes the file.
#[derive(Debug)]
pub(crate) struct AdminSocket {
    listener: UnixListener,
    path: PathBuf,
    owner: u32,
    inode: u64,
}

impl AdminSocket {
    /// Creates the socket, replacing one that nobody answers on.
    pub(crate) fn bind(path: &Path) -> Result<Self, SocketError> {
        let create = |source| SocketError::Create { path: path.to_owned(), source };
        remove_stale(path)?;
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(create)?;
        }
        let listener = UnixListener::bind(path).map_err(create)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(create)?;
        let metadata = fs::metadata(path).map_err(create)?;
        Ok(Self { listener, path: path.to_owned(), owner: metadata.uid(), inode: metadata.ino() })
    }

    /// Serves requests until shutdown. Cancelling it drops the socket; running requests go on.
    pub(crate) async fn serve(self, handlers: Arc<Handlers>, mut shutdown: Shutdown) {
        let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = shutdown.requested() => return,
            };
            match accepted {
                Ok((stream, _)) if self.may_connect(&stream) => {
                    let (handlers, shutdown) = (Arc::clone(&handlers), shutdown.clone());
                    tokio::spawn(async move {
                        connection(stream, &handlers, shutdown).await;
                        drop(permit);
                    });
                }
                Ok(_) => warn!("a process of another user was refused on the admin socket"),
                Err(error) => {
                    warn!(%error, "accept on the admin socket");
                    pause_after_accept_error().await;
                }
            }
        }
    }

    fn may_connect(&self, stream: &UnixStream) -> bool {
        stream.peer_cred().is_ok_and(|peer| peer.uid() == 0 || peer.uid() == self.owner)
    }
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        // Another node may have put its own socket there in the meantime.
        let ours = fs::metadata(&self.path).is_ok_and(|metadata| metadata.ino() == self.inode);
        if ours && let Err(error) = fs::remove_file(&self.path) {
            warn!(path = %self.path.display(), %error, "remove the admin socket");
        }
    }
}

fn remove_stale(path: &Path) -> Result<(), SocketError> {
    let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(()) };
    if !metadata.file_type().is_socket() {
        return Err(SocketError::NotASocket { path: path.to_owned() });
    }
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(SocketError::InUse { path: path.to_owned() });
    }
    fs::remove_file(path).map_err(|source| SocketError::Create { path: path.to_owned(), source })
}

/// Reads requests and answers them, until the peer leaves, is silent for too long, or the node stops. A request that
/// was begun is answered first.
async fn connection(mut stream: UnixStream, handlers: &Handlers, mut shutdown: Shutdown) {
    loop {
        let read = tokio::select! {
            read = tokio::time::timeout(IDLE_MAX, read_frame(&mut stream, REQUEST_LEN_MAX)) => read,
            () = shutdown.requested() => return,
        };
        let (responses, go_on) = match read {
            Ok(Ok(Some(frame))) => (respond(&frame, handlers).await, true),
            Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => {
                (vec![Response::Error { msg: error.to_string() }], false)
            }
            Ok(Ok(None) | Err(_)) | Err(_) => return,
        };
        let written = tokio::time::timeout(IDLE_MAX, async {
            for response in &responses {
                write_frame(&mut stream, response).await?;
            }
            io::Result::Ok(())
        });
        match written.await {
            Ok(Ok(())) if go_on => {}
            Ok(Ok(())) => return,
            Ok(Err(error)) => return debug!(%error, "answer on the admin socket"),
            Err(_) => return debug!("an admin client did not read its answer"),
        }
    }
}

async fn respond(frame: &[u8], handlers: &Handlers) -> Vec<Response> {
    match serde_json::from_slice::<Request>(frame) {
        Ok(request) => handlers.handle(request).await,
        Err(error) => vec![Response::Error { msg: format!("this node does not know the request: {error}") }],
    }
}
