//! What a node does with its configuration: mistakes end it with an explanation, later keys are named once.

use tests::node::Setup;

fn check_refused(setup: &Setup, expected: &str) {
    let printed = setup.run(&["agent"]);
    assert!(!printed.success, "the node started");
    assert!(printed.stderr.contains(expected), "{}", printed.stderr);
    assert_eq!(printed.stdout, "");
}

#[test]
fn a_named_file_must_exist() {
    let printed = Setup::built_in().run(&["-c", "missing.toml", "agent"]);
    assert!(!printed.success);
    assert_eq!(printed.stderr, "error: --config: missing.toml: there is no such file\n");
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_the_nearest() {
    let setup = Setup::file("[db]\npath = 'x.db'\nschema_pathes = []\n");
    check_refused(&setup, "config.toml:3:1: unknown key `db.schema_pathes`; did you mean `db.schema_paths`?");
    let setup = Setup::file("[db]\npath = 'x.db'\n").variable("CORROSION__DB__PTH", "y");
    check_refused(&setup, "environment variable CORROSION__DB__PTH: unknown key `db.pth`; did you mean `db.path`?");
}

#[test]
fn a_listener_that_would_serve_strangers_does_not_start() {
    let listener = "[db]\npath = 'x.db'\n[api.pg]\naddr = '0.0.0.0:0'\n";
    check_refused(&Setup::file(listener), "PostgreSQL listener 0.0.0.0:0 is reachable from other machines");
    let trusted = Setup::file(&format!("{listener}auth = 'trust'\n[admin]\npath = 'admin.sock'\n")).start();
    assert!(trusted.log().contains("addr=0.0.0.0:"), "{}", trusted.log());
    trusted.stop();
}

#[test]
fn a_port_in_use_ends_the_start() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = holder.local_addr().expect("bound");
    check_refused(&Setup::built_in().variable("CORROSION__API__PG__ADDR", &address.to_string()), &address.to_string());
}

#[test]
fn a_wrong_log_filter_is_an_error() {
    check_refused(
        &Setup::built_in().variable("RUST_LOG", "wire=loud=very"),
        "RUST_LOG `wire=loud=very` cannot be read",
    );
}

#[test]
fn later_keys_are_named_in_one_line_and_the_node_runs() {
    let setup = Setup::file(
        "[db]\npath = 'x.db'\n[admin]\npath = 'admin.sock'\n[gossip]\naddr = '127.0.0.1:0'\nplaintext = true\n[reaper]\nrow_limit = 7\n",
    );
    let node = setup.start();
    let log = node.log();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("no effect in this version")).collect();
    assert_eq!(lines.len(), 1, "{log}");
    assert!(lines[0].contains("gossip.addr, gossip.plaintext, reaper.row_limit"), "{}", lines[0]);
    assert!(!log.contains("PostgreSQL connections are accepted"), "no listener was configured: {log}");
    node.stop();
}

#[test]
fn without_a_file_everything_is_below_one_directory() {
    let node = Setup::built_in().start();
    let server = node.server();
    assert!(node.log().contains(&format!("psql -h 127.0.0.1 -p {} corrosion", server.port)), "{}", node.log());
    for name in ["corrosion-data/corrosion.db", "corrosion-data/schema", "corrosion-data/admin.sock"] {
        assert!(node.path(name).exists(), "{name}");
    }
    assert_eq!(server.rows("select 1"), "1");
    node.stop();
}

#[test]
fn log_lines_are_json_where_the_configuration_says_so() {
    let node = Setup::file("[db]\npath = 'x.db'\n[admin]\npath = 'admin.sock'\n[log]\nformat = 'json'\n").start();
    let log = node.log();
    assert!(log.lines().count() > 1, "{log}");
    for line in log.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("one JSON value a line");
        assert_eq!(line["level"], "INFO", "{line}");
        assert!(line["timestamp"].is_string() && line["target"].is_string(), "{line}");
        assert!(line["fields"]["message"].is_string(), "{line}");
    }
    node.stop();
}
