//! From an accepted connection to a session's beginning: encryption, address, identity, a place.
//!
//! The order is PostgreSQL's, so that each refusal is one that clients know: encryption, the start-up packet, the listener's
//! rules (28000), the password (28P01), a free place (53300), settings. All of it happens within one time limit and one of
//! the listener's waiting places; nothing a stranger sends is kept beyond the limits named here (I10).

use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use storage::{Role, Schema, User};

use super::admission::Admission;
use super::connection::Input;
use super::tls::{Demand, PROTOCOL};
use super::waiting::WaitingPlace;
use super::worker::Worker;
use crate::auth::certificate;
use crate::auth::rights::{ListenerMode, Rights};
use crate::auth::scram::{Credential, Exchange, NONCE_LEN, Verdict};
use crate::config::{Auth, SessionLimits};
use crate::error::{SqlError, sqlstate};
use crate::execute::executor::Failure;
use crate::execute::outbox::Outbox;
use crate::protocol::backend::{self, Severity};
use crate::protocol::frontend;
use crate::protocol::startup::{self, ENCRYPTION_REQUESTS_MAX, Startup, StartupPacket};
use crate::session::settings::Settings;

/// How long a client that does not read is given to take its last message. It holds its place meanwhile.
const GOODBYE_TIME_MAX: Duration = Duration::from_secs(5);
/// Longest message of an authentication, PostgreSQL's limit for SASL. Nothing SCRAM has to say is longer.
const SASL_SIZE_MAX: usize = 1_024;
/// The first byte of a TLS handshake: the client does not ask first.
const TLS_HANDSHAKE: u8 = 0x16;

/// Who is there, and by which listener's rules.
#[derive(Debug)]
pub(crate) struct Client {
    pub address: IpAddr,
    pub admission: Arc<Admission>,
    /// Held until the session begins.
    pub waiting: WaitingPlace,
}

/// What a session begins with.
#[derive(Debug)]
pub(super) struct Admitted {
    pub startup: Startup,
    pub settings: Settings,
    pub place: Place,
    /// Of the cancel key.
    pub secret: Box<[u8]>,
    pub rights: Rights,
}

/// Leads a connection to its session. None: it was something else, or it failed and the client has been told. Cancelling it
/// closes the connection.
pub(super) async fn admit(input: &mut Input, mut outbox: Outbox, client: Client) -> Option<(Admitted, Outbox)> {
    let admitted = match read_startup(input, &mut outbox, &client.admission).await {
        Ok(Some(startup)) => admit_as(input, &mut outbox, &client, startup).await,
        Ok(None) => return None,
        Err(failure) => Err(failure),
    };
    match admitted {
        Ok(admitted) => Some((admitted, outbox)),
        Err(Failure::Gone) => None,
        Err(Failure::Sql(error)) => {
            say_goodbye(&mut outbox, &error).await;
            None
        }
    }
}

/// Answers requests for encryption, serves a CancelRequest (None), and gives the StartupMessage.
async fn read_startup(
    input: &mut Input,
    outbox: &mut Outbox,
    admission: &Admission,
) -> Result<Option<Startup>, Failure> {
    let mut requests = 0;
    loop {
        if requests == 0 && input.rest().first() == Some(&TLS_HANDSHAKE) && admission.tls.is_some() {
            requests = ENCRYPTION_REQUESTS_MAX;
            start_tls(input, admission).await?;
            if input.transport.negotiated_protocol().as_deref() != Some(PROTOCOL) {
                tracing::debug!("direct TLS without ALPN");
                return Ok(None);
            }
        }
        let Some((packet, len)) = startup::next_packet(input.rest())? else {
            if !input.read().await? {
                return Ok(None);
            }
            continue;
        };
        input.consume(len);
        match packet {
            StartupPacket::Start(startup) => return Ok(Some(startup)),
            StartupPacket::Cancel { pid, secret } => {
                let shared = &input.worker.shared;
                shared.counters.cancel_requests.fetch_add(1, Ordering::Relaxed);
                shared.cancels.cancel(pid, &secret);
                return Ok(None);
            }
            StartupPacket::Tls | StartupPacket::Gss => {
                requests += 1;
                if requests > ENCRYPTION_REQUESTS_MAX || !input.rest().is_empty() {
                    // Bytes sent before our answer could have been injected on the way to an encrypted start.
                    let text = "received unencrypted data after an encryption request";
                    return Err(SqlError::new(sqlstate::PROTOCOL_VIOLATION, text).into());
                }
                let accepted =
                    packet == StartupPacket::Tls && admission.tls.is_some() && !input.transport.is_encrypted();
                outbox.buf.push(if accepted { b'S' } else { b'N' });
                outbox.flush().await?;
                if accepted {
                    requests = ENCRYPTION_REQUESTS_MAX;
                    start_tls(input, admission).await?;
                }
            }
        }
    }
}

/// Performs the handshake, with what the client has sent of it already.
async fn start_tls(input: &mut Input, admission: &Admission) -> Result<(), Failure> {
    let Some(tls) = &admission.tls else { return Err(Failure::Gone) };
    let early = input.take_rest();
    let mut received = Vec::new();
    let shaken = input.transport.accept_tls(tls.current().config, &early, &mut received).await;
    shaken.map_err(|error| {
        if error.kind() == io::ErrorKind::InvalidData {
            input.worker.shared.counters.authentications_failed.fetch_add(1, Ordering::Relaxed);
            tracing::info!(%error, "TLS handshake failed");
        }
        Failure::Gone
    })?;
    input.append(&received);
    Ok(())
}

async fn admit_as(
    input: &mut Input,
    outbox: &mut Outbox,
    client: &Client,
    startup: Startup,
) -> Result<Admitted, Failure> {
    let admission = &*client.admission;
    if let Some(unknown) = &startup.negotiate {
        backend::negotiate_protocol_version(&mut outbox.buf, startup.minor, unknown);
    }
    let worker = input.worker.clone();
    let checked = match check_rules(input, client, &startup) {
        Ok(()) => authenticate(input, outbox, admission, &startup).await,
        Err(error) => Err(error.into()),
    };
    if let Err(Failure::Sql(error)) = &checked {
        worker.shared.counters.authentications_failed.fetch_add(1, Ordering::Relaxed);
        tracing::info!(user = startup.user, address = %client.address, reason = error.message, "connection refused");
    }
    checked?;
    let schema = worker.store.schema();
    let rights = Rights::new(known(&schema, &startup.user, admission.auth)?, admission.mode, schema.version);
    let Some(place) = Place::take(&worker, &admission.limits, rights.role()) else {
        worker.shared.counters.sessions_refused.fetch_add(1, Ordering::Relaxed);
        return Err(too_many(&worker, &admission.limits).into());
    };
    let settings = settings(&startup, &rights)?;
    let secret = secret(startup.minor)?;
    Ok(Admitted { startup, settings, place, secret, rights })
}

/// The listener's rules about how and from where one connects.
fn check_rules(input: &Input, client: &Client, startup: &Startup) -> Result<(), SqlError> {
    let admission = &*client.admission;
    let is_encrypted = input.transport.is_encrypted();
    let Startup { user, database, .. } = startup;
    let refused = |why: &str| {
        let address = client.address.to_canonical();
        let encryption = if is_encrypted { "SSL encryption" } else { "no encryption" };
        let text = format!(
            "no listener rule lets in host \"{address}\", user \"{user}\", database \"{database}\", {encryption}"
        );
        SqlError::new(sqlstate::INVALID_AUTHORIZATION, text).detail(why)
    };
    if !admission.lets_in(client.address) {
        return Err(refused("The address is in none of the ranges that this listener allows."));
    }
    if !is_encrypted && admission.tls.as_ref().is_some_and(super::tls::Tls::is_required) {
        return Err(refused("This listener takes encrypted connections only.")
            .hint("Connect with sslmode=require or stronger."));
    }
    if admission.demand == Demand::Certificate && input.transport.client_certificate().is_none() {
        let text = "connection requires a valid client certificate";
        return Err(SqlError::new(sqlstate::INVALID_AUTHORIZATION, text));
    }
    Ok(())
}

async fn authenticate(
    input: &mut Input,
    outbox: &mut Outbox,
    admission: &Admission,
    startup: &Startup,
) -> Result<(), Failure> {
    match admission.auth {
        Auth::Unsaid | Auth::Trust => Ok(()),
        Auth::Certificate => Ok(check_certificate(input, &startup.user)?),
        Auth::Scram => {
            let outcome = scram(input, outbox, admission, &startup.user).await?;
            if outcome == Outcome::Failed {
                tokio::time::sleep(admission.limits.authentication_failure_delay).await;
                return Err(wrong_password(&startup.user).into());
            }
            Ok(())
        }
    }
}

/// The certificate has been verified; here its name is the user's.
fn check_certificate(input: &Input, user: &str) -> Result<(), SqlError> {
    let certificate = input.transport.client_certificate().unwrap_or_default();
    if certificate::common_name(&certificate).as_deref() == Some(user) { Ok(()) } else { Err(wrong_certificate(user)) }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Proven,
    Failed,
}

/// The exchange of messages. What differs between users who exist and who do not is inside [`Exchange`] alone.
async fn scram(input: &mut Input, outbox: &mut Outbox, admission: &Admission, user: &str) -> Result<Outcome, Failure> {
    let schema = input.worker.store.schema();
    let verifier = schema.users.find(user).and_then(|user| user.verifier.as_deref());
    let credential = Credential::of(user, verifier, schema.users.secret());
    let binding = match &admission.tls {
        Some(tls) if input.transport.is_encrypted() => tls.current().end_point.map(|hash| hash.to_vec()),
        Some(_) | None => None,
    };
    let mut exchange = Exchange::new(credential, binding, random::<NONCE_LEN>()?);
    backend::authentication_sasl(&mut outbox.buf, exchange.mechanisms());
    outbox.flush().await?;
    let reply = {
        let (message, len) = read_password(input).await?;
        let (mechanism, data) = frontend::decode_sasl_initial(&message)?;
        let reply = exchange.on_first(mechanism, data)?;
        input.consume(len);
        reply
    };
    backend::authentication_sasl_continue(&mut outbox.buf, &reply);
    outbox.flush().await?;
    let (message, len) = read_password(input).await?;
    let verdict = exchange.on_final(&message)?;
    input.consume(len);
    Ok(match verdict {
        Verdict::Proven(last) => {
            backend::authentication_sasl_final(&mut outbox.buf, &last);
            Outcome::Proven
        }
        Verdict::WrongPassword => Outcome::Failed,
    })
}

/// Waits for a message of the authentication; its body, and the length to consume.
async fn read_password(input: &mut Input) -> Result<(Vec<u8>, usize), Failure> {
    loop {
        if let Some(frame) = frontend::next_frame(input.rest(), SASL_SIZE_MAX)? {
            if frame.tag != b'p' {
                let text = format!("expected SASL response, got message type {}", frame.tag);
                return Err(SqlError::new(sqlstate::PROTOCOL_VIOLATION, text).into());
            }
            return Ok((frame.body.to_vec(), frame.len));
        }
        if !input.read().await? {
            return Err(Failure::Gone);
        }
    }
}

/// The user's entry in the list. Only trust lets in who has none, and the list may have changed since the proof was given.
fn known<'a>(schema: &'a Schema, user: &str, auth: Auth) -> Result<Option<&'a User>, SqlError> {
    match (schema.users.find(user), auth) {
        (Some(found), _) => Ok(Some(found)),
        (None, Auth::Unsaid | Auth::Trust) => Ok(None),
        (None, Auth::Scram) => Err(wrong_password(user)),
        (None, Auth::Certificate) => Err(wrong_certificate(user)),
    }
}

fn wrong_password(user: &str) -> SqlError {
    SqlError::new(sqlstate::INVALID_PASSWORD, format!("password authentication failed for user \"{user}\""))
}

fn wrong_certificate(user: &str) -> SqlError {
    let text = format!("certificate authentication failed for user \"{user}\"");
    SqlError::new(sqlstate::INVALID_AUTHORIZATION, text)
}

/// The session's settings with the facts that its rights decide.
fn settings(startup: &Startup, rights: &Rights) -> Result<Settings, SqlError> {
    let mut settings = Settings::new(&startup.user, &startup.settings)?;
    if rights.role() != Role::Admin {
        settings.set_fact("is_superuser", "off");
    }
    if rights.mode() == ListenerMode::ReadOnly {
        settings.set_fact("default_transaction_read_only", "on");
    }
    Ok(settings)
}

fn too_many(worker: &Worker, limits: &SessionLimits) -> SqlError {
    let open = worker.shared.counters.sessions_open.load(Ordering::Acquire);
    let text = if open < limits.connections_max {
        "remaining connection slots are reserved for users with role admin"
    } else {
        "sorry, too many clients already"
    };
    SqlError::new(sqlstate::TOO_MANY_CONNECTIONS, text)
}

/// The secret of a cancel key: what 3.0 has room for, or one that nobody guesses.
fn secret(minor: u32) -> Result<Box<[u8]>, SqlError> {
    if minor < 2 { random::<4>().map(Into::into) } else { random::<32>().map(Into::into) }
}

/// Fresh random bytes of the operating system.
fn random<const LEN: usize>() -> Result<[u8; LEN], SqlError> {
    let mut bytes = [0; LEN];
    let failed = |_| SqlError::new(sqlstate::INTERNAL_ERROR, "the system has no random bytes to give");
    getrandom::fill(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// The last word to a client; whether it hears it is its business.
pub(super) async fn say_goodbye(outbox: &mut Outbox, error: &SqlError) {
    backend::report(&mut outbox.buf, Severity::Fatal, error);
    match tokio::time::timeout(GOODBYE_TIME_MAX, outbox.flush()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "client left before its last message"),
        Err(_) => tracing::debug!("client did not read its last message"),
    }
}

/// A session's place under the limit of connections; given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    worker: Rc<Worker>,
    pub(super) pid: i32,
}

impl Place {
    fn take(worker: &Rc<Worker>, limits: &SessionLimits, role: Role) -> Option<Self> {
        let max = match role {
            Role::Admin => limits.connections_max,
            Role::ReadOnly | Role::ReadWrite => limits.connections_max.saturating_sub(limits.connections_reserved),
        };
        let open = &worker.shared.counters.sessions_open;
        let taken = open.fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| (n < max).then_some(n + 1));
        taken.ok().map(|_| Self { worker: worker.clone(), pid: worker.shared.next_pid() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.worker.shared.cancels.remove(self.pid);
        self.worker.shared.counters.sessions_open.fetch_sub(1, Ordering::AcqRel);
    }
}
