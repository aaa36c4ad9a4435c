//! What the tests share: the reference model of the CRDT engine and the golden vectors.

pub mod model;
pub mod vectors;
