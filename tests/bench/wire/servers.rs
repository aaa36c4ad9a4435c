//! The two servers: a node of the release binary with a durable database, and a PostgreSQL 15 that syncs its log.

use tests::node::{Node, Setup};
use tests::oracle::Oracle;
use tests::process;
use tests::psql::Server;

/// Rows of the table that point reads hit.
pub(super) const ROWS: u64 = 100_000;

/// Who is measured; also the index of its samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contestant {
    Node = 0,
    PostgreSql = 1,
}

pub(super) struct Servers {
    node: Node,
    postgres: Oracle,
}

impl Servers {
    /// Starts both and fills their tables.
    pub(super) fn start() -> Self {
        let servers = Self { node: Setup::built_in().start(), postgres: Oracle::durable() };
        for contestant in [Contestant::Node, Contestant::PostgreSql] {
            let server = servers.server(contestant);
            server.rows(&format!(
                "create table point (id int8 primary key, v text not null);
                 create table written (id int8 primary key, v text not null, n int4);
                 insert into point select n, 'value number ' || n from generate_series(1, {ROWS}) n"
            ));
            server.rows("analyze point");
        }
        servers
    }

    pub(super) fn server(&self, contestant: Contestant) -> Server {
        match contestant {
            Contestant::Node => self.node.server(),
            Contestant::PostgreSql => self.postgres.server(),
        }
    }

    /// CPU time the server has used, in seconds, with that of its children.
    pub(super) fn cpu_seconds(&self, contestant: Contestant) -> f64 {
        match contestant {
            Contestant::Node => process::cpu_seconds(self.node.pid()),
            Contestant::PostgreSql => process::cpu_seconds_of_family(self.postgres.pid()),
        }
    }

    /// Memory of the node that is its own or its share of what is shared, in KiB.
    pub(super) fn node_pss_kib(&self) -> u64 {
        process::pss_kib(self.node.pid())
    }

    pub(super) fn stop(self) {
        self.node.stop();
    }
}
