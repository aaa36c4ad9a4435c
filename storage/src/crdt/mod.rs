//! The decisions of the CRDT, pure: which cell wins, what a local write does to a row's metadata.

pub mod local;
pub mod merge;
pub mod tie;
