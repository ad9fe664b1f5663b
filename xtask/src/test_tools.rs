//! The programs that only tests need, found on this machine or obtained: a browser, PostgreSQL, and
//! independent parsers of the exported formats.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context, Result, bail};

use crate::build_cache::Artifact;
use crate::setup::{install_distribution_package, summary};
use crate::{process, terminal, tools, workspace};

/// A Chromium that a test can drive.
pub(crate) fn browser(root: &Path) -> Result<PathBuf> {
    if let Some(named) = env::var_os("CHROMIUM").map(PathBuf::from) {
        if !named.is_file() {
            bail!("CHROMIUM names {}, which does not exist; correct or unset it", named.display());
        }
        return Ok(named);
    }
    if let Some(found) = installed_browser(root) {
        return Ok(found);
    }
    terminal::step("installs a browser", || {
        let mut playwright = tools::npm(root, "playwright-core");
        playwright
            .args(["install", "chromium-headless-shell"])
            .env("PLAYWRIGHT_BROWSERS_PATH", root.join(PLAYWRIGHT_BROWSERS));
        let mut attempts = vec![process::run_silently(&mut playwright, Duration::from_secs(180))];
        if installed_browser(root).is_none() {
            attempts.push(install_distribution_package("chromium"));
        }
        installed_browser(root).with_context(|| {
            let reasons: Vec<_> = attempts.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
            let reasons: Vec<String> = reasons.into_iter().map(summary).collect();
            format!(
                "no browser was found or could be installed ({}); install Chromium or Chrome, or set \
                 CHROMIUM to one",
                reasons.join("; ")
            )
        })
    })
}

fn installed_browser(root: &Path) -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome"];
    let application = PathBuf::from("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome");
    let folders = path_folders();
    let on_path = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    on_path.chain([application]).find(|path| path.is_file()).or_else(|| {
        let is_browser = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default();
            name == "chrome-headless-shell" || name == "headless_shell"
        };
        workspace::files(&root.join(PLAYWRIGHT_BROWSERS)).ok()?.into_iter().find(is_browser)
    })
}

/// The folder of PostgreSQL's programs, with which a test starts a server of its own.
pub(crate) fn postgres() -> Result<PathBuf> {
    if let Some(found) = installed_postgres() {
        return Ok(found);
    }
    terminal::step("installs PostgreSQL", || {
        let reason = install_distribution_package("postgresql").err().map(|error| summary(&error));
        installed_postgres().with_context(|| {
            format!(
                "PostgreSQL was not found or could not be installed ({}); install it, or put its `initdb` on PATH",
                reason.unwrap_or_default()
            )
        })
    })
}

fn installed_postgres() -> Option<PathBuf> {
    // Debian keeps each version in a folder of its own, outside of PATH.
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.flatten().map(|entry| entry.path().join("bin")).collect())
        .unwrap_or_default();
    versions.sort();
    let folders = path_folders().into_iter().chain(versions.into_iter().rev());
    folders.into_iter().find(|folder| folder.join("initdb").is_file())
}

fn path_folders() -> Vec<PathBuf> {
    env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default()
}

/// A Python interpreter with independent parsers of the exported formats, where it is installed.
pub(crate) fn export_parsers(root: &Path) -> Option<PathBuf> {
    if let Some(named) = env::var_os("PARSERS_PYTHON") {
        return Some(named.into());
    }
    let parsers = export_parser_packages(root);
    parsers.is_current(root).ok()?.then_some(parsers.output)
}

/// Installs that interpreter and promtool. A failure is printed and nothing more: tests skip what needs
/// them.
pub(crate) fn install_export_parsers(root: &Path) -> Result<()> {
    if export_parsers(root).is_some() {
        return Ok(());
    }
    let parsers = export_parser_packages(root);
    let installed = parsers.build(root, "installs parsers of the exported formats", || {
        if Command::new("promtool").arg("--version").output().is_err() {
            let _ = install_distribution_package("prometheus");
        }
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv", "--clear"]).arg(root.join("target/parsers"));
        process::run_silently(&mut venv, Duration::from_secs(60))?;
        let mut pip = Command::new(&parsers.output);
        pip.args(["-m", "pip", "install", "--quiet", "--retries", "1", "--requirement"]);
        process::run_silently(pip.args(&parsers.inputs), Duration::from_secs(120))
    });
    if let Err(error) = installed {
        terminal::print(&format!("    exports are checked by our own parsers alone: {}", summary(&error)));
    }
    Ok(())
}

fn export_parser_packages(root: &Path) -> Artifact {
    Artifact {
        name: "parsers",
        inputs: vec![root.join("crates/export/tests/parsers/requirements.txt")],
        output: root.join("target/parsers/bin/python"),
    }
}

const PLAYWRIGHT_BROWSERS: &str = "target/browsers";
