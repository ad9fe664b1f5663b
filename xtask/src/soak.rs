//! `cargo xtask soak`: the tests that take minutes, as the nightly workflow runs them. Each is a test of the suite that
//! environment variables make longer, and that is held to times then, too.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use crate::process::Output;
use crate::{bundle, process, terminal, test, worker};

/// Arguments of `cargo xtask soak`.
#[derive(Args)]
pub(crate) struct Options {
    #[arg(required = true)]
    tests: Vec<SoakTest>,
    /// The commit of the older release; the last tag by default, or else the parent
    #[arg(long, value_name = "COMMIT")]
    older: Option<String>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum SoakTest {
    /// workerd killed a hundred times under a million beacons
    Kill,
    /// 2,000 requests a second of one anonymous client for a minute
    Flood,
    /// 200 readers at once for a minute
    Reads,
    /// Each dependency failing in each way, for some seconds
    Chaos,
    /// Workers and objects of two releases beside each other
    Releases,
    /// An origin that stops, at one visit a second, until it is announced and has recovered
    OriginDown,
}

impl SoakTest {
    const fn file(self) -> &'static str {
        match self {
            Self::Kill => "tests/faults/kill.test.mjs",
            Self::Flood => "tests/faults/abuse.test.mjs",
            Self::Reads => "tests/worker/reads.test.mjs",
            Self::Chaos => "tests/faults/chaos.test.mjs",
            Self::Releases => "tests/faults/releases.test.mjs",
            Self::OriginDown => "tests/worker/origin-down.test.mjs",
        }
    }

    const fn variables(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Kill => &[("KILL_ROUNDS", "100"), ("KILL_BEACONS", "1000000"), ("KILL_SENDERS", "200")],
            Self::Flood => &[("FLOOD_RATE", "2000"), ("FLOOD_SECONDS", "60")],
            Self::Reads => &[("READS_SECONDS", "60")],
            Self::Chaos => &[("CHAOS_WAVES", "20")],
            Self::Releases => &[],
            Self::OriginDown => &[("DRILL", "1")],
        }
    }
}

/// Builds the product and runs the tests one after another; the first failure ends it.
pub(crate) fn run(root: &Path, options: &Options) -> Result<()> {
    terminal::title("Builds the product, and runs the tests that take minutes.");
    bundle::build(root)?;
    for soak in &options.tests {
        let mut node = test::node_runner(root, soak.file());
        node.envs(soak.variables().iter().copied());
        if *soak == SoakTest::Releases {
            node.env("OLDER", build_older(root, options.older.as_deref())?);
        }
        process::run(&mut node, &Output::Terminal, TIMEOUT)?;
    }
    Ok(())
}

/// Builds the Worker of another commit, and returns the folder of its build.
fn build_older(root: &Path, commit: Option<&str>) -> Result<PathBuf> {
    let git = |arguments: &[&str]| process::capture(Command::new("git").current_dir(root).args(arguments));
    let commit = match commit {
        Some(commit) => commit.to_owned(),
        None => git(&["describe", "--tags", "--abbrev=0", "HEAD^"]).unwrap_or_else(|_| "HEAD^".to_owned()),
    };
    let hash = git(&["rev-parse", "--verify", &format!("{}^{{commit}}", commit.trim())])
        .context("the older release is not in this clone; a shallow one has no history")?;
    let folder = root.join("target/older");
    let path = folder.to_str().context("the path of the checkout is not UTF-8")?;
    if folder.join(".git").exists() {
        git(&["-C", path, "checkout", "--quiet", "--detach", hash.trim()])?;
    } else {
        git(&["worktree", "prune"])?;
        git(&["worktree", "add", "--quiet", "--detach", path, hash.trim()])?;
    }
    let packages = folder.join("node_modules");
    if !packages.exists() {
        symlink(root.join("node_modules"), &packages)?;
    }
    terminal::print(&format!("  the older release is {}", commit.trim()));
    worker::build(&folder)?;
    Ok(fs::canonicalize(folder.join("build"))?)
}

/// The longest test takes about ten minutes on two processors.
const TIMEOUT: Duration = Duration::from_secs(90 * 60);
