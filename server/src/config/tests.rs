//! What the configuration promises: the book's file parses, mistakes are named with their place, sources win in order.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::gossip::{Broadcast, Security};
use super::http::Authorization;
use super::load::from_sources;
use super::log::LogFormat;
use super::telemetry::OpenTelemetry;
use super::{Config, Flags, Source};
use ::wire::config::{Auth, TlsFiles};

/// Every key of the book's configuration chapters, with the book's values.
const BOOK: &str = include_str!("testdata/book.toml");

fn parse(text: &str) -> Result<Config, String> {
    parse_with(text, &[])
}

fn parse_with(text: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    from_sources(Some(("c.toml".into(), text.into())), variables, &Flags::default()).map_err(|error| error.to_string())
}

fn check_error(text: &str, expected: &str) {
    assert_eq!(parse(text).expect_err("the configuration is wrong"), expected, "{text}");
}

fn addr(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

#[test]
fn the_whole_book_parses() {
    let config = parse(BOOK).expect("the book's configuration");
    assert_eq!(config.db.path, Path::new("/var/lib/corrosion/db.sqlite"));
    assert_eq!(config.db.schema_paths, ["/etc/corrosion/schema", "/path/to/table_name.sql"].map(PathBuf::from));
    assert_eq!(config.db.cache_size_kib, -1_048_576);
    assert_eq!(config.wire.iter().map(|l| l.address).collect::<Vec<_>>(), [addr("127.0.0.1:5470")]);
    assert_eq!(config.http.addrs, [addr("0.0.0.0:9000")]);
    assert_eq!(config.http.authorization, Authorization::Bearer("<token>".into()));
    let gossip = config.gossip.expect("gossip is configured");
    assert_eq!(gossip.bootstrap, ["127.0.0.1:3333", "my-fly-app.internal:3333@[fdaa::3]:53"]);
    assert!(matches!(gossip.security, Security::Tls(tls) if tls.client.is_some()));
    assert_eq!(gossip.broadcast, Broadcast::Gossip);
    assert_eq!(config.admin.path, Path::new("/admin.sock"));
    assert_eq!(config.telemetry.prometheus_addr, Some(addr("0.0.0.0:9090")));
    assert_eq!(config.telemetry.open_telemetry, OpenTelemetry::FromEnv);
    assert_eq!(config.reaper.tables["sessions"].retention, Duration::from_secs(7 * 86_400));
    assert_eq!(config.reaper.tables["sessions"].match_filter, "id LIKE 'tmp-%'");
    assert_eq!(config.perf, super::Perf::default(), "the book's values are the defaults");
    assert_eq!(config.log.format, LogFormat::Json);
}

#[test]
fn keys_without_effect_are_listed_once_and_working_ones_are_not() {
    let config = parse(BOOK).expect("the book's configuration");
    let listed = &config.without_effect;
    for key in [
        "db.subscriptions_path",
        "gossip.addr",
        "gossip.tls.client.cert_file",
        "api.addr",
        "perf.foca_channel_len",
        "consul.client.address",
        "reaper.tables.sessions.retention",
    ] {
        assert_eq!(listed.iter().filter(|listed| *listed == key).count(), 1, "{key} in {listed:?}");
    }
    for key in
        ["db.path", "api.pg.addr", "admin.path", "telemetry.prometheus.addr", "perf.wal_threshold_mb", "log.format"]
    {
        assert!(!listed.iter().any(|listed| listed == key), "{key} in {listed:?}");
    }
}

#[test]
fn the_keys_that_the_book_lacks_parse() {
    let config = parse(
        "db.path = 'x'\n[gossip]\nbind_addr = '127.0.0.1:1'\nplaintext = true\n\
         compression = { enabled = true, level = 5, dict_dir = 'd', dict_file = 'f' }\n\
         [gossip.broadcast.plumtree]\nprune_threshold = 7\noptimization_threshold = 3\nbatch_gossip = true\nprune_throttle_secs = 2\n\
         eager_ratios = { near-pct = 40, mid-pct = 40, far-pct = 20 }\n\
         [perf]\nempties_channel_len = 5\npartial_retry_backoff = 300\n[reaper]\ncheck_orphaned_pks = true\nrow_limit = 9\n",
    )
    .expect("keys of existing files");
    let gossip = config.gossip.expect("gossip is configured");
    assert_eq!(gossip.security, Security::Plaintext);
    assert!(matches!(gossip.broadcast, Broadcast::Plumtree(plumtree) if plumtree.near_percent == 40));
    assert_eq!(config.perf.partial_retry_backoff, Duration::from_secs(300));
    assert_eq!(config.reaper.row_limit, 9);
}

#[test]
fn either_name_of_a_key_works() {
    for (one, other) in [
        ("api.addr = '127.0.0.1:1'", "api.bind_addr = ['127.0.0.1:1']"),
        ("api.authz.bearer-token = 't'", "api.authorization.bearer = 't'"),
        ("api.pg.addr = '127.0.0.1:1'", "[[api.pg]]\nbind_addr = '127.0.0.1:1'"),
        ("gossip.addr = '127.0.0.1:1'", "gossip.bind_addr = '127.0.0.1:1'"),
        ("admin.path = 'p'", "admin.uds_path = 'p'"),
        ("telemetry.prometheus.addr = '127.0.0.1:1'", "telemetry.prometheus.bind_addr = '127.0.0.1:1'"),
        ("telemetry.open-telemetry = 'from_env'", "telemetry.open-telemetry = 'from-env'"),
        ("consul.client.addr = 'a:1'", "consul.client.address = 'a:1'"),
        ("perf.wal_threshold_mb = 64", "perf.wal_threshold_mb = '64MiB'"),
        (
            "gossip = { addr = '127.0.0.1:1', idle_timeout_secs = 9 }",
            "gossip = { addr = '127.0.0.1:1', idle_timeout_secs = '9s' }",
        ),
    ] {
        let [one, other] = [one, other].map(|text| parse(&format!("db.path = 'x'\n{text}\n")).expect(text));
        assert_eq!(one, other);
    }
}

#[test]
fn a_mistake_is_named_with_its_place() {
    check_error(
        "db.pth = 'x'\n",
        "c.toml:1:1: `db.path` is required\nc.toml:1:4: unknown key `db.pth`; did you mean `db.path`?",
    );
    check_error(
        "db.path = 'x'\n[gosip]\naddr = '127.0.0.1:1'\n",
        "c.toml:2:2: unknown key `gosip`; did you mean `gossip`?",
    );
    check_error("", "c.toml:1:1: `db.path` is required");
    check_error("[db]\npath = 5\n", "c.toml:2:8: `db.path`: expected text, found an integer");
    check_error("db = 1\n", "c.toml:1:6: `db` is an integer; it must be a table\nc.toml:1:1: `db.path` is required");
    check_error(
        "db.path = 'x'\napi.addr = '127.0.0.1:1'\napi.bind_addr = '127.0.0.1:1'\n",
        "c.toml:3:5: `api.addr` and `api.bind_addr` are the same key",
    );
    check_error(
        "db.path = 'x'\ngossip.addr = '127.0.0.1:1'\ngossip.max_mtu = 1000\n",
        "c.toml:3:18: `gossip.max_mtu`: value 1000 is below the QUIC minimum of 1200 (RFC 9000)",
    );
    check_error(
        "db.path = 'x'\nperf.write_lease_max = '1s'\n",
        "c.toml:2:1: `perf.write_lease_max` is below `perf.write_lease_idle_max`",
    );
    check_error(
        "db.path = 'x'\n[api.pg]\naddr = 'localhost:5470'\n",
        "c.toml:3:8: `api.pg.addr`: expected a socket address such as 127.0.0.1:5470 or [::1]:5470, found `localhost:5470`",
    );
}

#[test]
fn a_listener_off_loopback_needs_a_word() {
    let error = parse("db.path = 'x'\n[api.pg]\naddr = '0.0.0.0:5470'\n").expect_err("off loopback");
    assert!(error.starts_with("c.toml:2:6: PostgreSQL listener 0.0.0.0:5470 is reachable from other"), "{error}");
    let config = parse("db.path = 'x'\n[api.pg]\naddr = '0.0.0.0:5470'\nauth = 'trust'\n").expect("the user said so");
    assert_eq!(config.wire[0].auth, Auth::Trust);
    check_error(
        "db.path = 'x'\n[api.pg]\naddr = '127.0.0.1:5470'\nauth = 'md5'\n",
        "c.toml:4:8: `api.pg.auth`: expected \"trust\", \"scram-sha-256\" or \"cert\", found `md5`",
    );
}

#[test]
fn each_listener_has_rules_of_its_own() {
    let config = parse(
        "db.path = 'x'\n[[api.pg]]\naddr = '127.0.0.1:1'\n[[api.pg]]\naddr = '127.0.0.1:2'\nreadonly = true\n\
         [[api.pg]]\naddr = '10.0.0.1:3'\nauth = 'scram-sha-256'\nallow = ['10.0.0.0/8', '::1']\n\
         tls = { cert_file = 'c', key_file = 'k' }\n\
         [[api.pg]]\naddr = '10.0.0.1:4'\nauth = 'cert'\n\
         tls = { cert_file = 'c', key_file = 'k', ca_file = 'a', verify_client = true }\n",
    )
    .expect("four listeners");
    let [plain, read_only, scram, certificate] = &config.wire[..] else { panic!("{:?}", config.wire) };
    assert_eq!((plain.auth, plain.read_only, &plain.allow, &plain.tls), (Auth::Unsaid, false, &None, &None));
    assert_eq!((read_only.auth, read_only.read_only), (Auth::Unsaid, true));
    let ranges = scram.allow.iter().flatten().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!((scram.auth, ranges), (Auth::Scram, vec!["10.0.0.0/8".to_owned(), "::1/128".to_owned()]));
    let files =
        TlsFiles { cert_file: "c".into(), key_file: "k".into(), ca_file: None, verify_client: false, required: true };
    assert_eq!(scram.tls, Some(files.clone()));
    let files = TlsFiles { ca_file: Some("a".into()), verify_client: true, ..files };
    assert_eq!((certificate.auth, &certificate.tls), (Auth::Certificate, &Some(files)));
}

#[test]
fn a_listener_that_would_not_do_what_it_says_is_refused() {
    let refused = |listener: &str| {
        let text = format!("db.path = 'x'\n[api.pg]\naddr = '127.0.0.1:1'\n{listener}\n");
        parse(&text).expect_err(listener)
    };
    assert!(refused("auth = 'cert'").contains("cannot see certificates"));
    assert!(refused("tls = { cert_file = 'c', key_file = 'k', verify_client = true }").contains("name the ca_file"));
    assert!(refused("allow = []").contains("an empty list lets in nobody"));
    assert!(refused("allow = ['10.0.0.1/8']").contains("write 10.0.0.0/8, or 10.0.0.1 for the one address"));
    let missing = refused("auth = 'scram-sha-256'\ntls = { cert_file = 'c' }");
    assert_eq!(missing, "c.toml:5:1: `api.pg.tls.key_file` is required");
}

#[test]
fn a_file_opens_only_the_listeners_it_names() {
    let config = parse("db.path = 'x'\n").expect("a minimal file");
    assert_eq!((config.wire.len(), config.http.addrs.len()), (0, 0));
    assert_eq!(config.gossip, None);
    assert_eq!(config.admin.path, Path::new("/var/run/corrosion/admin.sock"));
    assert_eq!(config.telemetry.prometheus_addr, None);
}

#[test]
fn without_a_file_everything_is_below_one_directory_and_on_loopback() {
    let config = from_sources(None, Vec::new(), &Flags::default()).expect("built-in defaults");
    assert_eq!(config.source, Source::BuiltIn { data_dir: "corrosion-data".into() });
    assert_eq!(config.wire.iter().map(|l| l.address).collect::<Vec<_>>(), [addr("127.0.0.1:5470")]);
    for path in [&config.db.path, &config.admin.path, &config.db.schema_paths[0]] {
        assert!(path.starts_with("corrosion-data"), "{}", path.display());
    }
    assert_eq!(config.without_effect, Vec::<String>::new());
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let file = "db.path = 'file'\n[admin]\npath = 'file'\n[api]\nauthorization.bearer-token = 'file'\npg.addr = '127.0.0.1:1'\n";
    let flags = Flags { db_path: Some("flag".into()), ..Flags::default() };
    let variables = [
        ("CORROSION__DB__PATH", "variable"),
        ("CORROSION__ADMIN__PATH", "variable"),
        ("CORROSION__API__AUTHZ__BEARER_TOKEN", "variable"),
        ("CORROSION__API__PG__ADDR", "127.0.0.1:2"),
        ("CORROSION__PERF__WAL_THRESHOLD_MB", "64"),
        ("CORROSION__DB__SCHEMA_PATHS", "a,b"),
        ("CORROSION__GOSSIP__ADDR", "127.0.0.1:3"),
        ("CORROSION__GOSSIP__BOOTSTRAP", "[\"a:1\", \"b:2\"]"),
        ("DB__PATH", "not ours"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let config = from_sources(Some(("c.toml".into(), file.into())), variables, &flags).expect("all three");
    assert_eq!(config.db.path, Path::new("flag"));
    assert_eq!(config.admin.path, Path::new("variable"));
    assert_eq!(config.http.authorization, Authorization::Bearer("variable".into()));
    assert_eq!(config.wire[0].address, addr("127.0.0.1:2"));
    assert_eq!(config.perf.wal_size_max, 64 << 20);
    assert_eq!(config.db.schema_paths, ["a", "b"].map(PathBuf::from));
    assert_eq!(config.gossip.expect("from variables alone").bootstrap, ["a:1", "b:2"]);
}

#[test]
fn a_wrong_variable_is_named() {
    let error = parse_with("db.path = 'x'\n", &[("CORROSION__DB__PHAT", "y")]).expect_err("unknown key");
    assert_eq!(error, "environment variable CORROSION__DB__PHAT: unknown key `db.phat`; did you mean `db.path`?");
    let error = parse_with("db.path = 'x'\n", &[("CORROSION__LOG__COLORS", "perhaps")]).expect_err("not a boolean");
    assert_eq!(
        error,
        "environment variable CORROSION__LOG__COLORS: `log.colors`: expected true or false, found `perhaps`"
    );
}

#[test]
fn a_token_is_never_shown() {
    let config = parse("db.path = 'x'\napi.authz.bearer-token = 'secret'\n").expect("a token");
    assert!(!format!("{config:?}").contains("secret"));
}
