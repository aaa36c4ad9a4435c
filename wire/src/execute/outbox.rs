//! What waits to be sent to one client.
//!
//! Messages gather until a flush is due, so that a pipeline costs one system call; results flush whenever a chunk is full, so that
//! memory stays bounded and a slow client slows its own statement down.

use std::io;
use std::rc::Rc;

use crate::net::transport::Transport;

/// Gathered bytes that are sent without waiting for Sync or Flush. Also the size of a chunk between threads.
pub(crate) const CHUNK_SIZE: usize = 64 * 1024;
/// A buffer that grew past this is freed rather than kept.
const KEPT_CAPACITY_MAX: usize = 2 * CHUNK_SIZE;

/// Bytes for one socket.
#[derive(Debug)]
pub(crate) struct Outbox {
    transport: Rc<Transport>,
    pub buf: Vec<u8>,
}

impl Outbox {
    pub(crate) fn new(transport: Rc<Transport>) -> Self {
        Self { transport, buf: Vec::new() }
    }

    /// Sends everything. Cancelled in between, part of a message may have gone: the connection is of no more use.
    ///
    /// # Errors
    /// The socket's: the client is gone.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        if self.buf.is_empty() {
            return Ok(());
        }
        self.transport.write_all(&self.buf).await?;
        self.buf.clear();
        if self.buf.capacity() > KEPT_CAPACITY_MAX {
            self.buf = Vec::new();
        }
        Ok(())
    }

    /// Sends if a chunk is full.
    ///
    /// # Errors
    /// As [`Self::flush`].
    pub(crate) async fn flush_full(&mut self) -> io::Result<()> {
        if self.buf.len() >= CHUNK_SIZE { self.flush().await } else { Ok(()) }
    }

    /// Frees the buffer while the session idles.
    pub(crate) fn take_idle_buffer(&mut self) -> Option<Vec<u8>> {
        (self.buf.is_empty() && self.buf.capacity() > 0).then(|| std::mem::take(&mut self.buf))
    }
}
