//! `[consul]`: where `corrosion consul sync`, of a later version, finds Consul.

use std::path::PathBuf;

use super::parse;
use super::section::Section;

/// The Consul agent to follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consul {
    /// `host:port`. Default `127.0.0.1:8501`.
    pub address: String,
    /// Present: HTTPS.
    pub tls: Option<ConsulTls>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsulTls {
    pub ca_file: PathBuf,
    pub cert_file: PathBuf,
    pub key_file: PathBuf,
}

impl Default for Consul {
    fn default() -> Self {
        Self { address: "127.0.0.1:8501".into(), tls: None }
    }
}

pub(super) fn read(mut section: Section<'_>) -> Consul {
    let mut consul = Consul::default();
    if let Some(mut client) = section.section(&["client"]) {
        consul.address = client.default(&["address", "addr"], parse::text, consul.address);
        consul.tls = client.section(&["tls"]).and_then(read_tls);
        client.finish();
    }
    section.finish();
    consul
}

/// The book's sample leaves the three paths empty, so an empty one is allowed until Consul is really reached.
fn read_tls(mut section: Section<'_>) -> Option<ConsulTls> {
    let [ca_file, cert_file, key_file] =
        [["ca_file"], ["cert_file"], ["key_file"]].map(|names| section.required(&names, parse::text));
    section.finish();
    Some(ConsulTls { ca_file: ca_file?.into(), cert_file: cert_file?.into(), key_file: key_file?.into() })
}
