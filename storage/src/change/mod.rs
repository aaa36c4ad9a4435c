//! What travels between nodes: identities, changesets, ranges of versions.

pub mod changeset;
pub mod codec;
pub mod ids;
pub mod range;
