//! `cargo xtask size`: the bytes of every shipped file, raw and compressed, against the committed
//! baseline. A page pays for each of them, so growth must be a decision.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::benchmark_report::{self, Measurement};
use crate::{bundle, client, process, terminal, tools, workspace};

/// Arguments of `cargo xtask size`.
#[derive(Args)]
pub(crate) struct Options {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Make today's bytes the new baseline
    #[arg(long)]
    accept: bool,
}

/// Bytes by title.
type Sizes = BTreeMap<String, u64>;

/// Shipped files with their titles; the scripts of a folder are counted together.
const SHIPPED: &[(&str, &str)] = &[
    ("pkg/dist/start.js", "client, beacons only"),
    ("pkg/dist/start-attribution.js", "client, beacons with attribution"),
    ("pkg/dist/index.js", "client"),
    ("pkg/dist/attribution.js", "client with attribution"),
    ("pkg/dist/fallback.js", "client, the module without WebAssembly"),
    ("pkg/dist/start-fallback.js", "client, beacons only, the module without WebAssembly"),
    ("pkg/dist/toolkit/toolkit_bg.wasm", "toolkit"),
    ("build/dashboard", "dashboard"),
    ("build/dashboard/main.css", "dashboard styles"),
    ("build/dashboard/toolkit.wasm", "dashboard toolkit"),
    ("build/index.js", "worker glue"),
    ("build/index_bg.wasm", "worker"),
];

/// An absolute goal for a size. One that is not met is shown with the distance, and fails nothing: the baseline
/// decides about growth.
struct Goal {
    title: &'static str,
    bytes: u64,
}

const GOALS: &[Goal] = &[
    // web-vitals with its recipe for beacons, or for beacons with attribution.
    Goal { title: "client, beacons only, brotli", bytes: 2945 },
    Goal { title: "client, beacons with attribution, brotli", bytes: 4901 },
    Goal { title: "client, brotli", bytes: 3600 },
    Goal { title: "client with attribution, brotli", bytes: 5200 },
    Goal { title: "worker, gzip", bytes: 500_000 },
];

impl Goal {
    fn measurement(&self, sizes: &Sizes) -> Option<Measurement> {
        let size = *sizes.get(self.title)?;
        let reference = match size.saturating_sub(self.bytes) {
            0 => format!("goal of {} B", self.bytes),
            distance => format!("goal of {} B, {distance} B away", self.bytes),
        };
        Some(Measurement {
            name: format!("{}, goal", self.title),
            value: size as f64,
            unit: "B".to_owned(),
            ratio: size as f64 / self.bytes as f64,
            reference,
            max_ratio: 1.0,
        })
    }
}

/// Prints the sizes, and fails where one grew.
pub(crate) fn run(root: &Path, options: &Options) -> Result<()> {
    if !options.json {
        terminal::title("Measures the bytes of every shipped file against the committed baseline.");
    }
    bundle::build(root)?;
    let baseline = read_baseline(root)?;
    let sizes = measure(root)?;
    let mut measurements = compare(&baseline, &sizes);
    measurements.extend(GOALS.iter().filter_map(|goal| goal.measurement(&sizes)));
    for (file, package) in PEERS {
        measurements.push(compare_with_web_vitals(root, file, package)?);
    }
    benchmark_report::print(&measurements, options.json)?;
    if options.accept {
        return Ok(fs::write(root.join(BASELINE), serde_json::to_string_pretty(&sizes)? + "\n")?);
    }
    refuse_growth(&baseline, &sizes)
}

/// Fails where a built file grew.
pub(crate) fn check(root: &Path) -> Result<()> {
    refuse_growth(&read_baseline(root)?, &measure(root)?)
}

fn refuse_growth(baseline: &Sizes, sizes: &Sizes) -> Result<()> {
    match compare(baseline, sizes).iter().find(|measurement| !measurement.meets_goal()) {
        Some(grown) => bail!(
            "{} grew to {} B; shrink it, or accept it with `cargo xtask size --accept` and say why",
            grown.name,
            grown.value
        ),
        None => Ok(()),
    }
}

fn compare(baseline: &Sizes, sizes: &Sizes) -> Vec<Measurement> {
    let measurement = |(name, size): (&String, &u64)| {
        let before = baseline.get(name).copied().unwrap_or(*size);
        Measurement {
            name: name.clone(),
            value: *size as f64,
            unit: "B".to_owned(),
            ratio: *size as f64 / before as f64,
            reference: format!("baseline of {before} B"),
            max_ratio: 1.0 + MAX_GROWTH,
        }
    };
    sizes.iter().map(measurement).collect()
}

fn read_baseline(root: &Path) -> Result<Sizes> {
    let text = fs::read_to_string(root.join(BASELINE)).with_context(|| format!("cannot read {BASELINE}"))?;
    serde_json::from_str(&text).with_context(|| format!("{BASELINE} does not map titles to bytes"))
}

fn measure(root: &Path) -> Result<Sizes> {
    let mut sizes = Sizes::new();
    for (file, name) in SHIPPED {
        for path in shipped_files(&root.join(file))? {
            let bytes =
                fs::read(path).with_context(|| format!("{file} is missing; run `cargo xtask build`"))?;
            *sizes.entry(format!("{name}, raw")).or_default() += bytes.len() as u64;
            *sizes.entry(format!("{name}, gzip")).or_default() += gzip(&bytes)? as u64;
            *sizes.entry(format!("{name}, brotli")).or_default() += brotli(&bytes)? as u64;
        }
    }
    Ok(sizes)
}

/// The scripts of a folder, or the file itself.
fn shipped_files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = workspace::files(path)?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "js"));
    Ok(files)
}

/// Compares a client with web-vitals and its documented beacon recipe, built in the same way. It is
/// information only: the baseline decides about growth.
fn compare_with_web_vitals(root: &Path, file: &str, package: &str) -> Result<Measurement> {
    let folder = root.join("target/setup/peer");
    fs::create_dir_all(&folder)?;
    let [entry, bundled, built] = ["entry.js", "bundled.js", "built.js"].map(|file| folder.join(file));
    fs::write(&entry, WEB_VITALS_RECIPE.replace("PACKAGE", package))?;
    process::capture(
        tools::npm(root, "esbuild")
            .arg(&entry)
            .args(["--bundle", "--minify", "--format=esm", "--target=es2022"])
            .arg(format!("--outfile={}", bundled.display())),
    )?;
    client::minify(root, &bundled, &built)?;
    let peer = brotli(&fs::read(&built)?)?;
    let bytes = brotli(&fs::read(root.join(file))?)?;
    Ok(Measurement {
        name: format!("{file} beside its peer"),
        value: bytes as f64,
        unit: "B".to_owned(),
        ratio: bytes as f64 / peer as f64,
        reference: format!("{package} and sendBeacon, {peer} B"),
        max_ratio: 1.0,
    })
}

fn gzip(bytes: &[u8]) -> Result<usize> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?.len())
}

fn brotli(bytes: &[u8]) -> Result<usize> {
    let mut out = Vec::new();
    let parameters = brotli::enc::BrotliEncoderParams { quality: 11, lgwin: 22, ..Default::default() };
    brotli::BrotliCompress(&mut &bytes[..], &mut out, &parameters)?;
    Ok(out.len())
}

const BASELINE: &str = "xtask/size.json";

/// Our clients, and the packages that do the same job.
const PEERS: &[(&str, &str)] =
    &[("pkg/dist/start.js", "web-vitals"), ("pkg/dist/start-attribution.js", "web-vitals/attribution")];

/// The recipe of web-vitals' documentation for one beacon per page.
const WEB_VITALS_RECIPE: &str = r#"
import { onCLS, onFCP, onINP, onLCP, onTTFB } from "PACKAGE";
const queue = new Set();
for (const on of [onCLS, onFCP, onINP, onLCP, onTTFB]) on((metric) => queue.add(metric));
addEventListener("visibilitychange", () => {
  if (document.visibilityState === "hidden" && queue.size) {
    navigator.sendBeacon("/v1/vitals", JSON.stringify([...queue]));
    queue.clear();
  }
});
"#;

/// Compilers differ by a few bytes between machines.
const MAX_GROWTH: f64 = 0.005;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_that_is_not_met_is_shown_with_the_distance() {
        let goal = Goal { title: "worker, gzip", bytes: 500 };
        let shown =
            |size| goal.measurement(&Sizes::from([("worker, gzip".to_owned(), size)])).expect("a size");
        assert!(shown(500).meets_goal());
        assert!(!shown(600).meets_goal());
        assert_eq!(shown(600).reference, "goal of 500 B, 100 B away");
    }

    #[test]
    fn growth_is_refused_and_shrinking_is_not() {
        let sizes = |bytes| Sizes::from([("client, brotli".to_owned(), bytes)]);
        assert!(refuse_growth(&sizes(3000), &sizes(3010)).is_ok(), "within the difference between compilers");
        assert!(refuse_growth(&sizes(3000), &sizes(2000)).is_ok());
        let error = refuse_growth(&sizes(3000), &sizes(3100)).expect_err("it grew");
        assert!(error.to_string().starts_with("client, brotli grew to 3100 B"), "{error}");
    }
}
