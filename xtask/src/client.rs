//! The browser client in `pkg/dist`: compiled, bound, optimized, and put into the JavaScript beside it.
//! Its sources are `crates/client` and `pkg/src`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

use crate::build_cache::Artifact;
use crate::tools::WASM_TARGET;
use crate::{process, tools, wasm};

/// Builds `pkg/dist` afresh, unless it is up to date.
pub(crate) fn build(root: &Path) -> Result<()> {
    let inputs = [
        "Cargo.lock",
        "Cargo.toml",
        "package-lock.json",
        "crates/client",
        "crates/vitals/src",
        "crates/wire/src",
        "pkg/src",
        "pkg/frontend/thresholds.js",
        "xtask/src/client.rs",
        "xtask/src/wasm.rs",
    ];
    let artifact = Artifact {
        name: "client",
        inputs: inputs.iter().map(|input| root.join(input)).collect(),
        output: root.join("pkg/dist/index.js"),
    };
    artifact.build(root, "builds the client", || build_entries(root))
}

fn build_entries(root: &Path) -> Result<()> {
    let dist = root.join("pkg/dist");
    if dist.exists() {
        fs::remove_dir_all(&dist)?;
    }
    fs::create_dir_all(&dist)?;
    let fallback = |name: &str, wasm: &[u8]| build_fallback(root, wasm, &dist.join(name));
    fallback("start-fallback.js", &build_module(root, &[])?)?;
    bundle(
        root,
        &Entry { source: "start", output: "start", module: "wasm_inlined", observer: "beacon_observer" },
    )?;
    let wasm = build_module(root, &["--features", "reports"])?;
    fallback("fallback.js", &wasm)?;
    fs::write(dist.join("client.wasm"), wasm)?;
    let observer = "callback_observer";
    for (source, output) in
        [("index", "index"), ("index-attribution", "attribution"), ("start-attribution", "start-attribution")]
    {
        bundle(root, &Entry { source, output, module: "wasm_inlined", observer })?;
    }
    bundle(root, &Entry { source: "index", output: "separate", module: "wasm_fetched", observer })?;
    bundle_script(root, observer)
}

/// An entry point of the client.
struct Entry {
    /// The first file, in `pkg/src`.
    source: &'static str,
    /// The bundle, in `pkg/dist`.
    output: &'static str,
    /// The file in `pkg/src` that provides the wasm module.
    module: &'static str,
    /// The file in `pkg/src` that observes the page: `callback_observer` reports every change with its
    /// entries, `beacon_observer` only provides the values of beacons.
    observer: &'static str,
}

/// Builds the wasm and returns its bytes; bundles find them in `target/pkg/bytes.js`. An inlined module
/// needs no second request, so that it measures from its first line on.
fn build_module(root: &Path, features: &[&str]) -> Result<Vec<u8>> {
    let module = compile(root, features)?;
    let bound = bind(root, &module)?;
    let wasm = optimize(root, &bound)?;
    fs::write(
        root.join("target/pkg/bytes.js"),
        format!("export const bytes = {};\nexport const shift = {SHIFT};\n", literal(&wasm)),
    )?;
    Ok(wasm)
}

/// Writes the JavaScript form of a module, which pages fetch where WebAssembly is refused.
fn build_fallback(root: &Path, wasm: &[u8], output: &Path) -> Result<()> {
    let [module, script] = ["fallback.wasm", "fallback.js"].map(|file| root.join("target/pkg").join(file));
    fs::write(&module, wasm)?;
    wasm::translate(root, &module, &script, FEATURES)?;
    // Views of the memory that no instruction uses have no effects.
    fs::write(&script, fs::read_to_string(&script)?.replace("= new ", "= /*@__PURE__*/ new "))?;
    minify(root, &script, output)
}

fn compile(root: &Path, features: &[&str]) -> Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root).args(["build", "--profile", "client", "--target", WASM_TARGET]);
    // One small stack is enough.
    cargo.args(["--config", "target.wasm32-unknown-unknown.rustflags=['-Clink-arg=-zstack-size=64']"]);
    process::capture(cargo.args(["--package", "client"]).args(features))?;
    Ok(root.join("target").join(WASM_TARGET).join("client/client.wasm"))
}

fn bind(root: &Path, module: &Path) -> Result<PathBuf> {
    let folder = root.join("target/pkg");
    fs::create_dir_all(&folder)?;
    Bindgen::new()
        .input_path(module)
        .bundler(true)?
        .typescript(false)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate(&folder)
        .context("wasm-bindgen")?;
    Ok(folder.join("client_bg.wasm"))
}

/// Removes what only objects and strings need to cross the boundary: the client passes numbers through
/// one export.
fn optimize(root: &Path, bound: &Path) -> Result<Vec<u8>> {
    let reachable = bound.with_file_name("reachable.wasm");
    let small = bound.with_file_name("small.wasm");
    wasm::keep_reachable(root, bound, &reachable, &["handle"], FEATURES)?;
    wasm::optimize(root, &reachable, &small, FEATURES.iter().chain(OPTIMIZATIONS))?;
    fs::read(&small).with_context(|| format!("cannot read {}", small.display()))
}

fn bundle(root: &Path, entry: &Entry) -> Result<()> {
    let bundled = root.join("target/pkg/bundled.js");
    process::capture(bundler(root, entry, &bundled).args(["--format=esm", "--charset=utf8"]))?;
    minify(root, &bundled, &root.join(format!("pkg/dist/{}.js", entry.output)))
}

/// The main entry as a classic script with the global `edgeVitals`. It is ASCII, since such a script may be served in
/// any encoding, or encoded anew by a tool.
fn bundle_script(root: &Path, observer: &'static str) -> Result<()> {
    let entry = Entry { source: "index", output: "iife", module: "wasm_inlined", observer };
    let script = root.join("pkg/dist/iife.js");
    process::capture(bundler(root, &entry, &script).args([
        "--format=iife",
        "--global-name=edgeVitals",
        "--charset=ascii",
    ]))
    .map(drop)
}

fn bundler(root: &Path, Entry { source, module, observer, .. }: &Entry, output: &Path) -> Command {
    let mut esbuild = tools::npm(root, "esbuild");
    esbuild
        .arg(format!("pkg/src/{source}.js"))
        .args([
            "--bundle",
            "--minify",
            "--target=es2022",
            // Names that only our own files use.
            "--mangle-props=^(lists|targets|navigation|instances|readValue|readWireValue|declareView|onEntry|describe|attribute|stop)$",
            "--log-level=warning",
            "--external:*/fallback.js",
            "--external:*/start-fallback.js",
        ])
        .arg(format!("--define:FULL={}", *observer == "callback_observer"))
        .arg(format!("--alias:#bytes={}", root.join("target/pkg/bytes.js").display()))
        .arg(format!("--alias:#observer={}", root.join(format!("pkg/src/{observer}.js")).display()))
        .arg(format!("--alias:#module={}", root.join(format!("pkg/src/{module}.js")).display()))
        .arg(format!("--outfile={}", output.display()));
    esbuild
}

/// Minifies a bundle with terser, which makes it 3 to 4 % smaller than esbuild does.
pub(crate) fn minify(root: &Path, bundled: &Path, output: &Path) -> Result<()> {
    let mut terser = tools::npm(root, "terser");
    terser
        .arg(bundled)
        .args(["--module", "--ecma", "2020", "--compress", "passes=4", "--mangle", "--output"])
        .arg(output);
    process::capture(&mut terser).map(drop)
}

/// The bytes as a JavaScript string of the characters U+0000 to U+00FF, which compresses better than
/// base64 does. With [`SHIFT`] subtracted, all but a module's rarest bytes are one byte in UTF-8.
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

/// The shift that `pkg/src/wasm_inlined.js` undoes. It compressed best of all.
const SHIFT: u8 = 220;

const FEATURES: &[&str] = &[
    "--enable-bulk-memory",
    "--enable-nontrapping-float-to-int",
    "--enable-sign-ext",
    "--enable-reference-types",
    "--enable-mutable-globals",
];
const OPTIMIZATIONS: &[&str] =
    &["-O4", "-Oz", "--converge", "--strip-debug", "--strip-producers", "--strip-target-features"];
