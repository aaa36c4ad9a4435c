//! A PostgreSQL 15 of the test's own, to compare answers with. Listens on a Unix socket, and on loopback when asked to.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::certificates::Pair;
use crate::psql::Server;
use crate::wait::wait_until;

/// Where Debian keeps the server's programs.
const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";
const START_MAX: Duration = Duration::from_secs(60);
/// The user that a server of root's runs as: PostgreSQL refuses to run as root.
const SERVER_USER: &str = "postgres";

/// In the name of the Unix socket.
const SOCKET_PORT: u16 = 5432;

/// A running PostgreSQL. Dropping it ends it and removes its data.
#[derive(Debug)]
pub struct Oracle {
    child: Child,
    dir: TempDir,
    /// Of the TCP listener on loopback; None: on a Unix socket in `dir` only.
    tcp_port: Option<u16>,
}

impl Oracle {
    /// Makes a database cluster and starts a server on it.
    ///
    /// # Panics
    /// If PostgreSQL 15 is not installed or does not start.
    pub fn start() -> Self {
        Self::start_with(None, &["fsync=off"])
    }

    /// As [`Self::start`], for clients that know no Unix sockets.
    ///
    /// # Panics
    /// If PostgreSQL 15 is not installed or does not start.
    pub fn start_on_loopback() -> Self {
        Self::start_with(Some(free_port()), &["fsync=off"])
    }

    /// As [`Self::start`], for measuring: writes are synced, clients come over TCP as they do to a node.
    ///
    /// # Panics
    /// If PostgreSQL 15 is not installed or does not start.
    pub fn durable() -> Self {
        Self::start_with(Some(free_port()), &["shared_buffers=256MB", "max_wal_size=4GB", "max_connections=200"])
    }

    fn start_with(tcp_port: Option<u16>, settings: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a directory for PostgreSQL");
        let as_root = is_root();
        if as_root {
            let owned = Command::new("chown").arg(SERVER_USER).arg(dir.path()).status().expect("run chown");
            assert!(owned.success(), "give the directory to {SERVER_USER}");
        }
        let data = dir.path().join("data");
        let log = dir.path().join("initdb-log");
        let mut initdb = program("initdb", as_root);
        initdb.args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "-D"]).arg(&data);
        let made = initdb.stdout(File::create(&log).expect("a log")).status().expect("run initdb");
        assert!(made.success(), "initdb failed");

        let mut server = program("postgres", as_root);
        server.arg("-D").arg(&data).arg("-k").arg(dir.path());
        let address = tcp_port.map_or("", |_| "127.0.0.1");
        server.args(["-c", &format!("listen_addresses={address}"), "-c", "timezone=UTC"]);
        server.args(["-p", &tcp_port.unwrap_or(SOCKET_PORT).to_string()]);
        server.args(settings.iter().flat_map(|setting| ["-c", setting]));
        server.stdin(Stdio::null()).stdout(Stdio::null());
        server.stderr(File::create(dir.path().join("server-log")).expect("a log"));
        let child = server.spawn().expect("start postgres");
        let oracle = Self { child, dir, tcp_port };
        wait_until("PostgreSQL to accept connections", START_MAX, || {
            let mut ready = oracle.server().command(&path_of("pg_isready"));
            ready.stdout(Stdio::null()).status().is_ok_and(|status| status.success()).then_some(())
        });
        oracle.server_of("postgres").rows("create database corrosion");
        oracle
    }

    /// Where it is.
    pub fn server(&self) -> Server {
        self.server_of("corrosion")
    }

    /// Turns TLS on, and makes a superuser who gets in over TCP with a password and TLS only. Others get in as before.
    ///
    /// # Panics
    /// If the files cannot be written or PostgreSQL refuses them.
    pub fn secure(&self, server: &Pair, user: &str, password: &str) {
        let data = self.dir.path().join("data");
        server.write(&data, "server");
        if is_root() {
            let files = ["server.pem", "server.key"].map(|name| data.join(name));
            let owned = Command::new("chown").arg(SERVER_USER).args(files).status().expect("run chown");
            assert!(owned.success(), "give the certificate to {SERVER_USER}");
        }
        let rules = format!(
            "hostssl all {user} 127.0.0.1/32 scram-sha-256\nhost all {user} 127.0.0.1/32 reject\n\
             local all all trust\nhost all all 127.0.0.1/32 trust\n"
        );
        std::fs::write(data.join("pg_hba.conf"), rules).expect("write the rules");
        let quoted = password.replace('\'', "''");
        self.server().rows(&format!("create role {user} superuser login password '{quoted}'"));
        for setting in ["ssl_cert_file = 'server.pem'", "ssl_key_file = 'server.key'", "ssl = on"] {
            self.server().rows(&format!("alter system set {setting}"));
        }
        self.server().rows("select pg_reload_conf()");
        wait_until("TLS to be on", START_MAX, || (self.server().rows("show ssl") == "on").then_some(()));
    }

    /// The server's own process, the parent of those that serve clients.
    ///
    /// # Panics
    /// If it has ended.
    pub fn pid(&self) -> u32 {
        let pid = first_line(&self.dir.path().join("data/postmaster.pid")).expect("PostgreSQL runs");
        pid.parse().expect("the first line is the process id")
    }

    fn server_of(&self, database: &str) -> Server {
        Server {
            host: match self.tcp_port {
                Some(_) => "127.0.0.1".into(),
                None => self.dir.path().display().to_string(),
            },
            port: self.tcp_port.unwrap_or(SOCKET_PORT),
            user: "postgres".into(),
            database: database.into(),
        }
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // The child is the server itself or a `runuser` that passes the signal on. SIGQUIT: end at once, no checkpoint.
        let pid_file = self.dir.path().join("data/postmaster.pid");
        if let Some(pid) = first_line(&pid_file) {
            let _ = Command::new("kill").args(["-s", "QUIT", &pid]).status();
        }
        let _ = self.child.wait();
    }
}

/// Free when asked; that somebody takes it before the server does ends the run with an error.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

fn first_line(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok()?.lines().next().map(str::to_owned)
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("run id");
    id.stdout.starts_with(b"0")
}

fn path_of(name: &str) -> String {
    let path = PathBuf::from(PROGRAMS).join(name);
    assert!(path.exists(), "{} is missing: ./test installs or names the package", path.display());
    path.display().to_string()
}

fn program(name: &str, as_root: bool) -> Command {
    let path = path_of(name);
    if !as_root {
        return Command::new(path);
    }
    let mut command = Command::new("runuser");
    command.args(["-u", SERVER_USER, "--", &path]);
    command.current_dir("/");
    command
}

#[cfg(test)]
mod tests {
    use super::Oracle;

    #[test]
    fn the_oracle_is_postgresql_15() {
        let oracle = Oracle::start();
        assert!(oracle.server().rows("show server_version").starts_with("15."));
    }
}
