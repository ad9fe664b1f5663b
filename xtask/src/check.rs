//! `cargo xtask check`: everything that can be checked without running the product.

mod import_graph;
mod js_imports;
mod rust_imports;
mod source_style;
mod sources;
mod wrangler_config;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::tools::WASM_TARGET;
use crate::{bundle, process, setup, size, terminal, tools};

/// Arguments of `cargo xtask check`.
#[derive(Args)]
pub(crate) struct Options {
    /// The checks to run; all by default
    #[arg(value_parser = PossibleValuesParser::new(CHECKS.iter().map(|check| check.name)))]
    names: Vec<String>,
}

struct Check {
    name: &'static str,
    about: &'static str,
    setup: Setup,
    run: fn(&Path) -> Result<()>,
}

/// The state of the checkout that a check needs; each includes those before it.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Setup {
    Sources,
    Tools,
    Product,
}

const fn check(name: &'static str, about: &'static str, setup: Setup, run: fn(&Path) -> Result<()>) -> Check {
    Check { name, about, setup, run }
}

const CHECKS: &[Check] = &[
    check("format", "formatting", Setup::Sources, check_format),
    check("circles", "no import circles", Setup::Sources, sources::check_circles),
    check("lengths", "no source file is too long", Setup::Sources, sources::check_lengths),
    check("comments", "no comment opens with a clause", Setup::Sources, sources::check_comments),
    check("cores", "cores depend on no JavaScript and no clock", Setup::Sources, check_cores),
    check("bindings", "environments have the same bindings", Setup::Sources, wrangler_config::check_bindings),
    check("routes", "the cache's routes are valid", Setup::Sources, wrangler_config::check_routes),
    check("lints", "lints", Setup::Tools, check_lints),
    check("licences", "licences", Setup::Tools, check_licences),
    check("types", "types", Setup::Product, check_types),
    check("deploy", "a dry deploy of staging and production", Setup::Product, check_deploy),
    check("size", "no shipped file grew", Setup::Product, size::check),
];

/// Runs the named checks, or all; the first failure ends it.
pub(crate) fn run(root: &Path, options: &Options) -> Result<()> {
    let is_chosen = |check: &&Check| match options.names.as_slice() {
        [] => true,
        names => names.iter().any(|name| name == check.name),
    };
    let checks: Vec<&Check> = CHECKS.iter().filter(is_chosen).collect();
    let titles: Vec<&str> = checks.iter().map(|check| check.about).collect();
    terminal::title(&format!("Checks: {}.", titles.join("; ")));
    let mut current = Setup::Sources;
    for Check { about, setup, run, .. } in checks {
        if *setup > current {
            match setup {
                Setup::Sources => {}
                Setup::Tools => setup::install_tools(root)?,
                Setup::Product => bundle::build(root)?,
            }
            current = *setup;
        }
        terminal::step(about, || run(root))?;
    }
    println!("\nAll checks passed.");
    Ok(())
}

fn check_format(root: &Path) -> Result<()> {
    process::capture(tools::cargo(root).args(["fmt", "--all", "--check"]))
        .context("run `cargo fmt --all`")
        .map(drop)
}

fn check_lints(root: &Path) -> Result<()> {
    let mut native = tools::cargo(root);
    native.args(["clippy", "--quiet", "--workspace", "--all-targets"]);
    for shell in SHELLS {
        native.args(["--exclude", shell]);
    }
    process::capture(native.args(["--", "-D", "warnings"]))?;
    // One at a time: together, cargo would build the client with the features that the Worker needs.
    for shell in SHELLS {
        let mut wasm = tools::cargo(root);
        wasm.args(["clippy", "--quiet", "--target", WASM_TARGET, "--package", shell]);
        process::capture(wasm.args(["--", "-D", "warnings"]))?;
    }
    Ok(())
}

/// Fails on a core that depends on the platform, directly or through others. `clippy.toml` forbids
/// clocks.
fn check_cores(root: &Path) -> Result<()> {
    for core in CORES {
        let manifest = root.join("crates").join(core).join("Cargo.toml");
        let mut cargo = tools::cargo(root);
        cargo.args(["tree", "--edges", "normal", "--prefix", "none", "--target", WASM_TARGET]);
        let tree = process::capture(cargo.arg("--manifest-path").arg(manifest))?;
        for line in tree.lines() {
            let name = line.split_whitespace().next().unwrap_or_default();
            if PLATFORM.contains(&name) {
                bail!("the core `{core}` depends on `{name}`; move what needs it into a shell");
            }
        }
    }
    Ok(())
}

fn check_types(root: &Path) -> Result<()> {
    for project in ["tsconfig.json", "worker/tsconfig.json"] {
        process::capture(tools::npm(root, "tsc").args(["--project", project]))?;
    }
    Ok(())
}

fn check_licences(root: &Path) -> Result<()> {
    let folder = root.join("target/tools");
    let installed = folder.join("bin/cargo-deny");
    if !installed.exists() && process::capture(tools::cargo(root).args(["deny", "--version"])).is_err() {
        let mut install = tools::cargo(root);
        install.args(["install", "--quiet", "--locked", "--root"]).arg(&folder);
        process::run_silently(install.arg("cargo-deny@0.20.2"), INSTALL_TIMEOUT)
            .context("cannot install cargo-deny; run `cargo install cargo-deny`")?;
    }
    let deny = |checks: &[&str]| {
        let mut deny = match installed.exists() {
            true => Command::new(&installed),
            false => tools::cargo(root),
        };
        if !installed.exists() {
            deny.arg("deny");
        }
        process::capture(deny.current_dir(root).args(["--log-level", "error", "check"]).args(checks))
    };
    deny(&["bans", "licenses", "sources"])?;
    match deny(&["advisories"]) {
        Err(error) if error.to_string().contains("failed to fetch advisory database") => {
            terminal::print("    advisories were not checked: their database cannot be fetched from here");
            Ok(())
        }
        outcome => outcome.map(drop),
    }
}

fn check_deploy(root: &Path) -> Result<()> {
    for environment in ["staging", "production"] {
        let folder = root.join("target/deploy").join(environment);
        let mut wrangler = tools::npm(root, "wrangler");
        wrangler.args(["deploy", "--dry-run", "--env", environment, "--outdir"]).arg(folder);
        process::capture(&mut wrangler)?;
    }
    Ok(())
}

/// Pure crates: no clock, no I/O, no JavaScript.
const CORES: &[&str] = &[
    "wire", "vitals", "sketch", "budget", "ledger", "traffic", "outbox", "report", "alerting", "export",
    "cache", "auth",
];
/// Crates that compile for one platform only.
const SHELLS: &[&str] = &["client", "edge-vitals-worker", "empty"];
const PLATFORM: &[&str] = &["js-sys", "web-sys", "wasm-bindgen", "worker", "worker-sys", "gloo-timers"];
const INSTALL_TIMEOUT: Duration = Duration::from_secs(1200);
