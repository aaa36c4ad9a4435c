//! How local writes are seen and become versions: two front ends, one buffer, one flush.

pub mod buffer;
pub mod flush;
#[cfg(feature = "bundled")]
pub mod hook;
pub mod metadata;
pub mod order;
pub mod trigger;
pub mod version_log;
pub mod vtab;
