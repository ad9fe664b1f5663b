//! `cargo xtask bench`: measurements beside a peer in the same run, because machines are shared and noisy
//! and only ratios compare. Each benchmark is a driver that prints its measurements as JSON.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};

use crate::benchmark_report::{self, Measurement};
use crate::{bundle, process, terminal, test_tools, tools, worker};

/// A subject besides the billion views.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum ModelSubject {
    /// A hundred thousand isolates in three hundred locations before one purge clock
    FanIn,
}

/// Arguments of `cargo xtask bench`.
#[derive(Args)]
pub(crate) struct Options {
    /// The benchmarks to run; all by default
    #[arg(value_parser = PossibleValuesParser::new(BENCHMARKS.iter().map(|benchmark| benchmark.name)))]
    names: Vec<String>,
    /// Compare with an earlier build of the Worker: its folder `build`; alone, only that
    #[arg(long, value_name = "FOLDER")]
    base: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

struct Benchmark {
    name: &'static str,
    about: &'static str,
    driver: Driver,
}

enum Driver {
    /// A script that measures the built product.
    Script(&'static str),
    /// A program of the crate `scale`, which measures the cores natively.
    Native(&'static str),
}

const BENCHMARKS: &[Benchmark] = &[
    script("client", "tests/bench/client/bench.mjs", "cost of the client for a page, beside web-vitals"),
    script(
        "ingest",
        "tests/bench/ingest/bench.mjs",
        "cost of a durable beacon, beside emptier and plainer Workers",
    ),
    script(
        "start",
        "tests/bench/start/bench.mjs",
        "time to the first beacon of a cold isolate, beside a collector in JavaScript",
    ),
    script("reads", "tests/bench/reads/bench.mjs", "time of a read over up to 256 shards, beside one"),
    script(
        "turns",
        "tests/bench/turns/bench.mjs",
        "the longest run of an object without a pause, beside a limit",
    ),
    script("cache", "tests/bench/cache/bench.mjs", "cost of a cached response, beside plainer caches"),
    script(
        "dashboard",
        "tests/bench/dashboard/bench.mjs",
        "the dashboard's longest tasks with a thousand routes and 400 days, beside a long task",
    ),
    Benchmark {
        name: "ledger",
        about: "cost of reads and sketches, beside other sketches",
        driver: Driver::Native("ledger"),
    },
];

/// The processor time of two builds of the Worker, interleaved pair by pair.
const BUILDS: Benchmark = script(
    "builds",
    "tests/bench/builds/bench.mjs",
    "cost of a beacon and of a memory hit, beside the earlier build",
);

const fn script(name: &'static str, file: &'static str, about: &'static str) -> Benchmark {
    Benchmark { name, about, driver: Driver::Script(file) }
}

/// Runs the named benchmarks, or all of them. A missed goal is printed and is no failure, because a busy
/// machine misses goals too.
pub(crate) fn run(root: &Path, options: &Options) -> Result<()> {
    if !options.json {
        terminal::title("Measures, each value beside a peer in the same run. This takes some minutes.");
    }
    bundle::build(root)?;
    let browser = test_tools::browser(root)?;
    let mut measurements = Vec::new();
    let is_chosen = |benchmark: &&Benchmark| {
        let is_named = options.names.iter().any(|name| name == benchmark.name);
        is_named || (options.names.is_empty() && options.base.is_none())
    };
    for benchmark in BENCHMARKS.iter().filter(is_chosen) {
        measurements.extend(benchmark.measure(root, &browser, None)?);
    }
    if let Some(base) = &options.base {
        measurements.extend(BUILDS.measure(root, &browser, Some(base))?);
    }
    benchmark_report::print(&measurements, options.json)
}

impl Benchmark {
    fn measure(&self, root: &Path, browser: &Path, base: Option<&Path>) -> Result<Vec<Measurement>> {
        if ["cache", "ingest"].contains(&self.name) {
            worker::build_empty(root)?;
        }
        let mut driver = match self.driver {
            Driver::Script(file) => {
                let mut node = tools::npm(root, "node");
                node.arg(root.join(file)).env("CHROMIUM", browser);
                if let Some(base) = base {
                    node.env(
                        "BASE_BUILD",
                        base.canonicalize().with_context(|| format!("no folder {}", base.display()))?,
                    );
                }
                node
            }
            Driver::Native(program) => scale_program(root, program),
        };
        let output = terminal::step(self.about, || process::capture(&mut driver))?;
        benchmark_report::parse(&output).with_context(|| format!("benchmark `{}`", self.name))
    }
}

/// `cargo xtask model`: simulates a billion views a day, or the purge clock before all isolates, natively.
pub(crate) fn model(root: &Path, subject: Option<ModelSubject>, earlier: bool) -> Result<()> {
    let (title, program) = match subject {
        None => (
            "Models a billion views a day: shards, requests, rows, storage, list price, bottleneck.",
            "model",
        ),
        Some(ModelSubject::FanIn) => (
            "Models the purge clock before a hundred thousand isolates in three hundred locations.",
            "fan_in",
        ),
    };
    terminal::title(title);
    let mut model = scale_program(root, program);
    if earlier {
        model.args(["--", "--earlier"]);
    }
    process::run(&mut model, &process::Output::Terminal, process::NO_TIMEOUT)
}

fn scale_program(root: &Path, name: &str) -> Command {
    let mut cargo = tools::cargo(root);
    cargo.args(["run", "--quiet", "--profile", "scale", "--package", "scale", "--bin", name]);
    cargo
}
