//! Integration tests: the real binary, real clients, real sockets.

mod admin;
mod configuration;
mod describe;
mod kill_9;
mod limits;
mod newcomer;
mod pgbench;
mod reload;
mod roles;
mod security;
mod shutdown;
