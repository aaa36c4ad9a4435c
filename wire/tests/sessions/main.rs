//! Sessions over real sockets: what a client sends and hears, byte for byte where it matters.

mod advisory;
mod cursors;
mod extended;
mod harness;
mod lifecycle;
mod notifications;
mod settings;
mod simple;
mod transactions;
