//! `cargo xtask size`: the bytes of every shipped file, raw and compressed, against the committed
//! baseline. A page pays for each of them, so growth is a decision and never an accident.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::figures::{self, Figure};
use crate::{bundle, screen};

/// What ships: the file, and what it is called in the table.
const SHIPPED: &[(&str, &str)] = &[
    ("pkg/dist/index.js", "client"),
    ("pkg/dist/attribution.js", "client with attribution"),
    ("build/index.js", "worker glue"),
    ("build/index_bg.wasm", "worker"),
];

/// Prints the bytes, and fails where they grew.
pub fn run(root: &Path, arguments: &[String]) -> Result<()> {
    let as_json = arguments.iter().any(|word| word == "--json");
    if !as_json {
        screen::title("Measures the bytes of every shipped file against the committed baseline.");
        bundle::everything(root)?;
    }
    let baseline = root.join("xtask/size.json");
    let known: BTreeMap<String, u64> = match fs::read_to_string(&baseline) {
        Ok(text) => serde_json::from_str(&text).context("xtask/size.json is no baseline")?,
        Err(_) => BTreeMap::new(),
    };
    let mut figures = Vec::new();
    let mut now = BTreeMap::new();
    for (file, name) in SHIPPED {
        let Ok(bytes) = fs::read(root.join(file)) else { continue };
        for (coding, size) in [("raw", bytes.len()), ("gzip", gzip(&bytes)?), ("brotli", brotli(&bytes)?)] {
            let key = format!("{name}, {coding}");
            let size = size as u64;
            let before = known.get(&key).copied().unwrap_or(size);
            now.insert(key.clone(), size);
            figures.push(Figure {
                name: key,
                value: size as f64,
                unit: "B".to_owned(),
                ratio: size as f64 / before as f64,
                against: format!("the baseline of {before} B"),
                goal: 1.0 + SLACK,
            });
        }
    }
    figures::print(&figures, as_json);
    if arguments.iter().any(|word| word == "--accept") {
        fs::write(&baseline, serde_json::to_string_pretty(&now)? + "\n")?;
        return Ok(());
    }
    match figures.iter().find(|figure| !figure.met()) {
        Some(grown) => bail!(
            "{} grew to {} B; shrink it, or accept it with `cargo xtask size --accept` and say why",
            grown.name,
            grown.value
        ),
        None => Ok(()),
    }
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

/// Compilers differ by a few bytes from machine to machine.
const SLACK: f64 = 0.005;
