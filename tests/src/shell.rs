//! The stock `sqlite3` shell on a node's database, with and without the loadable extension.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Printed after each statement, so that its output can be told from the next one's.
const END: &str = "---- end of statement ----";

/// A shell for one database.
#[derive(Debug, Clone)]
pub struct Shell {
    database: PathBuf,
    extension: Option<PathBuf>,
}

impl Shell {
    /// As everybody has it.
    pub fn plain(database: &Path) -> Self {
        Self { database: database.to_owned(), extension: None }
    }

    /// With the extension loaded, which it builds if it is not up to date.
    pub fn with_extension(database: &Path) -> Self {
        Self { database: database.to_owned(), extension: Some(extension()) }
    }

    /// Runs statements and returns the output of each.
    ///
    /// # Panics
    /// If the shell reports an error.
    pub fn run(&self, statements: &[String]) -> Vec<String> {
        let mut input = String::new();
        if let Some(extension) = &self.extension {
            input.push_str(&format!(".load {}\n", extension.display()));
        }
        for statement in statements {
            input.push_str(&format!("{statement}\n.print '{END}'\n"));
        }
        let mut child = Command::new("sqlite3")
            .arg("-batch")
            .arg(&self.database)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the sqlite3 shell is installed by the test command");
        let mut stdin = child.stdin.take().expect("piped");
        // A thread of its own: the shell may print more than a pipe holds before it has read all.
        let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()).expect("write statements"));
        let output = child.wait_with_output().expect("the shell ends");
        writer.join().expect("the writer does not panic");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.is_empty() && output.status.success(), "the shell reports: {errors}");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let outputs: Vec<String> = text.split(&format!("{END}\n")).map(str::to_owned).collect();
        outputs[..statements.len()].to_vec()
    }
}

/// A text as an SQL literal.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Builds `storage/loadable` and returns the extension's path.
fn extension() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../storage/loadable/Cargo.toml");
    let target = manifest.with_file_name("target");
    let status = Command::new(env!("CARGO"))
        .args(["build", "--release", "--locked", "--quiet", "--manifest-path"])
        .arg(&manifest)
        .arg("--target-dir")
        .arg(&target)
        .status()
        .expect("cargo runs");
    assert!(status.success(), "the loadable extension builds");
    target.join("release/libcrsqlite.so")
}
