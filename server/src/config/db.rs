//! `[db]`: where the data is and which schema files it gets.

use std::path::PathBuf;

use super::parse;
use super::section::{Effect, Section};

/// The database of the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Db {
    /// The SQLite file. Its directory is created at start.
    pub path: PathBuf,
    /// Schema files, and directories whose `*.sql` files are taken in the order of their names.
    pub schema_paths: Vec<PathBuf>,
    /// Where later versions keep one database per subscription. Default: `subscriptions` beside the database.
    pub subscriptions_path: PathBuf,
    /// `PRAGMA cache_size` of the write connection: negative is KiB, positive is pages. Default 1 GiB.
    pub cache_size_kib: i64,
}

pub(super) fn read(mut section: Section<'_>) -> Option<Db> {
    let path = section.required(&["path"], parse::path);
    let schema_paths = section.default(&["schema_paths"], parse::paths, Vec::new());
    let cache_size_kib = section.default(&["cache_size_kib"], parse::integer, -1_048_576);
    section.set_effect(Effect::Later);
    let subscriptions_path = section.optional(&["subscriptions_path"], parse::path);
    section.finish();
    let path = path?;
    let subscriptions_path = subscriptions_path.unwrap_or_else(|| path.with_file_name("subscriptions"));
    Some(Db { path, schema_paths, subscriptions_path, cache_size_kib })
}
