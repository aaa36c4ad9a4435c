//! Sends one request to a running node and shows its answer.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use server::admin::protocol::{RESPONSE_LEN_MAX, Request, Response, read_frame, write_frame};
use tokio::net::UnixStream;

use crate::output;

/// Longest wait between two frames of an answer. A request may have to wait for the node's writer.
const RESPONSE_MAX: Duration = Duration::from_secs(120);

/// Sends a request and prints what comes back, up to success.
///
/// # Errors
/// No node answers there, or it answers with an error.
pub(crate) fn send(path: &Path, request: &Request) -> anyhow::Result<()> {
    for value in ask(path, request)? {
        output::line(&format!("{value:#}"));
    }
    Ok(())
}

/// Sends a request, prints the notes that come back, and returns the results.
///
/// # Errors
/// As [`send`].
pub(crate) fn ask(path: &Path, request: &Request) -> anyhow::Result<Vec<serde_json::Value>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    runtime.block_on(exchange(path, request))
}

async fn exchange(path: &Path, request: &Request) -> anyhow::Result<Vec<serde_json::Value>> {
    let connected = UnixStream::connect(path).await;
    let mut stream = connected.with_context(|| format!("connect to the node at {}; is it running?", path.display()))?;
    write_frame(&mut stream, request).await.context("send the request")?;
    let mut results = Vec::new();
    loop {
        let read = tokio::time::timeout(RESPONSE_MAX, read_frame(&mut stream, RESPONSE_LEN_MAX)).await;
        let frame = read.context("the node did not answer in time")?.context("read the answer")?;
        let frame = frame.context("the node closed the connection before its answer was complete")?;
        match serde_json::from_slice(&frame).context("read the answer")? {
            Response::Log { level, msg, .. } => output::note(&format!("{level}: {msg}")),
            Response::Json(value) => results.push(value),
            Response::Success => return Ok(results),
            Response::Error { msg } => bail!("{msg}"),
        }
    }
}
