//! The schema: what tables exist, where they were declared, and how they change.
//!
//! [`Schema`](model::Schema) is the snapshot everyone shares. Schema files go through `parse` (text to declarations),
//! `rules` (what replication allows), `diff` (old and new to steps) and `apply` (steps in one transaction); changes asked
//! for over the wire come bound as [`ddl::Ddl`] and are run by `execute`. Our own tables `__corro_schema` and
//! `__corro_columns` (`stored`) keep what SQLite's schema cannot say, and `load` makes the snapshot from both.

pub mod ddl;
pub mod model;

mod apply;
mod check;
mod cursor;
mod declared;
mod diff;
mod execute;
mod existing;
mod hidden_key;
mod lexer;
mod load;
mod naming;
mod oid;
mod parse;
mod physical;
mod rules;
mod stored;
mod syntax;

#[cfg(test)]
mod replication_tests;

pub use apply::{Report, apply_files};
pub use declared::{Location, SchemaFile};
pub use execute::execute_ddl;
pub use hidden_key::{HIDDEN_KEY, HIDDEN_KEY_FUNCTION, register as register_hidden_key};
pub use lexer::quote_name;
pub use load::load;
pub(crate) use load::with_users;
pub use oid::{OID_USER_MAX, OID_USER_MIN, oid_of};
pub use parse::SCHEMA_TEXT_BYTES_MAX;
pub(crate) use rules::is_reserved;
pub use rules::{Rule, Violation};
