//! binaryen's tools, from the locked npm package of that name.

use std::ffi::OsStr;
use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};
use std::fs;

use crate::{process, tools};

/// Optimizes a module with wasm-opt.
pub(crate) fn optimize<S: AsRef<OsStr>>(
    root: &Path,
    input: &Path,
    output: &Path,
    options: impl IntoIterator<Item = S>,
) -> Result<()> {
    process::capture(tools::npm(root, "wasm-opt").args(options).arg("-o").arg(output).arg(input)).map(drop)
}

/// Translates a module without imports into a JavaScript module with the same exports.
pub(crate) fn translate(root: &Path, input: &Path, output: &Path, features: &[&str]) -> Result<()> {
    // npm links no `wasm2js` into node_modules/.bin.
    let mut wasm2js = tools::npm(root, "node");
    wasm2js.arg(root.join("node_modules/binaryen/bin/wasm2js")).args(features).arg("-Oz");
    process::capture(wasm2js.arg(input).arg("-o").arg(output)).map(drop)
}

/// Removes from a module all that these exports do not reach.
pub(crate) fn keep_reachable(
    root: &Path,
    input: &Path,
    output: &Path,
    exports: &[&str],
    features: &[&str],
) -> Result<()> {
    let graph = output.with_extension("graph.json");
    let page = json!({ "name": "page", "root": true, "reaches": exports });
    let nodes = exports.iter().map(|name| json!({ "name": name, "export": name }));
    fs::write(&graph, Value::from_iter(std::iter::once(page).chain(nodes)).to_string())?;
    // npm links no `wasm-metadce` into node_modules/.bin.
    let mut metadce = tools::npm(root, "node");
    metadce.arg(root.join("node_modules/binaryen/bin/wasm-metadce")).args(features);
    metadce.arg("--graph-file").arg(&graph).arg(input).arg("-o").arg(output);
    process::capture(&mut metadce).map(drop)
}
