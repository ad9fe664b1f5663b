//! The Worker's bundle: cargo, wasm-bindgen, wasm-opt and esbuild, one after the other, into
//! `build/`. What worker-build does, without what it downloads.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

use crate::{process, screen, setup};

/// Builds `build/index.js` and `build/index_bg.wasm`.
pub fn build(root: &Path) -> Result<()> {
    screen::step("compiles the Worker", || {
        process::cargo_quietly(
            setup::cargo(root)
                .args(["build", "--profile", "worker", "--target", "wasm32-unknown-unknown"])
                .args(["--package", "edge-vitals-worker"]),
        )
    })?;
    let wasm = root.join("target/wasm32-unknown-unknown/worker/edge_vitals_worker.wasm");
    let (shim, edge) = (root.join("worker/shim.js"), root.join("worker/edge.js"));
    let fingerprint = setup::fingerprint([wasm.as_path(), &shim, &edge, &root.join("package-lock.json")])?;
    if root.join("build/index.js").exists() && setup::is_current(root, "worker", fingerprint) {
        return Ok(());
    }
    screen::step("bundles the Worker", || {
        let glue = root.join("target/setup/worker");
        let _ = fs::remove_dir_all(&glue);
        Bindgen::new()
            .input_path(&wasm)
            .out_name("index")
            .module(true)?
            .typescript(false)
            .reset_state_function(true)
            .force_enable_abort_handler(true)
            .generate(&glue)?;
        fs::create_dir_all(root.join("build"))?;
        process::quiet(
            process::npm(root, "wasm-opt")
                .args(["-Oz", "--all-features", "--strip-debug", "--strip-producers", "-o"])
                .arg(root.join("build/index_bg.wasm"))
                .arg(glue.join("index_bg.wasm")),
        )?;
        // workerd gives the module itself for a plain import of a .wasm file.
        let index = glue.join("index.js");
        let text = fs::read_to_string(&index).context("wasm-bindgen left no index.js")?;
        fs::write(&index, text.replace("import source ", "import "))?;
        fs::copy(&shim, glue.join("shim.js"))?;
        fs::copy(&edge, glue.join("edge.js"))?;
        process::quiet(
            process::npm(root, "esbuild")
                .arg(glue.join("shim.js"))
                .args(["--bundle", "--format=esm", "--minify", "--external:./index_bg.wasm"])
                .arg("--external:cloudflare:*")
                .arg(format!("--outfile={}", root.join("build/index.js").display())),
        )?;
        setup::mark(root, "worker", fingerprint)
    })
}
