//! `cargo xtask load`: the built Worker in workerd alone, a scripted origin behind it, and mixed traffic at a
//! fixed rate on loopback. Prints a table; the exit code says if every threshold held. The generator is
//! the crate `load`.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use crate::process::{Child, Output};
use crate::{bundle, process, terminal, tools};

/// Arguments of `cargo xtask load`.
#[derive(Args)]
pub(crate) struct Options {
    scenario: Scenario,
    /// Requests per second
    #[arg(long, value_name = "N")]
    rate: Option<u32>,
    /// Duration
    #[arg(long, value_name = "N")]
    seconds: Option<u32>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Scenario {
    /// A few seconds without a single error
    Smoke,
    /// 1,100 requests a second for two minutes, held to every threshold
    Load,
    /// A growing rate, until a threshold breaks
    Stress,
}

/// Builds the edge and the generator, and runs the scenario.
pub(crate) fn run(root: &Path, options: &Options) -> Result<()> {
    let scenario = options.scenario.to_possible_value().context("the scenario has no name")?;
    let about = scenario.get_help().map(ToString::to_string).unwrap_or_default();
    terminal::title(&format!("Builds the edge, loads it on this machine, and checks each answer: {about}."));
    bundle::build(root)?;
    build_generator(root, MEASURING_PROFILE)?;
    let mut arguments = vec![scenario.get_name().to_owned()];
    for (name, value) in [("--rate", options.rate), ("--seconds", options.seconds)] {
        arguments.extend(value.into_iter().flat_map(|value| [name.to_owned(), value.to_string()]));
    }
    send(root, &arguments, MEASURING_PROFILE, &Output::Terminal)
}

/// Compiles the generator.
pub(crate) fn build_generator(root: &Path, profile: &str) -> Result<()> {
    terminal::step("compiles the load generator", || {
        process::capture(
            generator(root, "build", profile).args(["--quiet", "--color", "always", "--bin", "load"]),
        )
        .map(drop)
    })
}

/// Starts the built edge and sends it traffic.
pub(crate) fn send(root: &Path, arguments: &[String], profile: &str, output: &Output) -> Result<()> {
    let mut node = tools::npm(root, "node");
    node.arg("tests/load/edge.mjs").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut edge = Child::spawn(&mut node)?;
    let edge_arguments = edge_arguments(&mut edge).context("the edge did not start; its output is above")?;
    let mut generator = generator(root, "run", profile);
    generator.args(["--quiet", "--bin", "load", "--"]).args(arguments).args(edge_arguments);
    process::run(&mut generator, output, process::NO_TIMEOUT)
}

/// A cargo command on the generator's crate.
pub(crate) fn generator(root: &Path, action: &str, profile: &str) -> Command {
    let mut cargo = tools::cargo(root);
    cargo.args([action, "--profile", profile, "--package", "load"]);
    cargo
}

/// Reads the edge's address and processes from its first line, as arguments of the generator.
fn edge_arguments(edge: &mut Child) -> Result<Vec<String>> {
    let mut line = String::new();
    let stdout = edge.take_output().into_iter().next().context("it has no output")?;
    BufReader::new(stdout).read_line(&mut line)?;
    let edge: serde_json::Value = serde_json::from_str(&line)?;
    ["at", "host", "workerd", "origin"]
        .into_iter()
        .map(|name| {
            let value = edge.get(name).with_context(|| format!("its first line has no `{name}`"))?;
            Ok(format!("--{name}={}", value.to_string().trim_matches('"')))
        })
        .collect()
}

/// The profile for measurements: the generator must take as little processor time as possible.
const MEASURING_PROFILE: &str = "scale";
/// The profile for a few seconds of load: most dependencies are compiled in it already.
pub(crate) const TEST_PROFILE: &str = "dev";
