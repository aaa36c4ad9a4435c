//! A client that speaks the protocol itself, so that a test chooses every byte: types and formats of parameters, formats
//! of results, many statements on the way at once. It reads what a driver would hide: type OIDs, raw values, SQLSTATEs.
//!
//! It trusts the server it tests to keep the protocol, and panics where that fails.

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::psql::Server;

/// Longest silence of a server. A test that reaches it has found a hang.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// Bytes on the way before answers are read: less than any socket's buffer, so that neither side can block the other.
const PIPELINE_BYTES_MAX: usize = 32 << 10;

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// One connection.
pub struct Client {
    stream: BufReader<Box<dyn Stream>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

/// A parameter of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// 0 lets the server infer it.
    pub type_oid: u32,
    pub binary: bool,
    /// `None` is NULL.
    pub value: Option<Vec<u8>>,
}

/// A statement for the extended protocol.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    pub sql: String,
    pub parameters: Vec<Parameter>,
    /// Whether results are wanted in binary format.
    pub binary: bool,
}

/// What a statement was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Rows {
        /// Name and type OID of each column.
        columns: Vec<(String, u32)>,
        rows: Vec<Vec<Option<Vec<u8>>>>,
    },
    Error {
        sqlstate: String,
        message: String,
    },
}

impl Answer {
    /// The only value of the only row.
    ///
    /// # Panics
    /// If there is none, or more.
    pub fn value(&self) -> Option<&[u8]> {
        match self {
            Self::Rows { rows, .. } if rows.len() == 1 && rows[0].len() == 1 => rows[0][0].as_deref(),
            Self::Rows { .. } | Self::Error { .. } => panic!("not one value: {self:?}"),
        }
    }

    /// Values as text for a reader: columns by `|`, rows by line, NULL as `∅`; an error as its SQLSTATE.
    pub fn shown(&self) -> String {
        match self {
            Self::Error { sqlstate, .. } => format!("ERROR {sqlstate}"),
            Self::Rows { rows, .. } => {
                let cell = |cell: &Option<Vec<u8>>| {
                    cell.as_ref().map_or_else(|| "∅".into(), |bytes| String::from_utf8_lossy(bytes).into_owned())
                };
                let line = |row: &Vec<Option<Vec<u8>>>| row.iter().map(cell).collect::<Vec<_>>().join("|");
                rows.iter().map(line).collect::<Vec<_>>().join("\n")
            }
        }
    }
}

impl Client {
    /// Connects and waits until the server is ready for statements.
    ///
    /// # Panics
    /// If the server refuses.
    pub fn connect(server: &Server) -> Self {
        let stream: Box<dyn Stream> = if server.host.starts_with('/') {
            let path = format!("{}/.s.PGSQL.{}", server.host, server.port);
            let stream = UnixStream::connect(path).expect("connect to the server's socket");
            stream.set_read_timeout(Some(ANSWER_MAX)).expect("a timeout");
            Box::new(stream)
        } else {
            let stream = TcpStream::connect((server.host.as_str(), server.port)).expect("connect to the server");
            stream.set_read_timeout(Some(ANSWER_MAX)).expect("a timeout");
            stream.set_nodelay(true).expect("no delay");
            Box::new(stream)
        };
        let mut client = Self { stream: BufReader::new(stream) };
        let mut body = 196_608u32.to_be_bytes().to_vec();
        for (name, value) in [("user", server.user.as_str()), ("database", &server.database)] {
            body.extend(name.bytes().chain([0]).chain(value.bytes()).chain([0]));
        }
        body.push(0);
        let mut message = (body.len() as u32 + 4).to_be_bytes().to_vec();
        message.extend(body);
        client.send(&message);
        if let Some(Answer::Error { message, .. }) = client.answers().pop() {
            panic!("the server refused the connection: {message}");
        }
        client
    }

    /// Runs statements in one simple query. One answer for each that was reached.
    pub fn simple(&mut self, sql: &str) -> Vec<Answer> {
        let mut out = Vec::new();
        message(&mut out, b'Q', |body| text(body, sql));
        self.send(&out);
        self.answers()
    }

    /// Runs a statement with the extended protocol.
    pub fn extended(&mut self, request: &Request) -> Answer {
        self.pipeline(std::slice::from_ref(request)).pop().expect("an answer for the request")
    }

    /// Runs statements with the extended protocol, each with its own Sync, many on the way at once.
    ///
    /// # Panics
    /// If an answer is missing.
    pub fn pipeline(&mut self, requests: &[Request]) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(requests.len());
        let mut out = Vec::new();
        let mut waiting = 0;
        for (at, request) in requests.iter().enumerate() {
            push_request(&mut out, request);
            waiting += 1;
            if out.len() >= PIPELINE_BYTES_MAX || at + 1 == requests.len() {
                self.send(&std::mem::take(&mut out));
                for _ in 0..std::mem::take(&mut waiting) {
                    answers.push(self.answers().pop().expect("each Sync is answered"));
                }
            }
        }
        answers
    }

    fn send(&mut self, bytes: &[u8]) {
        let stream = self.stream.get_mut();
        stream.write_all(bytes).and_then(|()| stream.flush()).expect("the server reads");
    }

    fn message(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 5];
        self.stream.read_exact(&mut head).expect("the server answers in time");
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let mut body = vec![0; length.checked_sub(4).expect("a message is as long as its length")];
        self.stream.read_exact(&mut body).expect("the server sends whole messages");
        (head[0], body)
    }

    /// Reads to the next ReadyForQuery.
    fn answers(&mut self) -> Vec<Answer> {
        let mut answers = Vec::new();
        let (mut columns, mut rows) = (Vec::new(), Vec::new());
        loop {
            let (kind, body) = self.message();
            let mut fields = Fields(&body);
            match kind {
                b'T' => {
                    columns = (0..fields.short()).map(|_| fields.column()).collect();
                }
                b'D' => rows.push((0..fields.short()).map(|_| fields.value()).collect()),
                b'C' | b'I' => {
                    answers
                        .push(Answer::Rows { columns: std::mem::take(&mut columns), rows: std::mem::take(&mut rows) });
                }
                b'E' => {
                    rows.clear();
                    answers.push(fields.error());
                }
                b'R' if fields.int() != 0 => panic!("the server asks for a password"),
                b'Z' => return answers,
                _ => {}
            }
        }
    }
}

fn message(out: &mut Vec<u8>, kind: u8, body: impl FnOnce(&mut Vec<u8>)) {
    out.push(kind);
    let start = out.len();
    out.extend([0; 4]);
    body(out);
    let length = (out.len() - start) as u32;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend(text.bytes().chain([0]));
}

fn count(out: &mut Vec<u8>, count: usize) {
    out.extend(u16::try_from(count).expect("few parameters").to_be_bytes());
}

fn push_request(out: &mut Vec<u8>, request: &Request) {
    message(out, b'P', |body| {
        body.push(0);
        text(body, &request.sql);
        count(body, request.parameters.len());
        body.extend(request.parameters.iter().flat_map(|parameter| parameter.type_oid.to_be_bytes()));
    });
    message(out, b'B', |body| {
        body.extend([0, 0]);
        count(body, request.parameters.len());
        body.extend(request.parameters.iter().flat_map(|parameter| u16::from(parameter.binary).to_be_bytes()));
        count(body, request.parameters.len());
        for parameter in &request.parameters {
            match &parameter.value {
                None => body.extend((-1i32).to_be_bytes()),
                Some(value) => {
                    body.extend((value.len() as u32).to_be_bytes());
                    body.extend(value);
                }
            }
        }
        count(body, 1);
        body.extend(u16::from(request.binary).to_be_bytes());
    });
    message(out, b'D', |body| body.extend(b"P\0"));
    message(out, b'E', |body| body.extend([0, 0, 0, 0, 0]));
    message(out, b'S', |_| {});
}

/// Reads a message's body.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (head, rest) = self.0.split_first_chunk::<N>().expect("the message is whole");
        self.0 = rest;
        *head
    }

    fn short(&mut self) -> u16 {
        u16::from_be_bytes(self.take())
    }

    fn int(&mut self) -> i32 {
        i32::from_be_bytes(self.take())
    }

    fn text(&mut self) -> String {
        let end = self.0.iter().position(|byte| *byte == 0).expect("a text ends with a zero byte");
        let text = String::from_utf8_lossy(&self.0[..end]).into_owned();
        self.0 = &self.0[end + 1..];
        text
    }

    /// A column of a RowDescription: table, number, type, length, modifier and format follow the name.
    fn column(&mut self) -> (String, u32) {
        let name = self.text();
        let _: [u8; 6] = self.take();
        let type_oid = u32::from_be_bytes(self.take());
        let _: [u8; 8] = self.take();
        (name, type_oid)
    }

    fn value(&mut self) -> Option<Vec<u8>> {
        let length = usize::try_from(self.int()).ok()?;
        let (value, rest) = self.0.split_at(length);
        self.0 = rest;
        Some(value.to_vec())
    }

    fn error(&mut self) -> Answer {
        let (mut sqlstate, mut message) = (String::new(), String::new());
        loop {
            match self.take::<1>()[0] {
                0 => return Answer::Error { sqlstate, message },
                b'C' => sqlstate = self.text(),
                b'M' => message = self.text(),
                _ => {
                    self.text();
                }
            }
        }
    }
}
