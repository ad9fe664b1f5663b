//! `cargo xtask test`: every test, in parts that run side by side.

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use std::{fs, thread};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::build_cache::Artifact;
use crate::process::Output;
use crate::{bundle, client, load, portal, process, setup, terminal, test_tools, tools};

/// Arguments of `cargo xtask test`.
#[derive(Args)]
pub(crate) struct Options {
    /// The parts to run; by default all except `engines`
    #[arg(value_parser = PossibleValuesParser::new(PARTS.iter().map(|part| part.name)))]
    parts: Vec<String>,
    /// Run every part, as without arguments
    #[arg(long, conflicts_with = "parts")]
    all: bool,
}

/// A part of the tests.
struct Part {
    name: &'static str,
    about: &'static str,
    prerequisites: &'static [&'static Prerequisite],
    runner: Runner,
    /// It runs only if it is named: it needs programs that few machines have.
    on_request: bool,
}

enum Runner {
    /// Node's test runner on the files of `tests/<name>`.
    NodeTests,
    Custom(fn(&Path, &Output) -> Result<()>),
}

/// A slow preparation that several parts share. The first part that needs it makes it, and others wait.
struct Prerequisite {
    name: &'static str,
    prepare: fn(&Path) -> Result<()>,
    outcome: OnceLock<Result<(), String>>,
}

static CLIENT: Prerequisite = Prerequisite::new("the client", build_client);
static PRODUCT: Prerequisite = Prerequisite::new("the product", build_product);
static EXPORT_PARSERS: Prerequisite =
    Prerequisite::new("the export parsers", test_tools::install_export_parsers);
static PORTAL: Prerequisite = Prerequisite::new("the portal", build_portal);

/// In starting order: the longest first, so that none runs alone at the end, and those without a build
/// while another part waits for it.
static PARTS: &[Part] = &[
    node_tests("lighthouse", "Lighthouse CI on real pages, held to the budgets", &[&PRODUCT]),
    custom("core", "the cores and the messages of the Worker, natively", &[&EXPORT_PARSERS], test_cores),
    custom("xtask", "these commands", &[], |root, output| {
        run_cargo_test(root, output, &["--package", "xtask"])
    }),
    node_tests("parity", "our metrics beside web-vitals' on the same page loads", &[&PRODUCT]),
    node_tests(
        "package",
        "the installed npm package: frontends, backends, command line, action",
        &[&PRODUCT],
    ),
    node_tests("worker", "the Worker in workerd", &[&PRODUCT, &EXPORT_PARSERS]),
    node_tests("dashboard", "the dashboard in Chromium, compared with the sent views", &[&PRODUCT]),
    node_tests("browser", "real pages in Chromium, counted in workerd", &[&PRODUCT]),
    custom(
        "portal",
        "the sample portal behind the Worker, in Chromium; its stores in SQLite and PostgreSQL",
        &[&PRODUCT, &PORTAL],
        test_portal,
    ),
    node_tests("cache", "the cache before a scripted origin, in workerd", &[&PRODUCT]),
    node_tests("faults", "workerd killed and flooded: acknowledged beacons stay", &[&PRODUCT]),
    custom(
        "load",
        "mixed traffic at a fixed rate, each answer checked; and the k6 scripts",
        &[&PRODUCT],
        test_load,
    ),
    Part {
        on_request: true,
        ..node_tests("engines", "the client in Firefox and WebKit, beside web-vitals", &[&CLIENT])
    },
];

const fn node_tests(
    name: &'static str,
    about: &'static str,
    prerequisites: &'static [&'static Prerequisite],
) -> Part {
    Part { name, about, prerequisites, runner: Runner::NodeTests, on_request: false }
}

const fn custom(
    name: &'static str,
    about: &'static str,
    prerequisites: &'static [&'static Prerequisite],
    run: fn(&Path, &Output) -> Result<()>,
) -> Part {
    Part { name, about, prerequisites, runner: Runner::Custom(run), on_request: false }
}

/// The outcome of a part.
struct Outcome {
    part: &'static Part,
    passed: bool,
    elapsed: Duration,
}

/// Runs the named parts, or all of them.
pub(crate) fn run(root: &Path, options: &Options) -> Result<()> {
    let is_chosen = |part: &&Part| {
        options.parts.is_empty() && !part.on_request || options.parts.iter().any(|name| name == part.name)
    };
    let parts: Vec<&'static Part> = PARTS.iter().filter(is_chosen).collect();
    let names: Vec<&str> = parts.iter().map(|part| part.name).collect();
    terminal::title(&format!("Sets up, builds, and tests: {}.", names.join(", ")));
    let started = Instant::now();
    report(&run_parts(root, &parts)?, started.elapsed())
}

/// Runs the parts on a few threads. Each thread takes the next part from the queue.
fn run_parts(root: &Path, parts: &[&'static Part]) -> Result<Vec<Outcome>> {
    let logs = root.join("target/tests");
    fs::create_dir_all(&logs).with_context(|| format!("cannot create {}", logs.display()))?;
    let output = |part: &Part| match parts.len() {
        1 => Output::Terminal,
        _ => Output::File(logs.join(format!("{}.log", part.name))),
    };
    let queue = Mutex::new(parts.iter());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let outcomes = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..max_parallel_parts().min(parts.len()) {
            scope.spawn(|| {
                while let Some(part) = next() {
                    let started = Instant::now();
                    let passed = run_and_print(root, part, &output(part));
                    let outcome = Outcome { part, passed, elapsed: started.elapsed() };
                    outcomes.lock().unwrap_or_else(PoisonError::into_inner).push(outcome);
                }
            });
        }
    });
    Ok(outcomes.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Half of the processors: a part is a browser and a server, and on fewer some tests miss their
/// deadlines. At most four, beyond which the longest part decides the duration.
fn max_parallel_parts() -> usize {
    (thread::available_parallelism().map_or(1, NonZero::get) / 2).clamp(1, 4)
}

/// Runs a part and prints its output as a whole.
fn run_and_print(root: &Path, part: &Part, output: &Output) -> bool {
    let heading = format!("\n── {}: {}", part.name, part.about);
    let outcome = match output {
        Output::Terminal => part.run(root, output, || terminal::print(&heading)),
        Output::File(log) => {
            let _ = fs::remove_file(log);
            let mut spinner = None;
            let outcome = part.run(root, output, || spinner = Some(terminal::Spinner::start(part.name)));
            drop(spinner);
            let text = fs::read(log).unwrap_or_default();
            terminal::print(&format!("{heading}\n{}", String::from_utf8_lossy(&text).trim_end()));
            outcome
        }
    };
    if let Err(error) = &outcome {
        terminal::failure(error);
    }
    outcome.is_ok()
}

impl Part {
    fn run(&self, root: &Path, output: &Output, on_start: impl FnOnce()) -> Result<()> {
        for prerequisite in self.prerequisites {
            prerequisite.ensure(root)?;
        }
        on_start();
        match self.runner {
            Runner::NodeTests => run_node_tests(root, &format!("tests/{}", self.name), &[], output),
            Runner::Custom(run) => run(root, output),
        }
    }
}

impl Prerequisite {
    const fn new(name: &'static str, prepare: fn(&Path) -> Result<()>) -> Self {
        Self { name, prepare, outcome: OnceLock::new() }
    }

    /// Prepares it once; every part that needs it fails where that failed.
    fn ensure(&self, root: &Path) -> Result<()> {
        let outcome = self.outcome.get_or_init(|| (self.prepare)(root).map_err(|error| format!("{error:#}")));
        outcome.as_ref().copied().map_err(|reason| anyhow!("{} could not be prepared: {reason}", self.name))
    }
}

fn report(outcomes: &[Outcome], elapsed: Duration) -> Result<()> {
    println!();
    for Outcome { part, passed, elapsed } in outcomes {
        let mark = if *passed { "✓ passed" } else { "✗ FAILED" };
        println!("  {mark}  {:<10} {} ({elapsed:.1?})", part.name, part.about);
    }
    let failed = outcomes.iter().filter(|outcome| !outcome.passed).count();
    println!("\nparts: {} passed, {failed} failed, in {elapsed:.1?}", outcomes.len() - failed);
    if failed > 0 {
        bail!("{failed} of {} parts failed; their output is above", outcomes.len());
    }
    Ok(())
}

fn build_client(root: &Path) -> Result<()> {
    setup::install_tools(root)?;
    client::build(root)
}

fn build_product(root: &Path) -> Result<()> {
    bundle::build(root)?;
    pack_worker(root)?;
    test_tools::browser(root).map(drop)
}

/// Bundles the Worker as wrangler would upload it, so that test files start it without another build.
fn pack_worker(root: &Path) -> Result<()> {
    let inputs = ["build/index.js", "build/index_bg.wasm", "wrangler.toml", "package-lock.json"];
    let artifact = Artifact {
        name: "packed",
        inputs: inputs.iter().map(|file| root.join(file)).collect(),
        output: root.join("build/packed"),
    };
    artifact.build(root, "packs the Worker", || {
        let mut wrangler = tools::npm(root, "wrangler");
        wrangler.args(["deploy", "--dry-run", "--env", "dev", "--outdir"]).arg(&artifact.output);
        process::capture(&mut wrangler).map(drop)
    })
}

fn build_portal(root: &Path) -> Result<()> {
    portal::build(root)?;
    test_tools::postgres().map(drop)
}

fn test_cores(root: &Path, output: &Output) -> Result<()> {
    run_cargo_test(root, output, &[])?;
    // The messages between the Worker and its objects. By itself, because the cores are tested with their own features.
    run_cargo_test(root, output, &["--package", "edge-vitals-worker"])
}

fn run_cargo_test(root: &Path, output: &Output, arguments: &[&str]) -> Result<()> {
    let mut cargo = tools::cargo(root);
    cargo.arg("test").args(arguments).envs(export_parsers_variable(root));
    process::run(&mut cargo, output, PART_TIMEOUT)
}

fn test_portal(root: &Path, output: &Output) -> Result<()> {
    let postgres = test_tools::postgres()?;
    run_node_tests(root, "tests/portal", &[("POSTGRES", postgres)], output)
}

fn test_load(root: &Path, output: &Output) -> Result<()> {
    load::build_generator(root, load::TEST_PROFILE)?;
    process::run(&mut load::generator(root, "test", load::TEST_PROFILE), output, PART_TIMEOUT)?;
    load::send(root, &["smoke".to_owned()], load::TEST_PROFILE, output)?;
    run_node_tests(root, "tests/load", &[], output)
}

fn run_node_tests(root: &Path, folder: &str, variables: &[(&str, PathBuf)], output: &Output) -> Result<()> {
    // Node's runner reports success where no file matches.
    let mut files = fs::read_dir(root.join(folder)).with_context(|| format!("cannot read {folder}"))?;
    if !files.any(|file| file.is_ok_and(|file| file.file_name().to_string_lossy().ends_with(".test.mjs"))) {
        bail!("{folder} holds no *.test.mjs: this part would pass without a test");
    }
    let mut node = node_runner(root, &format!("{folder}/*.test.mjs"));
    node.envs(variables.iter().map(|(name, value)| (name, value)))
        .envs(export_parsers_variable(root))
        .env("CHROMIUM", test_tools::browser(root)?);
    process::run(&mut node, output, PART_TIMEOUT)
}

/// Node's test runner on some files.
pub(crate) fn node_runner(root: &Path, files: &str) -> Command {
    let mut node = tools::npm(root, "node");
    // One file at a time: pages that share a processor measure other times. A handle that a failed test
    // leaves open ends with its file.
    node.args(["--test", "--test-reporter=spec", "--test-concurrency=1", "--test-force-exit", files]);
    node
}

fn export_parsers_variable(root: &Path) -> Option<(&'static str, PathBuf)> {
    test_tools::export_parsers(root).map(|python| ("PARSERS_PYTHON", python))
}

/// Several times the slowest part's duration on a busy machine.
const PART_TIMEOUT: Duration = Duration::from_secs(15 * 60);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    static PREPARATIONS: AtomicU32 = AtomicU32::new(0);
    static SHARED: Prerequisite = Prerequisite::new("the shared build", |_| {
        PREPARATIONS.fetch_add(1, Ordering::Relaxed);
        bail!("no compiler")
    });
    static PARTS: [Part; 3] = [
        custom("a", "", &[&SHARED], never_run),
        custom("b", "", &[&SHARED], never_run),
        custom("c", "", &[], |_, _| Ok(())),
    ];

    fn never_run(_: &Path, _: &Output) -> Result<()> {
        unreachable!("its prerequisite failed")
    }

    #[test]
    fn a_failed_prerequisite_is_tried_once_and_fails_its_parts_alone() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let parts: Vec<&'static Part> = PARTS.iter().collect();
        let mut outcomes = run_parts(folder.path(), &parts).expect("a log folder");
        outcomes.sort_by_key(|outcome| outcome.part.name);
        let passed: Vec<bool> = outcomes.iter().map(|outcome| outcome.passed).collect();
        assert_eq!((passed, PREPARATIONS.load(Ordering::Relaxed)), (vec![false, false, true], 1));
    }
}
