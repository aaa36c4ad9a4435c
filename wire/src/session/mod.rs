//! What a session knows: settings, transaction status, statements and portals. Pure.

pub(crate) mod advisory;
pub(crate) mod calls;
pub mod guc;
pub(crate) mod lock_list;
pub(crate) mod portal;
pub mod settings;
pub(crate) mod statement;
pub(crate) mod transaction;
