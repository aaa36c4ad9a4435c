//! The packed records of the metadata tables.

pub mod log;
pub mod row;
pub mod varint;
