//! A PostgreSQL client that shows every message of an answer as a line, so that two servers can be compared.
//!
//! It speaks protocol 3.0 without encryption or password, over TCP or a Unix socket. What differs between servers by
//! nature is left out: the table's OID (only whether there is one), and an error's source file, line and routine.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use tests::psql::Server;

/// Longest wait for a message: a server that is silent for longer has hung.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// How a statement is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mode {
    /// One Query message.
    Simple,
    /// Parse, Describe of the statement, Bind, Describe of the portal, Execute, Sync; rows as text.
    Extended,
    /// The same with rows in binary.
    Binary,
}

pub(crate) const MODES: [Mode; 3] = [Mode::Simple, Mode::Extended, Mode::Binary];

trait Stream: Read + Write {}
impl Stream for TcpStream {}
impl Stream for UnixStream {}

/// A session.
pub(crate) struct Client {
    stream: Box<dyn Stream>,
    server: &'static str,
}

impl Client {
    /// Connects and logs in.
    ///
    /// # Panics
    /// If the server refuses.
    pub(crate) fn connect(server: &Server, name: &'static str) -> Self {
        let stream: Box<dyn Stream> = if server.host.starts_with('/') {
            let stream = UnixStream::connect(format!("{}/.s.PGSQL.{}", server.host, server.port)).expect("connect");
            stream.set_read_timeout(Some(ANSWER_MAX)).expect("a timeout");
            Box::new(stream)
        } else {
            let stream = TcpStream::connect((server.host.as_str(), server.port)).expect("connect");
            stream.set_read_timeout(Some(ANSWER_MAX)).expect("a timeout");
            stream.set_nodelay(true).expect("an option of TCP");
            Box::new(stream)
        };
        let mut client = Self { stream, server: name };
        let mut body = 0x3_0000_u32.to_be_bytes().to_vec();
        for (name, value) in [("user", &server.user), ("database", &server.database)] {
            body.extend_from_slice(format!("{name}\0{value}\0").as_bytes());
        }
        body.push(0);
        let message = [&length(body.len()), &body[..]].concat();
        client.stream.write_all(&message).expect("send the start-up message");
        let answer = client.answer();
        assert!(!answer.iter().any(|line| line.starts_with("error")), "{name}: {answer:?}");
        client
    }

    /// Runs a script that must succeed; returns the rows' lines.
    ///
    /// # Panics
    /// If a statement fails.
    #[track_caller]
    pub(crate) fn must(&mut self, sql: &str) -> Vec<String> {
        let answer = self.simple(sql);
        let failed = answer.iter().find(|line| line.starts_with("error"));
        assert!(failed.is_none(), "{}: {sql}\n{failed:?}", self.server);
        answer.iter().filter_map(|line| line.strip_prefix("row ")).map(str::to_owned).collect()
    }

    /// What the server says to a statement.
    pub(crate) fn ask(&mut self, mode: Mode, sql: &str, parameters: &[Option<String>]) -> Vec<String> {
        match mode {
            Mode::Simple => self.simple(sql),
            Mode::Extended => self.extended(sql, parameters, 0),
            Mode::Binary => self.extended(sql, parameters, 1),
        }
    }

    fn simple(&mut self, sql: &str) -> Vec<String> {
        self.send(&framed(b'Q', format!("{sql}\0").as_bytes()));
        self.answer()
    }

    fn extended(&mut self, sql: &str, parameters: &[Option<String>], format: u16) -> Vec<String> {
        let mut bytes = framed(b'P', format!("\0{sql}\0\0\0").as_bytes());
        bytes.extend(framed(b'D', b"S\0"));
        let mut body = vec![0; 4];
        body.extend_from_slice(&u16::try_from(parameters.len()).expect("few parameters").to_be_bytes());
        for parameter in parameters {
            match parameter {
                None => body.extend_from_slice(&(-1_i32).to_be_bytes()),
                Some(text) => {
                    body.extend_from_slice(&u32::try_from(text.len()).expect("short values").to_be_bytes());
                    body.extend_from_slice(text.as_bytes());
                }
            }
        }
        body.extend_from_slice(&1_u16.to_be_bytes());
        body.extend_from_slice(&format.to_be_bytes());
        bytes.extend(framed(b'B', &body));
        bytes.extend(framed(b'D', b"P\0"));
        bytes.extend(framed(b'E', &[0; 5]));
        bytes.extend(framed(b'S', b""));
        self.send(&bytes);
        self.answer()
    }

    fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap_or_else(|error| panic!("{}: send: {error}", self.server));
    }

    /// All messages up to ReadyForQuery, a line each.
    fn answer(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut binary = false;
        loop {
            let (tag, body) = self.message();
            match tag {
                b'T' => lines.extend(columns(&body, &mut binary)),
                b'D' => lines.push(format!("row {}", cells(&body, binary).join(" | "))),
                b'C' => lines.push(format!("tag {}", text(&body))),
                b'E' => lines.extend(fields("error", &body)),
                b'N' => lines.extend(fields("notice", &body)),
                b't' => lines.push(format!("parameters {:?}", oids(&body))),
                b'n' => lines.push("no rows".to_owned()),
                b'I' => lines.push("empty query".to_owned()),
                b'1' | b'2' | b'R' | b'K' | b'S' => {}
                b'Z' => {
                    lines.push(format!("ready {}", text(&body)));
                    return lines;
                }
                other => lines.push(format!("message {}", char::from(other))),
            }
        }
    }

    fn message(&mut self) -> (u8, Vec<u8>) {
        let mut header = [0; 5];
        let server = self.server;
        self.stream.read_exact(&mut header).unwrap_or_else(|error| panic!("{server}: no answer: {error}"));
        let len = u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize;
        let mut body = vec![0; len - 4];
        self.stream.read_exact(&mut body).unwrap_or_else(|error| panic!("{server}: a cut answer: {error}"));
        (header[0], body)
    }
}

fn length(body: usize) -> [u8; 4] {
    u32::try_from(body + 4).expect("test messages are short").to_be_bytes()
}

fn framed(tag: u8, body: &[u8]) -> Vec<u8> {
    [&[tag][..], &length(body.len()), body].concat()
}

fn text(body: &[u8]) -> String {
    String::from_utf8_lossy(body).trim_end_matches('\0').to_owned()
}

/// Reads a message from its start; the tests trust both servers to send whole messages.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let (head, rest) = self.0.split_first_chunk::<N>().expect("a whole message");
        self.0 = rest;
        *head
    }

    fn int2(&mut self) -> i16 {
        i16::from_be_bytes(self.bytes())
    }

    fn int4(&mut self) -> i32 {
        i32::from_be_bytes(self.bytes())
    }

    fn string(&mut self) -> String {
        let end = self.0.iter().position(|byte| *byte == 0).expect("an ended string");
        let (head, rest) = self.0.split_at(end);
        self.0 = &rest[1..];
        String::from_utf8_lossy(head).into_owned()
    }
}

fn columns(body: &[u8], binary: &mut bool) -> Vec<String> {
    let mut reader = Reader(body);
    let count = reader.int2();
    (0..count)
        .map(|_| {
            let name = reader.string();
            let table = if reader.int4() == 0 { "" } else { " of a table" };
            let (attribute, oid, len) = (reader.int2(), reader.int4(), reader.int2());
            let (typmod, format) = (reader.int4(), reader.int2());
            *binary = format == 1;
            format!("column {name}: type {oid}, length {len}, modifier {typmod}, attribute {attribute}{table}")
        })
        .collect()
}

fn cells(body: &[u8], binary: bool) -> Vec<String> {
    let mut reader = Reader(body);
    let count = reader.int2();
    (0..count)
        .map(|_| {
            let Ok(len) = usize::try_from(reader.int4()) else { return "NULL".to_owned() };
            let (cell, rest) = reader.0.split_at(len);
            reader.0 = rest;
            if binary {
                cell.iter().map(|byte| format!("{byte:02x}")).collect()
            } else {
                String::from_utf8_lossy(cell).into_owned()
            }
        })
        .collect()
}

fn oids(body: &[u8]) -> Vec<i32> {
    let mut reader = Reader(body);
    (0..reader.int2()).map(|_| reader.int4()).collect()
}

/// The fields of an error or a notice, a line each, without where in the server's source it was raised.
fn fields(kind: &str, body: &[u8]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in body.split(|byte| *byte == 0).filter(|part| !part.is_empty()) {
        let (code, value) = (part[0], String::from_utf8_lossy(&part[1..]));
        let name = match code {
            b'S' => "severity",
            b'C' => "code",
            b'M' => "message",
            b'D' => "detail",
            b'H' => "hint",
            b'P' => "position",
            b'W' => "context",
            b's' => "schema",
            b't' => "table",
            b'c' => "column",
            b'd' => "type",
            b'n' => "constraint",
            b'V' | b'F' | b'L' | b'R' => continue,
            _ => "field",
        };
        lines.push(format!("{kind} {name} {value}"));
    }
    lines
}
