//! What this node has of each site: whole versions, and parts of versions that wait for the rest.

pub mod known;
pub mod waiting;
