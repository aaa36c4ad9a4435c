//! The schema: what tables exist, where they were declared, and how they change.

pub mod ddl;
pub mod model;
