//! `cargo xtask test`: everything that can fail, part by part, and at the end what did.

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::lanes::{self, Job};
use crate::process::Words;
use crate::{bundle, load, portal, process, screen, setup, unchanged};

/// A part of the tests: its name, what it shows, what must be made before, and how it runs.
struct Part {
    name: &'static str,
    about: &'static str,
    after: &'static [&'static str],
    run: Run,
}

/// How a part runs.
enum Run {
    /// The files of its folder in `tests`, with Node.
    Files,
    /// In a way of its own.
    Own(fn(&Path, &Words) -> Result<()>),
}

/// What parts need that takes long to make: it is made once, while what does not need it is tested.
struct Made {
    name: &'static str,
    after: &'static [&'static str],
    make: fn(&Path) -> Result<()>,
}

const MADE: &[Made] = &[
    Made { name: "the product", after: &[], make: product },
    Made { name: "other parsers", after: &[], make: setup::obtain_parsers },
    Made { name: "the portal", after: &["the product"], make: sample_portal },
];

/// In the order in which they are begun, the longest first, so that none is left to run alone at the end.
const PARTS: &[Part] = &[
    Part { name: "core", about: "the rules, natively", after: &["other parsers"], run: Run::Own(core) },
    Part { name: "xtask", about: "these commands", after: &[], run: Run::Own(xtask) },
    Part {
        name: "lighthouse",
        about: "Lighthouse CI on real pages, held against the budgets",
        after: &["the product"],
        run: Run::Files,
    },
    Part {
        name: "parity",
        about: "our metrics beside web-vitals' on the same page loads",
        after: &["the product"],
        run: Run::Files,
    },
    Part {
        name: "package",
        about: "the npm package as it is installed: frontends, backends, command line, action",
        after: &["the product"],
        run: Run::Files,
    },
    Part {
        name: "worker",
        about: "the Worker in workerd",
        after: &["the product", "other parsers"],
        run: Run::Files,
    },
    Part {
        name: "dashboard",
        about: "the dashboard in Chromium, held against what was sent",
        after: &["the product"],
        run: Run::Files,
    },
    Part {
        name: "browser",
        about: "real pages in Chromium, counted in workerd",
        after: &["the product"],
        run: Run::Files,
    },
    Part {
        name: "portal",
        about: "the sample portal behind the Worker, in Chromium; its stores in SQLite and PostgreSQL",
        after: &["the product", "the portal"],
        run: Run::Own(portal),
    },
    Part {
        name: "cache",
        about: "the cache before a scripted origin, in workerd",
        after: &["the product"],
        run: Run::Files,
    },
    Part {
        name: "faults",
        about: "workerd killed and flooded: what was acknowledged stays",
        after: &["the product"],
        run: Run::Files,
    },
    Part {
        name: "load",
        about: "mixed traffic at a rate, each answer checked; and the k6 scripts",
        after: &["the product"],
        run: Run::Own(load),
    },
];

/// The parts, by name.
pub fn names() -> impl Iterator<Item = &'static str> {
    PARTS.iter().map(|part| part.name)
}

/// Runs the named parts; or all of them, but those that have passed lately and on which nothing of what
/// they depend on has changed since.
pub fn run(root: &Path, arguments: &[String]) -> Result<()> {
    let (named, options): (Vec<&String>, Vec<&String>) =
        arguments.iter().partition(|word| PARTS.iter().any(|part| part.name == word.as_str()));
    if let Some(unknown) = options.iter().find(|word| word.as_str() != ALL) {
        let names: Vec<&str> = names().collect();
        bail!("there is no part `{unknown}`; the parts are {}, and {ALL} is every one", names.join(", "));
    }
    let is_wanted = |part: &&Part| named.is_empty() || named.iter().any(|name| *name == part.name);
    let chosen: Vec<&Part> = PARTS.iter().filter(is_wanted).collect();
    // Who names a part wants to see it run; and whoever checks a change for others looks at everything.
    let is_sparing = named.is_empty() && options.is_empty() && std::env::var_os("CI").is_none();
    let mut due = Vec::new();
    let mut unchanged = Vec::new();
    for part in chosen {
        let fingerprint = unchanged::fingerprint(root, part.name)?;
        match unchanged::passed(root, part.name, fingerprint).filter(|_| is_sparing) {
            Some(since) => unchanged.push((part.name, since)),
            None => due.push(Due { part, fingerprint }),
        }
    }

    let names: Vec<&str> = due.iter().map(|due| due.part.name).collect();
    screen::title(&match due.is_empty() {
        true => format!("Nothing has changed since every part passed; `cargo xtask test {ALL}` runs them."),
        false => format!("Sets up, builds, and tests: {}.", names.join(", ")),
    });
    let started = Instant::now();
    let outcomes = outcomes(root, &due)?;
    report(&due, &outcomes, &unchanged, started.elapsed())
}

/// A part to be run, and what it depended on before anything was built for it.
struct Due {
    part: &'static Part,
    fingerprint: u64,
}

/// How a part or what is made for it ended: its name, whether well, and after how long.
type Outcome = (&'static str, bool, Duration);

/// Makes what the parts need, and runs them side by side.
fn outcomes(root: &Path, due: &[Due]) -> Result<Vec<Outcome>> {
    let logs = root.join("target/tests");
    std::fs::create_dir_all(&logs).with_context(|| format!("{} cannot be made", logs.display()))?;
    let words = |part: &Part| match due.len() {
        1 => Words::Screen,
        _ => Words::File(logs.join(format!("{}.log", part.name))),
    };
    let made = MADE.iter().filter(|made| due.iter().any(|due| due.part.after.contains(&made.name)));
    let made =
        made.map(|made| Job { name: made.name, after: made.after, run: Box::new(|| (made.make)(root)) });
    let parts = due.iter().map(|due| Job {
        name: due.part.name,
        after: due.part.after,
        run: Box::new(|| one(root, due, &words(due.part))),
    });
    let jobs: Vec<Job> = made.chain(parts).collect();
    let outcomes = Mutex::new(Vec::new());
    lanes::run(&jobs, lanes(), |job, outcome, elapsed| {
        if let Some(Due { part, .. }) = due.iter().find(|due| due.part.name == job.name) {
            show(part, &words(part));
        }
        if let Err(error) = &outcome {
            screen::failure(error);
        }
        if let Ok(mut outcomes) = outcomes.lock() {
            outcomes.push((job.name, outcome.is_ok(), elapsed));
        }
    });
    Ok(outcomes.into_inner().unwrap_or_default())
}

/// Runs a part.
fn one(root: &Path, Due { part, fingerprint }: &Due, words: &Words) -> Result<()> {
    let _going = match words {
        Words::Screen => {
            println!("\n── {}: {}", part.name, part.about);
            None
        }
        Words::File(path) => {
            std::fs::write(path, "").with_context(|| format!("{} cannot be written", path.display()))?;
            Some(screen::Going::on(part.name))
        }
    };
    match part.run {
        Run::Files => node_tests(root, &format!("tests/{}", part.name), words)?,
        Run::Own(run) => run(root, words)?,
    }
    // What was edited meanwhile was tested as it was, or as it is, or half and half.
    match unchanged::fingerprint(root, part.name)? == *fingerprint {
        true => unchanged::note(root, part.name, *fingerprint),
        false => Ok(()),
    }
}

/// What a part said, whole, once it has ended.
fn show(part: &Part, words: &Words) {
    let Words::File(path) = words else { return };
    let said = std::fs::read(path).unwrap_or_default();
    println!("\n── {}: {}\n{}", part.name, part.about, String::from_utf8_lossy(&said).trim_end());
}

/// One for two processors: a part is a browser and a server, and on less than that what people wait for in a
/// page comes too late for some tests. No more than four, beside which the longest part is what takes the time.
fn lanes() -> usize {
    (std::thread::available_parallelism().map_or(1, NonZero::get) / 2).clamp(1, 4)
}

fn report(
    due: &[Due],
    outcomes: &[Outcome],
    unchanged: &[(&str, Duration)],
    elapsed: Duration,
) -> Result<()> {
    println!();
    let mut failed = 0;
    for Due { part, .. } in due {
        let outcome = outcomes.iter().find(|(name, ..)| *name == part.name);
        let (_, passed, elapsed) = outcome.with_context(|| format!("`{}` was not run", part.name))?;
        let mark = if *passed { "✓ passed" } else { "✗ FAILED" };
        println!("  {mark}  {:<10} {} ({})", part.name, part.about, screen::elapsed(*elapsed));
        failed += usize::from(!passed);
    }
    for (name, since) in unchanged {
        println!("  = passed  {name:<10} {} ago, and nothing of it has changed", screen::elapsed(*since));
    }
    let (all, spared) = (due.len(), unchanged.len());
    let elapsed = screen::elapsed(elapsed);
    println!("\nparts: {} passed, {failed} failed, {spared} unchanged, in {elapsed}", all - failed);
    if failed > 0 {
        bail!("{failed} of {all} parts failed; their words are above");
    }
    Ok(())
}

fn core(root: &Path, words: &Words) -> Result<()> {
    // Plain `cargo test`: what a newcomer types.
    let mut cargo = setup::cargo(root);
    if let Some(python) = setup::parsers(root) {
        cargo.env("PARSERS_PYTHON", python);
    }
    process::within(PATIENCE, words, cargo.arg("test"))
}

fn xtask(root: &Path, words: &Words) -> Result<()> {
    let mut cargo = setup::cargo(root);
    process::within(PATIENCE, words, cargo.args(["test", "--package", "xtask"]))
}

/// All that ships, packed as it is deployed, and a browser for it.
fn product(root: &Path) -> Result<()> {
    bundle::everything(root)?;
    pack(root)?;
    setup::browser(root).map(drop)
}

fn sample_portal(root: &Path) -> Result<()> {
    portal::build(root)?;
    setup::postgres().map(drop)
}

fn portal(root: &Path, words: &Words) -> Result<()> {
    let postgres = setup::postgres()?;
    node_tests_with(root, "tests/portal", &[("POSTGRES", postgres.as_path())], words)
}

fn load(root: &Path, words: &Words) -> Result<()> {
    load::build(root, load::SOON)?;
    process::within(PATIENCE, words, &mut load::generator(root, "test", load::SOON))?;
    load::put(root, &["smoke".to_owned()], load::SOON, words)?;
    node_tests(root, "tests/load", words)
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

fn node_tests(root: &Path, folder: &str, words: &Words) -> Result<()> {
    node_tests_with(root, folder, &[], words)
}

/// The same, with more that a test file must find.
fn node_tests_with(root: &Path, folder: &str, more: &[(&str, &Path)], words: &Words) -> Result<()> {
    // Of no file at all, the runner says that nothing failed.
    let mut files =
        std::fs::read_dir(root.join(folder)).with_context(|| format!("{folder} cannot be read"))?;
    if !files.any(|file| file.is_ok_and(|file| file.file_name().to_string_lossy().ends_with(".test.mjs"))) {
        bail!("{folder} holds no *.test.mjs: this part would pass without a test");
    }
    let browser = setup::browser(root)?;
    let mut node = process::npm(root, "node");
    if folder == "tests/worker"
        && let Some(python) = setup::parsers(root)
    {
        node.env("PARSERS_PYTHON", python);
    }
    process::within(
        PATIENCE,
        words,
        node
            // One file at a time: pages that share a processor with other pages keep other times.
            // A handle that a failed test leaves open ends with its file.
            .args(["--test", "--test-reporter=spec", "--test-concurrency=1", "--test-force-exit"])
            .arg(format!("{folder}/*.test.mjs"))
            .envs(more.iter().copied())
            .env("CHROMIUM", browser),
    )
}

/// Several times what the slowest part takes on a busy machine: a part that hangs fails, and the others still run.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// Asks for every part, changed or not.
const ALL: &str = "--all";
