//! `pg_catalog` and `information_schema`: system relations that clients read to learn what there is.
//!
//! Every relation of PostgreSQL 15 exists with its columns, types and OID ([`relation`]). Rows are built by pure functions
//! from the schema ([`build`]) and put into two in-memory databases attached to each connection ([`load`]), where queries
//! over them run as any other query: nothing here knows a client's query text.
//!
//! Built-in objects have PostgreSQL's OIDs. Objects of the user have OIDs derived from their names, equal on all nodes.
//! What has no rows here does not exist in this server. Known differences from PostgreSQL: everything is owned by one
//! role; access privileges are NULL (the defaults); types, functions and relations have no comments; system relations
//! list no indexes and no system columns; views of the system have no definition text; `pg_class.reltype` is 0, as tables
//! have no row type.

use std::sync::Arc;

use storage::store::{OnOpen, OnSchema};

pub mod build;
mod builtin;
mod column_type;
mod definition;
mod facts;
#[cfg(test)]
pub(crate) mod fixture;
mod information_schema;
pub mod load;
mod oids;
mod pg_attribute;
mod pg_class;
mod pg_constraint;
mod pg_index;
mod pg_misc;
mod pg_proc;
mod pg_settings;
#[cfg(test)]
mod queries;
mod relation;
mod rows;
mod views;

pub use build::Options;
pub(crate) use builtin::format_type;
pub use column_type::reported_type;
pub use relation::{Column, Relation, RelationKind, relation, relations};
pub use rows::Rows;

/// What a store runs on every new connection: registers PostgreSQL's functions and attaches the catalog's databases.
pub fn on_open() -> OnOpen {
    Arc::new(|connection| {
        crate::function::register(connection)?;
        load::attach(connection)
    })
}

/// What a store runs before the first statement that reads the catalog after the schema changed.
pub fn on_schema(options: Options) -> OnSchema {
    Arc::new(move |connection, schema| load::load(connection, schema, &options))
}
