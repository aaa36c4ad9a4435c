//! One synchronous, single-threaded database.

/// Placeholder of the engine's public type until its first slice lands.
#[derive(Debug)]
pub struct Engine;
