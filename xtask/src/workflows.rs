//! Workflows as far as they can be wrong without being run: commands, files and packages that they name and that are not
//! there, and actions that could change under their name.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use clap::Parser;
use clap::error::ErrorKind;

use crate::{Cli, workspace};

/// A job, with the values of its matrix.
struct Job<'a> {
    lines: Vec<&'a str>,
    /// The values of each variable.
    matrix: Vec<(String, Vec<String>)>,
}

impl<'a> Job<'a> {
    /// Splits a workflow into its jobs, which are indented by two spaces.
    fn parse_all(workflow: &'a str) -> Vec<Self> {
        let mut jobs = Vec::new();
        let lines = workflow.lines().skip_while(|line| *line != "jobs:").skip(1);
        for line in lines.filter(|line| !line.trim_start().starts_with('#')) {
            if line.starts_with("  ") && !line.starts_with("   ") {
                jobs.push(Self { lines: Vec::new(), matrix: Vec::new() });
            }
            let Some(job) = jobs.last_mut() else { continue };
            match line.trim().split_once(": [") {
                Some((name, values)) if values.ends_with(']') => {
                    let values = values.trim_end_matches(']').split(", ").map(str::to_owned).collect();
                    job.matrix.push((name.to_owned(), values));
                }
                _ => job.lines.push(line.trim().trim_start_matches("- ")),
            }
        }
        jobs
    }

    /// Returns the lines, once for each value of the variable that one names.
    fn expanded(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.lines.iter().map(|&line| line.to_owned()).collect();
        for (name, values) in &self.matrix {
            let variable = format!("${{{{ matrix.{name} }}}}");
            let each = |line: String| match line.contains(&variable) {
                true => values.iter().map(|value| line.replace(&variable, value)).collect(),
                false => vec![line],
            };
            lines = lines.into_iter().flat_map(each).collect();
        }
        lines
    }
}

fn is_path(word: &str) -> bool {
    word.contains('/') && !word.contains(['$', ':', '@', '(', ')', '*', '"']) && !word.starts_with('/')
}

fn packages(root: &Path) -> BTreeSet<String> {
    let manifests = workspace::source_files(root).expect("files");
    let names = manifests.iter().filter(|file| file.ends_with("Cargo.toml")).filter_map(|file| {
        let manifest: toml::Table = fs::read_to_string(file).ok()?.parse().ok()?;
        Some(manifest.get("package")?.get("name")?.as_str()?.to_owned())
    });
    names.collect()
}

/// Returns true for the name of an action that no one can move to other code: a full hash, with its release as a comment.
fn is_pinned(action: &str) -> bool {
    let Some((reference, release)) = action.split_once(" # v") else { return false };
    let hash = reference.rsplit_once('@').map(|(_, hash)| hash).unwrap_or_default();
    let is_hash = hash.len() == 40 && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_hash && release.starts_with(|first: char| first.is_ascii_digit())
}

/// Returns what a line names that is not there, or may change.
fn defect(root: &Path, folders: &[&str], packages: &BTreeSet<String>, line: &str) -> Option<String> {
    if let Some(action) = line.strip_prefix("uses: ") {
        return (!action.starts_with("./") && !is_pinned(action))
            .then(|| "an action that is not pinned by its hash".to_owned());
    }
    if line.contains("${{ matrix.") {
        return Some("a variable that the matrix lacks".to_owned());
    }
    if let Some(command) = line.split_once("cargo xtask ") {
        let arguments = command.1.split_whitespace();
        let outcome = Cli::try_parse_from(std::iter::once("cargo xtask").chain(arguments));
        return outcome
            .err()
            .filter(|error| error.kind() != ErrorKind::DisplayHelp)
            .map(|error| error.to_string());
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    let missing_package = words.windows(2).find_map(|pair| match pair {
        ["--package" | "-p", name] => (!packages.contains(*name)).then(|| (*name).to_owned()),
        _ => None,
    });
    let is_there = |word: &str| folders.iter().any(|folder| root.join(folder).join(word).exists());
    let is_named =
        ["run:", "working-directory:"].iter().any(|key| line.starts_with(key)) || !line.contains(": ");
    let missing_file = words.iter().find(|word| is_named && is_path(word) && !is_there(word));
    missing_package.or_else(|| missing_file.map(|word| (*word).to_owned()))
}

fn defects(root: &Path, workflow: &str) -> Vec<String> {
    let packages = packages(root);
    let mut found = Vec::new();
    for job in Job::parse_all(workflow) {
        let lines = job.expanded();
        let folders = lines.iter().filter_map(|line| line.strip_prefix("working-directory: "));
        let folders: Vec<&str> = std::iter::once(".").chain(folders).collect();
        found.extend(
            lines
                .iter()
                .filter_map(|line| Some(format!("{line}: {}", defect(root, &folders, &packages, line)?))),
        );
    }
    found
}

#[test]
fn every_file_package_and_command_that_a_workflow_names_is_there_and_every_action_pinned() {
    let root = workspace::root().expect("a workspace");
    let folder = root.join(".github/workflows");
    let mut workflows = 0;
    for file in workspace::files(&folder).expect("workflows") {
        let text = fs::read_to_string(&file).expect("a workflow");
        assert_eq!(defects(&root, &text), Vec::<String>::new(), "{}", file.display());
        assert!(!Job::parse_all(&text).is_empty(), "{} has no job", file.display());
        workflows += 1;
    }
    assert!(workflows >= 3, "{workflows} workflows");
}

#[test]
fn a_workflow_of_the_package_pins_its_actions() {
    let root = workspace::root().expect("a workspace");
    let text = fs::read_to_string(root.join("pkg/cli/templates/vitals.yml")).expect("a workflow");
    let actions: Vec<&str> =
        text.lines().filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix("uses: ")).collect();
    assert!(actions.len() >= 4, "{actions:?}");
    for action in actions.iter().filter(|action| !action.starts_with("./")) {
        assert!(is_pinned(action), "{action}");
    }
}

#[test]
fn what_is_not_there_is_found() {
    let root = workspace::root().expect("a workspace");
    let workflow = "jobs:\n  a:\n    strategy:\n      matrix:\n        parser: [beacon, none]\n        name: [kill, luck]\n    steps:\n      \
         - run: cargo xtask soak ${{ matrix.name }}\n      - run: cargo mutants --package nothing\n      - run: node tests/none.mjs\n      \
         - run: fuzz corpus/${{ matrix.parser }} ${{ matrix.absent }}\n      - run: fuzz corpus/${{ matrix.parser }}\n        \
         working-directory: crates/fuzz-targets\n      - uses: actions/checkout@v5\n      - uses: ./.github/action\n";
    let found = defects(&root, workflow);
    let lines: Vec<&str> = found.iter().filter_map(|defect| defect.split(": ").nth(1)).collect();
    assert_eq!(
        lines,
        [
            "cargo xtask soak luck",
            "cargo mutants --package nothing",
            "node tests/none.mjs",
            "fuzz corpus/beacon ${{ matrix.absent }}",
            "fuzz corpus/none ${{ matrix.absent }}",
            "fuzz corpus/none",
            "actions/checkout@v5"
        ]
    );
}
