//! Every developer command, in Rust: `cargo xtask help` lists them. CI and the README call these and
//! repeat nothing.

mod assets;
mod bench;
mod bundle;
mod check;
mod client;
mod dashboard;
mod dev;
mod figures;
mod lanes;
mod load;
mod portal;
mod process;
mod screen;
mod setup;
mod size;
mod std_library;
mod test;
mod toolkit;
mod unchanged;
mod worker;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};

/// A command: its name, its arguments, what it does, and the code that does it.
struct Command {
    name: &'static str,
    arguments: &'static str,
    about: &'static str,
    run: fn(&Path, &[String]) -> Result<()>,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "dev",
        arguments: "[--port N] [--visits N] [--portal] [--fresh]",
        about: "sets everything up, builds, and serves the product locally; rebuilds on change.\n\
                --port N    the port to listen on (8787)\n\
                --visits N  drives N real browser visits, prints what they measured, and ends\n\
                --portal    serves the sample portal of www/portal behind it, cached and measured\n\
                --fresh     forgets what was stored before",
        run: dev::run,
    },
    Command {
        name: "test",
        arguments: "[PART…] [--all]",
        about:
            "sets everything up and runs every test, or the named parts: core, xtask, worker, cache, faults,
                load, package, portal, lighthouse, browser, dashboard, parity
                --all       also those on which nothing has changed since they passed",
        run: test::run,
    },
    Command {
        name: "check",
        arguments: "[NAME…]",
        about: "formatting, lints, the arrows between crates, types, licences, and a dry deploy",
        run: check::run,
    },
    Command {
        name: "build",
        arguments: "[client|toolkit|worker]",
        about: "builds the client and the toolkit into pkg/dist, and the Worker with its assets into build/",
        run: build,
    },
    Command {
        name: "size",
        arguments: "[--json] [--accept]",
        about: "bytes of every shipped file against the committed baseline; fails on growth.\n\
                --accept    makes today's bytes the new baseline",
        run: size::run,
    },
    Command {
        name: "bench",
        arguments: "[client|ingest|cache|ledger] [--json]",
        about: "measures, each figure as a ratio to a peer in the same run.\n\
                client      what it costs a page, beside web-vitals\n\
                ingest      what a durable beacon costs the Worker, beside emptier and plainer ones\n\
                cache       what an answer of the cache costs the Worker, beside plainer ones\n\
                ledger      what reading a month costs as views grow, and our sketch beside others",
        run: bench::run,
    },
    Command {
        name: "load",
        arguments: "smoke|load|stress [--rate N] [--seconds N]",
        about: "mixed traffic at a fixed rate on the edge, on loopback; each answer checked; a table and an exit code.\n\
                smoke       a few seconds, in which nothing may be wrong\n\
                load        1,100 requests a second for two minutes, held against every threshold\n\
                stress      ever more, until something gives, and what",
        run: load::run,
    },
    Command {
        name: "model",
        arguments: "",
        about: "a billion views a day, hour by hour: shards, requests, rows, storage, list price, bottleneck",
        run: bench::model,
    },
    Command { name: "help", arguments: "", about: "this list", run: help },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let name = arguments.first().map_or("help", String::as_str);
    let rest = arguments.get(1..).unwrap_or_default();
    let outcome = match COMMANDS.iter().find(|command| command.name == name) {
        Some(command) => (command.run)(&root(), rest),
        None => Err(anyhow::anyhow!("there is no command `{name}`; `cargo xtask help` lists what there is")),
    };
    process::end_all();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            screen::failure(&error);
            ExitCode::FAILURE
        }
    }
}

fn build(root: &Path, arguments: &[String]) -> Result<()> {
    let what = arguments.first().map(String::as_str);
    screen::title(&format!(
        "Builds {}.",
        what.unwrap_or("the client, the toolkit, the Worker and its assets")
    ));
    match what {
        Some("client") => {
            setup::tools(root)?;
            client::build(root)
        }
        Some("toolkit") => {
            setup::tools(root)?;
            toolkit::build(root)
        }
        // wrangler's own build command comes here, so that `npx wrangler deploy` alone is enough.
        None | Some("worker") => bundle::everything(root),
        Some(other) => {
            bail!("there is nothing called `{other}` to build; it is `client`, `toolkit` or `worker`")
        }
    }
}

fn help(_: &Path, _: &[String]) -> Result<()> {
    println!("The developer commands of edge-vitals.\n");
    for Command { name, arguments, about, .. } in COMMANDS {
        println!("  cargo xtask {name} {arguments}");
        for line in about.lines() {
            println!("      {}", line.trim_start());
        }
    }
    Ok(())
}

/// The folder that holds Cargo.toml of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_in_a_document_exists() {
        let mut found = 0;
        for document in [
            "README.md",
            "ARCHITECTURE.md",
            "CONTRIBUTING.md",
            "docs/ledger.md",
            "docs/load.md",
            ".ci/run",
            ".github/workflows/edge.yml",
            "www/portal/README.md",
            "wrangler.toml",
        ] {
            let text = std::fs::read_to_string(root().join(document)).expect(document);
            for rest in text.split("cargo xtask ").skip(1) {
                let line = rest.split(['`', '\n', '#', '"']).next().unwrap_or_default();
                let mut words = line.split_whitespace();
                let name = words.next().unwrap_or_default().trim_end_matches([',', '.', ':']);
                let command = COMMANDS.iter().find(|command| command.name == name);
                let command =
                    command.unwrap_or_else(|| panic!("{document} names `{name}`, which is no command"));
                for option in words.filter(|word| word.starts_with("--")) {
                    assert!(command.arguments.contains(option), "{document}: `{name}` has no {option}");
                }
                found += 1;
            }
        }
        assert!(found >= 10, "only {found} commands were found; are they written otherwise now?");
    }
}
