//! Tests of the storage engine against the golden vectors and the reference model.

mod crdt_chapter;
mod engine_on_vectors;
mod generated;
mod model_on_vectors;
