//! A node's storage and wire front end on a free port, and a client that shows each message it hears.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use storage::{Store, StoreOptions};
use tokio_util::sync::CancellationToken;
use wire::config::{ListenerConfig, SessionLimits};

/// Longest a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Node {
    pub(crate) handle: wire::Handle,
    pub(crate) store: Store,
    pub(crate) shutdown: CancellationToken,
    runtime: tokio::runtime::Runtime,
    _dir: tempfile::TempDir,
}

impl Node {
    pub(crate) fn start() -> Self {
        Self::start_with(SessionLimits::default(), Duration::from_secs(5))
    }

    pub(crate) fn start_with(limits: SessionLimits, lease_idle_max: Duration) -> Self {
        let dir = tempfile::tempdir().expect("temporary directory");
        let store = Store::open(options(dir.path().join("node.db"), lease_idle_max)).expect("open store");
        let shutdown = CancellationToken::new();
        let config = ListenerConfig { limits, ..ListenerConfig::new(([127, 0, 0, 1], 0).into()) };
        let handle = wire::serve(vec![config], &store, shutdown.clone()).expect("serve");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        Self { handle, store, shutdown, runtime, _dir: dir }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.handle.addresses()[0]
    }

    pub(crate) fn client(&self) -> Client {
        let mut client = Client::connect(self.address());
        client.start(&[("user", "ann"), ("database", "db")]);
        client.until_ready();
        client
    }

    /// A client beside a table `n` with the ids 0 to 999.
    pub(crate) fn client_with_numbers(&self) -> Client {
        let mut client = self.client();
        let values: Vec<String> = (0..1_000).map(|id| format!("({id})")).collect();
        assert_eq!(client.query("create table n (id bigint primary key)"), "C(CREATE TABLE) Z(I)");
        assert_eq!(client.query(&format!("insert into n values {}", values.join(","))), "C(INSERT 0 1000) Z(I)");
        client
    }

    /// Adds a user without a password: trust lets everybody in.
    pub(crate) fn add_user(&self, name: &str, role: storage::Role) {
        let user = storage::User { role, verifier: None };
        let change = storage::UserChange::Add { name: name.into(), user };
        self.runtime.block_on(self.store.change_user(change)).expect("a new user");
    }

    /// Applies a schema file.
    pub(crate) fn load_file(&self, text: &str) {
        let files = vec![storage::schema::SchemaFile { path: "a.sql".into(), text: text.into() }];
        self.runtime.block_on(self.store.apply_schema_files(files)).expect("the file is in order");
    }

    pub(crate) fn stop(mut self) {
        self.shutdown.cancel();
        self.runtime.block_on(async {
            self.handle.stopped().await;
            self.store.close().await;
        });
    }
}

fn options(path: std::path::PathBuf, lease_idle_max: Duration) -> StoreOptions {
    StoreOptions {
        path,
        cache_size: -8_192,
        wal_size_max: 64 << 20,
        lease_idle_max,
        lease_held_max: Duration::from_secs(10),
        pool_threads: 4,
        on_open: vec![wire::catalog::on_open()],
        on_schema: vec![wire::catalog::on_schema(wire::catalog::Options::default())],
    }
}

/// Runs for hours beside [`Node::client_with_numbers`].
pub(crate) const SLOW: &str =
    "select a.id as x from n a cross join n b cross join n c cross join n d where a.id + b.id + c.id + d.id < 0";
/// The numbers 0 to 299,999 in order.
pub(crate) const LARGE: &str =
    "select a.id * 1000 + b.id as x from n a cross join n b where a.id < 300 order by a.id, b.id";

/// A blocking client of the protocol.
pub(crate) struct Client {
    stream: TcpStream,
    pub(crate) pid: i32,
    pub(crate) secret: Vec<u8>,
    pub(crate) settings: Vec<(String, String)>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("connect");
        stream.set_read_timeout(Some(PATIENCE)).expect("read timeout");
        stream.set_nodelay(true).expect("nodelay");
        Self { stream, pid: 0, secret: Vec::new(), settings: Vec::new() }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("send");
    }

    /// Starts with that version and body.
    pub(crate) fn start_with(&mut self, version: u32, body: &[u8]) {
        self.send(&[&len(body.len() + 4)[..], &version.to_be_bytes(), body].concat());
    }

    pub(crate) fn start(&mut self, parameters: &[(&str, &str)]) {
        let mut body = 0x3_0000_u32.to_be_bytes().to_vec();
        for (name, value) in parameters {
            body.extend_from_slice(format!("{name}\0{value}\0").as_bytes());
        }
        body.push(0);
        self.send(&[&len(body.len()), &body[..]].concat());
    }

    /// One byte outside of messages: the answer to a request for encryption.
    pub(crate) fn byte(&mut self) -> u8 {
        let mut byte = [0];
        self.stream.read_exact(&mut byte).expect("a byte");
        byte[0]
    }

    /// The next message: its type and body. None at the end of the stream.
    pub(crate) fn message(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut header = [0; 5];
        self.stream.read_exact(&mut header).ok()?;
        let len = u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize;
        let mut body = vec![0; len - 4];
        self.stream.read_exact(&mut body).expect("body");
        Some((header[0], body))
    }

    /// All messages to ReadyForQuery or the end of the stream, in short.
    pub(crate) fn until_ready(&mut self) -> String {
        let mut seen = Vec::new();
        loop {
            let Some((tag, body)) = self.message() else {
                seen.push("end".to_owned());
                break;
            };
            self.note(tag, &body);
            seen.extend(show(tag, &body));
            if tag == b'Z' {
                break;
            }
        }
        seen.join(" ")
    }

    /// Messages until one of that type came, in short.
    pub(crate) fn until(&mut self, last: u8) -> String {
        let mut seen = Vec::new();
        while let Some((tag, body)) = self.message() {
            seen.extend(show(tag, &body));
            if tag == last {
                break;
            }
        }
        seen.join(" ")
    }

    fn note(&mut self, tag: u8, body: &[u8]) {
        if tag == b'K' {
            self.pid = i32::from_be_bytes(body[..4].try_into().expect("four bytes"));
            self.secret = body[4..].to_vec();
        }
        if tag == b'S' {
            let text = String::from_utf8_lossy(body).into_owned();
            let mut parts = text.split('\0');
            let pair = (parts.next().unwrap_or_default().to_owned(), parts.next().unwrap_or_default().to_owned());
            self.settings.push(pair);
        }
    }

    pub(crate) fn until_ready_after(&mut self, bytes: &[u8]) -> String {
        self.send(bytes);
        self.until_ready()
    }

    pub(crate) fn query(&mut self, sql: &str) -> String {
        self.send(&query(sql));
        self.until_ready()
    }

    pub(crate) fn cancel(&self, address: SocketAddr, secret: &[u8]) {
        let mut request = Self::connect(address);
        let body = [&80_877_102_u32.to_be_bytes()[..], &self.pid.to_be_bytes(), secret].concat();
        request.send(&[&len(body.len()), &body[..]].concat());
        assert!(request.message().is_none(), "a cancel request gets no answer");
    }
}

/// Waits until `condition` holds.
#[expect(clippy::disallowed_methods, reason = "a test's patience is real time")]
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited too long for {what}");
        std::thread::yield_now();
    }
}

fn len(body: usize) -> [u8; 4] {
    u32::try_from(body + 4).expect("test messages are short").to_be_bytes()
}

pub(crate) fn framed(tag: u8, body: &[u8]) -> Vec<u8> {
    [&[tag][..], &len(body.len()), body].concat()
}

pub(crate) fn query(sql: &str) -> Vec<u8> {
    framed(b'Q', format!("{sql}\0").as_bytes())
}

pub(crate) fn parse(name: &str, sql: &str, types: &[u32]) -> Vec<u8> {
    let mut body = format!("{name}\0{sql}\0").into_bytes();
    body.extend_from_slice(&u16::try_from(types.len()).expect("few").to_be_bytes());
    types.iter().for_each(|oid| body.extend_from_slice(&oid.to_be_bytes()));
    framed(b'P', &body)
}

pub(crate) fn bind(portal: &str, statement: &str, params: &[Option<&str>]) -> Vec<u8> {
    let params: Vec<Option<&[u8]>> = params.iter().map(|param| param.map(str::as_bytes)).collect();
    bind_in(0, portal, statement, &params)
}

/// A Bind whose parameters are all in that format: 0 text, 1 binary.
pub(crate) fn bind_in(format: u16, portal: &str, statement: &str, params: &[Option<&[u8]>]) -> Vec<u8> {
    let mut body = format!("{portal}\0{statement}\0").into_bytes();
    body.extend_from_slice(&1_u16.to_be_bytes());
    body.extend_from_slice(&format.to_be_bytes());
    body.extend_from_slice(&u16::try_from(params.len()).expect("few").to_be_bytes());
    for param in params {
        match param {
            None => body.extend_from_slice(&(-1_i32).to_be_bytes()),
            Some(value) => {
                body.extend_from_slice(&u32::try_from(value.len()).expect("short").to_be_bytes());
                body.extend_from_slice(value);
            }
        }
    }
    body.extend_from_slice(&0_u16.to_be_bytes());
    framed(b'B', &body)
}

pub(crate) fn describe(kind: char, name: &str) -> Vec<u8> {
    framed(b'D', format!("{kind}{name}\0").as_bytes())
}

pub(crate) fn close(kind: char, name: &str) -> Vec<u8> {
    framed(b'C', format!("{kind}{name}\0").as_bytes())
}

pub(crate) fn execute(portal: &str, max_rows: u32) -> Vec<u8> {
    framed(b'E', &[format!("{portal}\0").as_bytes(), &max_rows.to_be_bytes()].concat())
}

pub(crate) fn sync() -> Vec<u8> {
    framed(b'S', b"")
}

pub(crate) fn flush() -> Vec<u8> {
    framed(b'H', b"")
}

/// A message in short: `T(x)`, `D(1,NULL)`, `C(SELECT 1)`, `E(42601)`, `Z(I)`, .. Start-up's messages are left out.
fn show(tag: u8, body: &[u8]) -> Option<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned();
    let shown = match tag {
        b'R' | b'K' | b'S' => return None,
        b'Z' | b'C' => format!("{}({})", char::from(tag), text(body)),
        // A mistake of ours: shown whole.
        b'E' if field(body, b'C').as_deref() == Some("XX000") => format!("E({})", text(body)),
        b'E' | b'N' => format!("{}({})", char::from(tag), field(body, b'C').unwrap_or_default()),
        b'D' => format!("D({})", cells(body).join(",")),
        b'T' => format!("T({})", names(body).join(",")),
        b'A' => {
            let texts: Vec<_> = body[4..].split(|b| *b == 0).map(text).collect();
            format!("A({},{})", texts[0], texts[1])
        }
        b't' => format!("t({})", u16::from_be_bytes([body[0], body[1]])),
        other => char::from(other).to_string(),
    };
    Some(shown)
}

/// A field of an ErrorResponse.
pub(crate) fn field(body: &[u8], code: u8) -> Option<String> {
    let found = body.split(|b| *b == 0).find(|part| part.first() == Some(&code))?;
    Some(String::from_utf8_lossy(&found[1..]).into_owned())
}

fn cells(body: &[u8]) -> Vec<String> {
    let count = u16::from_be_bytes([body[0], body[1]]);
    let mut rest = &body[2..];
    (0..count)
        .map(|_| {
            let (len, after) = rest.split_first_chunk::<4>().expect("a length");
            let Ok(len) = usize::try_from(i32::from_be_bytes(*len)) else {
                rest = after;
                return "NULL".to_owned();
            };
            let (cell, after) = after.split_at(len);
            rest = after;
            String::from_utf8_lossy(cell).into_owned()
        })
        .collect()
}

fn names(body: &[u8]) -> Vec<String> {
    let count = u16::from_be_bytes([body[0], body[1]]);
    let mut rest = &body[2..];
    (0..count)
        .map(|_| {
            let end = rest.iter().position(|b| *b == 0).expect("a name");
            let name = String::from_utf8_lossy(&rest[..end]).into_owned();
            rest = &rest[end + 19..];
            name
        })
        .collect()
}
