//! Checks the shape of the tree: headers, the direction of crates, sizes, the documentation's summary, stray paths.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What a source file should not exceed, in lines before its tests: longer ones are reported.
const FILE_LINES_AIM: usize = 500;
/// What no source file may exceed.
const FILE_LINES_MAX: usize = 750;

/// Each crate and the crates of ours that it may use. Development dependencies are free.
const DIRECTION: &[(&str, &[&str])] = &[
    ("storage", &[]),
    ("wire", &["storage"]),
    ("server", &["storage", "wire"]),
    ("cli", &["server"]),
    ("tests", &["cli", "server", "storage", "wire"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the workspace").to_owned()
}

/// Every file below a directory, without what builds and nodes leave.
fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a directory of ours") {
        let entry = entry.expect("a directory of ours");
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path();
        if entry.file_type().expect("its type").is_dir() {
            if !["target", ".git", "corrosion-data", "node_modules", "__pycache__"].contains(&name.as_str()) {
                files(&path, found);
            }
        } else if name != ".git" {
            found.push(path);
        }
    }
}

fn tree() -> Vec<(String, PathBuf)> {
    let (root, mut found) = (root(), Vec::new());
    files(&root, &mut found);
    found.sort();
    let relative = |path: &PathBuf| path.strip_prefix(&root).expect("below the root").display().to_string();
    found.into_iter().map(|path| (relative(&path), path)).collect()
}

fn sources() -> Vec<(String, String)> {
    let rust = tree().into_iter().filter(|(name, _)| name.ends_with(".rs"));
    let sources: Vec<_> = rust.map(|(name, path)| (name, fs::read_to_string(path).expect("source is text"))).collect();
    assert!(sources.len() > 50, "the tree was found");
    sources
}

#[test]
fn every_file_begins_by_saying_what_it_is() {
    let silent: Vec<_> =
        sources().into_iter().filter(|(_, text)| !text.starts_with("//! ")).map(|(name, _)| name).collect();
    assert!(silent.is_empty(), "without a //! header: {silent:#?}");
}

#[test]
fn files_are_short_enough_to_hold_one_thing() {
    let lines = |text: &str| text.lines().take_while(|line| *line != "#[cfg(test)]").count();
    let tests = |name: &str| name.ends_with("/tests.rs") || name.contains("/tests/") || name.starts_with("tests/it/");
    let sized = sources().into_iter().filter(|(name, _)| !tests(name)).map(|(name, text)| (lines(&text), name));
    let (too_long, long): (Vec<_>, Vec<_>) =
        sized.filter(|(lines, _)| *lines > FILE_LINES_AIM).partition(|(lines, _)| *lines > FILE_LINES_MAX);
    if !long.is_empty() {
        eprintln!("longer than the {FILE_LINES_AIM} lines that are aimed at: {long:#?}");
    }
    assert!(too_long.is_empty(), "longer than {FILE_LINES_MAX} lines: {too_long:#?}");
}

#[test]
fn crates_use_only_those_below_them() {
    for (member, allowed) in DIRECTION {
        let manifest = fs::read_to_string(root().join(member).join("Cargo.toml")).expect("each crate has a manifest");
        let section = manifest.split("\n[").find(|section| section.starts_with("dependencies]")).unwrap_or_default();
        let used = section.lines().filter_map(|line| line.split(['.', ' ', '=']).next());
        let ours: BTreeSet<_> = DIRECTION.iter().map(|(name, _)| *name).collect();
        let wrong: Vec<_> = used.filter(|name| ours.contains(name) && !allowed.contains(name)).collect();
        assert!(wrong.is_empty(), "{member} must not use {wrong:?}");
    }
    let workspace = fs::read_to_string(root().join("Cargo.toml")).expect("the workspace's manifest");
    let members = workspace.lines().find(|line| line.starts_with("members")).expect("members on one line");
    for name in members.split('"').skip(1).step_by(2) {
        assert!(DIRECTION.iter().any(|(member, _)| *member == name), "{name} has no place in the direction of crates");
    }
}

#[test]
fn every_page_is_in_the_summary() {
    let summary = fs::read_to_string(root().join("docs/src/SUMMARY.md")).expect("the summary");
    let pages = tree().into_iter().filter_map(|(name, _)| name.strip_prefix("docs/src/").map(str::to_owned));
    let pages: Vec<_> = pages.filter(|page| page.ends_with(".md") && page != "SUMMARY.md").collect();
    let missing: Vec<_> = pages.iter().filter(|page| !summary.contains(&format!("]({page})"))).collect();
    assert!(missing.is_empty(), "not in docs/src/SUMMARY.md: {missing:#?}");
    let links = summary.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let dangling: Vec<_> = links.filter(|link| !pages.iter().any(|page| page == link)).collect();
    assert!(dangling.is_empty(), "the summary names pages that are not there: {dangling:#?}");
}

/// The quick start and the README promise keys, commands and files; a page that names a key that does not parse would
/// be found by the configuration's own tests. Here: links between files of the tree lead somewhere.
#[test]
fn links_between_pages_lead_somewhere() {
    let mut dangling = Vec::new();
    for (name, path) in tree().into_iter().filter(|(name, _)| name.ends_with(".md")) {
        let text = fs::read_to_string(&path).expect("a page is text");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            let outside = file.is_empty() || link.contains("://") || link.contains(' ');
            if !outside && !path.parent().is_some_and(|dir| dir.join(file).exists()) {
                dangling.push(format!("{name}: {link}"));
            }
        }
    }
    assert!(dangling.is_empty(), "{dangling:#?}");
}

#[test]
fn no_text_names_a_path_of_somebodys_machine() {
    let patterns = [concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("\"/wo", "rk/"), concat!(" /wo", "rk/")];
    let mut found = Vec::new();
    for (name, path) in tree() {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for (number, line) in text.lines().enumerate() {
            if patterns.iter().any(|pattern| line.contains(pattern)) {
                found.push(format!("{name}:{}: {line}", number + 1));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}
