//! Integration tests: the real binary, real clients, real sockets.

mod admin;
mod anomalies;
mod configuration;
mod describe;
mod drivers;
mod fuzz;
mod injection;
mod kill_9;
mod limits;
mod memory;
mod newcomer;
mod pgbench;
mod reload;
mod roles;
mod security;
mod shutdown;
mod value_matrix;
