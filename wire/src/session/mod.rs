//! What a session knows: settings, transaction status, statements and portals. Pure.

pub mod guc;
pub(crate) mod portal;
pub mod settings;
pub(crate) mod statement;
pub(crate) mod transaction;
