//! From messages to storage and back: binds values, chooses who runs a statement, runs it, and encodes its rows.
//!
//! [`executor::Executor`] is one session; the files beside it are its parts. The decisions ([`route`]) are pure, the rest awaits
//! storage and the client's socket.

pub(crate) mod clock;
mod cursor;
pub(crate) mod effects;
pub(crate) mod executor;
mod extended;
pub(crate) mod offload;
pub(crate) mod outbox;
mod route;
mod rows;
mod run;
mod simple;
mod stream;
mod transact;
mod utility;
mod values;
