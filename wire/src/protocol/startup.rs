//! The packets before a session exists: SSLRequest, GSSENCRequest, CancelRequest and StartupMessage.
//!
//! Source: <https://www.postgresql.org/docs/15/protocol-flow.html#id-1.10.6.7.3>

use crate::error::{SqlError, sqlstate};

/// PostgreSQL's own limit for a start-up packet; nothing a client has to say here is longer.
pub(crate) const STARTUP_SIZE_MAX: usize = 10_000;
/// How often a client may ask for encryption before it must start: once for each kind.
pub(crate) const ENCRYPTION_REQUESTS_MAX: u32 = 2;

const PROTOCOL_MAJOR: u32 = 3;
/// The newest minor version spoken: 3.2 has longer cancel keys. 3.1 never was.
pub(crate) const PROTOCOL_MINOR_MAX: u32 = 2;
/// Longest secret of a cancel key, the protocol's limit.
const SECRET_LEN_MAX: usize = 256;
const CANCEL_REQUEST: u32 = 80_877_102;
const SSL_REQUEST: u32 = 80_877_103;
const GSSENC_REQUEST: u32 = 80_877_104;

/// A packet of the start-up phase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StartupPacket {
    /// TLS asked for: answered `S` or `N`, then the client goes on or leaves.
    Tls,
    /// GSSAPI encryption asked for: answered `N`.
    Gss,
    Cancel {
        pid: i32,
        secret: Box<[u8]>,
    },
    Start(Startup),
}

/// A StartupMessage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Startup {
    pub user: String,
    pub database: String,
    /// Settings to apply, in the order of the packet; `options` comes last, taken apart.
    pub settings: Vec<(String, String)>,
    /// The minor version of protocol 3 to speak.
    pub minor: u32,
    /// Set when the client asked for more than there is: the options it must be told it does not get.
    pub negotiate: Option<Vec<String>>,
}

/// Cuts and decodes the packet at the start of `input`; None until it is complete. The number is its length in bytes.
///
/// # Errors
/// FATAL: 08P01 for what is no packet, 0A000 for another protocol version, 28000 without a user name.
pub(crate) fn next_packet(input: &[u8]) -> Result<Option<(StartupPacket, usize)>, SqlError> {
    let Some((length, _)) = input.split_first_chunk::<4>() else {
        return Ok(None);
    };
    let len = u32::from_be_bytes(*length) as usize;
    if !(8..=STARTUP_SIZE_MAX).contains(&len) {
        return Err(SqlError::new(sqlstate::PROTOCOL_VIOLATION, "invalid length of startup packet"));
    }
    let Some(packet) = input.get(4..len) else {
        return Ok(None);
    };
    let (code, body) = split_u32(packet).ok_or_else(invalid_layout)?;
    let packet = match code {
        SSL_REQUEST => StartupPacket::Tls,
        GSSENC_REQUEST => StartupPacket::Gss,
        CANCEL_REQUEST => {
            let (pid, rest) = split_u32(body).ok_or_else(invalid_layout)?;
            if rest.is_empty() || rest.len() > SECRET_LEN_MAX {
                return Err(invalid_layout());
            }
            StartupPacket::Cancel { pid: pid.cast_signed(), secret: rest.into() }
        }
        version => StartupPacket::Start(decode_startup(version, body)?),
    };
    Ok(Some((packet, len)))
}

fn decode_startup(version: u32, body: &[u8]) -> Result<Startup, SqlError> {
    let (major, minor) = (version >> 16, version & 0xffff);
    if major != PROTOCOL_MAJOR {
        return Err(SqlError::unsupported(format!(
            "unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.{PROTOCOL_MINOR_MAX}"
        )));
    }
    let mut startup = Startup {
        user: String::new(),
        database: String::new(),
        settings: Vec::new(),
        minor: minor.min(PROTOCOL_MINOR_MAX),
        negotiate: None,
    };
    let mut unknown = Vec::new();
    let mut options = String::new();
    for (name, value) in decode_pairs(body)? {
        match name {
            "user" => startup.user = value.to_owned(),
            "database" => startup.database = value.to_owned(),
            "options" => options = value.to_owned(),
            "replication" if matches!(value, "false" | "off" | "no" | "0") => {}
            "replication" => return Err(SqlError::unsupported("replication connections are not supported")),
            extension if extension.starts_with("_pq_.") => unknown.push(extension.to_owned()),
            _ => startup.settings.push((name.to_owned(), value.to_owned())),
        }
    }
    if startup.user.is_empty() {
        return Err(SqlError::new(
            sqlstate::INVALID_AUTHORIZATION,
            "no PostgreSQL user name specified in startup packet",
        ));
    }
    if startup.database.is_empty() {
        startup.database.clone_from(&startup.user);
    }
    startup.settings.extend(decode_options(&options)?);
    if minor > PROTOCOL_MINOR_MAX || !unknown.is_empty() {
        startup.negotiate = Some(unknown);
    }
    Ok(startup)
}

/// Name and value pairs, each ended by a zero byte, with a last zero byte after them.
fn decode_pairs(body: &[u8]) -> Result<Vec<(&str, &str)>, SqlError> {
    let text = std::str::from_utf8(body)
        .map_err(|_| SqlError::new(sqlstate::BAD_ENCODING, "startup packet is not valid UTF-8"))?;
    let mut pairs = Vec::new();
    let mut rest = text;
    loop {
        let (name, after) = rest.split_once('\0').ok_or_else(invalid_layout)?;
        if name.is_empty() {
            return if after.is_empty() { Ok(pairs) } else { Err(invalid_layout()) };
        }
        let (value, after) = after.split_once('\0').ok_or_else(invalid_layout)?;
        pairs.push((name, value));
        rest = after;
    }
}

/// Takes apart the start-up parameter `options`: `-c name=value`, `-cname=value` and `--name=value`, with backslash escapes.
fn decode_options(options: &str) -> Result<Vec<(String, String)>, SqlError> {
    let mut settings = Vec::new();
    let mut words = split_words(options).into_iter();
    while let Some(word) = words.next() {
        let assignment = if let Some(long) = word.strip_prefix("--") {
            long.to_owned()
        } else if word == "-c" {
            words.next().unwrap_or_default()
        } else if let Some(short) = word.strip_prefix("-c") {
            short.to_owned()
        } else {
            return Err(SqlError::new(
                sqlstate::SYNTAX_ERROR,
                format!("invalid command-line argument for server process: {word}"),
            ));
        };
        let Some((name, value)) = assignment.split_once('=') else {
            return Err(SqlError::new(sqlstate::SYNTAX_ERROR, format!("-c {assignment} requires a value")));
        };
        settings.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(settings)
}

fn split_words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut in_word = false;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c.is_ascii_whitespace() {
            if in_word {
                words.push(std::mem::take(&mut word));
            }
            in_word = false;
            continue;
        }
        in_word = true;
        if c == '\\' {
            word.extend(chars.next());
        } else {
            word.push(c);
        }
    }
    if in_word {
        words.push(word);
    }
    words
}

fn split_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    bytes.split_first_chunk::<4>().map(|(head, rest)| (u32::from_be_bytes(*head), rest))
}

fn invalid_layout() -> SqlError {
    SqlError::new(sqlstate::PROTOCOL_VIOLATION, "invalid startup packet layout: expected terminator as last byte")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packet(code: u32, body: &[u8]) -> Vec<u8> {
        let len = u32::try_from(body.len() + 8).expect("short");
        [&len.to_be_bytes()[..], &code.to_be_bytes(), body].concat()
    }

    fn start(version: u32, body: &[u8]) -> Result<Startup, SqlError> {
        let packet = next_packet(&packet(version, body))?.expect("whole").0;
        let StartupPacket::Start(startup) = packet else { panic!("not a start: {packet:?}") };
        Ok(startup)
    }

    fn setting(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn requests_are_told_apart() {
        let ssl = next_packet(&packet(SSL_REQUEST, b"")).expect("good").expect("whole");
        assert_eq!(ssl, (StartupPacket::Tls, 8));
        let gss = next_packet(&packet(GSSENC_REQUEST, b"")).expect("good").expect("whole");
        assert_eq!(gss.0, StartupPacket::Gss);
        let cancel = next_packet(&packet(CANCEL_REQUEST, &[0, 0, 0, 7, 0xff, 0xff, 0xff, 0xff])).expect("good");
        assert_eq!(cancel.expect("whole").0, StartupPacket::Cancel { pid: 7, secret: [0xff; 4].into() });
        assert_eq!(next_packet(&packet(CANCEL_REQUEST, &[0, 0, 0, 7])).expect_err("no secret").sqlstate, "08P01");
        let long = [&[0, 0, 0, 7][..], &[1; 257]].concat();
        assert_eq!(next_packet(&packet(CANCEL_REQUEST, &long)).expect_err("long secret").sqlstate, "08P01");
    }

    #[test]
    fn the_database_is_the_user_unless_named() {
        let startup = start(0x3_0000, b"user\0ann\0application_name\0psql\0\0").expect("good");
        assert_eq!((startup.user.as_str(), startup.database.as_str()), ("ann", "ann"));
        assert_eq!(startup.settings, [setting("application_name", "psql")]);
        assert_eq!(startup.negotiate, None);
    }

    #[test]
    fn newer_minor_versions_and_protocol_options_are_negotiated_down() {
        let spoken = |version| {
            let startup = start(version, b"user\0a\0\0").expect("good");
            (startup.minor, startup.negotiate)
        };
        assert_eq!(spoken(0x3_0000), (0, None));
        assert_eq!(spoken(0x3_0002), (2, None));
        assert_eq!(spoken(0x3_0009), (2, Some(vec![])));
        let startup = start(0x3_0000, b"user\0a\0_pq_.x\x001\0\0").expect("good");
        assert_eq!(startup.negotiate, Some(vec!["_pq_.x".to_owned()]));
    }

    #[test]
    fn options_are_taken_apart() {
        let startup = start(0x3_0000, b"user\0a\0options\0-c a=1 --b-c=x\\ y  -cd=\0\0").expect("good");
        assert_eq!(startup.settings, [setting("a", "1"), setting("b_c", "x y"), setting("d", "")]);
    }

    #[test]
    fn bad_packets_are_refused() {
        assert_eq!(start(0x2_0000, b"\0").expect_err("version 2").sqlstate, "0A000");
        assert_eq!(start(0x3_0000, b"database\0d\0\0").expect_err("no user").sqlstate, "28000");
        assert_eq!(start(0x3_0000, b"user\0a").expect_err("no terminator").sqlstate, "08P01");
        assert_eq!(start(0x3_0000, b"user\0a\0options\0-z\0\0").expect_err("option").sqlstate, "42601");
        assert_eq!(next_packet(&[0, 0, 0, 4]).expect_err("too short").sqlstate, "08P01");
        assert_eq!(next_packet(b"GET / HTTP/1.1").expect_err("not ours").sqlstate, "08P01");
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = next_packet(&bytes);
            let _ = next_packet(&packet(0x3_0000, &bytes));
            let _ = next_packet(&packet(CANCEL_REQUEST, &bytes));
        }
    }
}
