//! Everything that a deployment consists of: the client, the Worker, and the files that it serves.

use std::path::Path;

use anyhow::Result;

use crate::{assets, client, screen, setup, worker};

/// Builds it all, and does nothing for what is built already.
pub fn everything(root: &Path) -> Result<()> {
    setup::tools(root)?;
    screen::step("builds the client", || client::build(root))?;
    worker::build(root)?;
    screen::step("lays out the files to serve", || assets::lay_out(root))
}
