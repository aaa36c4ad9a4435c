//! `[api.pg]`: the PostgreSQL listeners, one or a list of them.

use std::net::SocketAddr;

use super::parse;
use super::section::Section;
use super::tree::{Node, Problem};

/// Who may connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Nothing was written: connections are trusted, which is allowed on loopback addresses only.
    LoopbackTrust,
    /// `auth = "trust"`: everyone who reaches the address is trusted. The user said so.
    Trust,
}

/// One PostgreSQL listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listener {
    pub addr: SocketAddr,
    pub auth: Auth,
}

/// Reads one listener. What this version cannot enforce is refused, never ignored: a listener that was meant to be
/// encrypted or read-only must not come up as anything less.
pub(super) fn read(mut section: Section<'_>) -> Option<Listener> {
    let addr = section.required(&["addr", "bind_addr"], parse::address);
    let auth = section.optional(&["auth"], auth);
    if section.default(&["readonly"], parse::boolean, false) {
        section.problem("`readonly = true` is not supported by this version: the listener would accept writes. Remove this listener");
    }
    if let Some(tls) = section.section(&["tls"]) {
        read_tls(tls);
    }
    let addr = addr?;
    if !addr.ip().to_canonical().is_loopback() && auth.is_none() {
        section.problem(format!(
            "{addr} is not a loopback address and connections to it are neither encrypted nor authenticated. \
             Listen on 127.0.0.1, or write auth = \"trust\" to let in everyone who can reach it"
        ));
    }
    section.finish();
    Some(Listener { addr, auth: auth.unwrap_or(Auth::LoopbackTrust) })
}

fn auth(node: &Node) -> Result<Auth, Problem> {
    match parse::text(node)?.as_str() {
        "trust" => Ok(Auth::Trust),
        other => Err(node.problem(format!("this version knows auth = \"trust\" only, found `{other}`"))),
    }
}

fn read_tls(mut section: Section<'_>) {
    section.problem("TLS on PostgreSQL listeners is not supported by this version: connections would be in the clear. Remove this table");
    section.required(&["cert_file"], parse::path);
    section.required(&["key_file"], parse::path);
    section.optional(&["ca_file"], parse::path);
    section.optional(&["verify_client"], parse::boolean);
    section.finish();
}
