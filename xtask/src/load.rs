//! `cargo xtask load`: the built Worker in workerd alone, a scripted origin behind it, and mixed traffic
//! at a fixed rate on loopback; a table, and an exit code. The generator is the crate `load`.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process::{Running, Words};
use crate::{bundle, process, screen, setup};

/// Builds what is loaded and what loads, and does it.
pub fn run(root: &Path, arguments: &[String]) -> Result<()> {
    let Some(about) = arguments.first().and_then(|name| about(name)) else {
        bail!("`load` needs to be told which: smoke, load or stress");
    };
    screen::title(&format!(
        "Builds the edge, puts load on it on this machine, and checks each answer: {about}."
    ));
    bundle::everything(root)?;
    build(root, FAST)?;
    put(root, arguments, FAST, &Words::Screen)
}

/// Compiles the generator.
pub fn build(root: &Path, profile: &str) -> Result<()> {
    screen::step("builds the generator", || {
        process::cargo_quietly(generator(root, "build", profile).args(["--bin", "load"]))
    })
}

/// Puts load on what is built.
pub fn put(root: &Path, arguments: &[String], profile: &str, words: &Words) -> Result<()> {
    let mut node = process::npm(root, "node");
    node.arg("tests/load/edge.mjs").stdin(Stdio::piped()).stdout(Stdio::piped());
    // It ends with this value.
    let mut edge = Running::start(&mut node)?;
    let place = place(&mut edge).context("the edge did not start; its own words are above")?;
    let mut sends = generator(root, "run", profile);
    process::within(
        LONGEST,
        words,
        sends.args(["--quiet", "--bin", "load", "--"]).args(arguments).args(place),
    )
}

/// The crate that loads.
pub fn generator(root: &Path, action: &str, profile: &str) -> Command {
    let mut cargo = setup::cargo(root);
    cargo.args([action, "--profile", profile, "--package", "load"]);
    cargo
}

/// Where the edge listens and which processes it is, as the generator takes it.
fn place(edge: &mut Running) -> Result<Vec<String>> {
    let mut line = String::new();
    let out = edge.streams().into_iter().next().context("it has no output")?;
    BufReader::new(out).read_line(&mut line)?;
    let place: serde_json::Value = serde_json::from_str(&line)?;
    ["at", "host", "workerd", "origin"]
        .into_iter()
        .map(|name| {
            let value = place.get(name).with_context(|| format!("it does not say `{name}`"))?;
            Ok(format!("--{name}={}", value.to_string().trim_matches('"')))
        })
        .collect()
}

fn about(name: &str) -> Option<&'static str> {
    match name {
        "smoke" => Some("a few seconds, in which nothing may be wrong"),
        "load" => Some("1,100 requests a second for two minutes, held against every threshold"),
        "stress" => Some("ever more, until something gives, and what"),
        _ => None,
    }
}

/// What measures takes as little of the processor from what is measured as it can.
const FAST: &str = "scale";
/// For a few seconds of load this will do, and much of it is compiled for these commands.
pub const SOON: &str = "dev";
/// More than anybody loads for.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_that_is_not_there_is_told_with_those_that_are() {
        let error = run(Path::new("."), &["more".to_owned()]).expect_err("no such load");
        assert_eq!(error.to_string(), "`load` needs to be told which: smoke, load or stress");
    }
}
