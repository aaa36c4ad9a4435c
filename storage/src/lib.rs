//! The database of one node: values, CRDT merge, ledger, schema and SQLite, without network or async runtime.
//!
//! [`engine::Engine`] is the synchronous, single-threaded database that tests and the simulator drive. [`Store`] is the
//! cloneable handle over one writer thread and the reading connections, and is what front ends use.

pub mod apply;
pub mod capture;
pub mod change;
pub mod crdt;
pub mod crsql;
pub mod engine;
pub mod error;
mod maintenance;
pub mod pool;
pub mod record;
pub mod schema;
pub mod sqlite;
pub mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod value;

pub use error::{ApplyError, DdlError, ExecuteError, OpenError, SchemaError};
pub use pool::inline::InlineReader;
pub use rusqlite;
pub use schema::ddl::{Ddl, DdlOutcome};
pub use schema::model::Schema;
pub use store::{Durability, Lease, Limits, LossSignal, Outcome, Snapshot, Statement, Stats, Store, StoreOptions};
pub use value::{Value, ValueRef};
