//! `cargo xtask size`: the bytes of every shipped file, raw and compressed, against the committed
//! baseline. A page pays for each of them, so growth is a decision and never an accident.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::figures::{self, Figure};
use crate::{bundle, client, process, screen, setup};

/// Bytes, by what they are called.
type Sizes = BTreeMap<String, u64>;

/// What ships: the file, or the folder whose scripts are counted together, and what it is called in the table.
const SHIPPED: &[(&str, &str)] = &[
    ("pkg/dist/start.js", "client, beacons only"),
    ("pkg/dist/start-attribution.js", "client, beacons with attribution"),
    ("pkg/dist/index.js", "client"),
    ("pkg/dist/attribution.js", "client with attribution"),
    ("pkg/dist/toolkit/toolkit_bg.wasm", "toolkit"),
    ("build/dashboard", "dashboard"),
    ("build/dashboard/main.css", "dashboard styles"),
    ("build/dashboard/toolkit.wasm", "dashboard toolkit"),
    ("build/index.js", "worker glue"),
    ("build/index_bg.wasm", "worker"),
];

/// Prints the bytes, and fails where they grew.
pub fn run(root: &Path, arguments: &[String]) -> Result<()> {
    let as_json = arguments.iter().any(|word| word == "--json");
    if !as_json {
        screen::title("Measures the bytes of every shipped file against the committed baseline.");
    }
    bundle::everything(root)?;
    let known = baseline(root)?;
    let sizes = sizes(root)?;
    let mut figures = against(&known, &sizes);
    for peers in PEERS {
        figures.push(beside_web_vitals(root, *peers)?);
    }
    figures::print(&figures, as_json);
    if arguments.iter().any(|word| word == "--accept") {
        return Ok(fs::write(root.join(BASELINE), serde_json::to_string_pretty(&sizes)? + "\n")?);
    }
    no_growth(&known, &sizes)
}

/// Fails where a built file has grown.
pub fn guard(root: &Path) -> Result<()> {
    no_growth(&baseline(root)?, &sizes(root)?)
}

fn no_growth(known: &Sizes, sizes: &Sizes) -> Result<()> {
    match against(known, sizes).iter().find(|figure| !figure.met()) {
        Some(grown) => bail!(
            "{} grew to {} B; shrink it, or accept it with `cargo xtask size --accept` and say why",
            grown.name,
            grown.value
        ),
        None => Ok(()),
    }
}

fn against(known: &Sizes, sizes: &Sizes) -> Vec<Figure> {
    let figure = |(name, size): (&String, &u64)| {
        let before = known.get(name).copied().unwrap_or(*size);
        Figure {
            name: name.clone(),
            value: *size as f64,
            unit: "B".to_owned(),
            ratio: *size as f64 / before as f64,
            against: format!("the baseline of {before} B"),
            goal: 1.0 + SLACK,
        }
    };
    sizes.iter().map(figure).collect()
}

fn baseline(root: &Path) -> Result<Sizes> {
    let text =
        fs::read_to_string(root.join(BASELINE)).with_context(|| format!("{BASELINE} cannot be read"))?;
    serde_json::from_str(&text).with_context(|| format!("{BASELINE} is no baseline"))
}

fn sizes(root: &Path) -> Result<Sizes> {
    let mut sizes = Sizes::new();
    for (file, name) in SHIPPED {
        for path in scripts(&root.join(file))? {
            let bytes = fs::read(path).with_context(|| format!("{file} was not built"))?;
            *sizes.entry(format!("{name}, raw")).or_default() += bytes.len() as u64;
            *sizes.entry(format!("{name}, gzip")).or_default() += gzip(&bytes)? as u64;
            *sizes.entry(format!("{name}, brotli")).or_default() += brotli(&bytes)? as u64;
        }
    }
    Ok(sizes)
}

/// The scripts of a folder; a file is what it is.
fn scripts(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    setup::files(path, &mut found)?;
    found.retain(|file| file.extension().is_some_and(|kind| kind == "js"));
    Ok(found)
}

/// What a page that only sends its vitals downloads, beside web-vitals with its usual recipe, built in
/// the same way. Shown, and no failure: the baseline is what guards.
fn beside_web_vitals(root: &Path, (ours, package): (&str, &str)) -> Result<Figure> {
    let folder = root.join("target/setup/peer");
    fs::create_dir_all(&folder)?;
    let [entry, bundled, built] = ["entry.js", "bundled.js", "built.js"].map(|file| folder.join(file));
    fs::write(&entry, PEER.replace("PACKAGE", package))?;
    process::quiet(
        process::npm(root, "esbuild")
            .arg(&entry)
            .args(["--bundle", "--minify", "--format=esm", "--target=es2022"])
            .arg(format!("--outfile={}", bundled.display())),
    )?;
    client::minify(root, &bundled, &built)?;
    let peer = brotli(&fs::read(&built)?)?;
    let bytes = brotli(&fs::read(root.join(ours))?)?;
    Ok(Figure {
        name: format!("{ours} beside its peer"),
        value: bytes as f64,
        unit: "B".to_owned(),
        ratio: bytes as f64 / peer as f64,
        against: format!("{package} and sendBeacon, {peer} B"),
        goal: 1.0,
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

/// What does the same job: a file of ours, and a package of theirs.
const PEERS: &[(&str, &str)] =
    &[("pkg/dist/start.js", "web-vitals"), ("pkg/dist/start-attribution.js", "web-vitals/attribution")];

/// The recipe of web-vitals' own documentation for one beacon a page.
const PEER: &str = r#"
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

/// Compilers differ by a few bytes from machine to machine.
const SLACK: f64 = 0.005;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_refused_and_shrinking_is_not() {
        let sizes = |bytes| Sizes::from([("client, brotli".to_owned(), bytes)]);
        assert!(no_growth(&sizes(3000), &sizes(3010)).is_ok(), "within what compilers differ by");
        assert!(no_growth(&sizes(3000), &sizes(2000)).is_ok());
        let error = no_growth(&sizes(3000), &sizes(3100)).expect_err("it grew");
        assert!(error.to_string().starts_with("client, brotli grew to 3100 B"), "{error}");
    }
}
