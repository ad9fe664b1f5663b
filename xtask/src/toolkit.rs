//! The toolkit for Node, from Rust to `pkg/dist/toolkit`: compiled, bound as a CommonJS module, which
//! `require` and `import` both take, and shrunk. What it offers is `crates/toolkit`'s business.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

use crate::{process, screen, setup};

/// Builds `pkg/dist/toolkit`.
pub fn build(root: &Path) -> Result<()> {
    screen::step("compiles the toolkit", || {
        process::cargo_quietly(
            setup::cargo(root)
                // Size decides here as it does for the Worker, and most of what it needs is built already.
                .args(["build", "--profile", "worker", "--target", "wasm32-unknown-unknown"])
                .args(["--package", "toolkit"]),
        )
    })?;
    let wasm = root.join("target/wasm32-unknown-unknown/worker/toolkit.wasm");
    let own = root.join("xtask/src/toolkit.rs");
    let fingerprint = setup::fingerprint([wasm.as_path(), &own, &root.join("package-lock.json")])?;
    let out = root.join("pkg/dist/toolkit");
    if out.join("toolkit.cjs").exists() && setup::is_current(root, "toolkit", fingerprint) {
        return Ok(());
    }
    screen::step("shrinks the toolkit", || {
        let glue = root.join("target/setup/toolkit");
        let _ = fs::remove_dir_all(&glue);
        Bindgen::new().input_path(&wasm).nodejs(true)?.typescript(true).generate(&glue)?;
        fs::create_dir_all(&out)?;
        process::quiet(
            process::npm(root, "wasm-opt")
                .args(FEATURES)
                .args(["-Oz", "--strip-debug", "--strip-producers", "-o"])
                .arg(out.join("toolkit_bg.wasm"))
                .arg(glue.join("toolkit_bg.wasm")),
        )?;
        // The package is ESM; these names say that this module is not.
        for (from, to) in [("toolkit.d.ts", "toolkit.d.cts"), ("toolkit.js", "toolkit.cjs")] {
            fs::copy(glue.join(from), out.join(to))
                .with_context(|| format!("wasm-bindgen left no {from}"))?;
        }
        setup::mark(root, "toolkit", fingerprint)
    })
}

/// What the compiler uses, and Node 20 and every browser know; wasm-opt would use whatever it is allowed.
pub const FEATURES: [&str; 6] = [
    "--enable-bulk-memory",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
];
