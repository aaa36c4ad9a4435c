//! Administration of a running node over a Unix socket: the protocol, the server side, what each request does.

pub mod protocol;

pub(crate) mod handlers;
pub mod socket;
