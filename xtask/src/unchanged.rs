//! Whether anything has changed that a part of the tests depends on since it last passed on this machine.
//! A part depends on every file of the checkout but those that are known to be read by other parts alone,
//! on the tools that are not locked, and on the variables that tests read. What that is good for, and when
//! all parts are run all the same, is the business of `test`.

use std::collections::hash_map::DefaultHasher;
use std::env;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::setup;

/// A number that changes when anything does that the part depends on.
pub fn fingerprint(root: &Path, part: &str) -> Result<u64> {
    let mut hasher = DefaultHasher::new();
    for file in inputs(root, part)? {
        let path = root.join(&file);
        file.hash(&mut hasher);
        fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))?.hash(&mut hasher);
    }
    for name in READ {
        env::var_os(name).hash(&mut hasher);
    }
    setup::parsers(root).is_some().hash(&mut hasher);
    tools(root).hash(&mut hasher);
    Ok(hasher.finish())
}

/// What the tools say that they are; asked once.
fn tools(root: &Path) -> &'static [Option<Vec<u8>>] {
    static SAID: OnceLock<Vec<Option<Vec<u8>>>> = OnceLock::new();
    SAID.get_or_init(|| {
        let programs = TOOLS.iter().map(PathBuf::from).chain(setup::browser_at_hand(root));
        let version = |program: PathBuf| Command::new(program).arg("--version").current_dir(root).output();
        programs.map(|program| version(program).ok().map(|output| output.stdout)).collect()
    })
}

/// How long ago the part passed with all that it depends on as it is now, where that was lately.
pub fn passed(root: &Path, part: &str, fingerprint: u64) -> Option<Duration> {
    let since = setup::marked_since(root, &mark(part), fingerprint)?;
    (since < LATELY).then_some(since)
}

/// The part has passed, and this is what it depended on.
pub fn note(root: &Path, part: &str, fingerprint: u64) -> Result<()> {
    setup::mark(root, &mark(part), fingerprint)
}

fn mark(part: &str) -> String {
    format!("passed-{part}")
}

/// The files that a part depends on, as they are named from the checkout's folder.
fn inputs(root: &Path, part: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    below(root, Path::new(""), &mut found)?;
    found.retain(|file| is_input(file, part));
    Ok(found)
}

fn is_input(file: &Path, part: &str) -> bool {
    // What tests share may be used by any of them; a file of tests is its own part's.
    let is_tests = file.to_str().is_some_and(|name| name.ends_with(".test.mjs"));
    if is_tests && file.starts_with("tests") && !file.starts_with(Path::new("tests").join(part)) {
        return false;
    }
    let only = ONLY.iter().find(|(folder, _)| file.starts_with(folder));
    only.is_none_or(|(_, parts)| parts.contains(&part))
}

fn below(root: &Path, folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let path = root.join(folder);
    let entries = fs::read_dir(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    let mut names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
    names.sort();
    for name in names {
        let file = folder.join(&name);
        let is_made = MADE.iter().any(|made| file == Path::new(made) || Path::new(&name) == Path::new(made));
        let path = root.join(&file);
        if is_made || path.is_symlink() {
            continue;
        }
        match path.is_dir() {
            true => below(root, &file, found)?,
            false => found.push(file),
        }
    }
    Ok(())
}

/// What only some parts read; everything else is read by all. A part of whose tests or sources any names
/// the folder is listed (see the test below); what is served or packed is listed where it is asked for.
const ONLY: &[(&str, &[&str])] = &[
    ("docs", &["core", "xtask", "worker", "cache", "load", "package", "portal", "browser"]),
    ("www/dashboard", &["worker", "package", "lighthouse", "browser", "dashboard"]),
    ("www/demo", &["worker", "package", "lighthouse", "browser", "dashboard"]),
    ("www/portal", &["xtask", "package", "portal"]),
    ("monitoring", &["core", "worker", "package"]),
    ("tests/bench", &["core", "xtask", "worker", "cache", "faults", "load"]),
    ("tests/dashboard/baselines", &["dashboard"]),
    ("tests/traces", &["core", "parity"]),
    ("CHANGELOG.md", &[]),
    ("CONTRIBUTING.md", &["xtask"]),
    ("ARCHITECTURE.md", &["xtask"]),
];

/// What is made of the rest, or is git's.
const MADE: &[&str] = &[
    ".git",
    "target",
    "build",
    "node_modules",
    ".wrangler",
    ".next",
    "pkg/dist",
    "tests/output",
    "next-env.d.ts",
    "tsconfig.tsbuildinfo",
];

/// The variables that say what tests do, and with which tools.
const READ: &[&str] = &[
    "ACCEPT_CHARTS",
    "ACCEPT_GOLDEN",
    "CANDIDATE",
    "CHROMIUM",
    "LAB_DEVICE",
    "LOADS",
    "ONLY",
    "PARSERS_PYTHON",
    "PATH",
    "PROPTEST_CASES",
    "RUSTFLAGS",
    "VISITS",
];

/// Tools that no lock file of ours names. Each says its version.
const TOOLS: &[&str] = &["rustc", "node", "python3", "promtool", "git"];

/// What passed longer ago is run again: tests try other numbers each time, at another hour of the day.
const LATELY: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test;

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").to_path_buf()
    }

    #[test]
    fn what_ships_is_an_input_of_every_part() {
        for part in test::names() {
            let inputs = inputs(&root(), part).expect("files");
            for file in [
                "Cargo.lock",
                "package-lock.json",
                "wrangler.toml",
                "rust-toolchain.toml",
                "crates/ledger/src/lib.rs",
                "worker/js/shim.js",
                "pkg/src/measure.js",
                "lighthouse/budgets.json",
                "tests/product.mjs",
                "tests/faults/workerd.mjs",
                "xtask/src/test.rs",
            ] {
                assert!(inputs.contains(&PathBuf::from(file)), "{part} does not depend on {file}");
            }
            assert!(inputs.len() > 300, "{part} depends on {} files only", inputs.len());
        }
    }

    #[test]
    fn an_edit_of_the_dashboard_is_seen_by_the_parts_that_open_it() {
        let seen = |file: &str| -> Vec<&str> {
            test::names().filter(|part| is_input(Path::new(file), part)).collect()
        };
        assert_eq!(
            seen("www/dashboard/main.js"),
            ["lighthouse", "package", "worker", "dashboard", "browser"]
        );
        assert_eq!(seen("tests/dashboard/dashboard.test.mjs"), ["dashboard"]);
        assert_eq!(seen("tests/dashboard/visits.mjs"), test::names().collect::<Vec<_>>());
        assert_eq!(seen("crates/insight/src/health.rs"), test::names().collect::<Vec<_>>());
    }

    #[test]
    fn a_part_that_names_a_folder_depends_on_it() {
        for part in test::names() {
            for file in inputs(&root(), part).expect("files") {
                let own: &[&str] = match part {
                    "core" => &["crates", "tests/scale"],
                    "xtask" => &[],
                    part => &[&format!("tests/{part}")],
                };
                if !own.iter().any(|folder| file.starts_with(folder)) {
                    continue;
                }
                let Ok(text) = fs::read_to_string(root().join(&file)) else { continue };
                for (folder, parts) in ONLY {
                    let is_named = [format!("/{folder}/"), format!("\"{folder}/"), format!("\"{folder}\"")]
                        .iter()
                        .any(|name| text.contains(name));
                    assert!(
                        !is_named || parts.contains(&part),
                        "{} names {folder}, on which {part} is not said to depend",
                        file.display()
                    );
                }
            }
        }
    }

    #[test]
    fn a_part_has_passed_as_long_as_nothing_of_it_changes() {
        let root = env::temp_dir().join(format!("edge-vitals-unchanged-{}", std::process::id()));
        let write = |file: &str, text: &str| {
            let path = root.join(file);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, text).expect("a file");
        };
        write("Cargo.lock", "1");
        write("tests/cache/serve.test.mjs", "1");
        write("tests/worker/read.test.mjs", "1");
        let now = |part: &str| fingerprint(&root, part).expect("files");
        let before = now("cache");
        assert_eq!(passed(&root, "cache", before), None, "it never ran");
        note(&root, "cache", before).expect("a mark");
        assert!(passed(&root, "cache", now("cache")).is_some(), "a mark is no input");
        assert_eq!(passed(&root, "worker", now("worker")), None, "another part did not");

        write("tests/worker/read.test.mjs", "2");
        write("build/index.js", "made");
        assert!(passed(&root, "cache", now("cache")).is_some(), "another part's tests, and what is made");
        write("tests/cache/serve.test.mjs", "2");
        assert_eq!(passed(&root, "cache", now("cache")), None, "its tests have changed");
        write("tests/cache/serve.test.mjs", "1");
        assert!(passed(&root, "cache", now("cache")).is_some(), "and changed back");
        write("crates/new.rs", "");
        assert_eq!(passed(&root, "cache", now("cache")), None, "a file has come");
        fs::remove_file(root.join("crates/new.rs")).expect("a file");
        fs::rename(root.join("Cargo.lock"), root.join("Cargo.toml")).expect("a file");
        assert_eq!(passed(&root, "cache", now("cache")), None, "a file has another name");
        fs::remove_dir_all(&root).expect("a folder");
    }
}
