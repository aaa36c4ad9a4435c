//! The messages of the administration socket: frames of a 4-byte big-endian length and JSON.
//!
//! A request is answered by any number of [`Response::Log`] and [`Response::Json`], then one [`Response::Success`] or
//! [`Response::Error`]. A connection may carry several requests, one after the other. Existing Corrosion tools speak
//! the same frames.

use std::io;

use crate::users::UserCommand;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Longest request the node reads, in bytes. A longer one is answered with an error and ends the connection.
pub const REQUEST_LEN_MAX: usize = 1 << 20;
/// Longest response a client reads, in bytes.
pub const RESPONSE_LEN_MAX: usize = 100 << 20;

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Answers with success: the node is alive.
    Ping,
    /// Reads the certificates again, then the schema files, which are applied all or nothing.
    Reload,
    /// Lists or changes the users of the node.
    User(UserCommand),
}

/// One frame of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Response {
    /// A line for the user. `ts` is in milliseconds since 1970.
    Log {
        level: String,
        msg: String,
        ts: u64,
    },
    /// A result.
    Json(serde_json::Value),
    Success,
    Error {
        msg: String,
    },
}

impl Response {
    /// Whether this frame ends the answer.
    pub fn is_last(&self) -> bool {
        match self {
            Self::Success | Self::Error { .. } => true,
            Self::Log { .. } | Self::Json(_) => false,
        }
    }
}

/// Reads one frame. `None` is a connection closed between frames. Cancelling it loses the position in the stream.
///
/// # Errors
/// `InvalidData` if the frame is longer than `len_max`; it was not read.
pub async fn read_frame(stream: &mut (impl AsyncRead + Unpin), len_max: usize) -> io::Result<Option<Vec<u8>>> {
    let mut header = [0; 4];
    if stream.read(&mut header[..1]).await? == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut header[1..]).await?;
    let len = u32::from_be_bytes(header) as usize;
    if len > len_max {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a frame of {len} bytes exceeds {len_max}")));
    }
    let mut frame = Vec::new();
    // The buffer grows with what really arrives, not with what the header claims.
    stream.take(len as u64).read_to_end(&mut frame).await?;
    if frame.len() < len {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some(frame))
}

/// Writes one message as a frame.
///
/// # Errors
/// Those of the stream, and `InvalidInput` for a message longer than a frame can say.
pub async fn write_frame(stream: &mut (impl AsyncWrite + Unpin), message: &impl Serialize) -> io::Result<()> {
    let json = serde_json::to_vec(message)?;
    let len = u32::try_from(json.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut frame = Vec::with_capacity(4 + json.len());
    frame.extend_from_slice(&len.to_be_bytes());
    frame.extend_from_slice(&json);
    stream.write_all(&frame).await?;
    stream.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_message_survives_its_frame() {
        let mut bytes = Vec::new();
        write_frame(&mut bytes, &Request::Reload).await.expect("a vector takes everything");
        assert_eq!(bytes, b"\0\0\0\x08\"Reload\"");
        let frame = read_frame(&mut bytes.as_slice(), 100).await.expect("complete").expect("not closed");
        assert_eq!(serde_json::from_slice::<Request>(&frame).expect("JSON"), Request::Reload);
    }

    #[tokio::test]
    async fn long_and_broken_frames_are_errors() {
        let read = async |bytes: &[u8]| read_frame(&mut &*bytes, 10).await.map_err(|error| error.kind());
        assert_eq!(read(b"").await, Ok(None));
        assert_eq!(read(b"\0\0").await, Err(io::ErrorKind::UnexpectedEof));
        assert_eq!(read(b"\0\0\0\x02x").await, Err(io::ErrorKind::UnexpectedEof));
        assert_eq!(read(b"\0\0\0\x0b").await, Err(io::ErrorKind::InvalidData));
        assert_eq!(read(b"\xff\xff\xff\xff").await, Err(io::ErrorKind::InvalidData));
    }
}
