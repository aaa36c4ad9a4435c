//! `[api]`: the REST listeners, and the PostgreSQL listeners below them.

use std::fmt;
use std::net::SocketAddr;

use super::section::{Effect, Section};
use super::{parse, wire};

/// The REST interface, as configured; it is started by a later version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// Where to listen; empty is nowhere.
    pub addrs: Vec<SocketAddr>,
    /// Requests that name another endpoint are refused. Empty: no check.
    pub endpoint_name: String,
    /// The token that requests must carry.
    pub authorization: Authorization,
}

impl Http {
    /// No REST interface.
    pub(super) fn none() -> Self {
        Self { addrs: Vec::new(), endpoint_name: String::new(), authorization: Authorization::Open }
    }
}

/// Whether requests need a token.
#[derive(Clone, PartialEq, Eq)]
pub enum Authorization {
    Open,
    Bearer(String),
}

impl fmt::Debug for Authorization {
    /// Never shows the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("Open"),
            Self::Bearer(_) => f.write_str("Bearer(..)"),
        }
    }
}

pub(super) fn read(mut section: Section<'_>) -> (Http, Vec<::wire::config::ListenerConfig>) {
    let listeners = section.sections(&["pg"]).into_iter().filter_map(wire::read).collect();
    section.set_effect(Effect::Later);
    let http = Http {
        addrs: section.default(&["addr", "bind_addr"], parse::addresses, Vec::new()),
        endpoint_name: section.default(&["endpoint_name"], parse::text, String::new()),
        authorization: section.section(&["authz", "authorization"]).map_or(Authorization::Open, read_authorization),
    };
    section.finish();
    (http, listeners)
}

fn read_authorization(mut section: Section<'_>) -> Authorization {
    let token = section.required(&["bearer-token", "bearer"], parse::text);
    section.finish();
    token.map_or(Authorization::Open, Authorization::Bearer)
}
