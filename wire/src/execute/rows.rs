//! Result rows to DataRow messages, and the buffers they cross threads in.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use storage::ValueRef;
use storage::store::{Flow, Room, Row, RowSink, SinkStop};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::clock;
use super::outbox::CHUNK_SIZE;
use super::values;
use crate::error::{SqlError, sqlstate};
use crate::plan::Plan;
use crate::protocol::{Format, backend};
use crate::session::settings::Formats;

/// How the rows of one execution are written. Shared by the threads that may run it.
#[derive(Debug, Clone)]
pub(crate) struct RowEncoder {
    pub plan: Arc<Plan>,
    pub formats: Arc<[Format]>,
    pub settings: Arc<Formats>,
}

impl RowEncoder {
    /// Appends one DataRow. After an error part of a message may be there: the caller truncates.
    pub(crate) fn encode(&self, row: &Row<'_>, out: &mut Vec<u8>) -> Result<(), SqlError> {
        data_row(out, self.plan.columns.len(), |index, out| {
            let Some(column) = self.plan.columns.get(index) else { return Ok(false) };
            let format = self.formats.get(index).copied().unwrap_or_default();
            match row.value(index) {
                ValueRef::Null => Ok(false),
                value @ (ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Text(_) | ValueRef::Blob(_)) => {
                    values::encode(column, format, value, &self.settings, out).map(|()| true)
                }
            }
        })
    }
}

/// Appends a DataRow of texts: what SHOW answers.
pub(crate) fn text_row(out: &mut Vec<u8>, cells: &[&str]) {
    let written: Result<(), SqlError> = data_row(out, cells.len(), |index, out| {
        out.extend_from_slice(cells.get(index).map_or(&[][..], |cell| cell.as_bytes()));
        Ok(true)
    });
    debug_assert!(written.is_ok(), "texts always encode");
}

/// Appends a DataRow; `cell` writes a value and says whether there was one, or NULL.
fn data_row(
    out: &mut Vec<u8>,
    columns: usize,
    mut cell: impl FnMut(usize, &mut Vec<u8>) -> Result<bool, SqlError>,
) -> Result<(), SqlError> {
    out.push(b'D');
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&u16::try_from(columns).unwrap_or(u16::MAX).to_be_bytes());
    for index in 0..columns {
        let field = out.len();
        out.extend_from_slice(&(-1_i32).to_be_bytes());
        if cell(index, out)? {
            let len = u32::try_from(out.len() - field - 4).map_err(|_| too_big())?;
            if let Some(length) = out.get_mut(field..field + 4) {
                length.copy_from_slice(&len.to_be_bytes());
            }
        }
    }
    backend::fill_length(out, start);
    Ok(())
}

fn too_big() -> SqlError {
    SqlError::new(sqlstate::PROGRAM_LIMIT_EXCEEDED, "a result value is longer than 1 GiB")
}

/// Cuts the first `rows` DataRows off `bytes`: how many there were, and the length in bytes they take.
pub(crate) fn take_rows(bytes: &[u8], rows: usize) -> (usize, usize) {
    let (mut taken, mut at) = (0, 0);
    while taken < rows
        && let Some(&[_, a, b, c, d]) = bytes.get(at..).and_then(|rest| rest.first_chunk::<5>())
    {
        at += 1 + u32::from_be_bytes([a, b, c, d]) as usize;
        taken += 1;
    }
    (taken, at.min(bytes.len()))
}

/// Rows on their way from the thread that runs a statement.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    bytes: Vec<u8>,
    error: Option<SqlError>,
}

impl Gathered {
    /// A sink that keeps all rows, up to `size_max` bytes: for a group commit, which must not wait for a client, and for results
    /// that are sent when their statement has ended.
    pub(crate) fn buffering_sink(&self, encoder: RowEncoder, size_max: usize) -> RowSink {
        let inner = self.inner.clone();
        Box::new(move |row| {
            let mut inner = lock(&inner);
            encode_into(&mut inner, &encoder, row)?;
            if inner.bytes.len() > size_max {
                inner.error = Some(result_too_big(size_max));
                return Err(SinkStop);
            }
            Ok(Flow::Continue)
        })
    }

    /// A sink that hands over full chunks and waits while the channel is full: for pool threads. The last, partial chunk
    /// is taken with [`Self::take`].
    pub(crate) fn streaming_sink(&self, encoder: RowEncoder, chunks: mpsc::Sender<Vec<u8>>) -> RowSink {
        let inner = self.inner.clone();
        Box::new(move |row| {
            let mut inner = lock(&inner);
            encode_into(&mut inner, &encoder, row)?;
            if inner.bytes.len() >= CHUNK_SIZE {
                let chunk = std::mem::take(&mut inner.bytes);
                drop(inner);
                // The receiver is gone when the client is.
                chunks.blocking_send(chunk).map_err(|_| SinkStop)?;
            }
            Ok(Flow::Continue)
        })
    }

    /// A sink for a statement in a lease, and the wait for room that its thread does between rows, because it has to watch over
    /// what its holder may cost others meanwhile. The last, partial chunk is taken with [`Self::take`].
    pub(crate) fn yielding_sink(&self, encoder: RowEncoder, chunks: mpsc::Sender<Vec<u8>>) -> (RowSink, Room) {
        let inner = self.inner.clone();
        // The chunk that found no room.
        let left: Arc<Mutex<Option<Vec<u8>>>> = Arc::default();
        let (kept, sender) = (left.clone(), chunks.clone());
        let sink = Box::new(move |row: &Row<'_>| {
            let mut inner = lock(&inner);
            encode_into(&mut inner, &encoder, row)?;
            if inner.bytes.len() >= CHUNK_SIZE {
                let chunk = std::mem::take(&mut inner.bytes);
                match sender.try_send(chunk) {
                    Ok(()) => {}
                    Err(TrySendError::Full(chunk)) => {
                        *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(chunk)
                    }
                    // The receiver is gone when the client is.
                    Err(TrySendError::Closed(_)) => return Err(SinkStop),
                }
            }
            Ok(Flow::Continue)
        });
        let room = Box::new(move |patience| {
            let mut left = left.lock().unwrap_or_else(PoisonError::into_inner);
            match left.take() {
                Some(chunk) => {
                    *left = hand_over(&chunks, chunk, patience);
                    left.is_none()
                }
                None => true,
            }
        });
        (sink, room)
    }

    /// What was encoded and not handed over.
    pub(crate) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut lock(&self.inner).bytes)
    }

    /// Why the sink stopped the statement.
    pub(crate) fn take_error(&self) -> Option<SqlError> {
        lock(&self.inner).error.take()
    }
}

/// Waits on this thread, which runs no tasks, for room in the channel. Gives the chunk back when the time is up.
fn hand_over(chunks: &mpsc::Sender<Vec<u8>>, chunk: Vec<u8>, patience: Duration) -> Option<Vec<u8>> {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut cx = Context::from_waker(&waker);
    let mut room = std::pin::pin!(chunks.reserve());
    let end = clock::now() + patience;
    loop {
        match room.as_mut().poll(&mut cx) {
            Poll::Ready(Ok(permit)) => {
                permit.send(chunk);
                return None;
            }
            // The receiver is gone; the sink says so at the next row.
            Poll::Ready(Err(_)) => return None,
            Poll::Pending => {}
        }
        let left = end.saturating_duration_since(clock::now());
        if left.is_zero() {
            return Some(chunk);
        }
        std::thread::park_timeout(left);
    }
}

/// Wakes a thread that waits for a future.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn encode_into(inner: &mut Inner, encoder: &RowEncoder, row: &Row<'_>) -> Result<(), SinkStop> {
    let start = inner.bytes.len();
    encoder.encode(row, &mut inner.bytes).map_err(|error| {
        inner.bytes.truncate(start);
        inner.error = Some(error);
        SinkStop
    })
}

/// 54000 for a result that had to be kept whole.
pub(crate) fn result_too_big(size_max: usize) -> SqlError {
    SqlError::new(
        sqlstate::PROGRAM_LIMIT_EXCEEDED,
        format!("result is larger than {size_max} bytes, the most that is kept until it can be sent"),
    )
    .hint("Fetch it whole, or outside of a transaction.")
}

/// A panic while encoding leaves whole rows before it; what follows is never sent, as the statement fails.
fn lock(inner: &Mutex<Inner>) -> MutexGuard<'_, Inner> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_cut_at_their_boundaries() {
        let mut bytes = Vec::new();
        text_row(&mut bytes, &["a"]);
        let first = bytes.len();
        text_row(&mut bytes, &["bb", ""]);
        assert_eq!(take_rows(&bytes, 1), (1, first));
        assert_eq!(take_rows(&bytes, 5), (2, bytes.len()));
        assert_eq!(take_rows(&bytes, 0), (0, 0));
        assert_eq!(take_rows(&[], 3), (0, 0));
    }

    #[test]
    fn a_text_row_has_its_lengths() {
        let mut bytes = Vec::new();
        text_row(&mut bytes, &["ab", ""]);
        assert_eq!(bytes, b"D\0\0\0\x10\0\x02\0\0\0\x02ab\0\0\0\0");
    }

    #[test]
    fn null_has_no_bytes() {
        let mut bytes = Vec::new();
        data_row(&mut bytes, 1, |_, _| Ok(false)).expect("encodes");
        assert_eq!(bytes, b"D\0\0\0\x0a\0\x01\xff\xff\xff\xff");
    }
}
