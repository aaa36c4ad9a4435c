//! What the tests share: a node of the real binary and its clients, a PostgreSQL to compare with, the gate that fails a
//! test whose node logged something unexpected; the reference model of the CRDT engine and the golden vectors.

pub mod certificates;
pub mod fuzz;
pub mod generate;
pub mod logs;
pub mod model;
pub mod node;
pub mod open_transaction;
pub mod oracle;
pub mod process;
pub mod psql;
pub mod raw;
pub mod rng;
pub mod shell;
pub mod vectors;
pub mod wait;
