//! Who runs statements: per-worker inline readers, pool threads, the one writer.

pub mod inline;
