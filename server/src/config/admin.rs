//! `[admin]`: the socket through which the `corrosion` command speaks to a running node.

use std::path::PathBuf;

use super::parse;
use super::section::Section;

/// The book's place of the socket when a configuration file does not name one.
const DEFAULT_PATH: &str = "/var/run/corrosion/admin.sock";

/// The administration socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// Where the socket is created. Its directory is created when missing.
    pub path: PathBuf,
}

impl Default for Admin {
    fn default() -> Self {
        Self { path: DEFAULT_PATH.into() }
    }
}

pub(super) fn read(mut section: Section<'_>) -> Admin {
    let path = section.default(&["path", "uds_path"], parse::path, DEFAULT_PATH.into());
    section.finish();
    Admin { path }
}
