//! What a session knows: settings, transaction status, statements and portals.

pub mod settings;
