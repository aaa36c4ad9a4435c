//! Merging: cell by cell through `crsql_changes`, and whole changesets at once.

pub mod cell;
pub mod execute;
pub mod incoming;
pub mod table;
