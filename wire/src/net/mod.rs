//! Sockets and threads: listeners accept, workers run the sessions pinned to them.

pub(crate) mod admission;
pub(crate) mod connection;
pub(crate) mod listener;
pub(crate) mod startup;
pub(crate) mod stats;
pub(crate) mod tls;
pub(crate) mod transport;
pub(crate) mod waiting;
pub(crate) mod worker;
