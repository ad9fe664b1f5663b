//! Everything that ships: the client, the toolkit for Node, the Worker, and the files that it serves.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::{assets, client, dashboard, screen, setup, toolkit, worker};

/// Builds it all, and does nothing for what is built already.
pub fn everything(root: &Path) -> Result<()> {
    setup::tools(root)?;
    build_client(root)?;
    toolkit::build(root)?;
    dashboard::build(root)?;
    worker::build(root)?;
    screen::step("lays out the files to serve", || {
        assets::lay_out(root)?;
        assets::pack(root)
    })
}

fn build_client(root: &Path) -> Result<()> {
    let mut sources = vec![root.join("Cargo.lock"), root.join("Cargo.toml"), root.join("package-lock.json")];
    for folder in ["crates/client", "crates/vitals/src", "crates/wire/src", "pkg/src"] {
        setup::files(&root.join(folder), &mut sources)?;
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
