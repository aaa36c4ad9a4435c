//! `[api.pg]`: the PostgreSQL listeners, one or a list of them, each with its own rules.

use ::wire::config::{AddressRange, Auth, ListenerConfig, TlsFiles};

use super::parse;
use super::section::Section;
use super::tree::{Node, Problem};

/// Reads one listener. One that would let in strangers without anybody having said so is a problem.
pub(super) fn read(mut section: Section<'_>) -> Option<ListenerConfig> {
    let address = section.required(&["addr", "bind_addr"], parse::address);
    let auth = section.default(&["auth"], auth, Auth::Unsaid);
    let allow = section.optional(&["allow"], ranges);
    let read_only = section.default(&["readonly"], parse::boolean, false);
    let has_tls = section.holds_table(&["tls"]);
    let tls = section.section(&["tls"]).and_then(read_tls);
    let listener = ListenerConfig { auth, tls, allow, read_only, ..ListenerConfig::new(address?) };
    // A TLS table with a problem of its own would be reported a second time as missing.
    if has_tls == listener.tls.is_some()
        && let Err(error) = listener.validate()
    {
        section.problem(error.to_string());
    }
    section.finish();
    Some(listener)
}

fn auth(node: &Node) -> Result<Auth, Problem> {
    match parse::text(node)?.as_str() {
        "trust" => Ok(Auth::Trust),
        "scram-sha-256" => Ok(Auth::Scram),
        "cert" => Ok(Auth::Certificate),
        other => Err(node.problem(format!("expected \"trust\", \"scram-sha-256\" or \"cert\", found `{other}`"))),
    }
}

fn ranges(node: &Node) -> Result<Vec<AddressRange>, Problem> {
    let range = |node: &Node| parse::text(node)?.parse().map_err(|error| node.problem(format!("{error}")));
    let ranges = parse::list(node, range)?;
    if ranges.is_empty() {
        return Err(
            node.problem("an empty list lets in nobody: name ranges, or remove the key to let in all".to_owned())
        );
    }
    Ok(ranges)
}

fn read_tls(mut section: Section<'_>) -> Option<TlsFiles> {
    let cert_file = section.required(&["cert_file"], parse::path);
    let key_file = section.required(&["key_file"], parse::path);
    let ca_file = section.optional(&["ca_file"], parse::path);
    let verify_client = section.default(&["verify_client"], parse::boolean, false);
    let required = section.default(&["required"], parse::boolean, true);
    section.finish();
    Some(TlsFiles { cert_file: cert_file?, key_file: key_file?, ca_file, verify_client, required })
}
