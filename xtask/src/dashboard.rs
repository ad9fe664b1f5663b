//! The dashboard in `build/dashboard`: a script for what is always shown and one for each view, a style
//! sheet, and the part of the toolkit's wasm that the page calls. Its sources are in `www/dashboard`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;
use wasm_bindgen_cli_support::Bindgen;

use crate::build_cache::Artifact;
use crate::{process, toolkit, tools, wasm};

/// Builds `build/dashboard` from its sources and the compiled toolkit.
pub(crate) fn build(root: &Path) -> Result<()> {
    build_toolkit(root)?;
    let folder = root.join("build/dashboard");
    let artifact = Artifact {
        name: "dashboard",
        inputs: vec![
            bindings(root).join("toolkit.js"),
            // Its build empties the folder that `parts.json` is in.
            folder.join("toolkit.wasm"),
            root.join("www/dashboard"),
            root.join("xtask/src/dashboard.rs"),
            root.join("package-lock.json"),
        ],
        output: folder.join("main.js"),
    };
    artifact.build(root, "bundles the dashboard", || {
        // Chunk names carry hashes: those of an earlier build would be deployed with these.
        let _ = fs::remove_dir_all(folder.join("parts"));
        let metafile = bindings(root).join("metafile.json");
        bundle(root, "main.js", |esbuild| {
            esbuild
                .args(["--format=esm", "--splitting", "--chunk-names=parts/[name]-[hash]"])
                .arg(format!("--alias:#toolkit={}", bindings(root).join("toolkit.js").display()))
                .arg(format!("--metafile={}", metafile.display()));
        })?;
        let parts = bindings(root).join("parts.json");
        fs::write(&parts, serde_json::to_string(&preloads(&fs::read_to_string(&metafile)?)?)?)?;
        bundle(root, "bootstrap.js", |esbuild| {
            esbuild.args(["--format=iife"]).arg(format!("--alias:#parts={}", parts.display()));
        })?;
        bundle(root, "intl_warmup.js", |_| {})?;
        bundle(root, "main.css", |_| {})
    })
}

/// Bundles one of the page's entry points.
fn bundle(root: &Path, entry: &str, add_options: impl FnOnce(&mut Command)) -> Result<()> {
    let mut esbuild = tools::npm(root, "esbuild");
    esbuild
        .arg(format!("www/dashboard/{entry}"))
        .args(["--bundle", "--minify", "--target=es2022,chrome123", "--charset=utf8"])
        .args(["--log-level=warning", "--external:/v1/*", "--external:/dashboard/*"])
        .args(["--outdir=build/dashboard", "--outbase=www/dashboard"]);
    add_options(&mut esbuild);
    process::capture(&mut esbuild).map(drop)
}

/// The files that each entry point needs, from esbuild's metafile: a page requests all of them at once, and
/// none waits until another has imported it.
fn preloads(metafile: &str) -> Result<BTreeMap<String, Vec<String>>> {
    let Metafile { outputs } = serde_json::from_str(metafile).context("esbuild's metafile")?;
    let mut preloads = BTreeMap::new();
    for (file, output) in &outputs {
        let Some(module) = &output.entry_point else { continue };
        let name = module.file_stem().context("an entry point without a name")?;
        let mut needed = BTreeSet::new();
        add_static_imports(&outputs, file, &mut needed);
        let files = needed.iter().map(|file| format!("/{}", file.trim_start_matches("build/")));
        preloads.insert(name.to_string_lossy().into_owned(), files.collect());
    }
    Ok(preloads)
}

/// Adds an output and, recursively, its static imports.
fn add_static_imports(outputs: &BTreeMap<String, BuiltFile>, file: &str, needed: &mut BTreeSet<String>) {
    if !needed.insert(file.to_owned()) {
        return;
    }
    for import in outputs.get(file).into_iter().flat_map(|output| &output.imports) {
        if import.kind == "import-statement" && !import.external {
            add_static_imports(outputs, &import.path, needed);
        }
    }
}

#[derive(Deserialize)]
struct Metafile {
    outputs: BTreeMap<String, BuiltFile>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BuiltFile {
    entry_point: Option<PathBuf>,
    imports: Vec<Import>,
}

#[derive(Deserialize)]
struct Import {
    path: String,
    kind: String,
    #[serde(default)]
    external: bool,
}

/// Builds the toolkit without the exports that only Node calls: less than half of it.
fn build_toolkit(root: &Path) -> Result<()> {
    let wasm = root.join("target/wasm32-unknown-unknown/worker/toolkit.wasm");
    let folder = root.join("build/dashboard");
    let artifact = Artifact {
        name: "dashboard-toolkit",
        inputs: vec![wasm.clone(), root.join("xtask/src/dashboard.rs"), root.join("package-lock.json")],
        output: folder.join("toolkit.wasm"),
    };
    artifact.build(root, "optimizes the dashboard's toolkit", || {
        let bindings = bindings(root);
        let _ = fs::remove_dir_all(&bindings);
        Bindgen::new()
            .input_path(&wasm)
            .out_name("toolkit")
            .web(true)?
            .typescript(true)
            .generate(&bindings)?;
        fs::create_dir_all(&folder)?;
        let reachable = bindings.join("reachable.wasm");
        wasm::keep_reachable(
            root,
            &bindings.join("toolkit_bg.wasm"),
            &reachable,
            EXPORTS,
            toolkit::FEATURES,
        )?;
        let options = toolkit::FEATURES.iter().chain(toolkit::OPTIMIZATIONS);
        wasm::optimize(root, &reachable, &folder.join("toolkit.wasm"), options)
    })
}

/// The folder of wasm-bindgen's JavaScript.
fn bindings(root: &Path) -> PathBuf {
    root.join("target/setup/dashboard")
}

/// The functions that `www/dashboard/toolkit.js` imports, and those that wasm-bindgen's JavaScript calls.
const EXPORTS: &[&str] = &[
    "forecast",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_point_preloads_its_static_imports_and_no_dynamic_ones() {
        let metafile = r#"{"outputs": {
            "build/dashboard/main.js": {"entryPoint": "www/dashboard/main.js", "imports": [
                {"path": "/v1/start.js", "kind": "import-statement", "external": true},
                {"path": "build/dashboard/parts/chunk-A.js", "kind": "import-statement"},
                {"path": "build/dashboard/parts/routes-C.js", "kind": "dynamic-import"}]},
            "build/dashboard/parts/chunk-A.js": {"imports": [{"path": "build/dashboard/parts/chunk-B.js", "kind": "import-statement"}]},
            "build/dashboard/parts/chunk-B.js": {"imports": []},
            "build/dashboard/parts/routes-C.js": {"entryPoint": "www/dashboard/routes.js", "imports": [
                {"path": "build/dashboard/parts/chunk-B.js", "kind": "import-statement"}]}}}"#;
        let parts = preloads(metafile).expect("a metafile");
        let [main, routes] = ["main", "routes"].map(|name| parts[name].join(" "));
        assert_eq!(main, "/dashboard/main.js /dashboard/parts/chunk-A.js /dashboard/parts/chunk-B.js");
        assert_eq!(routes, "/dashboard/parts/chunk-B.js /dashboard/parts/routes-C.js");
    }
}
