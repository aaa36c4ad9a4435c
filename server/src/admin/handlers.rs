//! What each administration request does.

use std::time::{SystemTime, UNIX_EPOCH};

use super::protocol::{Request, Response};
use crate::schema_files::SchemaFiles;

/// What requests act on.
#[derive(Debug)]
pub(crate) struct Handlers {
    schema_files: SchemaFiles,
}

impl Handlers {
    pub(crate) fn new(schema_files: SchemaFiles) -> Self {
        Self { schema_files }
    }

    /// Carries out a request; the last response is a success or an error. Cancelling it does not undo what was done.
    pub(crate) async fn handle(&self, request: Request) -> Vec<Response> {
        match request {
            Request::Ping => vec![Response::Success],
            Request::Reload => self.reload().await,
        }
    }

    async fn reload(&self) -> Vec<Response> {
        match self.schema_files.apply().await {
            Ok(applied) => {
                let mut responses: Vec<_> = applied.warnings().iter().map(|warning| log("WARN", warning)).collect();
                responses.push(log("INFO", &applied.summary()));
                responses.push(Response::Success);
                responses
            }
            Err(error) => vec![Response::Error { msg: crate::error_chain(&error) }],
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a log line carries the time it was written")]
fn log(level: &str, message: &str) -> Response {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let ts = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
    Response::Log { level: level.to_owned(), msg: message.to_owned(), ts }
}
