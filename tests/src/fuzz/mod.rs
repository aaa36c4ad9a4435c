//! A fuzzer of typed expressions: the same expression on a node and on PostgreSQL 15 must give the same value of the same
//! type, or an error with the same SQLSTATE. What the node refuses with 0A000 or 42883 is listed, never silent.
//!
//! A case is its seed and number: equal seeds make equal cases, as long as [`values`] and PostgreSQL's catalogue stay.

pub mod expression;
pub mod listed;
pub mod pool;
pub mod run;
pub mod values;
