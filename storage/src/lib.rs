//! The database of one node: values, CRDT merge, ledger, schema and SQLite, without network or async runtime.
//!
//! [`engine::Engine`] is the synchronous, single-threaded database that tests and the simulator drive. [`Store`] is the
//! cloneable handle over one writer thread and the reading connections, and is what front ends use.

pub mod apply;
pub mod capture;
pub mod change;
pub mod crdt;
pub mod crsql;
#[cfg(feature = "bundled")]
pub mod engine;
#[cfg(feature = "bundled")]
pub mod error;
pub mod ledger;
#[cfg(feature = "bundled")]
mod maintenance;
#[cfg(feature = "bundled")]
pub mod pool;
pub mod record;
#[cfg(feature = "bundled")]
pub mod schema;
pub mod sqlite;
#[cfg(feature = "bundled")]
pub mod store;
#[cfg(all(feature = "bundled", any(test, feature = "testing")))]
pub mod testing;
#[cfg(feature = "bundled")]
pub mod users;
pub mod value;

#[cfg(feature = "bundled")]
pub use error::{ApplyError, DdlError, ExecuteError, OpenError, SchemaError, UserError};
#[cfg(feature = "bundled")]
pub use pool::inline::InlineReader;
#[cfg(feature = "bundled")]
pub use rusqlite;
#[cfg(feature = "bundled")]
pub use schema::ddl::{Ddl, DdlOutcome};
#[cfg(feature = "bundled")]
pub use schema::model::Schema;
#[cfg(feature = "bundled")]
pub use store::{Durability, Lease, Limits, LossSignal, Outcome, Snapshot, Statement, Stats, Store, StoreOptions};
#[cfg(feature = "bundled")]
pub use users::{Role, User, UserChange, Users};
pub use value::{Value, ValueRef};
