//! Everything that ships: the client, the toolkit for Node, the Worker, and the files that it serves.

use std::path::Path;

use anyhow::Result;

use crate::{assets, client, dashboard, setup, terminal, toolkit, worker};

/// Builds everything that is not up to date.
pub(crate) fn build(root: &Path) -> Result<()> {
    setup::install_tools(root)?;
    client::build(root)?;
    toolkit::build(root)?;
    dashboard::build(root)?;
    worker::build(root)?;
    terminal::step("copies the files to serve", || {
        assets::write_assets(root)?;
        assets::pack(root)
    })
}
