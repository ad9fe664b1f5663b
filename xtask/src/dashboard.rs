//! The dashboard, from modules to what a browser downloads: a script for what is always there and one for
//! each view, a style sheet, and as much of the toolkit's wasm as the page calls. What they show is
//! `www/dashboard`'s business.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Map, Value};
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
        // What a view was bundled to before would be deployed with what it is bundled to now.
        let _ = fs::remove_dir_all(out.join("parts"));
        fs::create_dir_all(&out)?;
        rules(root, &wasm, &out)?;
        let bundled = glue(root).join("bundled.json");
        bundle(root, "main.js", |esbuild| {
            esbuild
                .args(["--format=esm", "--splitting", "--chunk-names=parts/[name]-[hash]"])
                .arg(format!("--alias:#toolkit={}", glue(root).join("toolkit.js").display()))
                .arg(format!("--metafile={}", bundled.display()));
        })?;
        let parts = glue(root).join("parts.json");
        fs::write(&parts, serde_json::to_string(&parts_of(&fs::read_to_string(&bundled)?)?)?)?;
        bundle(root, "bootstrap.js", |esbuild| {
            esbuild.args(["--format=iife"]).arg(format!("--alias:#parts={}", parts.display()));
        })?;
        bundle(root, "intl_warmup.js", |_| {})?;
        bundle(root, "main.css", |_| {})?;
        setup::mark(root, "dashboard", fingerprint)
    })
}

/// Bundles one of the page's files, with what is its own.
fn bundle(root: &Path, entry: &str, own: impl FnOnce(&mut Command)) -> Result<()> {
    let mut esbuild = process::npm(root, "esbuild");
    esbuild
        .arg(format!("www/dashboard/{entry}"))
        .args(["--bundle", "--minify", "--target=es2022,chrome123", "--charset=utf8"])
        .args(["--log-level=warning", "--external:/v1/*", "--external:/dashboard/*"])
        .args(["--outdir=build/dashboard", "--outbase=www/dashboard"]);
    own(&mut esbuild);
    process::quiet(&mut esbuild).map(drop)
}

/// For each part of the dashboard, all files that it needs, as esbuild tells of them: so that a page asks for
/// all of them at once, and none waits until another has named it.
fn parts_of(bundled: &str) -> Result<BTreeMap<String, Vec<String>>> {
    let bundled: Value = serde_json::from_str(bundled).context("esbuild's account of the dashboard")?;
    let outputs = bundled["outputs"].as_object().context("esbuild told of no outputs")?;
    let modules = outputs.iter().filter_map(|(file, output)| Some((file, output["entryPoint"].as_str()?)));
    modules
        .map(|(file, module)| {
            let name = Path::new(module).file_stem().context("a module without a name")?.to_string_lossy();
            let mut needed = BTreeSet::new();
            need(outputs, file, &mut needed);
            let files = needed.iter().map(|file| format!("/{}", file.trim_start_matches("build/")));
            Ok((name.into_owned(), files.collect()))
        })
        .collect()
}

/// A file and what it is not run without.
fn need(outputs: &Map<String, Value>, file: &str, needed: &mut BTreeSet<String>) {
    if !needed.insert(file.to_owned()) {
        return;
    }
    for import in outputs.get(file).and_then(|output| output["imports"].as_array()).into_iter().flatten() {
        if import["kind"] == "import-statement"
            && import["external"] != true
            && let Some(path) = import["path"].as_str()
        {
            need(outputs, path, needed);
        }
    }
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
    fn a_part_names_every_file_that_it_needs_and_none_that_comes_later() {
        let bundled = r#"{"outputs": {
            "build/dashboard/main.js": {"entryPoint": "www/dashboard/main.js", "imports": [
                {"path": "/v1/start.js", "kind": "import-statement", "external": true},
                {"path": "build/dashboard/parts/chunk-A.js", "kind": "import-statement"},
                {"path": "build/dashboard/parts/routes-C.js", "kind": "dynamic-import"}]},
            "build/dashboard/parts/chunk-A.js": {"imports": [{"path": "build/dashboard/parts/chunk-B.js", "kind": "import-statement"}]},
            "build/dashboard/parts/chunk-B.js": {"imports": []},
            "build/dashboard/parts/routes-C.js": {"entryPoint": "www/dashboard/routes.js", "imports": [
                {"path": "build/dashboard/parts/chunk-B.js", "kind": "import-statement"}]}}}"#;
        let parts = parts_of(bundled).expect("it is read");
        let [main, routes] = ["main", "routes"].map(|name| parts[name].join(" "));
        assert_eq!(main, "/dashboard/main.js /dashboard/parts/chunk-A.js /dashboard/parts/chunk-B.js");
        assert_eq!(routes, "/dashboard/parts/chunk-B.js /dashboard/parts/routes-C.js");
    }
}
