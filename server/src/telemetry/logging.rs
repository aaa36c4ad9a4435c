//! Log lines go to standard error; `RUST_LOG` says which, the configuration says how they look.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::TryInitError;

use crate::config::log::{Log, LogFormat};

/// What is logged when `RUST_LOG` is not set.
const DEFAULT_FILTER: &str = "info";

/// Logging could not be set up. Nothing is logged; the caller tells the user.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    #[error("RUST_LOG `{filter}` cannot be read")]
    Filter {
        filter: String,
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    #[error("RUST_LOG is not UTF-8")]
    Encoding,
    /// A logger was installed before.
    #[error("install the logger")]
    Install(#[source] TryInitError),
}

/// Installs the process's logger. Called once, before anything logs.
///
/// # Errors
/// A wrong `RUST_LOG` is an error: a filter that silently became another one hides what was asked for.
pub fn init(log: &Log) -> Result<(), LoggingError> {
    use tracing_subscriber::util::SubscriberInitExt;

    let stderr = std::io::stderr;
    let builder = tracing_subscriber::fmt().with_env_filter(filter()?).with_writer(stderr);
    let installed = match log.format {
        LogFormat::Plaintext => builder.with_ansi(log.colors && stderr().is_terminal()).finish().try_init(),
        LogFormat::Json => builder.json().finish().try_init(),
    };
    installed.map_err(LoggingError::Install)
}

fn filter() -> Result<EnvFilter, LoggingError> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(filter) if !filter.is_empty() => filter,
        Ok(_) | Err(std::env::VarError::NotPresent) => DEFAULT_FILTER.to_owned(),
        Err(std::env::VarError::NotUnicode(_)) => return Err(LoggingError::Encoding),
    };
    EnvFilter::try_new(&filter).map_err(|source| LoggingError::Filter { filter, source })
}
