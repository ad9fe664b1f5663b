//! The Worker's bundle in `build/`: cargo, wasm-bindgen, wasm-opt and esbuild, like worker-build, but
//! without its downloads.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use wasm_bindgen_cli_support::Bindgen;

use crate::build_cache::Artifact;
use crate::{process, terminal, tools, wasm};

/// Builds `build/index.js` and `build/index_bg.wasm`.
pub(crate) fn build(root: &Path) -> Result<()> {
    WORKER.build(root)
}

/// Builds the Worker twice, the second time in an empty folder, and fails unless both have the same bytes.
pub(crate) fn check_reproducible(root: &Path) -> Result<()> {
    build(root)?;
    let folder = root.join("target/reproduced");
    let _ = fs::remove_dir_all(&folder);
    let again = WorkerBundle { name: "reproduced", folder: "target/reproduced/build", ..WORKER };
    let wasm = terminal::step("compiles the Worker again", || {
        tools::build_wasm_in(root, &folder, "worker", again.package)
    })?;
    terminal::step("bundles the Worker again", || again.bundle(root, &wasm))?;
    terminal::step("compares the bytes", || {
        for file in ["index.js", "index_bg.wasm"] {
            let [first, second] = [WORKER.folder, again.folder].map(|folder| root.join(folder).join(file));
            if fs::read(&first)? != fs::read(&second)? {
                bail!(
                    "{} and {} differ; something in the build depends on its time or folder",
                    first.display(),
                    second.display()
                );
            }
        }
        Ok(())
    })
}

const WORKER: WorkerBundle = WorkerBundle {
    title: "the Worker",
    package: "edge-vitals-worker",
    name: "worker",
    scripts: "worker/js",
    folder: "build",
};

/// Builds the emptiest Worker, the peer of the cache's and the ingest's benchmarks.
pub(crate) fn build_empty(root: &Path) -> Result<()> {
    let empty = WorkerBundle {
        title: "the emptiest Worker",
        package: "empty",
        name: "empty",
        scripts: "tests/bench/cache/empty",
        folder: "build/bench/empty",
    };
    empty.build(root)
}

/// A Worker in Rust.
struct WorkerBundle {
    title: &'static str,
    package: &'static str,
    name: &'static str,
    /// The folder of the JavaScript files; the bundle starts at its `shim.js`.
    scripts: &'static str,
    folder: &'static str,
}

impl WorkerBundle {
    fn build(&self, root: &Path) -> Result<()> {
        let wasm = terminal::step(&format!("compiles {}", self.title), || {
            tools::build_wasm(root, "worker", self.package)
        })?;
        let mut inputs = vec![wasm.clone(), root.join("package-lock.json")];
        inputs.extend(self.scripts(root)?);
        let artifact = Artifact { name: self.name, inputs, output: root.join(self.folder).join("index.js") };
        artifact.build(root, &format!("bundles {}", self.title), || self.bundle(root, &wasm))
    }

    fn scripts(&self, root: &Path) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(root.join(self.scripts))? {
            files.push(entry?.path());
        }
        files.retain(|file| file.extension().is_some_and(|extension| extension == "js"));
        files.sort();
        Ok(files)
    }

    fn bundle(&self, root: &Path, wasm: &Path) -> Result<()> {
        let bindings = root.join("target/setup").join(self.name);
        let folder = root.join(self.folder);
        let _ = fs::remove_dir_all(&bindings);
        Bindgen::new()
            .input_path(wasm)
            .out_name("index")
            .module(true)?
            .typescript(false)
            .reset_state_function(true)
            .force_enable_abort_handler(true)
            .generate(&bindings)?;
        fs::create_dir_all(&folder)?;
        let [input, output] = [&bindings, &folder].map(|folder| folder.join("index_bg.wasm"));
        // Functions in the order of their names: copies of one generic function are neighbours then, within the window
        // of gzip. The names go last.
        let named = bindings.join("named.wasm");
        wasm::optimize(root, &input, &named, ["-g", "-Oz", "--all-features", "--reorder-functions-by-name"])?;
        wasm::optimize(root, &named, &output, ["--all-features", "--strip-debug", "--strip-producers"])?;
        // workerd returns the module itself for a plain import of a .wasm file.
        let index = bindings.join("index.js");
        let text = fs::read_to_string(&index).context("wasm-bindgen wrote no index.js")?;
        fs::write(&index, text.replace("import source ", "import "))?;
        for script in self.scripts(root)? {
            let name = script.file_name().context("a script has a name")?;
            fs::copy(&script, bindings.join(name))?;
        }
        process::capture(
            tools::npm(root, "esbuild")
                .arg(bindings.join("shim.js"))
                .args(["--bundle", "--format=esm", "--minify", "--external:./index_bg.wasm"])
                .arg("--external:cloudflare:*")
                .arg(format!("--outfile={}", folder.join("index.js").display())),
        )?;
        Ok(())
    }
}
