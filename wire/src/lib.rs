//! The PostgreSQL front end: bytes in, statements on a [`storage::Store`], rows and messages out.
//!
//! | layer | modules | pure |
//! |---|---|---|
//! | sockets, threads | `net`, `execute` | no |
//! | sessions | `protocol`, `session` | yes |
//! | translation | `sql` (lexer, parser) -> `bind` -> `ir` -> `emit` -> [`plan`] | yes |
//! | values and functions | [`types`], [`function`] | yes |
//! | catalog | `catalog` | yes |

mod bind;
pub mod catalog;
pub mod config;
mod emit;
pub mod error;
pub mod function;
mod ir;
pub mod plan;
pub mod planner;
// Sockets and execution, which use these two, come next.
#[expect(dead_code, reason = "used by the loop that connects them to sockets")]
pub mod protocol;
#[expect(dead_code, reason = "used by the loop that connects them to sockets")]
pub mod session;
mod sql;
pub mod types;
