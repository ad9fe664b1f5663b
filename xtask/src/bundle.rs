//! Everything that ships: the client, the toolkit for Node, the Worker, and the files that it serves.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::{assets, client, screen, setup, toolkit, worker};

/// Builds it all, and does nothing for what is built already.
pub fn everything(root: &Path) -> Result<()> {
    setup::tools(root)?;
    build_client(root)?;
    toolkit::build(root)?;
    worker::build(root)?;
    screen::step("lays out the files to serve", || {
        assets::lay_out(root)?;
        assets::pack(root)
    })
}

fn build_client(root: &Path) -> Result<()> {
    let mut sources = vec![root.join("Cargo.lock"), root.join("Cargo.toml"), root.join("package-lock.json")];
    for folder in ["crates/client", "crates/vitals/src", "crates/wire/src", "pkg/src"] {
        files(&root.join(folder), &mut sources)?;
    }
    sources.push(root.join("xtask/src/client.rs"));
    let fingerprint = setup::fingerprint(sources.iter().map(PathBuf::as_path))?;
    if root.join("pkg/dist/index.js").exists() && setup::is_current(root, "client", fingerprint) {
        return Ok(());
    }
    screen::step("builds the client", || {
        client::build(root)?;
        setup::mark(root, "client", fingerprint)
    })
}

/// Every file below a folder, in an order that does not depend on the machine.
fn files(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            files(&path, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}
