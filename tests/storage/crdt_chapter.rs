//! The statements of the documentation's CRDT chapter, one by one, through the loadable build in the stock `sqlite3` shell.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Printed after each statement, so that its output can be told from the next one's.
const END: &str = "---- end of statement ----";

#[test]
fn the_crdt_chapter_runs_statement_for_statement_in_the_stock_shell() {
    let directory = tempfile::tempdir().expect("directory");
    let extension = build_extension();
    let sites = [1, 2].map(|database| {
        let path = directory.path().join(format!("{database}.db"));
        let answer =
            shell(&path, &extension, &["select hex(site_id) from crsql_site_id where ordinal = 0;".to_owned()]);
        answer[0].trim().to_owned()
    });
    assert_ne!(sites[0], sites[1], "every database has an identity of its own");
    let fill = |text: &str| text.replace("{SITE1}", &sites[0]).replace("{SITE2}", &sites[1]);

    let blocks = parse(include_str!("../transcripts/crdt-chapter.txt"));
    assert_eq!(blocks.iter().map(|b| b.statements.len()).sum::<usize>(), 28, "the transcript is whole");
    for block in blocks {
        let path = directory.path().join(format!("{}.db", block.database));
        let statements: Vec<String> = block.statements.iter().map(|s| fill(&s.0)).collect();
        let outputs = shell(&path, &extension, &statements);
        for ((statement, expected), output) in block.statements.iter().zip(outputs) {
            assert_eq!(output, fill(expected), "output of: {statement}");
        }
    }
}

/// Statements for one database with the expected output of each.
struct Block {
    database: String,
    statements: Vec<(String, String)>,
}

fn parse(transcript: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for line in transcript.lines().filter(|line| !line.starts_with('#')) {
        if let Some(database) = line.strip_prefix("@ ") {
            blocks.push(Block { database: database.to_owned(), statements: Vec::new() });
        } else if let Some(statement) = line.strip_prefix("> ") {
            let block = blocks.last_mut().expect("a transcript begins with a database");
            block.statements.push((statement.to_owned(), String::new()));
        } else {
            let (_, expected) =
                blocks.last_mut().and_then(|b| b.statements.last_mut()).expect("output follows a statement");
            expected.push_str(line);
            expected.push('\n');
        }
    }
    blocks
}

/// Runs the statements in one shell with the extension loaded and returns the output of each.
fn shell(database: &Path, extension: &Path, statements: &[String]) -> Vec<String> {
    let mut input = format!(".load {}\n", extension.display());
    for statement in statements {
        input.push_str(&format!("{statement}\n.print '{END}'\n"));
    }
    let mut child = Command::new("sqlite3")
        .arg("-batch")
        .arg(database)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the sqlite3 shell is installed by the test command");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("write statements");
    let output = child.wait_with_output().expect("the shell ends");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.is_empty() && output.status.success(), "the shell reports: {errors}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let outputs: Vec<String> = text.split(&format!("{END}\n")).map(str::to_owned).collect();
    outputs[..statements.len()].to_vec()
}

/// Builds `storage/loadable` and returns the extension's path.
fn build_extension() -> PathBuf {
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
