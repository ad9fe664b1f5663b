//! The dashboard, from modules to what a browser downloads: one script, one style sheet, and as much
//! of the toolkit's wasm as the page calls. What they show is `www/dashboard`'s business.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use wasm_bindgen_cli_support::Bindgen;

use crate::{process, screen, setup, toolkit};

/// Builds `build/dashboard`, of the wasm that the toolkit was compiled to.
pub fn build(root: &Path) -> Result<()> {
    let wasm = root.join("target/wasm32-unknown-unknown/worker/toolkit.wasm");
    let mut sources = vec![wasm.clone(), root.join("xtask/src/dashboard.rs"), root.join("package-lock.json")];
    setup::files(&root.join("www/dashboard"), &mut sources)?;
    let fingerprint = setup::fingerprint(sources.iter().map(PathBuf::as_path))?;
    let out = root.join("build/dashboard");
    if out.join("main.js").exists() && setup::is_current(root, "dashboard", fingerprint) {
        return Ok(());
    }
    screen::step("bundles the dashboard", || {
        fs::create_dir_all(&out)?;
        rules(root, &wasm, &out)?;
        for entry in ["opening.js", "main.js", "main.css"] {
            process::quiet(
                process::npm(root, "esbuild")
                    .arg(format!("www/dashboard/{entry}"))
                    .args([
                        "--bundle",
                        "--minify",
                        "--format=esm",
                        "--target=es2022,chrome123",
                        "--charset=utf8",
                    ])
                    .args(["--log-level=warning", "--external:/v1/*", "--external:/dashboard/*"])
                    .arg(format!("--alias:#toolkit={}", glue(root).join("toolkit.js").display()))
                    .arg(format!("--outfile={}", out.join(entry).display())),
            )?;
        }
        setup::mark(root, "dashboard", fingerprint)
    })
}

/// The toolkit without what only Node calls: less than half of it.
fn rules(root: &Path, wasm: &Path, out: &Path) -> Result<()> {
    let glue = glue(root);
    let shrunk = glue.join("toolkit_bg.wasm");
    if !is_newer(&shrunk, wasm) || !is_newer(&out.join("toolkit.wasm"), wasm) {
        let _ = fs::remove_dir_all(&glue);
        Bindgen::new().input_path(wasm).out_name("toolkit").web(true)?.typescript(true).generate(&glue)?;
        let reached = glue.join("reached.wasm");
        let graph = glue.join("reachable.json");
        fs::write(&graph, reachable())?;
        process::quiet(
            Command::new(root.join("node_modules/.bin/node"))
                .arg(root.join("node_modules/binaryen/bin/wasm-metadce"))
                .args(toolkit::FEATURES)
                .arg("--graph-file")
                .arg(&graph)
                .arg(&shrunk)
                .arg("-o")
                .arg(&reached),
        )?;
        process::quiet(
            process::npm(root, "wasm-opt")
                .args(toolkit::FEATURES)
                .args(["-Oz", "--strip-debug", "--strip-producers", "-o"])
                .arg(out.join("toolkit.wasm"))
                .arg(&reached),
        )?;
    }
    Ok(())
}

/// Where wasm-bindgen leaves the JavaScript beside the module.
fn glue(root: &Path) -> PathBuf {
    root.join("target/setup/dashboard")
}

fn is_newer(built: &Path, source: &Path) -> bool {
    let time = |path: &Path| fs::metadata(path).and_then(|found| found.modified()).ok();
    time(built) > time(source)
}

/// The graph whose only root is the page, which reaches what it calls.
fn reachable() -> String {
    let quoted = |name: &&str| format!("\"{name}\"");
    let reaches: Vec<String> = CALLED.iter().map(quoted).collect();
    let exports: Vec<String> =
        CALLED.iter().map(|name| format!("{{\"name\":\"{name}\",\"export\":\"{name}\"}}")).collect();
    format!("[{{\"name\":\"page\",\"root\":true,\"reaches\":[{}]}},{}]", reaches.join(","), exports.join(","))
}

/// What `www/dashboard/toolkit.js` imports, and what wasm-bindgen's JavaScript needs for it.
const CALLED: &[&str] = &[
    "ahead",
    "metrics",
    "percentile",
    "sketch",
    "memory",
    "__externref_table_dealloc",
    "__wbindgen_externrefs",
    "__wbindgen_free",
    "__wbindgen_malloc",
    "__wbindgen_realloc",
    "__wbindgen_start",
];
