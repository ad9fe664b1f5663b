//! From a bare machine with Rust and Node to one that can build, serve and test: the wasm32 library,
//! the locked npm tools, a browser. Each step looks first and does nothing when nothing is missing.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context, Result, bail};

use crate::{process, screen, std_library};

/// What every build needs.
pub fn tools(root: &Path) -> Result<()> {
    wasm_library(root)?;
    npm_tools(root)
}

/// The Chromium that tests will drive, where one is there already.
pub fn browser_at_hand(root: &Path) -> Option<PathBuf> {
    env::var_os("CHROMIUM").map(PathBuf::from).or_else(|| installed_browser(root))
}

/// A Chromium that a test can drive.
pub fn browser(root: &Path) -> Result<PathBuf> {
    if let Some(found) = browser_at_hand(root) {
        if found.is_file() {
            return Ok(found);
        }
        bail!("CHROMIUM names {}, which is not there", found.display());
    }
    screen::step("obtains a browser", || {
        let mut playwright = process::npm(root, "playwright-core");
        playwright
            .args(["install", "chromium-headless-shell"])
            .env("PLAYWRIGHT_BROWSERS_PATH", browsers(root));
        let mut tried = vec![process::bounded(&mut playwright, Duration::from_secs(180))];
        if rustix::process::geteuid().is_root() {
            tried.push(distribution_package("chromium"));
        }
        installed_browser(root).with_context(|| {
            let reasons: Vec<String> =
                tried.into_iter().filter_map(Result::err).map(|error| first_line(&error)).collect();
            format!(
                "no browser was found, and none could be installed ({}); install Chromium or Chrome, \
                 or name one in the variable CHROMIUM",
                reasons.join("; ")
            )
        })
    })
}

/// The folder of PostgreSQL's programs, for a server of a test's own.
pub fn postgres() -> Result<PathBuf> {
    if let Some(found) = installed_postgres() {
        return Ok(found);
    }
    screen::step("obtains PostgreSQL", || {
        let tried = match rustix::process::geteuid().is_root() {
            true => distribution_package("postgresql").err().map(|error| first_line(&error)),
            false => None,
        };
        installed_postgres().with_context(|| {
            format!(
                "PostgreSQL was not found, and could not be installed ({}); install it, or put its `initdb` on PATH",
                tried.unwrap_or_else(|| "only root may".into())
            )
        })
    })
}

/// An interpreter with the parsers of the formats that are exported, where it has been obtained.
pub fn parsers(root: &Path) -> Option<PathBuf> {
    if let Some(named) = env::var_os("PARSERS_PYTHON") {
        return Some(named.into());
    }
    let python = root.join(PARSERS).join("bin/python");
    let fingerprint = fingerprint([parsers_list(root).as_path()]).ok()?;
    (python.is_file() && is_current(root, "parsers", fingerprint)).then_some(python)
}

/// Obtains that interpreter, and promtool beside it. Where they are not to be had, that is said, and so do
/// the tests that want them, and check the rest.
pub fn obtain_parsers(root: &Path) -> Result<()> {
    if parsers(root).is_some() {
        return Ok(());
    }
    let list = parsers_list(root);
    let folder = root.join(PARSERS);
    let obtained = screen::step("obtains other parsers of what is exported", || {
        if Command::new("promtool").arg("--version").output().is_err() && rustix::process::geteuid().is_root()
        {
            // The tests that want it say that it is not there.
            let _ = distribution_package("prometheus");
        }
        let venv = |python: &mut Command| process::bounded(python, Duration::from_secs(60));
        venv(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
        let mut pip = Command::new(folder.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--retries", "1", "--requirement"]).arg(&list);
        process::bounded(&mut pip, Duration::from_secs(120))?;
        mark(root, "parsers", fingerprint([list.as_path()])?)
    });
    if let Err(error) = obtained {
        println!("    what is exported is read by our own eyes alone: {}", first_line(&error));
    }
    Ok(())
}

fn parsers_list(root: &Path) -> PathBuf {
    root.join("crates/export/tests/parsers/requirements.txt")
}

fn installed_postgres() -> Option<PathBuf> {
    let named: Vec<PathBuf> =
        env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default();
    // Debian keeps it from PATH, each version in a folder of its own.
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.flatten().map(|entry| entry.path().join("bin")).collect())
        .unwrap_or_default();
    versions.sort();
    named.into_iter().chain(versions.into_iter().rev()).find(|folder| folder.join("initdb").is_file())
}

/// Whether the mark that a step left still fits what it was made from.
pub fn is_current(root: &Path, name: &str, fingerprint: u64) -> bool {
    fs::read_to_string(stamp(root, name)).is_ok_and(|mark| mark == fingerprint.to_string())
}

/// How long the mark that a step left has been there, where it still fits what it was made from.
pub fn marked_since(root: &Path, name: &str, fingerprint: u64) -> Option<Duration> {
    let left = fs::metadata(stamp(root, name)).and_then(|found| found.modified()).ok()?;
    is_current(root, name, fingerprint).then(|| left.elapsed().unwrap_or_default())
}

/// Leaves the mark of a finished step.
pub fn mark(root: &Path, name: &str, fingerprint: u64) -> Result<()> {
    let path = stamp(root, name);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(&path, fingerprint.to_string()).with_context(|| format!("{} cannot be written", path.display()))
}

/// A number that changes when any of the files does.
pub fn fingerprint<'a>(files: impl IntoIterator<Item = &'a Path>) -> Result<u64> {
    let mut hasher = DefaultHasher::new();
    for file in files {
        fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?.hash(&mut hasher);
    }
    Ok(hasher.finish())
}

fn stamp(root: &Path, name: &str) -> PathBuf {
    root.join("target/setup/marks").join(name)
}

fn npm_tools(root: &Path) -> Result<()> {
    let lock = fingerprint([root.join("package-lock.json").as_path()])?;
    if root.join("node_modules/.bin/wrangler").exists() && is_current(root, "npm", lock) {
        return Ok(());
    }
    screen::step("installs the locked npm tools", || {
        let mut npm = Command::new("npm");
        npm.args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(root);
        process::bounded(&mut npm, Duration::from_secs(900))
            .context("the npm tools could not be installed; Node with npm and its registry are needed")?;
        let node = process::quiet(process::npm(root, "node").arg("--version"))
            .context("the npm package `node` brought no Node for this machine")?;
        if node.trim().is_empty() {
            bail!("the pinned Node does not say its version");
        }
        mark(root, "npm", lock)
    })
}

fn wasm_library(root: &Path) -> Result<()> {
    let sysroot = process::quiet(rustc(root).args(["--print", "sysroot"]))?;
    let library = PathBuf::from(sysroot.trim()).join("lib/rustlib").join(WASM).join("lib");
    if has_core(&library) {
        return Ok(());
    }
    screen::step("obtains the wasm32 target", || {
        let mut rustup = Command::new("rustup");
        rustup.args(["target", "add", WASM]).current_dir(root);
        let asked = process::bounded(&mut rustup, Duration::from_secs(120));
        if asked.is_ok() && has_core(&library) {
            return Ok(());
        }
        let built = std_library::build(root, &library);
        if built.is_ok() && has_core(&library) {
            return Ok(());
        }
        bail!(
            "the Rust target {WASM} is missing: run `rustup target add {WASM}`, or install the package \
             `rust-src` of your distribution in the version of `rustc --version` ({}; {})",
            asked.err().map(|error| first_line(&error)).unwrap_or_default(),
            built.err().map(|error| first_line(&error)).unwrap_or_default(),
        )
    })
}

/// The compiler that builds this workspace.
pub fn rustc(root: &Path) -> Command {
    let mut rustc = Command::new("rustc");
    rustc.current_dir(root);
    rustc
}

/// The cargo that runs us.
pub fn cargo(root: &Path) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root);
    if let Some(sources) = downloaded_sources().filter(|_| env::var_os(WASM_FLAGS).is_none()) {
        cargo.env(WASM_FLAGS, format!("--remap-path-prefix={sources}=crates"));
    }
    cargo
}

/// Where cargo keeps the sources of dependencies. Panic messages carry the paths of their files, and
/// what we ship should tell nothing of the machine that built it.
fn downloaded_sources() -> Option<String> {
    let home =
        env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(env::home_dir()?.join(".cargo")))?;
    let sources = home.join("registry/src").to_str()?.to_owned();
    // The variable is split at spaces.
    (!sources.contains(' ')).then_some(sources)
}

const WASM_FLAGS: &str = "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS";

fn has_core(library: &Path) -> bool {
    fs::read_dir(library).is_ok_and(|files| {
        files.flatten().any(|file| {
            let name = file.file_name();
            let name = name.to_string_lossy();
            name.starts_with("libcore-") && name.ends_with(".rlib")
        })
    })
}

fn installed_browser(root: &Path) -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome"];
    let folders: Vec<PathBuf> =
        env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default();
    let on_path = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    let application = PathBuf::from("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome");
    on_path.chain([application]).find(|path| path.is_file()).or_else(|| playwright_browser(root))
}

fn playwright_browser(root: &Path) -> Option<PathBuf> {
    let mut folders = vec![browsers(root)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).ok()?.flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if matches!(path.file_name()?.to_str()?, "chrome-headless-shell" | "headless_shell") {
                return Some(path);
            }
        }
    }
    None
}

fn browsers(root: &Path) -> PathBuf {
    root.join("target/browsers")
}

fn distribution_package(name: &str) -> Result<()> {
    let mut update = Command::new("apt-get");
    update.arg("update");
    process::bounded(&mut update, Duration::from_secs(120))?;
    let mut install = Command::new("apt-get");
    install.args(["install", "-y", "--no-install-recommends", name]).env("DEBIAN_FRONTEND", "noninteractive");
    process::bounded(&mut install, Duration::from_secs(600))
}

fn first_line(error: &anyhow::Error) -> String {
    format!("{error:#}").lines().next().unwrap_or_default().chars().take(200).collect()
}

const PARSERS: &str = "target/parsers";
const WASM: &str = "wasm32-unknown-unknown";
/// Every file below a folder, in an order that does not depend on the machine.
pub fn files(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            files(&path, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}
