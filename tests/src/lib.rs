//! What the tests share: the reference model of the CRDT engine, the golden vectors, random scripts.

pub mod generate;
pub mod model;
pub mod rng;
pub mod vectors;
