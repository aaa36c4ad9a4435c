//! What each administration request does.

use std::time::{SystemTime, UNIX_EPOCH};

use storage::Store;
use wire::Certificates;

use super::protocol::{Request, Response};
use crate::schema_files::SchemaFiles;
use crate::users::{self, UserCommand};

/// What requests act on.
#[derive(Debug)]
pub(crate) struct Handlers {
    schema_files: SchemaFiles,
    certificates: Certificates,
    store: Store,
}

impl Handlers {
    pub(crate) fn new(schema_files: SchemaFiles, certificates: Certificates, store: Store) -> Self {
        Self { schema_files, certificates, store }
    }

    /// Carries out a request; the last response is a success or an error. Cancelling it does not undo what was done.
    pub(crate) async fn handle(&self, request: Request) -> Vec<Response> {
        match request {
            Request::Ping => vec![Response::Success],
            Request::Reload => self.reload().await,
            Request::User(command) => self.user(command).await,
        }
    }

    /// Certificates and schema files are reloaded each for itself: neither waits for the other to be in order.
    async fn reload(&self) -> Vec<Response> {
        let mut responses = Vec::new();
        let mut failures = Vec::new();
        match self.reload_certificates().await {
            Ok(0) => {}
            Ok(listeners) => responses.push(log("INFO", &format!("certificates read again; listeners: {listeners}"))),
            Err(message) => failures.push(message),
        }
        match self.schema_files.apply().await {
            Ok(applied) => {
                responses.extend(applied.warnings().iter().map(|warning| log("WARN", warning)));
                responses.push(log("INFO", &applied.summary()));
            }
            Err(error) => failures.push(crate::error_chain(&error)),
        }
        responses.push(if failures.is_empty() {
            Response::Success
        } else {
            Response::Error { msg: failures.join("\n") }
        });
        responses
    }

    async fn reload_certificates(&self) -> Result<usize, String> {
        let certificates = self.certificates.clone();
        let reloaded = tokio::task::spawn_blocking(move || certificates.reload()).await;
        match reloaded {
            Ok(Ok(listeners)) => Ok(listeners),
            Ok(Err(error)) => Err(crate::error_chain(&error)),
            Err(_) => Err("reading the certificates was interrupted".to_owned()),
        }
    }

    async fn user(&self, command: UserCommand) -> Vec<Response> {
        match users::run(&self.store, command).await {
            Ok(lines) => {
                let lines = lines.into_iter().map(|line| match serde_json::to_value(line) {
                    Ok(line) => Response::Json(line),
                    Err(error) => Response::Error { msg: error.to_string() },
                });
                lines.chain([Response::Success]).collect()
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
