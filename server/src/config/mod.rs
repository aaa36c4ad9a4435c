//! The configuration: the book's TOML file, environment variables and flags, as one typed value.
//!
//! [`load`] finds the sources; reading them is pure. Every key of the book is known, keys of later versions are checked
//! and listed in [`Config::without_effect`], and any other key is an error that suggests the nearest known one.

pub mod admin;
pub mod consul;
pub mod db;
pub mod gossip;
pub mod http;
pub mod load;
pub mod log;
pub mod perf;
pub mod reaper;
pub mod telemetry;

mod nearest;
mod parse;
mod section;
mod tree;
mod wire;

use std::fmt;
use std::path::PathBuf;

pub use admin::Admin;
pub use consul::Consul;
pub use db::Db;
pub use gossip::Gossip;
pub use http::Http;
pub use load::{Flags, load};
pub use log::Log;
pub use perf::Perf;
pub use reaper::Reaper;
pub use telemetry::Telemetry;
pub use tree::{ENVIRONMENT_PREFIX, Place, Problem};

use section::{Effect, Report, Section};
use tree::Table;

/// Where a configuration came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// No file: everything lives below one directory, and only loopback is listened on.
    BuiltIn {
        data_dir: PathBuf,
    },
    File(PathBuf),
}

/// Everything a node is told at start.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    pub source: Source,
    pub db: Db,
    pub wire: Vec<::wire::config::ListenerConfig>,
    pub http: Http,
    /// Absent: the node has no peers.
    pub gossip: Option<Gossip>,
    pub admin: Admin,
    pub telemetry: Telemetry,
    pub perf: Perf,
    pub log: Log,
    pub consul: Consul,
    pub reaper: Reaper,
    /// Keys that are set, known and valid, but do nothing in this version.
    pub without_effect: Vec<String>,
}

/// The configuration cannot be used. Lists every problem found, one a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }
}

/// Gives the tree its meaning. Problems found while the tree was made come first.
fn read(source: Source, root: Table, earlier: Vec<Problem>) -> Result<Config, ConfigError> {
    let report = Report::default();
    earlier.into_iter().for_each(|problem| report.push(problem));
    let place = match &source {
        Source::BuiltIn { .. } => Place::BuiltIn,
        Source::File(path) => Place::File { path: path.display().to_string().into(), line: 1, column: 1 },
    };
    let mut root = Section::new("", place.clone(), root, Effect::Now, &report);
    // A missing `[db]` is read as an empty one, which then reports the key that is required.
    let db = db::read(
        root.section(&["db"]).unwrap_or_else(|| Section::new("db", place, Table::new(), Effect::Now, &report)),
    );
    let api = root.section(&["api"]).map(http::read);
    let admin = root.section(&["admin"]).map(admin::read).unwrap_or_default();
    let telemetry = root.section(&["telemetry"]).map(telemetry::read).unwrap_or_default();
    let perf = root.section(&["perf"]).map(perf::read).unwrap_or_default();
    let log = root.section(&["log"]).map(log::read).unwrap_or_default();
    root.set_effect(Effect::Later);
    let gossip = root.section(&["gossip"]).and_then(gossip::read);
    let consul = root.section(&["consul"]).map(consul::read).unwrap_or_default();
    let reaper = root.section(&["reaper"]).map(reaper::read).unwrap_or_default();
    root.finish();

    let (problems, without_effect) = report.into_parts();
    let (http, wire) = api.unwrap_or_else(|| (Http::none(), Vec::new()));
    match db {
        Some(db) if problems.is_empty() => {
            Ok(Config { source, db, wire, http, gossip, admin, telemetry, perf, log, consul, reaper, without_effect })
        }
        Some(_) | None => Err(ConfigError { problems }),
    }
}

#[cfg(test)]
mod tests;
