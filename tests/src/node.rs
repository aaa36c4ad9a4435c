//! A node of the real binary, in a directory of its own, on ports that the system chooses.

use std::fs::File;
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use crate::logs;
use crate::psql::{Printed, Server};
use crate::wait::wait_until;

/// Longest wait for a node to start or stop. Machines that run tests are slow and shared.
const LIFE_MAX: Duration = Duration::from_secs(60);
/// The line with which a node says where it listens.
const LISTENING: &str = "PostgreSQL connections are accepted";
const METRICS: &str = "metrics are served";

/// How a node is started. Can be started again in the same directory.
#[derive(Debug, Clone)]
pub struct Setup {
    dir: Arc<TempDir>,
    args: Vec<String>,
    environment: Vec<(String, String)>,
    expected: Vec<String>,
    starts: Arc<std::sync::atomic::AtomicUsize>,
}

/// A running node. Dropping it kills it and fails the test if its log has an unexpected WARN or ERROR line.
#[derive(Debug)]
pub struct Node {
    setup: Setup,
    child: Child,
    log: PathBuf,
}

impl Setup {
    /// No configuration file; only the port differs from what a newcomer gets.
    ///
    /// # Panics
    /// Without a directory for temporary files.
    pub fn built_in() -> Self {
        let setup = Self {
            dir: Arc::new(tempfile::tempdir().expect("a directory for the test")),
            args: Vec::new(),
            environment: Vec::new(),
            expected: Vec::new(),
            starts: Arc::default(),
        };
        setup.variable("CORROSION__API__PG__ADDR", "127.0.0.1:0")
    }

    /// A configuration file with this text, in the node's directory, where the node runs.
    ///
    /// # Panics
    /// If the file cannot be written.
    pub fn file(text: &str) -> Self {
        let mut setup = Self::built_in();
        setup.environment.clear();
        std::fs::write(setup.path("config.toml"), text).expect("write the configuration");
        setup.args = vec!["-c".into(), "config.toml".into()];
        setup
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Expects WARN or ERROR lines that contain this text.
    #[must_use]
    pub fn expect_log(mut self, text: &str) -> Self {
        self.expected.push(text.to_owned());
        self
    }

    /// A path in the node's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs `corrosion` with a command in the node's directory, to its end; one that does not end in time is killed.
    ///
    /// # Panics
    /// If the binary cannot be run.
    pub fn run(&self, command: &[&str]) -> Printed {
        self.run_with_input(command, "")
    }

    /// The same with something on its standard input.
    ///
    /// # Panics
    /// If the binary cannot be run.
    pub fn run_with_input(&self, command: &[&str], input: &str) -> Printed {
        use std::io::Write;
        let mut child = self.command();
        child.args(command).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child.spawn().expect("run corrosion");
        // A command that reads nothing may be gone already.
        let _ = child.stdin.take().expect("stdin is a pipe").write_all(input.as_bytes());
        let pid = child.id();
        let (ended, end) = std::sync::mpsc::channel::<()>();
        let watchdog = std::thread::spawn(move || {
            if end.recv_timeout(LIFE_MAX) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                signal(pid, "KILL");
            }
        });
        let output = child.wait_with_output().expect("run corrosion");
        drop(ended);
        watchdog.join().expect("the watchdog does not panic");
        Printed {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            success: output.status.success(),
        }
    }

    /// Starts the node and waits until it listens, if it has listeners.
    ///
    /// # Panics
    /// If it ends, or is not up in time.
    pub fn start(&self) -> Node {
        let number = self.starts.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let log = self.path(&format!("log-{number}"));
        let file = File::create(&log).expect("create the log");
        let mut command = self.command();
        command.arg("agent").stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        let child = command.spawn().expect("start corrosion");
        let mut node = Node { setup: self.clone(), child, log };
        wait_until("the node to be ready", LIFE_MAX, || {
            if let Some(status) = node.child.try_wait().expect("the child is ours") {
                panic!("the node ended with {status}:\n{}", node.log());
            }
            node.log().contains("ready").then_some(())
        });
        node
    }

    fn command(&self) -> Command {
        let mut command = Command::new(binary());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CORROSION__") || name == "RUST_LOG" {
                command.env_remove(name);
            }
        }
        command.current_dir(self.dir.path()).args(&self.args);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

impl Node {
    /// What it has logged so far.
    ///
    /// # Panics
    /// If the log cannot be read.
    pub fn log(&self) -> String {
        let mut text = String::new();
        File::open(&self.log).and_then(|mut file| file.read_to_string(&mut text)).expect("read the log");
        text
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where PostgreSQL clients connect.
    ///
    /// # Panics
    /// If the node has no listener.
    pub fn server(&self) -> Server {
        let address = self.address(LISTENING);
        Server {
            host: address.ip().to_string(),
            port: address.port(),
            user: "postgres".into(),
            database: "corrosion".into(),
        }
    }

    /// Where PostgreSQL clients connect, one for each listener in the order of the configuration.
    ///
    /// # Panics
    /// If a line of the log has no address.
    pub fn listeners(&self) -> Vec<SocketAddr> {
        let addresses = logs::fields(&self.log(), LISTENING, "addr");
        addresses.iter().map(|address| address.parse().expect("the log line has an address")).collect()
    }

    /// Where metrics are served.
    ///
    /// # Panics
    /// If they are not.
    pub fn metrics_address(&self) -> SocketAddr {
        self.address(METRICS)
    }

    /// A `corrosion` command against this node.
    pub fn run(&self, command: &[&str]) -> Printed {
        self.setup.run(command)
    }

    /// A path in the node's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.setup.path(name)
    }

    /// Bytes of memory it has at this moment.
    ///
    /// # Panics
    /// If the system does not tell.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the node runs");
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its resident memory");
        let kib: u64 = resident.trim().trim_end_matches(" kB").parse().expect("a number");
        kib * 1024
    }

    /// Sends a signal, by its name.
    ///
    /// # Panics
    /// If `kill` fails.
    pub fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// The most memory that it has held at once since [`Self::forget_memory_peak`], in bytes.
    ///
    /// # Panics
    /// If the system does not tell.
    pub fn memory_peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("its status");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the peak is told");
        let kib: u64 = peak.trim().trim_end_matches(" kB").parse().expect("a number of KiB");
        kib << 10
    }

    /// Makes what it holds now the most that it has held. Returns that, in bytes.
    ///
    /// Source: <https://man7.org/linux/man-pages/man5/proc_pid_clear_refs.5.html>
    ///
    /// # Panics
    /// If the system does not allow it.
    pub fn forget_memory_peak(&self) -> u64 {
        std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").expect("reset the peak");
        self.memory_peak()
    }

    /// Waits for the node's end.
    ///
    /// # Panics
    /// If it does not end in time.
    pub fn wait(&mut self) -> ExitStatus {
        wait_until("the node to end", LIFE_MAX, || self.child.try_wait().expect("the child is ours"))
    }

    /// Stops it with SIGTERM; it must end with success.
    ///
    /// # Panics
    /// If it does not.
    pub fn stop(mut self) {
        self.signal("TERM");
        let status = self.wait();
        assert!(status.success(), "the node ended with {status}:\n{}", self.log());
    }

    /// kill -9.
    ///
    /// # Panics
    /// If the process cannot be killed.
    pub fn kill(mut self) {
        self.child.kill().expect("kill the node");
        self.child.wait().expect("the child is ours");
    }

    fn address(&self, message: &str) -> SocketAddr {
        let log = self.log();
        let address = logs::field(&log, message, "addr").unwrap_or_else(|| panic!("no line `{message}`:\n{log}"));
        address.parse().expect("the log line has an address")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended already, which is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let log = self.log();
        if std::thread::panicking() {
            eprintln!("log of the node:\n{log}");
            return;
        }
        let unexpected = logs::unexpected(&log, &self.setup.expected);
        assert!(unexpected.is_empty(), "unexpected lines in the log: {unexpected:#?}\nwhole log:\n{log}");
    }
}

fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").args(["-s", name, &pid.to_string()]).status();
    assert!(status.expect("run kill").success(), "kill -s {name}");
}

/// `CORROSION_BIN`, or the binary that was built beside the tests.
fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("CORROSION_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().expect("the test has a path");
    // Tests are in target/<profile>/deps, programs above it.
    let beside = test.ancestors().skip(1).take(2).map(|dir| dir.join("corrosion")).find(|path| path.is_file());
    beside.expect("corrosion is not built: run `cargo build`, or set CORROSION_BIN")
}

/// What an HTTP `GET` of a path answers, head and body.
///
/// # Panics
/// If nothing answers.
pub fn http_get(address: SocketAddr, path: &str) -> String {
    use std::io::Write;

    let mut stream = TcpStream::connect(address).expect("connect");
    stream.set_read_timeout(Some(LIFE_MAX)).expect("a timeout");
    write!(stream, "GET {path} HTTP/1.1\r\nhost: test\r\n\r\n").expect("send the request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("read the answer");
    answer
}
