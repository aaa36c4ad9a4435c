//! PostgreSQL's protocol, version 3, as bytes in and bytes out: frames, messages, start-up, and the order of replies.
//!
//! Pure: nothing here reads a socket or runs a statement.
//! Source: <https://www.postgresql.org/docs/15/protocol.html>

pub(crate) mod backend;
pub(crate) mod cancel;
pub(crate) mod frontend;
pub(crate) mod machine;
pub(crate) mod startup;

pub use crate::types::Format;

/// ReadyForQuery's indicator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadyStatus {
    Idle,
    InTransaction,
    Failed,
}
