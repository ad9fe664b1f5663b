//! `cargo xtask check`: what can be said of the code without running it.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::{bundle, process, screen, setup, size};

/// Runs every check; the first failure ends it.
pub fn run(root: &Path, _: &[String]) -> Result<()> {
    screen::title(
        "Checks formatting, lints, the arrows between crates, types, licences, bytes, and a dry deploy.",
    );
    setup::tools(root)?;
    screen::step("formatting", || formatting(root))?;
    screen::step("lints", || lints(root))?;
    screen::step("cores know no JavaScript and no clock", || cores(root))?;
    bundle::everything(root)?;
    screen::step("types", || types(root))?;
    screen::step("licences", || licences(root))?;
    screen::step("environments have the same bindings", || environments(root))?;
    screen::step("the cache's routes can be read", || routes(root))?;
    screen::step("a dry deploy of staging and production", || deploy(root))?;
    screen::step("no shipped file grew", || size::guard(root))?;
    println!("\nAll checks passed.");
    Ok(())
}

fn formatting(root: &Path) -> Result<()> {
    process::quiet(setup::cargo(root).args(["fmt", "--all", "--check"]))
        .context("run `cargo fmt --all`")
        .map(drop)
}

fn lints(root: &Path) -> Result<()> {
    let strict = ["--", "-D", "warnings"];
    let mut native = setup::cargo(root);
    native.args(["clippy", "--quiet", "--workspace", "--all-targets"]);
    for shell in SHELLS {
        native.args(["--exclude", shell]);
    }
    process::quiet(native.args(strict))?;
    // One at a time: together, cargo would give the client the features that the Worker asks for.
    for shell in SHELLS {
        let mut wasm = setup::cargo(root);
        wasm.args(["clippy", "--quiet", "--target", "wasm32-unknown-unknown", "--package", shell]);
        process::quiet(wasm.args(strict))?;
    }
    Ok(())
}

/// The arrows: no core depends on the platform, directly or through others. That none reads a clock
/// is a lint (`clippy.toml`).
fn cores(root: &Path) -> Result<()> {
    for core in CORES {
        let manifest = root.join("crates").join(core).join("Cargo.toml");
        if !manifest.exists() {
            continue;
        }
        let tree =
            process::quiet(setup::cargo(root).arg("tree").arg("--manifest-path").arg(manifest).args([
                "--edges",
                "normal",
                "--prefix",
                "none",
                "--target",
                "wasm32-unknown-unknown",
            ]))?;
        for line in tree.lines() {
            let name = line.split_whitespace().next().unwrap_or_default();
            if PLATFORM.contains(&name) {
                bail!("the core `{core}` depends on `{name}`; move what needs it into a shell");
            }
        }
    }
    Ok(())
}

fn types(root: &Path) -> Result<()> {
    for project in ["tsconfig.json", "worker/tsconfig.json"] {
        process::quiet(process::npm(root, "tsc").args(["--project", project]))?;
    }
    Ok(())
}

fn licences(root: &Path) -> Result<()> {
    let tools = root.join("target/tools");
    let deny = tools.join("bin/cargo-deny");
    if !deny.exists() && process::quiet(setup::cargo(root).args(["deny", "--version"])).is_err() {
        let mut install = setup::cargo(root);
        install.args(["install", "--quiet", "--locked", "--root"]).arg(&tools);
        process::bounded(install.arg("cargo-deny@0.20.2"), Duration::from_secs(1200))
            .context("cargo-deny could not be installed")?;
    }
    let run = |what: &[&str]| {
        let mut command = match deny.exists() {
            true => std::process::Command::new(&deny),
            false => setup::cargo(root),
        };
        if !deny.exists() {
            command.arg("deny");
        }
        process::quiet(command.current_dir(root).args(["--log-level", "error", "check"]).args(what))
    };
    run(&["bans", "licenses", "sources"])?;
    // The list of advisories is fetched; where the network does not give it, that is said and no failure.
    match run(&["advisories"]) {
        Ok(_) => Ok(()),
        Err(error) if error.to_string().contains("failed to fetch advisory database") => {
            println!("    advisories were not checked: their list cannot be fetched from here");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// A binding that one environment lacks would be found by its visitors.
fn environments(root: &Path) -> Result<()> {
    let text = std::fs::read_to_string(root.join("wrangler.toml"))?;
    let config: toml::Table = text.parse().context("wrangler.toml is no TOML")?;
    let bindings =
        |table: &toml::Table| BINDINGS.iter().map(|key| table.get(*key).map(names)).collect::<Vec<_>>();
    let own = bindings(&config);
    if own.iter().any(Option::is_none) {
        bail!("wrangler.toml lacks one of {}", BINDINGS.join(", "));
    }
    let environments =
        config.get("env").and_then(toml::Value::as_table).context("wrangler.toml has no [env]")?;
    for name in ["dev", "staging", "production"] {
        let table = environments.get(name).and_then(toml::Value::as_table);
        let table = table.with_context(|| format!("wrangler.toml has no [env.{name}]"))?;
        if bindings(table) != own {
            bail!("the bindings of [env.{name}] in wrangler.toml differ from those at its top");
        }
    }
    Ok(())
}

/// What a deployment would answer with 503 is told here, with its line.
fn routes(root: &Path) -> Result<()> {
    let text = std::fs::read_to_string(root.join("wrangler.toml"))?;
    let config: toml::Table = text.parse().context("wrangler.toml is no TOML")?;
    let environments = config.get("env").and_then(toml::Value::as_table).into_iter().flatten();
    let own = std::iter::once(("the top", config.get("vars")));
    for (name, vars) in own.chain(environments.map(|(name, table)| (name.as_str(), table.get("vars")))) {
        if let Some(edge) = vars.and_then(|vars| vars.get("EDGE")) {
            let text = edge
                .as_str()
                .with_context(|| format!("EDGE at {name} of wrangler.toml must be a text of JSON"))?;
            let at = || format!("EDGE at {name} of wrangler.toml");
            let routes = cache::CacheConfig::parse(text).with_context(at)?;
            let sites = vars.and_then(|vars| vars.get("SITES")).and_then(toml::Value::as_table);
            let is_known = |site: &str| sites.is_some_and(|sites| sites.contains_key(site));
            if let Some(mistake) = routes.find_unknown_site(text, is_known) {
                return Err(mistake).with_context(at);
            }
        }
    }
    Ok(())
}

/// The names of what is bound, without limits, folders and identifiers, which may differ.
fn names(value: &toml::Value) -> Vec<String> {
    match value {
        toml::Value::Table(table) => {
            let own = ["name", "class_name", "binding"]
                .iter()
                .filter_map(|key| Some(format!("{key}={}", table.get(*key)?.as_str()?)));
            let keys = table.iter().filter(|(_, value)| value.is_array() || value.is_table());
            own.chain(keys.flat_map(|(_, value)| names(value))).collect()
        }
        toml::Value::Array(all) => all.iter().flat_map(names).collect(),
        _ => Vec::new(),
    }
}

fn deploy(root: &Path) -> Result<()> {
    for environment in ["staging", "production"] {
        let out = root.join("target/deploy").join(environment);
        process::quiet(
            process::npm(root, "wrangler")
                .args(["deploy", "--dry-run", "--env", environment, "--outdir"])
                .arg(&out),
        )?;
    }
    Ok(())
}

/// Pure crates: no clock, no I/O, no JavaScript.
pub const CORES: &[&str] = &["wire", "vitals", "sketch", "budget", "ledger", "insight", "cache"];
/// Crates that exist for a platform, and compile only for it.
const SHELLS: &[&str] = &["client", "edge-vitals-worker", "empty"];
const PLATFORM: &[&str] = &["js-sys", "web-sys", "wasm-bindgen", "worker", "worker-sys", "gloo-timers"];
const BINDINGS: &[&str] = &["assets", "durable_objects", "kv_namespaces", "ratelimits", "triggers", "vars"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_of_a_site_that_nobody_knows_is_named_with_its_line() {
        let folder = std::env::temp_dir().join(format!("edge-vitals-check-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let check = |site: &str| {
            let edge = format!(
                "{{\"routes\": [\n{{\"host\": \"a\", \"path\": \"/**\", \"origin\": \"https://o\", \"site\": \"{site}\"}}]}}"
            );
            let text = format!("[vars]\nSITES = {{ portal = {{}} }}\nEDGE = '''{edge}'''\n");
            std::fs::write(folder.join("wrangler.toml"), text).expect("a file");
            routes(&folder).map_err(|error| format!("{error:#}"))
        };
        assert_eq!(check("portal"), Ok(()));
        let says = check("portl").expect_err("nobody knows it");
        std::fs::remove_dir_all(&folder).expect("no folder");
        assert!(says.contains("EDGE at the top of wrangler.toml: line 2"), "{says}");
        assert!(says.contains("no site of SITES has the name \"portl\""), "{says}");
    }
}
