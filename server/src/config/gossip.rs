//! `[gossip]`: how nodes reach each other. Read and checked in full; started by a later version.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::parse;
use super::section::Section;
use super::tree::{Node, Problem};

/// The peer-to-peer interface.
#[derive(Debug, Clone, PartialEq)]
pub struct Gossip {
    pub addr: SocketAddr,
    /// What peers are told to dial. Default: `addr`.
    pub external_addr: SocketAddr,
    /// Where outgoing connections come from. Default `[::]:0`.
    pub client_addr: SocketAddr,
    /// First contacts: `host[:port][@dns[:port]]`.
    pub bootstrap: Vec<String>,
    pub security: Security,
    /// Longest silence on a connection. Default 30 s.
    pub idle_timeout: Duration,
    /// Upper bound of the QUIC datagram size; absent is discovered.
    pub max_mtu: Option<u16>,
    pub disable_gso: bool,
    /// Nodes of another member id exchange no changes with this one; absent is a group of its own.
    pub member_id: Option<u16>,
    pub compression: Compression,
    pub broadcast: Broadcast,
}

/// How connections between nodes are protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Security {
    /// Neither TLS nor plaintext was configured.
    Unset,
    Plaintext,
    Tls(Tls),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    pub cert_file: PathBuf,
    pub key_file: PathBuf,
    /// Absent: the system's authorities.
    pub ca_file: Option<PathBuf>,
    /// Whether any certificate is believed.
    pub insecure: bool,
    /// The certificate that this node shows to its peers; absent: none.
    pub client: Option<ClientTls>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientTls {
    pub cert_file: PathBuf,
    pub key_file: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compression {
    pub enabled: bool,
    /// zstd level, 1 to 22. Default 3.
    pub level: i32,
    pub dict_dir: Option<PathBuf>,
    pub dict_file: Option<PathBuf>,
}

/// How committed changes spread.
#[derive(Debug, Clone, PartialEq)]
pub enum Broadcast {
    Gossip,
    Plumtree(Plumtree),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plumtree {
    pub prune_threshold: usize,
    pub optimization_threshold: Option<usize>,
    pub batch_gossip: bool,
    pub prune_throttle: Duration,
    pub near_percent: u8,
    pub mid_percent: u8,
    pub far_percent: u8,
}

impl Default for Plumtree {
    fn default() -> Self {
        Self {
            prune_threshold: 5,
            optimization_threshold: None,
            batch_gossip: false,
            prune_throttle: Duration::from_secs(1),
            near_percent: 50,
            mid_percent: 30,
            far_percent: 20,
        }
    }
}

pub(super) fn read(mut section: Section<'_>) -> Option<Gossip> {
    let addr = section.required(&["addr", "bind_addr"], parse::address);
    let external_addr = section.optional(&["external_addr"], parse::address);
    let client_addr = section.default(&["client_addr"], parse::address, SocketAddr::from(([0u16; 8], 0)));
    let bootstrap = section.default(&["bootstrap"], bootstrap, Vec::new());
    let idle_timeout = section.default(&["idle_timeout_secs"], parse::seconds, Duration::from_secs(30));
    let max_mtu = section.optional(&["max_mtu"], parse::max_mtu);
    let disable_gso = section.default(&["disable_gso"], parse::boolean, false);
    let member_id = section.optional(&["member_id"], parse::u16);
    let compression = section.section(&["compression"]);
    let compression =
        compression.map_or(Compression { enabled: false, level: 3, dict_dir: None, dict_file: None }, read_compression);
    let broadcast = read_broadcast(&mut section);
    let plaintext = section.default(&["plaintext"], parse::boolean, false);
    let tls = section.section(&["tls"]).and_then(read_tls);
    section.finish();
    let security = match tls {
        Some(tls) => Security::Tls(tls),
        None if plaintext => Security::Plaintext,
        None => Security::Unset,
    };
    let addr = addr?;
    Some(Gossip {
        addr,
        external_addr: external_addr.unwrap_or(addr),
        client_addr,
        bootstrap,
        security,
        idle_timeout,
        max_mtu,
        disable_gso,
        member_id,
        compression,
        broadcast,
    })
}

fn bootstrap(node: &Node) -> Result<Vec<String>, Problem> {
    parse::list(node, |item| {
        let written = parse::text(item)?;
        let (host, dns) = written.split_once('@').map_or((written.as_str(), None), |(host, dns)| (host, Some(dns)));
        if host.is_empty() || dns.is_some_and(str::is_empty) {
            return Err(item.problem(format!("expected host[:port][@dns[:port]], found `{written}`")));
        }
        Ok(written)
    })
}

fn read_tls(mut section: Section<'_>) -> Option<Tls> {
    let cert_file = section.required(&["cert_file"], parse::path);
    let key_file = section.required(&["key_file"], parse::path);
    let ca_file = section.optional(&["ca_file"], parse::path);
    let insecure = section.default(&["insecure"], parse::boolean, false);
    let client = section.section(&["client"]).and_then(|mut client| {
        let cert_file = client.required(&["cert_file"], parse::path);
        let key_file = client.required(&["key_file"], parse::path);
        client.finish();
        Some(ClientTls { cert_file: cert_file?, key_file: key_file? })
    });
    section.finish();
    Some(Tls { cert_file: cert_file?, key_file: key_file?, ca_file, insecure, client })
}

fn read_compression(mut section: Section<'_>) -> Compression {
    let compression = Compression {
        enabled: section.default(&["enabled"], parse::boolean, false),
        level: section.default(&["level"], parse::compression_level, 3),
        dict_dir: section.optional(&["dict_dir"], parse::path),
        dict_file: section.optional(&["dict_file"], parse::path),
    };
    section.finish();
    compression
}

/// `"gossip"`, `"plumtree"`, or a table `plumtree` with its settings.
fn read_broadcast(section: &mut Section<'_>) -> Broadcast {
    if section.holds_table(&["broadcast"]) {
        let Some(mut broadcast) = section.section(&["broadcast"]) else { return Broadcast::Gossip };
        let plumtree = broadcast.section(&["plumtree"]).map(read_plumtree);
        broadcast.finish();
        return plumtree.map_or(Broadcast::Gossip, Broadcast::Plumtree);
    }
    section.default(
        &["broadcast"],
        |node| match parse::text(node)?.as_str() {
            "gossip" => Ok(Broadcast::Gossip),
            "plumtree" => Ok(Broadcast::Plumtree(Plumtree::default())),
            other => Err(node.problem(format!("expected \"gossip\" or \"plumtree\", found `{other}`"))),
        },
        Broadcast::Gossip,
    )
}

fn read_plumtree(mut section: Section<'_>) -> Plumtree {
    let default = Plumtree::default();
    let mut plumtree = Plumtree {
        prune_threshold: section.default(&["prune_threshold"], parse::count, default.prune_threshold),
        optimization_threshold: section.optional(&["optimization_threshold"], parse::count),
        batch_gossip: section.default(&["batch_gossip"], parse::boolean, default.batch_gossip),
        prune_throttle: section.default(&["prune_throttle_secs"], parse::seconds, default.prune_throttle),
        ..default
    };
    if let Some(mut ratios) = section.section(&["eager_ratios"]) {
        plumtree.near_percent = ratios.default(&["near-pct"], parse::percent, plumtree.near_percent);
        plumtree.mid_percent = ratios.default(&["mid-pct"], parse::percent, plumtree.mid_percent);
        plumtree.far_percent = ratios.default(&["far-pct"], parse::percent, plumtree.far_percent);
        let sum =
            [plumtree.near_percent, plumtree.mid_percent, plumtree.far_percent].map(u32::from).iter().sum::<u32>();
        if sum != 100 {
            ratios.problem(format!("near-pct, mid-pct and far-pct must sum to 100; they sum to {sum}"));
        }
        ratios.finish();
    }
    section.finish();
    plumtree
}
