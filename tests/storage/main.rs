//! Tests of the storage engine against the golden vectors and the reference model.

mod model_on_vectors;
