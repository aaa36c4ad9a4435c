//! One connection: start-up, then one loop that reads, acts and flushes.
//!
//! The only place that reads a client's socket. Buffers are borrowed from the worker while there is something in them, so that
//! an idle session costs little more than its state.

use std::future::pending;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::TcpStream;

use super::startup::{self, Admitted, Client, Place, say_goodbye};
use super::transport::Transport;
use super::worker::Worker;
use crate::config::SessionLimits;
use crate::error::{SqlError, sqlstate};
use crate::execute::executor::{Executor, Failure, Identity};
use crate::execute::outbox::Outbox;
use crate::notify::mailbox::Mailbox;
use crate::protocol::backend;
use crate::protocol::cancel::CancelSlot;
use crate::protocol::frontend::{self, Frame, Frontend};
use crate::protocol::machine::{Kind, Machine, Outcome, Step};

/// Room made for each read.
const READ_SIZE: usize = 8 * 1024;
/// Messages acted on before other sessions of the worker get a turn, in a pipeline that never waits.
const MESSAGES_PER_TURN: u32 = 64;

/// Serves one client until it leaves, errs fatally, or the node stops. Cancelling it closes the connection and undoes its
/// open transaction.
pub(crate) async fn serve(stream: TcpStream, client: Client, worker: Rc<Worker>) {
    let transport = Rc::new(Transport::new(stream));
    let mut input = Input { transport: transport.clone(), worker: worker.clone(), buf: Vec::new(), at: 0 };
    let outbox = Outbox::new(transport);
    let limits = client.admission.limits;
    let lost = client.waiting.lost();
    let started = tokio::select! {
        started = tokio::time::timeout(limits.startup_time_max, start(&mut input, outbox, client)) => started,
        () = worker.shared.shutdown.cancelled() => return,
        () = lost.cancelled() => {
            worker.shared.counters.sessions_refused.fetch_add(1, Ordering::Relaxed);
            return;
        }
    };
    if let Ok(Some(mut session)) = started {
        session.run(&mut input).await;
    }
}

/// Leads a connection to its session. None: it was something else, or it failed and the client has been told.
async fn start(input: &mut Input, outbox: Outbox, client: Client) -> Option<Session> {
    let limits = client.admission.limits;
    let (admitted, outbox) = startup::admit(input, outbox, client).await?;
    let worker = input.worker.clone();
    worker.shared.counters.sessions_started.fetch_add(1, Ordering::Relaxed);
    let mut session = Session::new(worker, outbox, admitted, limits);
    session.executor.outbox.flush().await.ok()?;
    Some(session)
}

/// Received bytes that were not acted on yet.
pub(super) struct Input {
    pub(super) transport: Rc<Transport>,
    pub(super) worker: Rc<Worker>,
    buf: Vec<u8>,
    at: usize,
}

impl Input {
    pub(super) fn rest(&self) -> &[u8] {
        self.buf.get(self.at..).unwrap_or_default()
    }

    pub(super) fn consume(&mut self, len: usize) {
        self.at = (self.at + len).min(self.buf.len());
        if self.at == self.buf.len() {
            self.buf.clear();
            self.at = 0;
        }
    }

    /// Takes what was received and not acted on, for whom the bytes are something else.
    pub(super) fn take_rest(&mut self) -> Vec<u8> {
        let rest = self.rest().to_vec();
        self.consume(rest.len());
        rest
    }

    /// Adds bytes that came another way.
    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.buf.extend_from_slice(bytes);
    }

    /// Reads what there is, waiting until there is something. False: the client has closed its side. Cancelling it loses nothing.
    pub(super) async fn read(&mut self) -> io::Result<bool> {
        if self.buf.is_empty() {
            self.worker.give_buffer(std::mem::take(&mut self.buf));
        } else if self.at > 0 {
            self.buf.drain(..self.at);
            self.at = 0;
        }
        loop {
            self.transport.readable().await?;
            if self.buf.capacity() == 0 {
                self.buf = self.worker.take_buffer();
            }
            self.buf.reserve(READ_SIZE);
            match self.transport.try_read(&mut self.buf) {
                Ok(count) => return Ok(count > 0),
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(e) => return Err(e),
            }
        }
    }
}

/// How the loop ends.
enum End {
    /// Nothing more to say.
    Silent,
    Fatal(SqlError),
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Gone => Self::Silent,
            Failure::Sql(error) => Self::Fatal(error),
        }
    }
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Silent
    }
}

/// A started session.
struct Session {
    executor: Box<Executor>,
    machine: Machine,
    worker: Rc<Worker>,
    message_size_max: usize,
    _place: Place,
}

impl Session {
    /// Registers the session and writes what a client hears at its start.
    fn new(worker: Rc<Worker>, mut outbox: Outbox, admitted: Admitted, limits: SessionLimits) -> Self {
        let Admitted { startup, settings, place, secret, rights } = admitted;
        let slot = Arc::new(CancelSlot::default());
        worker.shared.cancels.insert(place.pid, secret.clone(), slot.clone());
        backend::authentication_ok(&mut outbox.buf);
        let identity = Identity { user: startup.user, database: startup.database, pid: place.pid, rights };
        let size_max = limits.buffered_result_size_max;
        let mut executor = Box::new(Executor::new(worker.clone(), outbox, identity, settings, slot, size_max));
        executor.report_settings();
        backend::backend_key_data(&mut executor.outbox.buf, place.pid, &secret);
        executor.ready();
        Self { executor, machine: Machine::default(), worker, message_size_max: limits.message_size_max, _place: place }
    }

    async fn run(&mut self, input: &mut Input) {
        match self.serve_messages(input).await {
            End::Silent => {}
            End::Fatal(error) => say_goodbye(&mut self.executor.outbox, &error).await,
        }
    }

    async fn serve_messages(&mut self, input: &mut Input) -> End {
        let mut turn = 0;
        loop {
            let frame = match frontend::next_frame(input.rest(), self.message_size_max) {
                Ok(frame) => frame,
                Err(error) => return End::Fatal(error),
            };
            let result = match frame {
                Some(frame) => {
                    let following = input.rest().get(frame.len..).unwrap_or_default();
                    let (len, sync_follows) = (frame.len, frontend::sync_is_next(following));
                    let result = self.on_frame(&frame, sync_follows).await;
                    input.consume(len);
                    turn += 1;
                    result
                }
                None => {
                    turn = 0;
                    self.read(input).await
                }
            };
            if let Err(end) = result {
                return end;
            }
            if turn >= MESSAGES_PER_TURN {
                turn = 0;
                tokio::task::yield_now().await;
            }
        }
    }

    async fn on_frame(&mut self, frame: &Frame<'_>, sync_follows: bool) -> Result<(), End> {
        let kind = kind(frame.tag);
        match self.machine.on_message(kind) {
            Step::Skip => return Ok(()),
            Step::End => return Err(End::Silent),
            Step::Violation => {
                let text = format!("invalid frontend message type {}", frame.tag);
                return Err(End::Fatal(SqlError::new(sqlstate::PROTOCOL_VIOLATION, text)));
            }
            Step::Act => {}
        }
        let result = match frontend::decode(frame) {
            Ok(message) => self.act(message, sync_follows).await,
            Err(error) => Err(error.into()),
        };
        let outcome = match result {
            Ok(()) => Outcome::Done,
            Err(Failure::Gone) => return Err(End::Silent),
            Err(Failure::Sql(_)) if self.worker.shared.shutdown.is_cancelled() => return Err(shutting_down()),
            Err(Failure::Sql(error)) if error.sqlstate == sqlstate::ADMIN_SHUTDOWN => return Err(End::Fatal(error)),
            Err(Failure::Sql(error)) => {
                self.executor.fail(&error).await;
                Outcome::Failed
            }
        };
        let after = self.machine.on_result(kind, outcome);
        if let Some(tag) = after.reply {
            backend::bare(&mut self.executor.outbox.buf, tag);
        }
        if after.ready {
            self.executor.ready();
        }
        if after.flush {
            self.executor.outbox.flush().await?;
        } else {
            self.executor.outbox.flush_full().await?;
        }
        Ok(())
    }

    /// Messages that await nothing stay out of the large future of those that do.
    async fn act(&mut self, message: Frontend<'_>, sync_follows: bool) -> Result<(), Failure> {
        Box::pin(self.executor.act(message, sync_follows)).await
    }

    /// Waits for the client's next bytes, for notifications, for shutdown, or for its patience with idling to end.
    async fn read(&mut self, input: &mut Input) -> Result<(), End> {
        if self.worker.shared.shutdown.is_cancelled() {
            return Err(shutting_down());
        }
        let mailbox = Rc::clone(&self.executor.listening.mailbox);
        let is_idle = self.executor.tx.is_idle();
        if let Some(buffer) = self.executor.outbox.take_idle_buffer() {
            self.worker.give_buffer(buffer);
        }
        let (limit, error) = self.idle_limit();
        tokio::select! {
            more = input.read() => if more? { Ok(()) } else { Err(End::Silent) },
            () = self.worker.shared.shutdown.cancelled() => Err(shutting_down()),
            () = idle(limit) => Err(End::Fatal(error)),
            () = mailbox.wanted(is_idle) => self.send_notifications(&mailbox).await,
            never = self.executor.attend_portals() => match never {},
        }
    }

    /// Sends waiting notifications to a client that idles outside of a transaction.
    async fn send_notifications(&mut self, mailbox: &Mailbox) -> Result<(), End> {
        mailbox.check().map_err(End::Fatal)?;
        self.executor.write_notifications();
        tokio::select! {
            flushed = self.executor.outbox.flush() => Ok(flushed?),
            // The client does not read, so there is nobody to tell why.
            () = mailbox.overran() => Err(End::Silent),
            () = self.worker.shared.shutdown.cancelled() => Err(End::Silent),
        }
    }

    /// How long the session may idle as it is, and what it hears then.
    fn idle_limit(&self) -> (Option<Duration>, SqlError) {
        let timeouts = self.executor.settings.timeouts();
        if self.executor.tx.in_block() {
            let text = "terminating connection due to idle-in-transaction timeout";
            (timeouts.idle_in_transaction, SqlError::new(sqlstate::IDLE_IN_TRANSACTION_TIMEOUT, text))
        } else {
            let text = "terminating connection due to idle-session timeout";
            (timeouts.idle, SqlError::new(sqlstate::IDLE_SESSION_TIMEOUT, text))
        }
    }
}

async fn idle(limit: Option<Duration>) {
    match limit {
        Some(limit) => tokio::time::sleep(limit).await,
        None => pending().await,
    }
}

fn shutting_down() -> End {
    End::Fatal(SqlError::new(sqlstate::ADMIN_SHUTDOWN, "terminating connection due to administrator command"))
}

fn kind(tag: u8) -> Kind {
    match tag {
        b'Q' => Kind::Query,
        b'F' => Kind::FunctionCall,
        b'P' => Kind::Parse,
        b'B' => Kind::Bind,
        b'D' => Kind::Describe,
        b'E' => Kind::Execute,
        b'C' => Kind::Close,
        b'S' => Kind::Sync,
        b'H' => Kind::Flush,
        b'X' => Kind::Terminate,
        b'd' | b'c' | b'f' => Kind::Stray,
        _ => Kind::Unexpected,
    }
}
