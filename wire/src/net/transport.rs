//! One client's socket, in the clear or under TLS: the same reads and writes for both.
//!
//! Nothing is read ahead but what is asked for, and no buffer of ours stays with an idle connection. TLS runs over the
//! library's own state machine rather than a stream type, so that a session's reads and writes need no lock.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::{ServerConfig, ServerConnection};
use tokio::net::TcpStream;

/// A connected client.
#[derive(Debug)]
pub(crate) struct Transport {
    stream: TcpStream,
    /// Borrowed between awaits only.
    tls: RefCell<Option<Box<ServerConnection>>>,
}

/// The socket as the TLS library wants it: `WouldBlock` where it would have to wait.
struct Socket<'a>(&'a TcpStream);

impl Read for Socket<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buf)
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.try_write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, tls: RefCell::default() }
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.tls.borrow().is_some()
    }

    /// The certificate that the client has shown, which the TLS library has verified; in DER.
    pub(crate) fn client_certificate(&self) -> Option<Vec<u8>> {
        let tls = self.tls.borrow();
        tls.as_ref()?.peer_certificates()?.first().map(|certificate| certificate.to_vec())
    }

    /// The protocol that client and server agreed on by ALPN.
    pub(crate) fn negotiated_protocol(&self) -> Option<Vec<u8>> {
        self.tls.borrow().as_ref()?.alpn_protocol().map(<[u8]>::to_vec)
    }

    /// Performs the handshake. `early`: what was read of it already; what the client has sent after it is appended to
    /// `input`. Cancelling it leaves the connection of no more use.
    ///
    /// # Errors
    /// The socket's, and `InvalidData` with the reason; the client has been told by an alert, if it still listens.
    pub(crate) async fn accept_tls(
        &self,
        config: Arc<ServerConfig>,
        mut early: &[u8],
        input: &mut Vec<u8>,
    ) -> io::Result<()> {
        let mut tls = Box::new(ServerConnection::new(config).map_err(invalid)?);
        while tls.is_handshaking() || !early.is_empty() {
            if early.is_empty() {
                self.stream.readable().await?;
                match tls.read_tls(&mut Socket(&self.stream)) {
                    Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                    Ok(_) => {}
                    Err(error) if is_not_yet(&error) => continue,
                    Err(error) => return Err(error),
                }
            } else {
                tls.read_tls(&mut early)?;
            }
            let processed = tls.process_new_packets();
            while tls.wants_write() {
                match tls.write_tls(&mut Socket(&self.stream)) {
                    Ok(_) => {}
                    Err(error) if is_not_yet(&error) => self.stream.writable().await?,
                    Err(error) => return Err(error),
                }
            }
            let count = processed.map_err(invalid)?.plaintext_bytes_to_read();
            take_plaintext(&mut tls, count, input)?;
        }
        *self.tls.borrow_mut() = Some(tls);
        Ok(())
    }

    /// Waits until [`Self::try_read`] may have something. Cancelling it loses nothing.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.stream.readable().await
    }

    /// Appends what the client has sent; 0: it has closed its side.
    ///
    /// # Errors
    /// `WouldBlock` when there is nothing yet; others end the connection.
    pub(crate) fn try_read(&self, input: &mut Vec<u8>) -> io::Result<usize> {
        match &mut *self.tls.borrow_mut() {
            None => self.stream.try_read_buf(input),
            Some(tls) => self.try_read_tls(tls, input),
        }
    }

    fn try_read_tls(&self, tls: &mut ServerConnection, input: &mut Vec<u8>) -> io::Result<usize> {
        loop {
            let is_end = tls.read_tls(&mut Socket(&self.stream))? == 0;
            let processed = tls.process_new_packets();
            if tls.wants_write() {
                // An answer of the TLS layer's own, or an alert; what does not fit now goes with the next write.
                match tls.write_tls(&mut Socket(&self.stream)) {
                    Ok(_) => {}
                    Err(error) if is_not_yet(&error) => {}
                    Err(error) => return Err(error),
                }
            }
            let state = processed.map_err(invalid)?;
            let count = state.plaintext_bytes_to_read();
            // All of it is taken, so that readiness of the socket is all there is to wait for.
            take_plaintext(tls, count, input)?;
            if count > 0 || is_end || state.peer_has_closed() {
                return Ok(count);
            }
        }
    }

    /// Sends everything. Cancelled in between, part of it may have gone.
    ///
    /// # Errors
    /// The socket's: the client is gone.
    pub(crate) async fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        loop {
            match self.try_write(rest) {
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.stream.writable().await?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if rest.is_empty() && !self.has_unsent() {
                return Ok(());
            }
        }
    }

    /// Bytes of the argument that were taken. Under TLS they may still be in its buffer, which is bounded.
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut tls = self.tls.borrow_mut();
        let Some(tls) = &mut *tls else {
            return match self.stream.try_write(bytes) {
                Ok(0) if !bytes.is_empty() => Err(io::ErrorKind::WriteZero.into()),
                other => other,
            };
        };
        let count = tls.writer().write(bytes)?;
        if tls.wants_write() {
            match tls.write_tls(&mut Socket(&self.stream)) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                // What was taken is taken.
                Err(error) if is_not_yet(&error) && count > 0 => {}
                Err(error) => return Err(error),
            }
        }
        Ok(count)
    }

    fn has_unsent(&self) -> bool {
        self.tls.borrow().as_ref().is_some_and(|tls| tls.wants_write())
    }
}

impl Drop for Transport {
    /// Says goodbye in TLS's way, so that the client can tell an end from a cut; if it does not fit now, it is not said.
    fn drop(&mut self) {
        if let Some(tls) = self.tls.get_mut() {
            tls.send_close_notify();
            let _ = tls.write_tls(&mut Socket(&self.stream));
        }
    }
}

fn take_plaintext(tls: &mut ServerConnection, count: usize, input: &mut Vec<u8>) -> io::Result<()> {
    let taken = tls.reader().take(count as u64).read_to_end(input)?;
    debug_assert_eq!(taken, count, "the library has what it says");
    Ok(())
}

fn is_not_yet(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

fn invalid(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
