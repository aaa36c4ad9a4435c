//! What the server sends: appends whole messages to a buffer.
//!
//! Strings never carry a zero byte onto the wire: it would end the field early, so it is left out.
//! Source: <https://www.postgresql.org/docs/15/protocol-message-formats.html>

use super::{Format, ReadyStatus};
use crate::error::SqlError;
use crate::notify::Notification;
use crate::plan::ResultColumn;
use crate::types::catalog;

/// Severity of an ErrorResponse or NoticeResponse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    Error,
    /// The session ends.
    Fatal,
    Warning,
    Notice,
}

impl Severity {
    fn name(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
            Self::Warning => "WARNING",
            Self::Notice => "NOTICE",
        }
    }

    fn tag(self) -> u8 {
        match self {
            Self::Error | Self::Fatal => b'E',
            Self::Warning | Self::Notice => b'N',
        }
    }
}

/// A message that only has a type.
pub(crate) fn bare(out: &mut Vec<u8>, tag: u8) {
    out.extend_from_slice(&[tag, 0, 0, 0, 4]);
}

pub(crate) fn authentication_ok(out: &mut Vec<u8>) {
    out.extend_from_slice(&[b'R', 0, 0, 0, 8, 0, 0, 0, 0]);
}

/// The mechanisms the client may choose from, best first.
pub(crate) fn authentication_sasl(out: &mut Vec<u8>, mechanisms: &[&str]) {
    message(out, b'R', |out| {
        out.extend_from_slice(&10_u32.to_be_bytes());
        for mechanism in mechanisms {
            text(out, mechanism);
        }
        out.push(0);
    });
}

pub(crate) fn authentication_sasl_continue(out: &mut Vec<u8>, data: &str) {
    authentication_data(out, 11, data);
}

pub(crate) fn authentication_sasl_final(out: &mut Vec<u8>, data: &str) {
    authentication_data(out, 12, data);
}

fn authentication_data(out: &mut Vec<u8>, kind: u32, data: &str) {
    message(out, b'R', |out| {
        out.extend_from_slice(&kind.to_be_bytes());
        out.extend_from_slice(data.as_bytes());
    });
}

pub(crate) fn backend_key_data(out: &mut Vec<u8>, pid: i32, secret: &[u8]) {
    message(out, b'K', |out| {
        out.extend_from_slice(&pid.to_be_bytes());
        out.extend_from_slice(secret);
    });
}

/// The version spoken is 3.`minor`.
pub(crate) fn negotiate_protocol_version(out: &mut Vec<u8>, minor: u32, unknown: &[String]) {
    message(out, b'v', |out| {
        out.extend_from_slice(&(0x3_0000 | minor).to_be_bytes());
        out.extend_from_slice(&u32::try_from(unknown.len()).unwrap_or(0).to_be_bytes());
        for name in unknown {
            text(out, name);
        }
    });
}

pub(crate) fn parameter_status(out: &mut Vec<u8>, name: &str, value: &str) {
    message(out, b'S', |out| {
        text(out, name);
        text(out, value);
    });
}

pub(crate) fn ready_for_query(out: &mut Vec<u8>, status: ReadyStatus) {
    let indicator = match status {
        ReadyStatus::Idle => b'I',
        ReadyStatus::InTransaction => b'T',
        ReadyStatus::Failed => b'E',
    };
    out.extend_from_slice(&[b'Z', 0, 0, 0, 5, indicator]);
}

pub(crate) fn command_complete(out: &mut Vec<u8>, tag: &str) {
    message(out, b'C', |out| text(out, tag));
}

pub(crate) fn notification(out: &mut Vec<u8>, notification: &Notification) {
    message(out, b'A', |out| {
        out.extend_from_slice(&notification.pid.to_be_bytes());
        text(out, &notification.channel);
        text(out, &notification.payload);
    });
}

/// ErrorResponse or NoticeResponse, by severity.
pub(crate) fn report(out: &mut Vec<u8>, severity: Severity, error: &SqlError) {
    message(out, severity.tag(), |out| {
        let mut field = |code: u8, value: &str| {
            out.push(code);
            text(out, value);
        };
        field(b'S', severity.name());
        field(b'V', severity.name());
        field(b'C', &error.sqlstate);
        field(b'M', &error.message);
        if let Some(detail) = &error.detail {
            field(b'D', detail);
        }
        if let Some(hint) = &error.hint {
            field(b'H', hint);
        }
        if let Some(position) = error.position {
            field(b'P', &position.to_string());
        }
        if let Some(context) = &error.context {
            field(b'W', context);
        }
        if let Some(table) = &error.table {
            field(b's', "public");
            field(b't', table);
        }
        if let Some(column) = &error.column {
            field(b'c', column);
        }
        if let Some(constraint) = &error.constraint {
            field(b'n', constraint);
        }
        out.push(0);
    });
}

pub(crate) fn parameter_description(out: &mut Vec<u8>, types: &[u32]) {
    message(out, b't', |out| {
        count(out, types.len());
        for oid in types {
            out.extend_from_slice(&oid.to_be_bytes());
        }
    });
}

/// RowDescription; `formats` has one entry for each column, or is empty when they are not known yet (Describe of a statement).
pub(crate) fn row_description(out: &mut Vec<u8>, columns: &[ResultColumn], formats: &[Format]) {
    message(out, b'T', |out| {
        count(out, columns.len());
        for (index, column) in columns.iter().enumerate() {
            text(out, &column.name);
            out.extend_from_slice(&column.table_oid.to_be_bytes());
            out.extend_from_slice(&column.attribute_number.to_be_bytes());
            out.extend_from_slice(&column.type_oid.to_be_bytes());
            out.extend_from_slice(&type_len(column.type_oid).to_be_bytes());
            out.extend_from_slice(&column.typmod.to_be_bytes());
            let code: u16 = match formats.get(index).copied().unwrap_or_default() {
                Format::Text => 0,
                Format::Binary => 1,
            };
            out.extend_from_slice(&code.to_be_bytes());
        }
    });
}

/// Appends a message whose length is filled in afterwards.
pub(crate) fn message(out: &mut Vec<u8>, tag: u8, body: impl FnOnce(&mut Vec<u8>)) {
    out.push(tag);
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    body(out);
    fill_length(out, start);
}

/// Writes into the four bytes at `start` how many bytes follow from there on.
pub(crate) fn fill_length(out: &mut [u8], start: usize) {
    // Results are cut into chunks and cells are at most 1 GiB (SQLite's limit), so the length fits.
    let len = u32::try_from(out.len() - start).unwrap_or(u32::MAX);
    if let Some(field) = out.get_mut(start..start + 4) {
        field.copy_from_slice(&len.to_be_bytes());
    }
}

/// `pg_type.typlen`: the size in bytes of a fixed-size type, -1 for others.
fn type_len(type_oid: u32) -> i16 {
    catalog::by_oid(type_oid).map_or(-1, |info| info.length)
}

/// Columns and parameters number at most 65,535 by the limits of parsing.
fn count(out: &mut Vec<u8>, len: usize) {
    out.extend_from_slice(&u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes());
}

fn text(out: &mut Vec<u8>, value: &str) {
    if value.contains('\0') {
        out.extend(value.bytes().filter(|b| *b != 0));
    } else {
        out.extend_from_slice(value.as_bytes());
    }
    out.push(0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Representation;
    use crate::types::oid;

    #[test]
    fn an_error_carries_its_fields_in_order() {
        let mut out = Vec::new();
        let mut error = SqlError::new("23505", "dup").detail("d").hint("h").at(7);
        error.table = Some("t".into());
        error.constraint = Some("t_pkey".into());
        report(&mut out, Severity::Error, &error);
        let body = b"SERROR\0VERROR\0C23505\0Mdup\0Dd\0Hh\0P7\0spublic\0tt\0nt_pkey\0\0";
        assert_eq!(out[0], b'E');
        assert_eq!(&out[5..], body);
        assert_eq!(out[1..5], u32::try_from(body.len() + 4).expect("short").to_be_bytes());
    }

    #[test]
    fn a_zero_byte_in_a_text_does_not_end_the_field() {
        let mut out = Vec::new();
        parameter_status(&mut out, "a\0b", "c");
        assert_eq!(&out[5..], b"ab\0c\0");
    }

    #[test]
    fn a_row_description_names_type_length_and_format() {
        let column = ResultColumn {
            name: "n".into(),
            type_oid: oid::INT4,
            typmod: -1,
            table_oid: 16_384,
            attribute_number: 2,
            representation: Representation::Typed,
        };
        let mut out = Vec::new();
        row_description(&mut out, &[column], &[Format::Binary]);
        assert_eq!(&out[5..], b"\0\x01n\0\0\0\x40\0\0\x02\0\0\0\x17\0\x04\xff\xff\xff\xff\0\x01");
    }
}
