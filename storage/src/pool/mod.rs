//! Who runs statements: per-worker inline readers, pool threads, the one writer.
//!
//! `mailbox` and `command` say what waits for the writer; `writer` and `transaction` run it; `lease` is the holder's handle.
//! `reader` and `snapshot` are the read pool, `slot` its side of the WAL policy. `gate`, `run` and `time` serve them all.

pub(crate) mod command;
pub(crate) mod connection;
pub(crate) mod gate;
pub mod inline;
pub mod lease;
pub(crate) mod mailbox;
pub(crate) mod reader;
pub(crate) mod run;
pub(crate) mod savepoint;
mod schema_change;
pub(crate) mod shared;
pub(crate) mod slot;
pub mod snapshot;
pub(crate) mod sync;
pub(crate) mod time;
mod transaction;
pub(crate) mod writer;

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod schema_tests;
#[cfg(test)]
mod tests;
