//! What keeps the file in shape while the store runs.

pub(crate) mod checkpoint;
pub(crate) mod compaction;
pub(crate) mod reseed;
