//! `[log]`: how log lines look. What is logged is `RUST_LOG`'s business.

use super::parse;
use super::section::Section;

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Plaintext,
    Json,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    pub format: LogFormat,
    /// Colours, when the log goes to a terminal.
    pub colors: bool,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Plaintext, colors: true }
    }
}

pub(super) fn read(mut section: Section<'_>) -> Log {
    let format = section.default(
        &["format"],
        |node| match parse::text(node)?.as_str() {
            "plaintext" => Ok(LogFormat::Plaintext),
            "json" => Ok(LogFormat::Json),
            other => Err(node.problem(format!("expected \"plaintext\" or \"json\", found `{other}`"))),
        },
        LogFormat::Plaintext,
    );
    let colors = section.default(&["colors"], parse::boolean, true);
    section.finish();
    Log { format, colors }
}
