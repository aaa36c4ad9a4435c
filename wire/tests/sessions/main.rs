//! Sessions over real sockets: what a client sends and hears, byte for byte where it matters.

mod extended;
mod harness;
mod lifecycle;
mod simple;
mod transactions;
