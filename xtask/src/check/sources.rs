//! Checks that read the source files of the workspace: import circles, file lengths, comment openings.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::import_graph::{Import, circles, describe};
use super::{js_imports, rust_imports, source_style};
use crate::{process, tools, workspace};

/// Fails on files of one crate, or JavaScript modules, that import each other in a circle.
pub(crate) fn check_circles(root: &Path) -> Result<()> {
    let mut text = String::new();
    for crate_root in crate_roots(root)? {
        text += &describe(&circles(&rust_imports::imports(&crate_root)?), root);
    }
    text += &describe(&circles(&javascript_imports(root)?), root);
    fail_with(text.lines(), "import circles; move what several files need into a file below them")
}

/// Fails on source files that are longer than a reader can hold.
pub(crate) fn check_lengths(root: &Path) -> Result<()> {
    let mut violations = Vec::new();
    for (file, text) in sources(root, root, &["rs", "js", "mjs", "ts"])? {
        violations.extend(source_style::file_too_long(&file, &text));
    }
    fail_with(violations.iter(), "source files are too long")
}

/// Fails on comments whose line opens with a subordinate clause instead of a noun or a verb.
pub(crate) fn check_comments(root: &Path) -> Result<()> {
    let mut violations = Vec::new();
    for (file, text) in sources(root, root, &["rs", "js", "mjs", "ts", "tsx"])? {
        violations.extend(source_style::clause_openings(&file, &text));
    }
    fail_with(
        violations.iter(),
        "comment lines open with a clause; begin with a noun phrase or an imperative",
    )
}

fn fail_with<T: AsRef<str>>(lines: impl Iterator<Item = T>, summary: &str) -> Result<()> {
    let lines: Vec<String> = lines.map(|line| format!("  {}", line.as_ref())).collect();
    match lines.is_empty() {
        true => Ok(()),
        false => bail!("{summary}:\n{}", lines.join("\n")),
    }
}

/// The root files of every library and binary of the workspace.
fn crate_roots(root: &Path) -> Result<BTreeSet<PathBuf>> {
    let text = process::capture(tools::cargo(root).args(["metadata", "--no-deps", "--format-version", "1"]))?;
    let Metadata { packages } = serde_json::from_str(&text).context("the output of cargo metadata")?;
    let files = packages.into_iter().flat_map(|package| package.targets).map(|target| target.src_path);
    Ok(files.filter(|file| file.components().any(|part| part.as_os_str() == "src")).collect())
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    src_path: PathBuf,
}

fn javascript_imports(root: &Path) -> Result<Vec<Import>> {
    let mut imports = Vec::new();
    for folder in ["worker", "pkg", "www/dashboard"] {
        for (file, text) in sources(root, &root.join(folder), &["js", "mjs", "cjs"])? {
            imports.extend(js_imports::imports(&file, &text));
        }
    }
    Ok(imports)
}

/// The files below a folder that git does not ignore, by path from the root, with their text.
fn sources(root: &Path, folder: &Path, extensions: &[&str]) -> Result<Vec<(PathBuf, String)>> {
    let mut sources = Vec::new();
    for path in workspace::source_files(folder)? {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if extensions.contains(&extension) {
            let text =
                fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            sources.push((path.strip_prefix(root)?.to_owned(), text));
        }
    }
    Ok(sources)
}
