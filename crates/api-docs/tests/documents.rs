//! The documents for contributors and the lists of the dashboard's views name what exists.

#![expect(clippy::panic, reason = "a test may fail by panic")]

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn every_path_in_the_documents_for_contributors_exists() {
    let mut missing = Vec::new();
    for document in ["CONTRIBUTING.md", "ARCHITECTURE.md"] {
        let text = read(document);
        let paths = quoted_paths(&text).chain(linked_paths(&text)).chain(tree_paths(&text));
        missing.extend(
            paths.filter(|path| !root().join(path).exists()).map(|path| format!("{document}: {path}")),
        );
    }
    assert!(missing.is_empty(), "paths that do not exist: {missing:#?}");
}

#[test]
fn every_view_is_in_the_navigation_and_in_the_documents() {
    let address = read("www/dashboard/address.js");
    let (_, table) = address.split_once("export const VIEWS = ").expect("a table of views");
    let (table, _) = table.split_once("]);").expect("the end of the table");
    let rows: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split('"').collect())
        .filter(|row: &Vec<&str>| row.len() == 5)
        .collect();
    assert!(rows.len() > 5, "{rows:?}");
    for row in rows {
        let (view, label) = (row[1], row[3]);
        for (file, mention) in [
            ("www/dashboard/index.html", format!(">{label}</a>")),
            ("docs/dashboard.md", format!("\n| {label} |")),
            ("tests/dashboard/conditions.test.mjs", format!("\n  {view}: [")),
        ] {
            assert!(read(file).contains(&mention), "{file} lacks {mention:?} for the view `{view}`");
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Paths below the root, in backticks. Words without a slash may be names of anything.
fn quoted_paths(text: &str) -> impl Iterator<Item = String> {
    let words = text
        .lines()
        .filter(|line| !line.starts_with("```"))
        .flat_map(|line| line.split('`').skip(1).step_by(2));
    words.filter(|word| is_path(word)).map(str::to_owned)
}

fn is_path(word: &str) -> bool {
    let is_plain = |char: char| char.is_ascii_alphanumeric() || "/._-".contains(char);
    word.contains('/') && word.chars().all(is_plain) && !word.starts_with('/') && !word.starts_with("target/")
}

/// The targets of links.
fn linked_paths(text: &str) -> impl Iterator<Item = String> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    targets.filter(|target| !target.is_empty() && !target.contains(':')).map(str::to_owned)
}

/// The folders of the tree in the first code block: `name/` in the first column, its content indented.
fn tree_paths(text: &str) -> impl Iterator<Item = String> {
    let tree = text.split("```").nth(1).unwrap_or_default();
    let mut parent = "";
    let folder = move |line| {
        let name = str::split_whitespace(line).next().filter(|name| name.ends_with('/'))?;
        if line.starts_with(' ') {
            return Some(format!("{parent}{name}"));
        }
        parent = name;
        Some(name.to_owned())
    };
    tree.lines().filter_map(folder)
}

/// Every claim of the threat model names a test, and every named test exists.
#[test]
fn each_claim_of_the_threat_model_is_shown_by_a_test() {
    let text = read("docs/threat-model.md");
    let (_, entries) = text.split_once("## Entries and what holds them").expect("the entries");
    let (entries, _) = entries.split_once("\n## ").expect("what follows");
    assert!(check_claims(entries, "| claim") > 20);
}

/// Every clause that the cache follows names a test, and every named test exists.
#[test]
fn each_clause_of_the_cache_is_shown_by_a_test() {
    let text = read("docs/cache-standards.md");
    let (clauses, options) = text.split_once("## Options that the cache does not take").expect("the options");
    assert!(check_claims(clauses, "| clause") > 40);
    let has_reason = |row: &&str| row.split('|').nth(3).is_some_and(|reason| reason.trim().len() > 10);
    assert!(options.lines().filter(|line| line.starts_with("| R")).all(|row| has_reason(&row)));
}

/// Checks the rows of tables, which name tests as `file::test`, and returns their number.
fn check_claims(text: &str, heading: &str) -> usize {
    let rows = text
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with(heading) && !line.starts_with("| ---"));
    let mut claims = 0;
    for row in rows {
        let named: Vec<(&str, &str)> =
            row.split('`').skip(1).step_by(2).filter_map(|code| code.split_once("::")).collect();
        assert!(!named.is_empty(), "no test shows: {row}");
        for (file, test) in named {
            let source = read(file);
            let is_there = match file.rsplit_once('.') {
                Some((_, "rs")) => source.contains(&format!("fn {test}(")),
                _ => source.contains(&format!("test(\"{test}\"")),
            };
            assert!(is_there, "{file} has no test {test}");
        }
        claims += 1;
    }
    claims
}
