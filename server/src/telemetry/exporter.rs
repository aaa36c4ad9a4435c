//! Answers scrapes over HTTP/1.1, on any path, one request a connection.
//!
//! A scrape is one `GET` with a small head; a full HTTP server would bring more code than it would save. Everything is
//! bounded: connections, the length of a head, the time of an exchange.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tracing::debug;

use super::metrics::Metrics;
use crate::lifecycle::Shutdown;

/// Scrapes answered at the same time; further ones wait in the accept queue.
const CONNECTIONS_MAX: usize = 8;
/// Longest request head. A longer one is answered 431.
const HEAD_LEN_MAX: usize = 8 << 10;
/// Longest time for one exchange; then the connection is dropped.
const EXCHANGE_MAX: Duration = Duration::from_secs(10);

/// Serves metrics until shutdown. Cancelling it drops the listener and leaves running exchanges to their deadline.
pub(crate) async fn serve(listener: TcpListener, metrics: Arc<Metrics>, mut shutdown: Shutdown) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.requested() => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let metrics = Arc::clone(&metrics);
                tokio::spawn(async move {
                    exchange(stream, peer, &metrics).await;
                    drop(permit);
                });
            }
            Err(error) => {
                debug!(%error, "accept a scrape");
                crate::lifecycle::pause_after_accept_error().await;
            }
        }
    }
}

/// One request and its answer. Cancelling it drops the connection.
async fn exchange(mut stream: TcpStream, peer: SocketAddr, metrics: &Metrics) {
    let answered = tokio::time::timeout(EXCHANGE_MAX, async {
        let head = read_head(&mut stream).await?;
        let reply = answer(&head, || metrics.render());
        stream.write_all(&reply).await?;
        stream.shutdown().await
    });
    match answered.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%peer, %error, "answer a scrape"),
        Err(_) => debug!(%peer, "a scrape took too long"),
    }
}

/// Reads up to the empty line, or as much as is allowed.
async fn read_head(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(1024);
    let mut chunk = [0; 1024];
    while head.len() < HEAD_LEN_MAX && !is_complete(&head) {
        let read = stream.read(&mut chunk).await?;
        if read == 0 {
            break;
        }
        head.extend_from_slice(&chunk[..read]);
    }
    Ok(head)
}

fn is_complete(head: &[u8]) -> bool {
    head.windows(4).any(|bytes| bytes == b"\r\n\r\n") || head.windows(2).any(|bytes| bytes == b"\n\n")
}

/// Decides the answer to a request head.
fn answer(head: &[u8], body: impl FnOnce() -> String) -> Vec<u8> {
    if !is_complete(head) {
        let status = if head.len() >= HEAD_LEN_MAX { "431 Request Header Fields Too Large" } else { "400 Bad Request" };
        return reply(status, "", "");
    }
    match head.split(|byte| *byte == b' ').next() {
        Some(b"GET") => reply("200 OK", "", &body()),
        Some(b"HEAD") => reply("200 OK", "", ""),
        Some(_) | None => reply("405 Method Not Allowed", "allow: GET, HEAD\r\n", ""),
    }
}

fn reply(status: &str, header: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\n{header}content-type: text/plain; version=0.0.4; charset=utf-8\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(head: &str, status: &str) {
        let answer = String::from_utf8(answer(head.as_bytes(), || "m 1\n".into())).expect("text");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{head:?}: {answer}");
        assert_eq!(answer.ends_with("\r\n\r\nm 1\n"), head.starts_with("GET") && status == "200", "{answer}");
    }

    #[test]
    fn any_path_is_answered_and_nonsense_is_refused() {
        check("GET / HTTP/1.1\r\nhost: x\r\n\r\n", "200");
        check("GET /metrics HTTP/1.1\r\n\r\n", "200");
        check("HEAD / HTTP/1.1\r\n\r\n", "200");
        check("POST / HTTP/1.1\r\n\r\n", "405");
        check("GET / HTTP/1.1\r\n", "400");
        check("", "400");
        check(&"x".repeat(HEAD_LEN_MAX), "431");
    }
}
