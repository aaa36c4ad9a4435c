//! A thin, safe layer over the part of SQLite's C interface that capture, merge and the `crsql_*` surface use.
//!
//! It runs on the linked library in the server and on a foreign one in the loadable extension ([`ffi`]). Everything here
//! belongs to the thread of its connection.

pub mod cell;
pub mod db;
pub mod ffi;
pub mod function;
pub mod vtab;

pub use cell::{Arg, Cell};
pub use db::{Db, SqliteError, Stmt};
pub use function::Context;
