//! Sockets and threads: listeners accept, workers run the sessions pinned to them.

pub(crate) mod connection;
pub(crate) mod listener;
pub(crate) mod stats;
pub(crate) mod worker;
