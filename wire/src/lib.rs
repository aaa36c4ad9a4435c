//! The PostgreSQL front end: bytes in, statements on a [`storage::Store`], rows and messages out.
//!
//! | layer | modules | pure |
//! |---|---|---|
//! | sockets, threads | `net`, `execute` | no |
//! | who gets in | [`auth`] | yes |
//! | sessions | `protocol`, `session`, `notify` | yes, but for the state that sessions share |
//! | translation | `sql` (lexer, parser) -> `bind` -> `ir` -> `emit` -> [`plan`] | yes |
//! | values and functions | [`types`], [`function`] | yes |
//! | catalog | `catalog` | yes |

pub mod auth;
mod bind;
pub mod catalog;
pub mod config;
mod emit;
pub mod error;
mod execute;
pub mod function;
mod ir;
mod net;
mod notify;
pub mod plan;
pub mod planner;
pub mod protocol;
pub mod session;
mod sql;
pub mod types;

pub use net::listener::{Certificates, Handle, ServeError, serve};
pub use net::stats::Stats;
pub use net::tls::TlsError;
