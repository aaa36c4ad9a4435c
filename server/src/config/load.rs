//! Finds the configuration's sources: the file, the environment, the command line.
//!
//! An explicit file must exist. Without one, [`DEFAULT_FILE`] is used if it exists; else the node runs below
//! `./corrosion-data` and listens on loopback only.

use std::io::{ErrorKind, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::tree::{ENVIRONMENT_PREFIX, Place, Problem, Table, overlay, overlay_environment, parse_toml};
use super::{Config, ConfigError, Source, read};

/// The file that is used when none is named, if it exists.
pub const DEFAULT_FILE: &str = "/etc/corrosion/config.toml";
/// Where a node without a configuration file keeps everything.
pub const BUILT_IN_DATA_DIR: &str = "corrosion-data";
/// Longest configuration file read, in bytes. Real ones have a few hundred lines.
const FILE_LEN_MAX: u64 = 1 << 20;

/// What was said on the command line; wins over the environment and the file.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--config`: the file, which must exist.
    pub config: Option<PathBuf>,
    /// `--api-addr`
    pub api_addr: Option<SocketAddr>,
    /// `--db-path`
    pub db_path: Option<PathBuf>,
    /// `--admin-path`
    pub admin_path: Option<PathBuf>,
}

/// Reads the configuration from its sources.
///
/// # Errors
/// Every problem found in the file, the variables and the flags.
pub fn load(flags: &Flags) -> Result<Config, ConfigError> {
    let file = match &flags.config {
        Some(path) => Some(read_file(path, &Place::Flag("--config"))?),
        None => read_file_if_exists(Path::new(DEFAULT_FILE))?,
    };
    from_sources(file, environment()?, flags)
}

/// The same from texts: `file` is a path and its contents.
///
/// # Errors
/// Every problem found.
pub(super) fn from_sources(
    file: Option<(PathBuf, String)>,
    variables: Vec<(String, String)>,
    flags: &Flags,
) -> Result<Config, ConfigError> {
    let (source, mut root) = match file {
        Some((path, text)) => {
            let root = parse_toml(&path.display().to_string(), &text)?;
            (Source::File(path), root)
        }
        None => (Source::BuiltIn { data_dir: BUILT_IN_DATA_DIR.into() }, built_in()?),
    };
    let mut problems = Vec::new();
    overlay_environment(&mut root, variables, &mut problems);
    overlay_flags(&mut root, flags, &mut problems);
    read(source, root, problems)
}

fn built_in() -> Result<Table, Problem> {
    let text = format!(
        "[db]\npath = \"{BUILT_IN_DATA_DIR}/corrosion.db\"\nschema_paths = [\"{BUILT_IN_DATA_DIR}/schema\"]\n\
         [admin]\npath = \"{BUILT_IN_DATA_DIR}/admin.sock\"\n[api.pg]\naddr = \"127.0.0.1:5470\"\n"
    );
    parse_toml("built-in configuration", &text)
}

fn overlay_flags(root: &mut Table, flags: &Flags, problems: &mut Vec<Problem>) {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    for (flag, key, value) in [
        ("--db-path", ["db", "path"], flags.db_path.as_deref().map(text)),
        ("--admin-path", ["admin", "path"], flags.admin_path.as_deref().map(text)),
        ("--api-addr", ["api", "addr"], flags.api_addr.map(|addr| addr.to_string())),
    ] {
        let Some(value) = value else { continue };
        if let Err(problem) = overlay(root, &key.map(str::to_owned), Place::Flag(flag), value) {
            problems.push(problem);
        }
    }
}

fn environment() -> Result<Vec<(String, String)>, Problem> {
    let mut variables = Vec::new();
    for (name, value) in std::env::vars_os() {
        let Ok(name) = name.into_string() else { continue };
        if !name.starts_with(ENVIRONMENT_PREFIX) {
            continue;
        }
        let Ok(value) = value.into_string() else {
            return Err(Problem { place: Place::Environment(name), message: "its value is not UTF-8".into() });
        };
        variables.push((name, value));
    }
    Ok(variables)
}

fn read_file_if_exists(path: &Path) -> Result<Option<(PathBuf, String)>, Problem> {
    match path.try_exists() {
        Ok(false) => Ok(None),
        Ok(true) | Err(_) => read_file(path, &Place::BuiltIn).map(Some),
    }
}

fn read_file(path: &Path, place: &Place) -> Result<(PathBuf, String), Problem> {
    let problem = |message: String| Problem { place: place.clone(), message: format!("{}: {message}", path.display()) };
    let file = std::fs::File::open(path).map_err(|error| {
        let missing = error.kind() == ErrorKind::NotFound;
        problem(if missing { "there is no such file".into() } else { format!("open the file: {error}") })
    })?;
    let mut text = String::new();
    let read = file.take(FILE_LEN_MAX + 1).read_to_string(&mut text);
    read.map_err(|error| problem(format!("read the file: {error}")))?;
    if text.len() as u64 > FILE_LEN_MAX {
        return Err(problem(format!("longer than {FILE_LEN_MAX} bytes, so hardly a configuration")));
    }
    Ok((path.to_owned(), text))
}
