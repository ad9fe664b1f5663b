//! The files that the Worker serves: the dashboard, the client, the budgets, and on a developer's machine
//! the demo pages. The npm package carries the same Worker and files.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Fills `build/assets`, which is deployed, and `build/assets-dev`, which only this machine serves.
pub(crate) fn write_assets(root: &Path) -> Result<()> {
    for (folder, with_demo) in [("build/assets", false), ("build/assets-dev", true)] {
        let folder = root.join(folder);
        for file in ["index.html", "_headers"] {
            copy(&root.join("www/dashboard").join(file), &folder.join(file))?;
        }
        copy(&root.join("build/dashboard"), &folder.join("dashboard"))?;
        remove_stale(&root.join("build/dashboard/parts"), &folder.join("dashboard/parts"))?;
        copy(&root.join("pkg/dist/index.js"), &folder.join("v1/client.js"))?;
        for file in ["start.js", "fallback.js", "start-fallback.js"] {
            copy(&root.join("pkg/dist").join(file), &folder.join("v1").join(file))?;
        }
        copy(&root.join("lighthouse/budgets.json"), &folder.join("v1/budgets.json"))?;
        copy(&root.join("crates/wire/beacon.schema.json"), &folder.join("v1/beacon.schema.json"))?;
        copy(&root.join("worker/openapi.json"), &folder.join("api/openapi.json"))?;
        if with_demo {
            copy(&root.join("www/demo"), &folder.join("demo"))?;
        }
    }
    Ok(())
}

/// Puts the Worker, the files that it serves, and the action for CI into the npm package.
pub(crate) fn pack(root: &Path) -> Result<()> {
    let dist = root.join("pkg/dist");
    for file in ["index.js", "index_bg.wasm"] {
        copy(&root.join("build").join(file), &dist.join("worker/worker").join(file))?;
    }
    for file in fs::read_dir(root.join("worker/platform"))?.flatten() {
        if file.path().extension().is_some_and(|extension| extension == "js") {
            copy(&file.path(), &dist.join("worker/platform").join(file.file_name()))?;
        }
    }
    copy(&root.join("build/assets"), &dist.join("worker/assets"))?;
    remove_stale(&root.join("build/assets/dashboard/parts"), &dist.join("worker/assets/dashboard/parts"))?;
    copy(&root.join("wrangler.toml"), &dist.join("worker/wrangler.toml"))?;
    copy(&root.join("lighthouse/action"), &dist.join("action"))
}

/// Removes the files of a folder that the folder it was copied from no longer has.
fn remove_stale(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(to)?.flatten().filter(|entry| !from.join(entry.file_name()).exists()) {
        fs::remove_file(entry.path())?;
    }
    Ok(())
}

/// Copies a file or a folder. Identical files are not written again, so that file watchers stay quiet.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if from.is_dir() {
        for entry in fs::read_dir(from)?.flatten() {
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
        return Ok(());
    }
    let bytes = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    if fs::read(to).is_ok_and(|existing| existing == bytes) {
        return Ok(());
    }
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(to, bytes).with_context(|| format!("cannot write {}", to.display()))
}
