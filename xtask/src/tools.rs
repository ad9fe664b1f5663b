//! The programs that builds and tests run, as commands in the workspace: cargo, rustc, and the locked npm
//! tools under the pinned Node.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::process;

/// The cargo that runs this program.
pub(crate) fn cargo(root: &Path) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root);
    if let Some(sources) = registry_sources().filter(|_| env::var_os(WASM_FLAGS).is_none()) {
        cargo.env(WASM_FLAGS, format!("--remap-path-prefix={sources}=crates"));
    }
    cargo
}

/// Builds one package for wasm32. Cargo's output is shown only when it fails.
pub(crate) fn build_wasm(root: &Path, profile: &str, package: &str) -> Result<PathBuf> {
    build_wasm_in(root, &root.join("target"), profile, package)
}

/// Builds one package for wasm32 with its own folder of results.
pub(crate) fn build_wasm_in(root: &Path, folder: &Path, profile: &str, package: &str) -> Result<PathBuf> {
    let mut cargo = cargo(root);
    cargo.args(["build", "--profile", profile, "--target", WASM_TARGET, "--package", package]);
    cargo.arg("--target-dir").arg(folder);
    process::capture(cargo.args(["--quiet", "--color", "always"]))?;
    let file = format!("{}.wasm", package.replace('-', "_"));
    Ok(folder.join(WASM_TARGET).join(profile).join(file))
}

/// The compiler that builds this workspace.
pub(crate) fn rustc(root: &Path) -> Command {
    let mut rustc = Command::new("rustc");
    rustc.current_dir(root);
    rustc
}

/// A program of the locked npm packages, run by the pinned Node.
pub(crate) fn npm(root: &Path, program: &str) -> Command {
    let programs = root.join("node_modules/.bin");
    let mut command = Command::new(programs.join(program));
    command.current_dir(root).env("PATH", path_with(&programs));
    // Send no telemetry.
    command.env("WRANGLER_SEND_METRICS", "false").env("CLOUDFLARE_CF_FETCH_ENABLED", "false");
    command
}

fn path_with(first: &Path) -> OsString {
    let rest = env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(first.to_path_buf()).chain(env::split_paths(&rest));
    env::join_paths(folders).unwrap_or(rest)
}

/// The folder of a dependency's sources. Panic messages carry the paths of their files, which must not
/// describe the machine of the build.
fn registry_sources() -> Option<String> {
    let home =
        env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(env::home_dir()?.join(".cargo")))?;
    let sources = home.join("registry/src").to_str()?.to_owned();
    // Cargo splits the variable at spaces.
    (!sources.contains(' ')).then_some(sources)
}

pub(crate) const WASM_TARGET: &str = "wasm32-unknown-unknown";
const WASM_FLAGS: &str = "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS";
