//! A result that is produced while it is sent, or fetched by parts.
//!
//! The thread that runs the statement fills a bounded channel of chunks and waits when it is full, so a result of any size takes
//! [`CHUNKS_MAX`] + 2 chunks of memory. In a lease that wait counts as idling in the transaction: while others want to write,
//! a client that does not read loses it. Dropping the stream stops its statement.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use storage::store::{Interrupt, Limits, Outcome, Room, RowSink};
use storage::{Statement, Store, error::ExecuteError};
use tokio::sync::mpsc;

use super::outbox::Outbox;
use super::rows::{Gathered, RowEncoder, result_too_big, take_rows};
use crate::error::SqlError;

/// Chunks between a pool thread and its session. Full: the pool thread waits.
const CHUNKS_MAX: usize = 4;

type Running<'a> = Pin<Box<dyn Future<Output = Result<Outcome, ExecuteError>> + 'a>>;

/// Rows, encoded, in order. `'a`: what the statement borrows, such as the session's snapshot; nothing on the pool.
pub(crate) struct RowStream<'a> {
    source: Source<'a>,
    /// Whole rows received and not fetched yet.
    pending: VecDeque<Vec<u8>>,
    /// What stops the statement behind the stream.
    pub interrupt: Interrupt,
    /// Rows that a write behind the stream changed, once it has ended.
    pub changes: u64,
}

enum Source<'a> {
    Running {
        statement: Running<'a>,
        chunks: mpsc::Receiver<Vec<u8>>,
        gathered: Gathered,
    },
    /// Told at the next fetch.
    Failed(StreamError),
    Ended,
}

impl fmt::Debug for RowStream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowStream").field("pending", &self.pending.len()).finish_non_exhaustive()
    }
}

/// Why a stream broke off.
#[derive(Debug)]
pub(crate) enum StreamError {
    Storage(ExecuteError),
    /// A cell could not be written.
    Encode(SqlError),
    /// The client is gone.
    Gone,
}

impl RowStream<'static> {
    /// Starts an autocommit read on the pool.
    pub(crate) fn start(store: &Store, statement: Statement, limits: Limits, encoder: RowEncoder) -> Self {
        let store = store.clone();
        let interrupt = limits.interrupt.clone();
        Self::over(encoder, interrupt, move |sink| Box::pin(async move { store.read(statement, limits, sink).await }))
    }
}

impl<'a> RowStream<'a> {
    /// The rows of the statement that `run` starts with the sink it is given, on a pool thread.
    pub(crate) fn over(encoder: RowEncoder, interrupt: Interrupt, run: impl FnOnce(RowSink) -> Running<'a>) -> Self {
        let (sender, chunks) = mpsc::channel(CHUNKS_MAX);
        let gathered = Gathered::default();
        let statement = run(gathered.streaming_sink(encoder, sender));
        Self::running(statement, chunks, gathered, interrupt)
    }

    /// The rows of the statement that `run` starts in a lease, with the sink and the wait for room that it is given.
    pub(crate) fn in_lease(
        encoder: RowEncoder,
        interrupt: Interrupt,
        run: impl FnOnce(RowSink, Room) -> Running<'a>,
    ) -> Self {
        let (sender, chunks) = mpsc::channel(CHUNKS_MAX);
        let gathered = Gathered::default();
        let (sink, room) = gathered.yielding_sink(encoder, sender);
        Self::running(run(sink, room), chunks, gathered, interrupt)
    }

    fn running(
        statement: Running<'a>,
        chunks: mpsc::Receiver<Vec<u8>>,
        gathered: Gathered,
        interrupt: Interrupt,
    ) -> Self {
        Self {
            source: Source::Running { statement, chunks, gathered },
            pending: VecDeque::new(),
            interrupt,
            changes: 0,
        }
    }

    /// A result that is already whole.
    pub(crate) fn whole(bytes: Vec<u8>, changes: u64, interrupt: Interrupt) -> Self {
        Self { source: Source::Ended, pending: VecDeque::from([bytes]), interrupt, changes }
    }

    /// The next whole rows, or None after the last. Cancelling it loses nothing.
    ///
    /// # Errors
    /// The statement's; the stream has ended then.
    pub(crate) async fn next_chunk(&mut self) -> Result<Option<Vec<u8>>, StreamError> {
        if let Some(chunk) = self.pending.pop_front() {
            return Ok(Some(chunk));
        }
        if let Source::Running { statement, chunks, .. } = &mut self.source {
            let result = tokio::select! {
                biased;
                Some(chunk) = chunks.recv() => return Ok(Some(chunk)),
                result = statement => result,
            };
            self.settle(result);
        }
        match std::mem::replace(&mut self.source, Source::Ended) {
            Source::Failed(error) => Err(error),
            Source::Ended | Source::Running { .. } => Ok(self.pending.pop_front()),
        }
    }

    /// Waits for the statement's first rows, or its end.
    ///
    /// # Errors
    /// As [`Self::next_chunk`].
    pub(crate) async fn prime(&mut self) -> Result<(), StreamError> {
        if let Some(chunk) = self.next_chunk().await? {
            self.pending.push_front(chunk);
        }
        Ok(())
    }

    /// Takes all rows that are left into memory, so that nothing runs behind the stream any more.
    ///
    /// # Errors
    /// As [`Self::next_chunk`], and 54000 for more than `size_max` bytes.
    pub(crate) async fn keep_whole(&mut self, size_max: usize) -> Result<(), StreamError> {
        let (mut kept, mut size) = (VecDeque::new(), 0);
        while let Some(chunk) = self.next_chunk().await? {
            size += chunk.len();
            if size > size_max {
                return Err(StreamError::Encode(result_too_big(size_max)));
            }
            kept.push_back(chunk);
        }
        self.pending = kept;
        Ok(())
    }

    /// Lets the statement behind a suspended stream come to its end, also when storage takes it away: its channel must close
    /// then, or its thread would wait for a client that does not fetch.
    pub(crate) fn poll_suspended(&mut self, cx: &mut Context<'_>) {
        if let Source::Running { statement, .. } = &mut self.source
            && let Poll::Ready(result) = statement.as_mut().poll(cx)
        {
            self.settle(result);
        }
    }

    /// Sends all rows and says how many there were. While the client is slow the statement is attended to, so that storage
    /// can take it away.
    ///
    /// # Errors
    /// As [`Self::next_chunk`], and [`StreamError::Gone`].
    pub(crate) async fn send_all(&mut self, outbox: &mut Outbox) -> Result<u64, StreamError> {
        let mut sent = 0;
        while let Some(chunk) = self.next_chunk().await? {
            sent += take_rows(&chunk, usize::MAX).0 as u64;
            outbox.buf.extend_from_slice(&chunk);
            let attend = std::future::poll_fn(|cx| {
                self.poll_suspended(cx);
                Poll::<Infallible>::Pending
            });
            tokio::select! {
                flushed = outbox.flush_full() => flushed.map_err(|_| StreamError::Gone)?,
                never = attend => match never {},
            }
        }
        Ok(sent)
    }

    /// The statement ended: takes over what it left in the channel, at most [`CHUNKS_MAX`] + 1 chunks.
    fn settle(&mut self, result: Result<Outcome, ExecuteError>) {
        let Source::Running { mut chunks, gathered, .. } = std::mem::replace(&mut self.source, Source::Ended) else {
            return;
        };
        match (gathered.take_error(), result) {
            (Some(error), _) => self.source = Source::Failed(StreamError::Encode(error)),
            (None, Err(error)) => self.source = Source::Failed(StreamError::Storage(error)),
            (None, Ok(outcome)) => {
                self.changes = outcome.changes;
                while let Ok(chunk) = chunks.try_recv() {
                    self.pending.push_back(chunk);
                }
                self.pending.push_back(gathered.take());
            }
        }
    }

    /// Appends up to `rows` rows to `out` and says how many there were: fewer only at the end.
    ///
    /// # Errors
    /// As [`Self::next_chunk`].
    pub(crate) async fn fetch(&mut self, rows: usize, out: &mut Vec<u8>) -> Result<usize, StreamError> {
        let mut fetched = 0;
        while fetched < rows
            && let Some(mut chunk) = self.next_chunk().await?
        {
            let (taken, len) = take_rows(&chunk, rows - fetched);
            out.extend_from_slice(chunk.get(..len).unwrap_or_default());
            fetched += taken;
            if len < chunk.len() {
                chunk.drain(..len);
                self.pending.push_front(chunk);
            }
        }
        Ok(fetched)
    }
}

#[cfg(test)]
mod tests {
    use super::super::rows::text_row;
    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn a_whole_result_is_fetched_by_parts() {
        let mut bytes = Vec::new();
        for text in ["a", "bb", "ccc"] {
            text_row(&mut bytes, &[text]);
        }
        let mut stream = RowStream::whole(bytes.clone(), 0, Interrupt::default());
        let mut out = Vec::new();
        assert_eq!(stream.fetch(2, &mut out).await.expect("whole"), 2);
        assert_eq!(stream.fetch(2, &mut out).await.expect("whole"), 1);
        assert_eq!(stream.fetch(2, &mut out).await.expect("whole"), 0);
        assert_eq!(out, bytes);
    }
}
