//! pgbench, unchanged: its tables, its three query modes, eight clients, and the sums that must agree afterwards.
//!
//! `CORROSION_PGBENCH_SECONDS` sets the length of each run (default 3).

use tests::node::Setup;
use tests::psql::Server;

fn seconds() -> String {
    std::env::var("CORROSION_PGBENCH_SECONDS").unwrap_or_else(|_| "3".into())
}

fn pgbench(server: &Server, args: &[&str]) -> String {
    let output = server.command("/usr/lib/postgresql/15/bin/pgbench").args(args).arg(&server.database).output();
    let output = output.expect("run pgbench; ./test names the package");
    let printed = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "pgbench {args:?}:\n{printed}");
    for sign in ["ERROR", "FATAL", "aborted"] {
        assert!(!printed.contains(sign), "pgbench {args:?}:\n{printed}");
    }
    printed
}

#[test]
fn pgbench_runs_in_all_modes_and_its_sums_agree() {
    let node = Setup::built_in().start();
    let server = node.server();
    pgbench(&server, &["-i", "-I", "dtpG", "-s", "1"]);
    assert_eq!(server.rows("select count(*) from pgbench_accounts"), "100000");
    let mut transactions = 0;
    for mode in ["simple", "extended", "prepared"] {
        let length = seconds();
        let mut args = vec!["-T", &length, "-c", "8", "-M", mode];
        if transactions > 0 {
            // Without -n each run begins with VACUUM, and with TRUNCATE of the history that is summed up below.
            args.push("-n");
        }
        let printed = pgbench(&server, &args);
        assert!(printed.contains("number of failed transactions: 0"), "{printed}");
        let processed =
            printed.lines().find_map(|line| line.strip_prefix("number of transactions actually processed: "));
        let processed: u64 = processed.and_then(|count| count.parse().ok()).expect("pgbench prints a count");
        assert!(processed > 0, "{printed}");
        transactions += processed;
        eprintln!("pgbench -M {mode}: {processed} transactions in {} s", seconds());
    }
    let history = server.rows("select count(*), sum(delta) from pgbench_history");
    let (count, sum) = history.split_once('|').expect("two columns");
    assert_eq!(count, transactions.to_string());
    for (table, column) in [("accounts", "abalance"), ("tellers", "tbalance"), ("branches", "bbalance")] {
        assert_eq!(server.rows(&format!("select sum({column}) from pgbench_{table}")), sum, "{table}");
    }
    node.stop();
}
