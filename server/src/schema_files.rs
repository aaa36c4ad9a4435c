//! Reads the configured schema files and gives them to the store: at start, and on `corrosion reload`.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use storage::SchemaError;
use storage::Store;
use storage::schema::{Report, SchemaFile};
use tokio::sync::Mutex;

/// Longest schema file, in bytes. A longer one is an error.
const FILE_LEN_MAX: u64 = 16 << 20;
/// Most schema files. More is an error.
const FILES_MAX: usize = 10_000;

/// Schema files could not be applied. The schema is as it was.
#[derive(Debug, thiserror::Error)]
pub enum SchemaFilesError {
    #[error("read schema {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("schema file {path} is longer than {FILE_LEN_MAX} bytes")]
    TooLong { path: PathBuf },
    #[error("more than {FILES_MAX} schema files")]
    TooMany,
    /// A thread that read the files ended early.
    #[error("reading the schema files was interrupted")]
    Interrupted,
    /// What the files declare breaks a rule or cannot be reached from the schema there is.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

/// What applying the files did.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    /// Files read.
    files: usize,
    report: Report,
}

impl Applied {
    /// For the user: what is unusual but was not refused.
    pub(crate) fn warnings(&self) -> &[String] {
        &self.report.warnings
    }

    /// One line for the user: how many files, and what they changed.
    pub(crate) fn summary(&self) -> String {
        let Report { tables_created, tables_adopted, columns_added, indexes_created, indexes_dropped, warnings: _ } =
            &self.report;
        let columns: Vec<_> = columns_added.iter().map(|(table, column)| format!("{table}.{column}")).collect();
        let mut line = format!("schema files applied: {}", self.files);
        for (what, names) in [
            ("tables created", tables_created),
            ("tables adopted", tables_adopted),
            ("columns added", &columns),
            ("indexes created", indexes_created),
            ("indexes dropped", indexes_dropped),
        ] {
            if !names.is_empty() {
                line.push_str(&format!("; {what}: {}", names.join(", ")));
            }
        }
        line
    }
}

/// The configured paths, and the store they go to. Applying is one at a time.
#[derive(Debug, Clone)]
pub(crate) struct SchemaFiles {
    paths: Arc<[PathBuf]>,
    store: Store,
    one_at_a_time: Arc<Mutex<()>>,
}

impl SchemaFiles {
    pub(crate) fn new(paths: Vec<PathBuf>, store: Store) -> Self {
        Self { paths: paths.into(), store, one_at_a_time: Arc::new(Mutex::new(())) }
    }

    /// Reads the files as they are now and applies them, all or nothing. Cancelling it may leave them applied.
    pub(crate) async fn apply(&self) -> Result<Applied, SchemaFilesError> {
        let _turn = self.one_at_a_time.lock().await;
        let paths = Arc::clone(&self.paths);
        let read = tokio::task::spawn_blocking(move || read_all(&paths)).await;
        let files = read.map_err(|_| SchemaFilesError::Interrupted)??;
        let count = files.len();
        let report = self.store.apply_schema_files(files).await?;
        Ok(Applied { files: count, report })
    }
}

/// The files in the order of the configuration; those of a directory in the order of their names.
fn read_all(paths: &[PathBuf]) -> Result<Vec<SchemaFile>, SchemaFilesError> {
    let mut files = Vec::new();
    for path in paths {
        for file in expand(path).map_err(|source| SchemaFilesError::Read { path: path.clone(), source })? {
            if files.len() == FILES_MAX {
                return Err(SchemaFilesError::TooMany);
            }
            let text = read_file(&file)?;
            files.push(SchemaFile { path: file.display().to_string(), text });
        }
    }
    Ok(files)
}

/// A directory is its `*.sql` files; anything else is itself.
fn expand(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !fs::metadata(path)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        let file = entry?.path();
        if file.extension().is_some_and(|extension| extension == "sql") && file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

fn read_file(path: &Path) -> Result<String, SchemaFilesError> {
    let failed = |source| SchemaFilesError::Read { path: path.to_owned(), source };
    let mut text = String::new();
    let file = fs::File::open(path).map_err(failed)?;
    file.take(FILE_LEN_MAX + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > FILE_LEN_MAX {
        return Err(SchemaFilesError::TooLong { path: path.to_owned() });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_in_the_order_of_the_configuration_then_of_their_names() {
        let dir = tempfile::tempdir().expect("a directory");
        for name in ["b.sql", "a.sql", "note.txt", "single.sql"] {
            fs::write(dir.path().join(name), name).expect("write a file");
        }
        let paths = [dir.path().join("single.sql"), dir.path().to_owned()];
        let texts: Vec<_> = read_all(&paths).expect("readable").into_iter().map(|file| file.text).collect();
        assert_eq!(texts, ["single.sql", "a.sql", "b.sql", "single.sql"]);
    }

    #[test]
    fn a_missing_path_and_a_file_that_is_no_text_are_errors() {
        let dir = tempfile::tempdir().expect("a directory");
        let missing = dir.path().join("missing");
        assert!(
            matches!(read_all(std::slice::from_ref(&missing)), Err(SchemaFilesError::Read { path, .. }) if path == missing)
        );
        let binary = dir.path().join("binary.sql");
        fs::write(&binary, [0xff, 0xfe]).expect("write a file");
        assert!(matches!(read_all(&[binary]), Err(SchemaFilesError::Read { .. })));
    }
}
