//! Every developer command.

mod client;

use std::path::Path;

use anyhow::{Context, Result, bail};

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("xtask lies in the workspace")?;
    match std::env::args().nth(1).as_deref() {
        Some("client") => client::build(root),
        _ => bail!("usage: cargo xtask client"),
    }
}
