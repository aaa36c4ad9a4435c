//! `[telemetry]`: where metrics are served, and where traces will go.

use std::net::SocketAddr;

use super::parse;
use super::section::{Effect, Section};

/// What the node tells about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Telemetry {
    /// Where metrics are served; absent is nowhere.
    pub prometheus_addr: Option<SocketAddr>,
    /// Read and checked; exported by a later version.
    pub open_telemetry: OpenTelemetry,
}

/// Where traces go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum OpenTelemetry {
    #[default]
    Off,
    /// The standard `OTEL_*` variables say.
    FromEnv,
    Exporter {
        endpoint: String,
    },
}

pub(super) fn read(mut section: Section<'_>) -> Telemetry {
    let prometheus_addr = section.section(&["prometheus"]).and_then(|mut prometheus| {
        let addr = prometheus.required(&["addr", "bind_addr"], parse::address);
        prometheus.finish();
        addr
    });
    section.set_effect(Effect::Later);
    let open_telemetry = read_open_telemetry(&mut section);
    section.finish();
    Telemetry { prometheus_addr, open_telemetry }
}

fn read_open_telemetry(section: &mut Section<'_>) -> OpenTelemetry {
    const NAMES: &[&str] = &["open-telemetry"];
    if !section.holds_table(NAMES) {
        let parse = |node: &_| match parse::text(node)?.as_str() {
            "from-env" | "from_env" => Ok(OpenTelemetry::FromEnv),
            other => Err(node.problem(format!("expected \"from-env\" or a table `exporter`, found `{other}`"))),
        };
        return section.default(NAMES, parse, OpenTelemetry::Off);
    }
    let Some(mut open_telemetry) = section.section(NAMES) else { return OpenTelemetry::Off };
    let endpoint = open_telemetry.section(&["exporter"]).and_then(|mut exporter| {
        let endpoint = exporter.required(&["endpoint"], parse::text);
        exporter.finish();
        endpoint
    });
    open_telemetry.finish();
    endpoint.map_or(OpenTelemetry::Off, |endpoint| OpenTelemetry::Exporter { endpoint })
}
