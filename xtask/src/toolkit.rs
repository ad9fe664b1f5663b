//! The toolkit for Node in `pkg/dist/toolkit`: compiled, bound as a CommonJS module, which `require` and
//! `import` both accept, and optimized. The functions are in `crates/toolkit`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

use crate::build_cache::Artifact;
use crate::{terminal, tools, wasm};

/// Compiles the toolkit, for Node and for the dashboard.
pub(crate) fn compile(root: &Path) -> Result<PathBuf> {
    // The Worker's profile: size decides here too, and most dependencies are compiled already.
    terminal::step("compiles the toolkit", || tools::build_wasm(root, "worker", "toolkit"))
}

/// Builds `pkg/dist/toolkit`.
pub(crate) fn build(root: &Path) -> Result<()> {
    let wasm = compile(root)?;
    let folder = root.join("pkg/dist/toolkit");
    let artifact = Artifact {
        name: "toolkit",
        inputs: vec![wasm.clone(), root.join("xtask/src/toolkit.rs"), root.join("package-lock.json")],
        output: folder.join("toolkit.cjs"),
    };
    artifact.build(root, "optimizes the toolkit", || {
        let bindings = root.join("target/setup/toolkit");
        let _ = fs::remove_dir_all(&bindings);
        Bindgen::new().input_path(&wasm).nodejs(true)?.typescript(true).generate(&bindings)?;
        fs::create_dir_all(&folder)?;
        let [input, output] = [&bindings, &folder].map(|folder| folder.join("toolkit_bg.wasm"));
        wasm::optimize(root, &input, &output, FEATURES.iter().chain(OPTIMIZATIONS))?;
        // The package is ESM; these extensions mark the module as CommonJS.
        for (from, to) in [("toolkit.d.ts", "toolkit.d.cts"), ("toolkit.js", "toolkit.cjs")] {
            fs::copy(bindings.join(from), folder.join(to))
                .with_context(|| format!("wasm-bindgen wrote no {from}"))?;
        }
        Ok(())
    })
}

/// The features that the compiler uses and that Node 20 and every browser support. wasm-opt would use
/// every one that it is allowed to.
pub(crate) const FEATURES: &[&str] = &[
    "--enable-bulk-memory",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
];
pub(crate) const OPTIMIZATIONS: &[&str] = &["-Oz", "--strip-debug", "--strip-producers"];
