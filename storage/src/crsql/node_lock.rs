//! The lock that keeps a shell with the extension from writing while a node runs on the same file.
//!
//! An advisory lock on `<database>-node`: a node holds it from opening to closing, a shell during each writing transaction.
//! The operating system releases it with the process, so that a crash leaves nothing behind.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum NodeLockError {
    #[error(
        "a corrosion node, or another shell that is writing, has this database open; write through the node or stop it first"
    )]
    Held,
    #[error("lock {path}: {source}")]
    Io {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

/// The lock of one database file.
#[derive(Debug)]
pub struct NodeLock {
    path: PathBuf,
    held: Option<File>,
}

impl NodeLock {
    /// The lock of the database at `database`, not yet taken.
    pub fn new(database: &Path) -> Self {
        let mut path = database.as_os_str().to_owned();
        path.push("-node");
        Self { path: path.into(), held: None }
    }

    /// Takes the lock, without waiting; nothing if it is held by this value already.
    pub fn acquire(&mut self) -> Result<(), NodeLockError> {
        if self.held.is_some() {
            return Ok(());
        }
        let io = |source| NodeLockError::Io { path: self.path.clone(), source };
        let file = OpenOptions::new().create(true).append(true).open(&self.path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {
                self.held = Some(file);
                Ok(())
            }
            Err(TryLockError::WouldBlock) => Err(NodeLockError::Held),
            Err(TryLockError::Error(source)) => Err(NodeLockError::Io { path: self.path.clone(), source }),
        }
    }

    /// Lets go of the lock. The file stays, so that nobody locks a file that another is about to replace.
    pub fn release(&mut self) {
        self.held = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_excludes_others_until_it_is_released() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let database = directory.path().join("a.db");
        let (mut node, mut shell) = (NodeLock::new(&database), NodeLock::new(&database));
        node.acquire().expect("free");
        assert!(matches!(shell.acquire(), Err(NodeLockError::Held)));
        node.release();
        shell.acquire().expect("released");
    }
}
