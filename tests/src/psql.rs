//! Runs `psql`, the client whose view of the server counts.

use std::io::Write;
use std::process::{Child, Command, Stdio};

/// Where a server is: `-h` and `-p` of PostgreSQL's programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// A host name or the directory of a Unix socket.
    pub host: String,
    pub port: u16,
    pub user: String,
    pub database: String,
}

/// What a run printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Printed {
    pub stdout: String,
    pub stderr: String,
    pub success: bool,
}

impl Server {
    /// A PostgreSQL program that connects here, untouched by the caller's environment and settings.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for variable in ["PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGPASSWORD", "PGOPTIONS", "PGSERVICE", "PAGER"] {
            command.env_remove(variable);
        }
        command.env("PGTZ", "UTC").env("LC_ALL", "C.UTF-8").env("PGCONNECT_TIMEOUT", "10");
        command.args(["-h", &self.host, "-p", &self.port.to_string(), "-U", &self.user]);
        command
    }

    /// `psql` that reads its input from a pipe.
    ///
    /// # Panics
    /// If `psql` cannot be started.
    pub fn spawn_psql(&self, args: &[&str]) -> Child {
        let mut command = self.command("psql");
        command.args(["-X", "-d", &self.database]).args(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("start psql; ./test names the packages")
    }

    /// Runs a script as if it was typed, to its end. Errors in it do not stop it.
    ///
    /// # Panics
    /// If `psql` cannot be run.
    pub fn script(&self, args: &[&str], script: &str) -> Printed {
        let mut child = self.spawn_psql(args);
        let mut stdin = child.stdin.take().expect("stdin is a pipe");
        let script = script.to_owned();
        // A thread of its own: psql may print more than a pipe holds before it has read all.
        let writer = std::thread::spawn(move || {
            // psql that could not connect has closed its input; its message tells why.
            let _ = stdin.write_all(script.as_bytes());
        });
        let output = child.wait_with_output().expect("psql ends");
        writer.join().expect("the writer does not panic");
        Printed {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            success: output.status.success(),
        }
    }

    /// The unaligned rows of statements that must succeed.
    ///
    /// # Panics
    /// If anything was printed as an error.
    #[track_caller]
    pub fn rows(&self, sql: &str) -> String {
        let printed = self.script(&["-Atq", "-v", "ON_ERROR_STOP=1"], sql);
        assert!(printed.success && printed.stderr.is_empty(), "{sql}\n{}", printed.stderr);
        printed.stdout.trim_end().to_owned()
    }
}
