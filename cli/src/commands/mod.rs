//! One module a command.

pub(crate) mod agent;
pub(crate) mod reload;
pub(crate) mod user;
