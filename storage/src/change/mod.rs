//! What travels between nodes: identities, changesets, ranges of versions.

pub mod changeset;
pub mod ids;
pub mod range;
