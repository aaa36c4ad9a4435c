//! What travels between nodes: identities, the clock, changesets, ranges of versions.

pub mod changeset;
pub mod clock;
pub mod codec;
pub mod ids;
pub mod range;
