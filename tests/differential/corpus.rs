//! Reads the statements of `corpus/*.sql` and the listed deviations.
//!
//! A statement ends with `;` at the end of a line. Values of its parameters follow on that line: `; -- $ 1 | NULL | abc`
//! (text, separated by ` | `, `NULL` is NULL). Lines that begin with `--` say what the statements below claim.

use std::fs;
use std::path::{Path, PathBuf};

/// A statement of the corpus.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) sql: String,
    pub(crate) parameters: Vec<Option<String>>,
    /// The line on which it begins, from 1.
    pub(crate) line: usize,
}

/// A file of statements that run one after the other in one session, each in a transaction of its own.
#[derive(Debug)]
pub(crate) struct Theme {
    pub(crate) name: String,
    pub(crate) entries: Vec<Entry>,
}

/// A difference that was decided.
#[derive(Debug)]
pub(crate) struct Deviation {
    pub(crate) theme: String,
    pub(crate) sql: String,
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("differential")
}

/// The tables that every theme starts with.
pub(crate) fn schema() -> String {
    fs::read_to_string(directory().join("schema.sql")).expect("the schema is beside the test")
}

/// All themes, by name.
pub(crate) fn themes() -> Vec<Theme> {
    let files = fs::read_dir(directory().join("corpus")).expect("the corpus is beside the test");
    let mut paths: Vec<PathBuf> = files.map(|file| file.expect("a file of the corpus").path()).collect();
    paths.sort();
    paths.iter().map(|path| theme(path)).collect()
}

/// What PostgreSQL accepts and a node refuses.
pub(crate) fn unsupported() -> Theme {
    theme(&directory().join("unsupported.sql"))
}

fn theme(path: &Path) -> Theme {
    let text = fs::read_to_string(path).expect("the corpus is text");
    let name = path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
    Theme { entries: entries(&name, &text), name }
}

fn entries(name: &str, text: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut pending: Option<(usize, String)> = None;
    for (index, line) in text.lines().enumerate() {
        if pending.is_none() && (line.trim().is_empty() || line.starts_with("--")) {
            continue;
        }
        let (_, sql) = pending.get_or_insert_with(|| (index + 1, String::new()));
        if !sql.is_empty() {
            sql.push('\n');
        }
        let (body, values) = line.rsplit_once("; -- $").map_or((line, None), |(body, values)| (body, Some(values)));
        sql.push_str(body.trim_end());
        if values.is_some() || line.trim_end().ends_with(';') {
            let (line, sql) = pending.take().expect("set above");
            let parameters = values.map_or_else(Vec::new, |values| values.split(" | ").map(parameter).collect());
            let sql = sql.strip_suffix(';').unwrap_or(&sql).to_owned();
            entries.push(Entry { sql, parameters, line });
        }
    }
    assert!(pending.is_none(), "{name}: the last statement has no end");
    entries
}

fn parameter(text: &str) -> Option<String> {
    let text = text.strip_prefix(' ').unwrap_or(text);
    (text != "NULL").then(|| text.to_owned())
}

/// The listed deviations: `theme: statement` on a line, the reason indented below it.
pub(crate) fn deviations() -> Vec<Deviation> {
    let text = fs::read_to_string(directory().join("deviations.txt")).expect("the list is beside the test");
    let mut found: Vec<(Deviation, bool)> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        if line.starts_with(' ') {
            let (_, has_reason) = found.last_mut().expect("a reason follows a statement");
            *has_reason = true;
            continue;
        }
        let (theme, sql) = line.split_once(": ").expect("a theme and a statement");
        found.push((Deviation { theme: theme.to_owned(), sql: sql.to_owned() }, false));
    }
    let silent: Vec<_> = found.iter().filter(|(_, has_reason)| !has_reason).map(|(deviation, _)| deviation).collect();
    assert!(silent.is_empty(), "without a reason: {silent:#?}");
    found.into_iter().map(|(deviation, _)| deviation).collect()
}
