//! The workspace that a command works on, found when it runs: a checkout that was moved or copied with
//! its `target` folder must not build the one that it came from.

use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context, Result};
use ignore::WalkBuilder;

/// Finds the workspace of the `cargo xtask` that is running, else that of the current folder.
pub(crate) fn root() -> Result<PathBuf> {
    let start = match env::var_os("CARGO_MANIFEST_DIR") {
        Some(manifest_folder) => PathBuf::from(manifest_folder),
        None => env::current_dir().context("the current folder is gone; change into the checkout")?,
    };
    find(&start).with_context(|| {
        format!("no workspace at or above {}; run `cargo xtask` inside the checkout", start.display())
    })
}

fn find(start: &Path) -> Option<PathBuf> {
    let is_workspace = |folder: &&Path| {
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
        manifest.parse::<toml::Table>().is_ok_and(|manifest| manifest.contains_key("workspace"))
    };
    start.ancestors().find(is_workspace).map(Path::to_path_buf)
}

/// Every file below a folder, sorted.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    list(WalkBuilder::new(folder).standard_filters(false))
}

/// The files below a folder that git does not ignore, sorted.
pub(crate) fn source_files(folder: &Path) -> Result<Vec<PathBuf>> {
    list(WalkBuilder::new(folder).require_git(false))
}

fn list(walk: &mut WalkBuilder) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in walk.sort_by_file_path(Path::cmp).build() {
        let path = entry?.into_path();
        if path.is_file() {
            files.push(path);
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moved_checkout_is_found_where_it_is_now() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let [before, after] = ["before", "after"].map(|name| folder.path().join(name));
        fs::create_dir_all(before.join("xtask/src")).expect("folders");
        fs::write(before.join("Cargo.toml"), "[workspace]\nmembers = [\"xtask\"]\n").expect("a manifest");
        fs::write(before.join("xtask/Cargo.toml"), "[package]\nname = \"xtask\"\n").expect("a manifest");
        fs::rename(&before, &after).expect("a move");

        assert_eq!(find(&after.join("xtask")), Some(after.clone()), "from CARGO_MANIFEST_DIR");
        assert_eq!(find(&after.join("xtask/src")), Some(after), "from the current folder");
        assert_eq!(find(&before.join("xtask")), None);
    }

    #[test]
    fn these_tests_run_in_the_workspace_that_cargo_names() {
        let root = root().expect("a workspace");
        assert!(root.join("xtask/src/workspace.rs").is_file(), "{}", root.display());
    }
}
