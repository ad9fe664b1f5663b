//! The browser client, from Rust to what a page downloads: compiled, bound, shrunk, put into the
//! JavaScript beside it. Which bytes are worth it is decided in `crates/client` and `pkg/src`.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

/// Builds `pkg/dist` afresh.
pub fn build(root: &Path) -> Result<()> {
    let dist = root.join("pkg/dist");
    if dist.exists() {
        fs::remove_dir_all(&dist)?;
    }
    fs::create_dir_all(&dist)?;
    machine(root, &[])?;
    bundle(
        root,
        &Entry { source: "start", output: "start", module: "wasm_inlined", observer: "beacon_observer" },
    )?;
    let wasm = machine(root, &["--features", "reports"])?;
    fs::write(dist.join("client.wasm"), wasm)?;
    let observer = "callback_observer";
    for (source, output) in
        [("index", "index"), ("index-attribution", "attribution"), ("start-attribution", "start-attribution")]
    {
        bundle(root, &Entry { source, output, module: "wasm_inlined", observer })?;
    }
    bundle(root, &Entry { source: "index", output: "separate", module: "wasm_fetched", observer })
}

/// What a page may import.
struct Entry {
    /// The file in `pkg/src` that it begins with.
    source: &'static str,
    /// The file in `pkg/dist` that it becomes.
    output: &'static str,
    /// The file in `pkg/src` that provides the wasm module.
    module: &'static str,
    /// The file in `pkg/src` that observes the page: `callback_observer` reports every change with its
    /// entries, `beacon_observer` only provides the values of beacons.
    observer: &'static str,
}

/// The machine's bytes, also left where a bundle finds them. One file is one request, and it measures
/// from its first line on.
fn machine(root: &Path, features: &[&str]) -> Result<Vec<u8>> {
    let module = compile(root, features)?;
    let bound = bind(root, &module)?;
    let wasm = shrink(root, &bound)?;
    fs::write(
        root.join("target/pkg/bytes.js"),
        format!("export const bytes = {};\nexport const shift = {SHIFT};\n", literal(&wasm)),
    )?;
    Ok(wasm)
}

fn compile(root: &Path, features: &[&str]) -> Result<std::path::PathBuf> {
    run(Command::new("cargo")
        .current_dir(root)
        .args([
            "build",
            "--profile",
            "client",
            "--target",
            "wasm32-unknown-unknown",
            "--package",
            "client",
            // One small stack is all it needs.
            "--config",
            "target.wasm32-unknown-unknown.rustflags=['-Clink-arg=-zstack-size=64']",
        ])
        .args(features))?;
    Ok(root.join("target/wasm32-unknown-unknown/client/client.wasm"))
}

fn bind(root: &Path, module: &Path) -> Result<std::path::PathBuf> {
    let out = root.join("target/pkg");
    fs::create_dir_all(&out)?;
    wasm_bindgen_cli_support::Bindgen::new()
        .input_path(module)
        .bundler(true)?
        .typescript(false)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate(&out)
        .context("wasm-bindgen")?;
    Ok(out.join("client_bg.wasm"))
}

/// wasm-bindgen prepares for objects and strings to cross the boundary; only numbers do, so all but
/// the one export and what it reaches is dropped, and the rest is squeezed.
fn shrink(root: &Path, bound: &Path) -> Result<Vec<u8>> {
    let graph = bound.with_file_name("reachable.json");
    fs::write(
        &graph,
        r#"[{"name":"page","reaches":["handle"],"root":true},{"name":"handle","export":"handle"}]"#,
    )?;
    let reached = bound.with_file_name("reached.wasm");
    let small = bound.with_file_name("small.wasm");
    run(binaryen(root, "wasm-metadce")
        .arg("--graph-file")
        .arg(graph)
        .arg(bound)
        .arg("-o")
        .arg(&reached)
        .args(FEATURES))?;
    run(binaryen(root, "wasm-opt")
        .args(FEATURES)
        .args(["-O4", "-Oz", "--converge"])
        .args(STRIPPED)
        .arg(reached)
        .arg("-o")
        .arg(&small))?;
    fs::read(&small).context("the shrunken module")
}

fn binaryen(root: &Path, tool: &str) -> Command {
    let mut command = Command::new(root.join("node_modules/.bin/node"));
    command.arg(root.join("node_modules/binaryen/bin").join(tool));
    command
}

fn bundle(root: &Path, Entry { source, output, module, observer }: &Entry) -> Result<()> {
    let bundled = root.join("target/pkg/bundled.js");
    run(process::npm(root, "esbuild")
        .arg(format!("pkg/src/{source}.js"))
        .args([
            "--bundle",
            "--minify",
            "--format=esm",
            "--target=es2022",
            // Names that only our own files use.
            "--mangle-props=^(lists|targets|navigation|instances|readValue|readWireValue|declareView|onEntry|describe|attribute|stop)$",
            "--charset=utf8",
            "--log-level=warning",
        ])
        .arg(format!("--define:FULL={}", *observer == "callback_observer"))
        .arg(format!("--alias:#bytes={}", root.join("target/pkg/bytes.js").display()))
        .arg(format!("--alias:#observer={}", root.join(format!("pkg/src/{observer}.js")).display()))
        .arg(format!("--alias:#module={}", root.join(format!("pkg/src/{module}.js")).display()))
        .arg(format!("--outfile={}", bundled.display())))?;
    minify(root, &bundled, &root.join(format!("pkg/dist/{output}.js")))
}

/// What a bundler leaves, a minifier that does nothing else still makes 3 to 4 % smaller.
pub fn minify(root: &Path, bundled: &Path, output: &Path) -> Result<()> {
    run(process::npm(root, "terser")
        .arg(bundled)
        .args(["--module", "--ecma", "2020", "--compress", "passes=4", "--mangle", "--output"])
        .arg(output))
}

/// The bytes as a JavaScript string of the characters U+0000 to U+00FF, which compresses better than
/// base64 does. Moved by [`SHIFT`], all but the rarest of a module's bytes are one byte in UTF-8.
fn literal(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for &byte in bytes {
        match char::from(byte.wrapping_sub(SHIFT)) {
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            character => {
                if matches!(character, '"' | '\\') {
                    text.push('\\');
                }
                text.push(character);
            }
        }
    }
    text.push('"');
    text
}

/// What `pkg/src/wasm_inlined.js` adds again: of all shifts, the one that compressed best.
const SHIFT: u8 = 220;

fn run(command: &mut Command) -> Result<()> {
    process::quiet(command).map(drop)
}

const FEATURES: &[&str] = &[
    "--enable-bulk-memory",
    "--enable-nontrapping-float-to-int",
    "--enable-sign-ext",
    "--enable-reference-types",
    "--enable-mutable-globals",
];
const STRIPPED: &[&str] = &["--strip-debug", "--strip-producers", "--strip-target-features"];
