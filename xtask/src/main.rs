//! Every developer command: `cargo xtask help` lists them. CI and the README call these and repeat
//! nothing.

#![expect(clippy::disallowed_methods, reason = "these commands measure time and wait for other programs")]

mod assets;
mod bench;
mod benchmark_report;
mod build_cache;
mod bundle;
mod check;
mod client;
mod dashboard;
mod dev;
mod load;
mod portal;
mod process;
mod release;
mod setup;
mod size;
mod soak;
mod std_library;
mod terminal;
mod test;
mod test_tools;
mod toolkit;
mod tools;
mod wasm;
mod worker;
#[cfg(test)]
mod workflows;
mod workspace;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, Parser, Subcommand, ValueEnum};

/// The developer commands of edge-vitals
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Set up, build, and serve the product on this machine; rebuild on change
    Dev(dev::Options),
    /// Set up, and run every test or the named parts
    Test(test::Options),
    /// Check formatting, lints, crate dependencies, types, licences, sizes, and a dry deploy
    Check(check::Options),
    /// Build the client and the toolkit into pkg/dist, and the Worker with its assets into build/
    Build { target: Option<BuildTarget> },
    /// Compare the bytes of every shipped file with the committed baseline; fail on growth
    Size(size::Options),
    /// Measure, each value as a ratio to a peer in the same run
    Bench(bench::Options),
    /// Load the edge on loopback with mixed traffic at a fixed rate; check each answer
    Load(load::Options),
    /// Run tests that take minutes: kills, floods, reads, failing dependencies, two releases beside each other
    Soak(soak::Options),
    /// Build what a tag publishes, in target/release-files: packages, notes, bill of materials
    Release(release::Options),
    /// Build the Worker twice, and fail unless both have the same bytes
    Reproduce,
    /// Model a billion views a day: shards, requests, rows, storage, list price, bottleneck; or another subject
    Model {
        subject: Option<bench::ModelSubject>,
        /// Model the design with a row for each cell as well, which takes some minutes more
        #[arg(long)]
        earlier: bool,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum BuildTarget {
    Client,
    Toolkit,
    Worker,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = run(cli);
    process::terminate_all();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::failure(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    let Some(command) = cli.command else { return Ok(Cli::command().print_help()?) };
    let root = &workspace::root()?;
    match command {
        Command::Dev(options) => dev::run(root, &options),
        Command::Test(options) => test::run(root, &options),
        Command::Check(options) => check::run(root, &options),
        Command::Build { target } => build(root, target),
        Command::Size(options) => size::run(root, &options),
        Command::Bench(options) => bench::run(root, &options),
        Command::Load(options) => load::run(root, &options),
        Command::Soak(options) => soak::run(root, &options),
        Command::Release(options) => release::run(root, &options),
        Command::Reproduce => {
            terminal::title("Builds the Worker twice and compares the bytes.");
            setup::install_tools(root)?;
            worker::check_reproducible(root)
        }
        Command::Model { subject, earlier } => bench::model(root, subject, earlier),
    }
}

fn build(root: &Path, target: Option<BuildTarget>) -> Result<()> {
    match target {
        Some(BuildTarget::Client) => {
            terminal::title("Builds the client into pkg/dist.");
            setup::install_tools(root)?;
            client::build(root)
        }
        Some(BuildTarget::Toolkit) => {
            terminal::title("Builds the toolkit into pkg/dist/toolkit.");
            setup::install_tools(root)?;
            toolkit::build(root)
        }
        // wrangler's build command is `cargo xtask build worker`, so that `npx wrangler deploy` is enough.
        Some(BuildTarget::Worker) | None => {
            terminal::title("Builds the client, the toolkit, the Worker and its assets.");
            bundle::build(root)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;

    use super::*;

    #[test]
    fn every_command_in_a_document_is_accepted() {
        let root = workspace::root().expect("a workspace");
        let mut commands = 0;
        for document in [
            "README.md",
            "ARCHITECTURE.md",
            "CONTRIBUTING.md",
            "docs/ledger.md",
            "docs/load.md",
            ".ci/run",
            "docs/reliability.md",
            "www/portal/README.md",
            "wrangler.toml",
        ] {
            let text = std::fs::read_to_string(root.join(document)).expect(document);
            for rest in text.split("cargo xtask ").skip(1) {
                let line = rest.split(['`', '\n', '#', '"']).next().unwrap_or_default();
                let arguments = line.split_whitespace().map(|word| word.trim_end_matches([',', '.', ':']));
                let outcome = Cli::try_parse_from(std::iter::once("cargo xtask").chain(arguments));
                if let Err(error) = outcome
                    && !matches!(error.kind(), ErrorKind::MissingRequiredArgument | ErrorKind::DisplayHelp)
                {
                    panic!("{document}: `cargo xtask {line}`: {error}");
                }
                commands += 1;
            }
        }
        assert!(commands >= 10, "only {commands} commands were found; how do documents write them now?");
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_known_ones() {
        for (arguments, known) in [
            (["bench", "speed"], "client, ingest, start, reads, turns, cache, dashboard, ledger"),
            (["load", "more"], "smoke, load, stress"),
            (["build", "site"], "client, toolkit, worker"),
            (["check", "taste"], "format, circles"),
            (["test", "luck"], "lighthouse, core"),
            (["soak", "more"], "kill, flood, reads, chaos, releases"),
        ] {
            let error = Cli::try_parse_from(std::iter::once("cargo xtask").chain(arguments));
            let error = error.err().expect("an unknown name").to_string();
            assert!(error.contains(known), "{error}");
        }
    }
}
