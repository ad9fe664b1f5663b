//! The tools that every build needs, obtained where they are missing: the wasm32 standard library and the
//! locked npm packages. `test_tools` obtains what only tests need.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::build_cache::Artifact;
use crate::tools::WASM_TARGET;
use crate::{process, std_library, terminal, tools};

/// Obtains what every build needs.
pub(crate) fn install_tools(root: &Path) -> Result<()> {
    install_wasm_library(root)?;
    install_npm_packages(root)
}

fn install_npm_packages(root: &Path) -> Result<()> {
    let packages = Artifact {
        name: "npm",
        inputs: vec![root.join("package-lock.json")],
        output: root.join("node_modules/.bin/wrangler"),
    };
    packages.build(root, "installs the locked npm packages", || {
        let mut npm = Command::new("npm");
        npm.args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(root);
        process::run_silently(&mut npm, NPM_TIMEOUT)
            .context("cannot install the npm packages; install Node with npm, and check its registry")?;
        process::capture(tools::npm(root, "node").arg("--version"))
            .context("the npm package `node` has no Node for this machine")
            .map(drop)
    })
}

fn install_wasm_library(root: &Path) -> Result<()> {
    let sysroot = process::capture(tools::rustc(root).args(["--print", "sysroot"]))?;
    let library = PathBuf::from(sysroot.trim()).join("lib/rustlib").join(WASM_TARGET).join("lib");
    if has_core(&library) {
        return Ok(());
    }
    terminal::step("installs the wasm32 target", || {
        let mut rustup = Command::new("rustup");
        rustup.args(["target", "add", WASM_TARGET]).current_dir(root);
        let added = process::run_silently(&mut rustup, RUSTUP_TIMEOUT);
        if added.is_ok() && has_core(&library) {
            return Ok(());
        }
        let built = std_library::build(root, &library);
        if built.is_ok() && has_core(&library) {
            return Ok(());
        }
        bail!(
            "the Rust target {WASM_TARGET} is missing: run `rustup target add {WASM_TARGET}`, or install your \
             distribution's package `rust-src` in the version of `rustc --version` ({}; {})",
            added.err().map(|error| summary(&error)).unwrap_or_default(),
            built.err().map(|error| summary(&error)).unwrap_or_default(),
        )
    })
}

fn has_core(library: &Path) -> bool {
    fs::read_dir(library).is_ok_and(|files| {
        files.flatten().any(|file| {
            let name = file.file_name();
            let name = name.to_string_lossy();
            name.starts_with("libcore-") && name.ends_with(".rlib")
        })
    })
}

/// Installs a package of a Debian distribution; only root may.
pub(crate) fn install_distribution_package(name: &str) -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!("only root may install the package `{name}`");
    }
    let mut update = Command::new("apt-get");
    process::run_silently(update.arg("update"), APT_TIMEOUT)?;
    let mut install = Command::new("apt-get");
    install.args(["install", "-y", "--no-install-recommends", name]).env("DEBIAN_FRONTEND", "noninteractive");
    process::run_silently(&mut install, APT_TIMEOUT)
}

/// The first line of an error with its causes, short enough for a list of reasons.
pub(crate) fn summary(error: &anyhow::Error) -> String {
    format!("{error:#}").lines().next().unwrap_or_default().chars().take(200).collect()
}

const APT_TIMEOUT: Duration = Duration::from_secs(600);
pub(crate) const NPM_TIMEOUT: Duration = Duration::from_secs(900);
const RUSTUP_TIMEOUT: Duration = Duration::from_secs(120);
