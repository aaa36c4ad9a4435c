//! What a client sends after start-up: cuts frames out of received bytes and decodes their bodies.
//!
//! Every length and count is checked against the frame that carries it, never against the bytes that happen to follow; no
//! input panics (`random_bytes_never_panic`). Text must be UTF-8, as the only client encoding is UTF8.
//! Source: <https://www.postgresql.org/docs/15/protocol-message-formats.html>

use super::Format;
use crate::error::{SqlError, sqlstate};

/// Type byte and length field.
const HEADER_LEN: usize = 5;
/// How many bytes of a bad sequence an encoding error shows.
const BAD_BYTES_SHOWN_MAX: usize = 4;

/// One whole message still undecoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub tag: u8,
    pub body: &'a [u8],
    /// Bytes of the input that the frame takes.
    pub len: usize,
}

/// Cuts the first frame off `input`; None until it is complete.
///
/// # Errors
/// 08P01 when the length field cannot be true or passes `size_max`: the stream cannot be followed any more.
pub(crate) fn next_frame(input: &[u8], size_max: usize) -> Result<Option<Frame<'_>>, SqlError> {
    let Some((header, _)) = input.split_first_chunk::<HEADER_LEN>() else {
        return Ok(None);
    };
    let [tag, l0, l1, l2, l3] = *header;
    if !is_known(tag) {
        return Err(SqlError::new(sqlstate::PROTOCOL_VIOLATION, format!("invalid frontend message type {tag}")));
    }
    let announced = u32::from_be_bytes([l0, l1, l2, l3]) as usize;
    if announced < 4 {
        return Err(SqlError::new(sqlstate::PROTOCOL_VIOLATION, "invalid message length"));
    }
    if announced > size_max {
        return Err(SqlError::new(sqlstate::PROTOCOL_VIOLATION, "invalid message length")
            .detail(format!("A message of {announced} bytes exceeds the limit of {size_max} bytes.")));
    }
    let len = announced + 1;
    Ok(input.get(HEADER_LEN..len).map(|body| Frame { tag, body, len }))
}

fn is_known(tag: u8) -> bool {
    b"QPBDECSHXFdcfp".contains(&tag)
}

/// What Describe and Close point at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target<'a> {
    Statement(&'a str),
    Portal(&'a str),
}

/// A Bind message. The unnamed statement and portal have empty names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bind<'a> {
    pub portal: &'a str,
    pub statement: &'a str,
    pub param_formats: Vec<Format>,
    /// None is NULL.
    pub params: Vec<Option<&'a [u8]>>,
    pub result_formats: Vec<Format>,
}

/// A decoded message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frontend<'a> {
    Query(&'a str),
    Parse {
        name: &'a str,
        text: &'a str,
        types: Vec<u32>,
    },
    Bind(Bind<'a>),
    Describe(Target<'a>),
    Execute {
        portal: &'a str,
        /// 0: all.
        max_rows: u32,
    },
    Close(Target<'a>),
    Sync,
    Flush,
    Terminate,
    FunctionCall,
    /// Copy messages outside of a copy, which PostgreSQL ignores.
    StrayCopy,
    Password,
}

/// The body of SASLInitialResponse: the mechanism that the client chose, and its first message.
///
/// # Errors
/// 08P01 when the body does not hold what it must.
pub(crate) fn decode_sasl_initial(body: &[u8]) -> Result<(&str, &[u8]), SqlError> {
    let mut body = Body { rest: body };
    let mechanism = body.text()?;
    let len = usize::try_from(body.i32()?).map_err(|_| malformed())?;
    if body.rest.len() != len {
        return Err(malformed());
    }
    Ok((mechanism, body.rest))
}

/// Decodes a frame's body.
///
/// # Errors
/// 08P01 when the body does not hold what its type demands, 22021 when text is not UTF-8. The next frame is intact.
pub(crate) fn decode<'a>(frame: &Frame<'a>) -> Result<Frontend<'a>, SqlError> {
    let mut body = Body { rest: frame.body };
    let message = match frame.tag {
        b'Q' => Frontend::Query(body.text()?),
        b'P' => Frontend::Parse { name: body.text()?, text: body.text()?, types: body.list(4, Body::u32)? },
        b'B' => Frontend::Bind(decode_bind(&mut body)?),
        b'D' => Frontend::Describe(decode_target(&mut body, "DESCRIBE")?),
        b'E' => Frontend::Execute { portal: body.text()?, max_rows: u32::try_from(body.i32()?).unwrap_or(0) },
        b'C' => Frontend::Close(decode_target(&mut body, "CLOSE")?),
        b'S' => Frontend::Sync,
        b'H' => Frontend::Flush,
        b'X' => Frontend::Terminate,
        b'F' => return Ok(Frontend::FunctionCall),
        b'd' | b'c' | b'f' => return Ok(Frontend::StrayCopy),
        b'p' => return Ok(Frontend::Password),
        other => {
            return Err(SqlError::new(sqlstate::PROTOCOL_VIOLATION, format!("invalid frontend message type {other}")));
        }
    };
    if !body.rest.is_empty() {
        return Err(malformed());
    }
    Ok(message)
}

fn decode_bind<'a>(body: &mut Body<'a>) -> Result<Bind<'a>, SqlError> {
    Ok(Bind {
        portal: body.text()?,
        statement: body.text()?,
        param_formats: body.list(2, Body::format)?,
        params: body.list(4, Body::param)?,
        result_formats: body.list(2, Body::format)?,
    })
}

fn decode_target<'a>(body: &mut Body<'a>, message: &str) -> Result<Target<'a>, SqlError> {
    let kind = body.take(1)?;
    let name = body.text()?;
    match kind {
        b"S" => Ok(Target::Statement(name)),
        b"P" => Ok(Target::Portal(name)),
        other => {
            let subtype = other.first().copied().unwrap_or(0);
            Err(SqlError::new(sqlstate::PROTOCOL_VIOLATION, format!("invalid {message} message subtype {subtype}")))
        }
    }
}

/// Whether the next complete frame of `input` is a Sync: what lets a single write skip the writer lease.
pub(crate) fn sync_is_next(input: &[u8]) -> bool {
    input.starts_with(&[b'S', 0, 0, 0, 4])
}

struct Body<'a> {
    rest: &'a [u8],
}

impl<'a> Body<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], SqlError> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or_else(insufficient)?;
        self.rest = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], SqlError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or_else(insufficient)?;
        self.rest = rest;
        Ok(*head)
    }

    fn u32(&mut self) -> Result<u32, SqlError> {
        self.array().map(u32::from_be_bytes)
    }

    fn i32(&mut self) -> Result<i32, SqlError> {
        self.array().map(i32::from_be_bytes)
    }

    fn u16(&mut self) -> Result<u16, SqlError> {
        self.array().map(u16::from_be_bytes)
    }

    /// A count and that many elements of at least `element_len` bytes; the count cannot make us reserve more than the frame holds.
    fn list<T>(
        &mut self,
        element_len: usize,
        element: impl Fn(&mut Self) -> Result<T, SqlError>,
    ) -> Result<Vec<T>, SqlError> {
        let count = usize::from(self.u16()?);
        if count * element_len > self.rest.len() {
            return Err(insufficient());
        }
        (0..count).map(|_| element(self)).collect()
    }

    fn format(&mut self) -> Result<Format, SqlError> {
        match self.u16()? {
            0 => Ok(Format::Text),
            1 => Ok(Format::Binary),
            other => Err(SqlError::new(
                sqlstate::INVALID_PARAMETER_VALUE,
                format!("unsupported format code: {}", other.cast_signed()),
            )),
        }
    }

    fn param(&mut self) -> Result<Option<&'a [u8]>, SqlError> {
        match self.i32()? {
            -1 => Ok(None),
            len => self.take(usize::try_from(len).map_err(|_| malformed())?).map(Some),
        }
    }

    /// A string up to its terminating zero byte.
    fn text(&mut self) -> Result<&'a str, SqlError> {
        let end = self
            .rest
            .iter()
            .position(|b| *b == 0)
            .ok_or_else(|| SqlError::new(sqlstate::PROTOCOL_VIOLATION, "invalid string in message"))?;
        let bytes = self.take(end + 1)?;
        let bytes = bytes.get(..end).unwrap_or_default();
        std::str::from_utf8(bytes).map_err(|e| bad_encoding(bytes.get(e.valid_up_to()..).unwrap_or_default()))
    }
}

fn insufficient() -> SqlError {
    SqlError::new(sqlstate::PROTOCOL_VIOLATION, "insufficient data left in message")
}

fn malformed() -> SqlError {
    SqlError::new(sqlstate::PROTOCOL_VIOLATION, "invalid message format")
}

fn bad_encoding(rest: &[u8]) -> SqlError {
    let shown: Vec<String> = rest.iter().take(BAD_BYTES_SHOWN_MAX).map(|b| format!("0x{b:02x}")).collect();
    SqlError::new(sqlstate::BAD_ENCODING, format!("invalid byte sequence for encoding \"UTF8\": {}", shown.join(" ")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 1 << 20;

    fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
        let len = u32::try_from(body.len() + 4).expect("test bodies are short");
        [&[tag][..], &len.to_be_bytes(), body].concat()
    }

    fn code(tag: u8, body: &[u8]) -> String {
        let bytes = frame(tag, body);
        let frame = next_frame(&bytes, LIMIT).expect("length is right").expect("frame is whole");
        decode(&frame).map_or_else(|e| e.sqlstate.into_owned(), |m| format!("{m:?}"))
    }

    #[test]
    fn a_frame_is_cut_only_when_complete() {
        let bytes = frame(b'Q', b"select 1\0");
        for end in 0..bytes.len() {
            assert_eq!(next_frame(&bytes[..end], LIMIT).expect("prefix of a good frame"), None);
        }
        let whole = next_frame(&bytes, LIMIT).expect("good frame").expect("complete");
        assert_eq!((whole.tag, whole.len), (b'Q', bytes.len()));
    }

    #[test]
    fn impossible_and_oversized_lengths_are_refused_before_the_body_arrives() {
        for header in [[b'Q', 0, 0, 0, 3], [b'Q', 0xff, 0xff, 0xff, 0xff], [b'Q', 0, 0x20, 0, 0]] {
            assert_eq!(next_frame(&header, LIMIT).expect_err("refused").sqlstate, "08P01");
        }
        assert!(next_frame(b"!\0\0\0\x04", LIMIT).is_err());
    }

    #[test]
    fn counts_beyond_the_frame_are_refused_even_when_more_bytes_follow() {
        let mut bytes = frame(b'P', b"\0select 1\0\xff\xff");
        bytes.extend_from_slice(&[0; 300_000]);
        let frame = next_frame(&bytes, LIMIT).expect("good length").expect("whole");
        assert_eq!(decode(&frame).expect_err("refused").sqlstate, "08P01");
    }

    #[test]
    fn malformed_bodies_are_protocol_violations() {
        assert_eq!(code(b'Q', b"no terminator"), "08P01");
        assert_eq!(code(b'Q', b"select 1\0trailing"), "08P01");
        assert_eq!(code(b'P', b"\0x\0"), "08P01");
        assert_eq!(code(b'B', b"\0\0\0\0\0\x01\x7f\xff\xff\xff\0\0"), "08P01");
        assert_eq!(code(b'B', b"\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0"), "08P01");
        assert_eq!(code(b'D', b"Zname\0"), "08P01");
        assert_eq!(code(b'S', b"x"), "08P01");
    }

    #[test]
    fn text_that_is_not_utf8_is_refused() {
        assert_eq!(code(b'Q', b"select '\xff'\0"), "22021");
    }

    #[test]
    fn a_bind_decodes_nulls_and_formats() {
        let body = b"p\0s\0\0\x01\0\x01\0\x02\xff\xff\xff\xff\0\0\0\x01x\0\0";
        let bytes = frame(b'B', body);
        let frame = next_frame(&bytes, LIMIT).expect("good").expect("whole");
        let Frontend::Bind(bind) = decode(&frame).expect("decodes") else { panic!("not a Bind") };
        assert_eq!((bind.portal, bind.statement), ("p", "s"));
        assert_eq!(bind.param_formats, [Format::Binary]);
        assert_eq!(bind.params, [None, Some(&b"x"[..])]);
        assert!(bind.result_formats.is_empty());
    }

    #[test]
    fn a_sync_that_follows_is_seen_only_when_whole() {
        assert!(sync_is_next(b"S\0\0\0\x04"));
        assert!(!sync_is_next(b"S\0\0\0"));
        assert!(!sync_is_next(b"H\0\0\0\x04S\0\0\0\x04"));
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), tag in 0usize..14) {
            let _ = next_frame(&bytes, LIMIT);
            let framed = frame(b"QPBDECSHXFdcfp"[tag], &bytes);
            let cut = next_frame(&framed, LIMIT).expect("good length").expect("whole");
            let _ = decode(&cut);
        }
    }
}
