//! Opening a database file: pragmas with their reasons, options.

use std::fmt;

use crate::change::ids::SiteId;
use crate::store::OnOpen;

/// How local writes are seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CaptureMode {
    /// SQLite's preupdate hook; the file's guard triggers are switched off on this connection.
    #[default]
    Hook,
    /// The file's triggers, as the loadable build does.
    Trigger,
}

/// What does not depend on the path.
#[derive(Clone)]
pub struct EngineOptions {
    /// `PRAGMA cache_size` (negative: KiB).
    pub cache_size: i64,
    pub capture: CaptureMode,
    /// The identity of a new file; `None` draws one. An existing file keeps its own.
    pub site_id: Option<SiteId>,
    /// Run on the connection after the engine's own functions are registered.
    pub on_open: Vec<OnOpen>,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self { cache_size: -65_536, capture: CaptureMode::Hook, site_id: None, on_open: Vec::new() }
    }
}

impl fmt::Debug for EngineOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineOptions")
            .field("cache_size", &self.cache_size)
            .field("capture", &self.capture)
            .field("site_id", &self.site_id)
            .finish_non_exhaustive()
    }
}

/// WAL so that readers and the writer do not block each other; NORMAL because whoever acknowledges durable commits syncs
/// once a group; REPLACE is one write of the row's columns, not a deletion and an insertion, so its delete triggers stay off.
pub(super) const PRAGMAS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA recursive_triggers = OFF; \
     PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = OFF;";
