//! `cargo xtask test`: everything that can fail, part by part, and at the end what did.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::{bundle, portal, process, screen, setup};

/// A part of the tests: its name, what it shows, and how it runs.
struct Part {
    name: &'static str,
    about: &'static str,
    run: fn(&Path) -> Result<()>,
}

const PARTS: &[Part] = &[
    Part { name: "core", about: "the rules, natively", run: core },
    Part { name: "xtask", about: "these commands", run: xtask },
    Part { name: "worker", about: "the Worker in workerd", run: worker },
    Part { name: "cache", about: "the cache before a scripted origin, in workerd", run: cache },
    Part { name: "faults", about: "workerd killed and flooded: what was acknowledged stays", run: faults },
    Part {
        name: "load",
        about: "mixed traffic at a rate, each answer checked; and the k6 scripts",
        run: load,
    },
    Part {
        name: "package",
        about: "the npm package as it is installed: frontends, backends, command line, action",
        run: package,
    },
    Part {
        name: "portal",
        about: "the sample portal behind the Worker, in Chromium; its stores in SQLite and PostgreSQL",
        run: portal,
    },
    Part {
        name: "lighthouse",
        about: "Lighthouse CI on real pages, held against the budgets",
        run: lighthouse,
    },
    Part { name: "browser", about: "real pages in Chromium, counted in workerd", run: browser },
    Part {
        name: "dashboard",
        about: "the dashboard in Chromium, held against what was sent",
        run: dashboard,
    },
    Part { name: "parity", about: "our metrics beside web-vitals' on the same page loads", run: parity },
];

/// Runs the named parts, or all of them.
pub fn run(root: &Path, arguments: &[String]) -> Result<()> {
    if let Some(unknown) = arguments.iter().find(|name| PARTS.iter().all(|part| part.name != **name)) {
        let names: Vec<&str> = PARTS.iter().map(|part| part.name).collect();
        bail!("there is no part `{unknown}`; the parts are {}", names.join(", "));
    }
    let chosen: Vec<&Part> = PARTS
        .iter()
        .filter(|part| arguments.is_empty() || arguments.iter().any(|name| name == part.name))
        .collect();
    let names: Vec<&str> = chosen.iter().map(|part| part.name).collect();
    screen::title(&format!("Sets up, builds, and tests: {}.", names.join(", ")));

    let mut outcomes = Vec::new();
    for part in &chosen {
        println!("\n── {}: {}", part.name, part.about);
        let started = Instant::now();
        let outcome = (part.run)(root);
        if let Err(error) = &outcome {
            screen::failure(error);
        }
        outcomes.push((part, outcome.is_ok(), started.elapsed()));
    }
    report(&outcomes)
}

fn report(outcomes: &[(&&Part, bool, Duration)]) -> Result<()> {
    println!();
    for (part, passed, elapsed) in outcomes {
        let mark = if *passed { "✓ passed" } else { "✗ FAILED" };
        println!("  {mark}  {:<10} {} ({})", part.name, part.about, screen::elapsed(*elapsed));
    }
    let failed = outcomes.iter().filter(|(_, passed, _)| !passed).count();
    println!("\nparts: {} passed, {failed} failed", outcomes.len() - failed);
    if failed > 0 {
        bail!("{failed} of {} parts failed; their words are above", outcomes.len());
    }
    Ok(())
}

fn core(root: &Path) -> Result<()> {
    // Plain `cargo test`: what a newcomer types.
    let mut cargo = setup::cargo(root);
    if let Some(python) = setup::parsers(root) {
        cargo.env("PARSERS_PYTHON", python);
    }
    process::loud(cargo.arg("test"))
}

fn xtask(root: &Path) -> Result<()> {
    process::loud(setup::cargo(root).args(["test", "--profile", "xtask", "--package", "xtask"]))
}

fn worker(root: &Path) -> Result<()> {
    bundle::everything(root)?;
    node_tests(root, "tests/worker")
}

fn cache(root: &Path) -> Result<()> {
    bundle::everything(root)?;
    node_tests(root, "tests/cache")
}

fn browser(root: &Path) -> Result<()> {
    bundle::everything(root)?;
    node_tests(root, "tests/browser")
}

fn package(root: &Path) -> Result<()> {
    bundle::everything(root)?;
    node_tests(root, "tests/package")
}

fn portal(root: &Path) -> Result<()> {
    bundle::everything(root)?;
    portal::build(root)?;
    let postgres = setup::postgres()?;
    node_tests_with(root, "tests/portal", &[("POSTGRES", postgres.as_path())])
}

fn lighthouse(root: &Path) -> Result<()> {
    bundle::everything(root)?;
    node_tests(root, "tests/lighthouse")
}

fn dashboard(root: &Path) -> Result<()> {
    bundle::everything(root)?;
    node_tests(root, "tests/dashboard")
}

fn faults(root: &Path) -> Result<()> {
    bundle::everything(root)?;
    node_tests(root, "tests/faults")
}

fn load(root: &Path) -> Result<()> {
    bundle::everything(root)?;
    process::loud(&mut crate::load::generator(root, "test"))?;
    crate::load::put(root, &["smoke".to_owned()])?;
    node_tests(root, "tests/load")
}

fn parity(root: &Path) -> Result<()> {
    bundle::everything(root)?;
    node_tests(root, "tests/parity")
}

/// The Worker as wrangler would upload it, so that a test file starts it without building it again.
fn pack(root: &Path) -> Result<()> {
    let built = ["build/index.js", "build/index_bg.wasm", "wrangler.toml", "package-lock.json"];
    let files: Vec<PathBuf> = built.iter().map(|file| root.join(file)).collect();
    let fingerprint = setup::fingerprint(files.iter().map(PathBuf::as_path))?;
    let packed = root.join("build/packed");
    if packed.exists() && setup::is_current(root, "packed", fingerprint) {
        return Ok(());
    }
    screen::step("packs the Worker", || {
        let mut wrangler = process::npm(root, "wrangler");
        process::quiet(wrangler.args(["deploy", "--dry-run", "--env", "dev", "--outdir"]).arg(&packed))?;
        setup::mark(root, "packed", fingerprint)
    })
}

fn node_tests(root: &Path, folder: &str) -> Result<()> {
    node_tests_with(root, folder, &[])
}

/// The same, with more that a test file must find.
fn node_tests_with(root: &Path, folder: &str, more: &[(&str, &Path)]) -> Result<()> {
    // Of no file at all, the runner says that nothing failed.
    let mut files =
        std::fs::read_dir(root.join(folder)).with_context(|| format!("{folder} cannot be read"))?;
    if !files.any(|file| file.is_ok_and(|file| file.file_name().to_string_lossy().ends_with(".test.mjs"))) {
        bail!("{folder} holds no *.test.mjs: this part would pass without a test");
    }
    pack(root)?;
    let browser = setup::browser(root)?;
    let mut node = process::npm(root, "node");
    if folder == "tests/worker"
        && let Some(python) = setup::parsers(root)
    {
        node.env("PARSERS_PYTHON", python);
    }
    process::loud_within(
        node
            // One file at a time: pages that share a processor with other pages keep other times.
            // A handle that a failed test leaves open ends with its file.
            .args(["--test", "--test-reporter=spec", "--test-concurrency=1", "--test-force-exit"])
            .arg(format!("{folder}/*.test.mjs"))
            .envs(more.iter().copied())
            .env("CHROMIUM", browser),
        PATIENCE,
    )
}

/// Several times what the slowest part takes on a busy machine: a part that hangs fails, and the others still run.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
