//! The Worker's bundle: cargo, wasm-bindgen, wasm-opt and esbuild, one after the other, into
//! `build/`. What worker-build does, without what it downloads.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

use crate::{process, screen, setup};

/// Builds `build/index.js` and `build/index_bg.wasm`.
pub fn build(root: &Path) -> Result<()> {
    let worker = Worker {
        name: "the Worker",
        package: "edge-vitals-worker",
        mark: "worker",
        scripts: WORKER_SCRIPTS,
        out: "build",
    };
    worker.build(root)
}

const WORKER_SCRIPTS: &[&str] = &[
    "worker/js/shim.js",
    "worker/js/admin.js",
    "worker/js/flush.js",
    "worker/js/ingest.js",
    "worker/js/module.js",
    "worker/js/objects.js",
    "worker/js/opcodes.js",
    "worker/js/origin.js",
    "worker/js/promises.js",
    "worker/js/purge.js",
    "worker/js/records.js",
    "worker/js/responses.js",
    "worker/js/serve.js",
    "worker/js/streams.js",
    "worker/js/tiers.js",
    "worker/js/warm.js",
];

/// Builds the emptiest Worker, against which the bench of the cache holds ours.
pub fn build_empty(root: &Path) -> Result<()> {
    let empty = Worker {
        name: "the emptiest Worker",
        package: "empty",
        mark: "empty",
        scripts: &["tests/bench/cache/empty/shim.js"],
        out: "build/bench/empty",
    };
    empty.build(root)
}

/// A Worker in Rust.
struct Worker {
    name: &'static str,
    package: &'static str,
    mark: &'static str,
    /// What workerd calls, and what else is bundled with it.
    scripts: &'static [&'static str],
    out: &'static str,
}

impl Worker {
    fn build(&self, root: &Path) -> Result<()> {
        screen::step(&format!("compiles {}", self.name), || {
            process::cargo_quietly(
                setup::cargo(root)
                    .args(["build", "--profile", "worker", "--target", "wasm32-unknown-unknown"])
                    .args(["--package", self.package]),
            )
        })?;
        let file = format!("{}.wasm", self.package.replace('-', "_"));
        let wasm = root.join("target/wasm32-unknown-unknown/worker").join(file);
        let out = root.join(self.out);
        let mut sources = vec![wasm.clone(), root.join("package-lock.json")];
        sources.extend(self.scripts.iter().map(|script| root.join(script)));
        let fingerprint = setup::fingerprint(sources.iter().map(PathBuf::as_path))?;
        if out.join("index.js").exists() && setup::is_current(root, self.mark, fingerprint) {
            return Ok(());
        }
        screen::step(&format!("bundles {}", self.name), || {
            self.bundle(root, &wasm, &out)?;
            setup::mark(root, self.mark, fingerprint)
        })
    }

    fn bundle(&self, root: &Path, wasm: &Path, out: &Path) -> Result<()> {
        let glue = root.join("target/setup").join(self.mark);
        let _ = fs::remove_dir_all(&glue);
        Bindgen::new()
            .input_path(wasm)
            .out_name("index")
            .module(true)?
            .typescript(false)
            .reset_state_function(true)
            .force_enable_abort_handler(true)
            .generate(&glue)?;
        fs::create_dir_all(out)?;
        process::quiet(
            process::npm(root, "wasm-opt")
                .args(["-Oz", "--all-features", "--strip-debug", "--strip-producers", "-o"])
                .arg(out.join("index_bg.wasm"))
                .arg(glue.join("index_bg.wasm")),
        )?;
        // workerd gives the module itself for a plain import of a .wasm file.
        let index = glue.join("index.js");
        let text = fs::read_to_string(&index).context("wasm-bindgen left no index.js")?;
        fs::write(&index, text.replace("import source ", "import "))?;
        for script in self.scripts {
            let name = Path::new(script).file_name().context("a script has a name")?;
            fs::copy(root.join(script), glue.join(name))?;
        }
        process::quiet(
            process::npm(root, "esbuild")
                .arg(glue.join("shim.js"))
                .args(["--bundle", "--format=esm", "--minify", "--external:./index_bg.wasm"])
                .arg("--external:cloudflare:*")
                .arg(format!("--outfile={}", out.join("index.js").display())),
        )?;
        Ok(())
    }
}
