//! `cargo xtask bench`: how fast it is, beside a peer in the same run, because machines are shared and
//! noisy and only ratios travel. Each bench is a driver that prints its figures as JSON.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::figures;
use crate::{bundle, process, screen, setup, worker};

/// What measures.
enum Driver {
    /// A script, against the built product.
    Script(&'static str),
    /// A program of the crate `scale`, against the rules alone.
    Native(&'static str),
}

/// A bench: its name, what it measures, and its driver.
const BENCHES: &[(&str, &str, Driver)] = &[
    (
        "client",
        "what the client costs a page, beside web-vitals",
        Driver::Script("tests/bench/client/bench.mjs"),
    ),
    (
        "ingest",
        "what a durable beacon costs, beside emptier and plainer Workers",
        Driver::Script("tests/bench/ingest/bench.mjs"),
    ),
    (
        "cache",
        "what an answer of the cache costs, beside plainer ones",
        Driver::Script("tests/bench/cache/bench.mjs"),
    ),
    (
        "dashboard",
        "what a thousand routes and 400 days cost the dashboard's page, beside a long task",
        Driver::Script("tests/bench/dashboard/bench.mjs"),
    ),
    ("ledger", "what reading and sketches cost, beside other sketches", Driver::Native("ledger")),
];

/// Runs the named bench, or all of them.
pub fn run(root: &Path, arguments: &[String]) -> Result<()> {
    let as_json = arguments.iter().any(|word| word == "--json");
    let named: Vec<&String> = arguments.iter().filter(|word| !word.starts_with("--")).collect();
    if let Some(unknown) = named.iter().find(|name| BENCHES.iter().all(|(known, ..)| known != **name)) {
        let names: Vec<&str> = BENCHES.iter().map(|(name, ..)| *name).collect();
        bail!("there is no bench `{unknown}`; there are {}", names.join(", "));
    }
    if !as_json {
        screen::title("Measures, each figure beside a peer in the same run. This takes some minutes.");
    }
    bundle::everything(root)?;
    let browser = setup::browser(root)?;
    let mut all = Vec::new();
    for (name, about, driver) in BENCHES {
        if !named.is_empty() && !named.iter().any(|wanted| wanted == name) {
            continue;
        }
        if ["cache", "ingest"].contains(name) {
            worker::build_empty(root)?;
        }
        let measure = || match driver {
            Driver::Script(file) => {
                process::quiet(process::npm(root, "node").arg(root.join(file)).env("CHROMIUM", &browser))
            }
            Driver::Native(name) => process::quiet(&mut native(root, name)),
        };
        let text = screen::step(about, measure)?;
        all.extend(figures::read(&text).with_context(|| format!("the bench `{name}` printed no figures"))?);
    }
    figures::print(&all, as_json);
    // A goal that is missed is a figure like any other: it is shown, and nobody's change is turned away
    // because a machine was busy.
    Ok(())
}

/// `cargo xtask model`: a billion views a day, natively.
pub fn model(root: &Path, _: &[String]) -> Result<()> {
    process::loud(&mut native(root, "model"))
}

/// A program of the crate that measures.
fn native(root: &Path, name: &str) -> std::process::Command {
    let mut cargo = setup::cargo(root);
    cargo.args(["run", "--quiet", "--profile", "scale", "--package", "scale", "--bin", name]);
    cargo
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bench_that_is_not_there_is_named_with_those_that_are() {
        let error = run(Path::new("."), &["speed".to_owned()]).expect_err("no such bench");
        assert_eq!(
            error.to_string(),
            "there is no bench `speed`; there are client, ingest, cache, dashboard, ledger"
        );
    }

    #[test]
    fn figures_are_read_as_they_are_printed() {
        let text = r#"noise
            {"figures": [{"name": "n", "value": 2.5, "unit": "ms", "ratio": 0.5, "against": "peer", "goal": 1.0, "met": true}]}"#;
        let figures = figures::read(text).expect("figures");
        assert_eq!((figures.len(), figures[0].met()), (1, true));
    }
}
