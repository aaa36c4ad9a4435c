//! The composition root: configuration, lifecycle, administration, telemetry. No domain logic.
//!
//! [`node::Node::start`] brings a node up from a [`config::Config`]; [`node::Node::shutdown`] takes it down in order.

pub mod admin;
pub mod config;
pub mod node;
pub mod schema_files;
pub mod telemetry;
pub mod users;

mod lifecycle;

/// An error with its causes, in one line.
pub fn error_chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line
}
