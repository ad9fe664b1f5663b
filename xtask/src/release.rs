//! `cargo xtask release`: what a tag publishes, in `target/release-files`: the npm package, the Worker's bundle, the
//! notes from the changelog, and the software bill of materials. Publishing itself is the workflow's.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{bundle, process, terminal, tools};

/// Arguments of `cargo xtask release`.
#[derive(Args)]
pub(crate) struct Options {
    /// The tag to release, such as v0.2.0
    #[arg(long)]
    tag: String,
}

/// Builds the files of a release, after a check that the tag, the versions and the changelog agree.
pub(crate) fn run(root: &Path, options: &Options) -> Result<()> {
    terminal::title("Builds what a release publishes, in target/release-files.");
    let read =
        |file: &str| fs::read_to_string(root.join(file)).with_context(|| format!("cannot read {file}"));
    let version = released_version(&options.tag, &read("Cargo.toml")?, &read("pkg/package.json")?)?;
    let notes = notes(&read("CHANGELOG.md")?, version)?;
    bundle::build(root)?;
    let folder = root.join(FOLDER);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("notes.md"), notes)?;
    terminal::step("packs the npm package", || pack_package(root, &folder))?;
    terminal::step("packs the Worker", || pack_worker(root, &folder))?;
    terminal::step("lists the materials", || {
        let text = process::capture(tools::cargo(root).args([
            "metadata",
            "--format-version",
            "1",
            "--filter-platform",
            tools::WASM_TARGET,
        ]))?;
        let metadata = serde_json::from_str(&text).context("the output of cargo metadata")?;
        Ok(fs::write(folder.join("sbom.cdx.json"), bill_of_materials(&metadata, version).to_string())?)
    })
}

/// Returns the version of a tag, which Cargo.toml and package.json must have too.
fn released_version<'t>(tag: &'t str, cargo: &str, package: &str) -> Result<&'t str> {
    let version = tag.strip_prefix('v').with_context(|| format!("the tag {tag} does not begin with v"))?;
    let cargo: toml::Table = cargo.parse().context("Cargo.toml")?;
    let in_cargo = cargo
        .get("workspace")
        .and_then(|workspace| workspace.get("package")?.get("version")?.as_str())
        .unwrap_or_default();
    let package: Value = serde_json::from_str(package).context("pkg/package.json")?;
    let in_package = package.get("version").and_then(Value::as_str).unwrap_or_default();
    for (file, found) in [("Cargo.toml", in_cargo), ("pkg/package.json", in_package)] {
        if found != version {
            bail!("{file} has version {found}, the tag is {tag}; set the version, and tag again");
        }
    }
    Ok(version)
}

/// Returns the section of a version in the changelog.
fn notes(changelog: &str, version: &str) -> Result<String> {
    let heading = format!("## [{version}]");
    let section = changelog.split("\n## ").find(|section| format!("## {section}").starts_with(&heading));
    let text = section.and_then(|section| section.split_once('\n')).map(|(_, text)| text.trim());
    match text {
        Some(text) if !text.is_empty() => Ok(format!("{text}\n")),
        _ => bail!("CHANGELOG.md has no section {heading}; rename `## [Unreleased]`, and add the date"),
    }
}

/// Packs a copy of the package that names its repository: npm's provenance compares the two.
fn pack_package(root: &Path, folder: &Path) -> Result<()> {
    let manifest = root.join("pkg/package.json");
    let original = fs::read_to_string(&manifest)?;
    let repository = env::var("GITHUB_REPOSITORY").ok();
    if let Some(repository) = &repository {
        fs::write(&manifest, with_repository(&original, repository)?)?;
    }
    let mut npm = Command::new("npm");
    npm.args(["pack", "--silent", "--pack-destination"]).arg(folder).current_dir(root.join("pkg"));
    let packed = process::capture(&mut npm);
    fs::write(&manifest, original)?;
    let name = packed?;
    let name = name.trim().lines().last().context("npm pack printed no name")?;
    Ok(fs::rename(folder.join(name), folder.join("edge-vitals.tgz"))?)
}

/// Inserts text, because the conditions of `exports` count in their order, which a parsed document loses.
fn with_repository(manifest: &str, repository: &str) -> Result<String> {
    let address = format!("https://github.com/{repository}");
    let fields = [
        ("repository", json!({ "type": "git", "url": format!("git+{address}.git"), "directory": "pkg" })),
        ("homepage", json!(format!("{address}#readme"))),
        ("bugs", json!({ "url": format!("{address}/issues") })),
    ];
    let rest = manifest.trim_start().strip_prefix('{').context("pkg/package.json is not an object")?;
    let lines: String = fields.iter().map(|(name, value)| format!("\n  \"{name}\": {value},")).collect();
    Ok(format!("{{{lines}{rest}"))
}

/// Packs what wrangler uploads: the module, its glue, the static files, and the configuration.
fn pack_worker(root: &Path, folder: &Path) -> Result<()> {
    let mut tar = Command::new("tar");
    tar.args(["--create", "--sort=name", "--owner=0", "--group=0", "--mtime=@0", "--file"]);
    tar.arg(folder.join("worker.tar")).arg("--directory").arg(root.join("pkg/dist/worker")).arg(".");
    process::capture(&mut tar)?;
    let archive = folder.join("worker.tar");
    let mut packed =
        GzEncoder::new(fs::File::create(folder.join("edge-vitals-worker.tar.gz"))?, Compression::best());
    std::io::copy(&mut fs::File::open(&archive)?, &mut packed)?;
    packed.finish()?;
    Ok(fs::remove_file(archive)?)
}

/// The output of `cargo metadata`.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Deserialize)]
struct DependencyKind {
    /// None for a dependency of the shipped code, else `dev` or `build`.
    kind: Option<String>,
}

/// Returns the crates in the shipped modules in CycloneDX. The npm package has no dependencies of its own.
fn bill_of_materials(metadata: &Metadata, version: &str) -> Value {
    let packages: BTreeMap<&str, &Package> =
        metadata.packages.iter().map(|package| (package.id.as_str(), package)).collect();
    let nodes: BTreeMap<&str, &Node> =
        metadata.resolve.nodes.iter().map(|node| (node.id.as_str(), node)).collect();
    let mut open: Vec<&str> = metadata
        .packages
        .iter()
        .filter(|package| SHIPPED.contains(&package.name.as_str()))
        .map(|package| package.id.as_str())
        .collect();
    let mut shipped = BTreeSet::new();
    while let Some(id) = open.pop() {
        if !shipped.insert(id) {
            continue;
        }
        let dependencies = nodes.get(id).map_or(&[][..], |node| &node.deps);
        let in_code = |dependency: &&Dependency| dependency.dep_kinds.iter().any(|kind| kind.kind.is_none());
        open.extend(dependencies.iter().filter(in_code).map(|dependency| dependency.pkg.as_str()));
    }
    let mut components: Vec<Value> = shipped
        .into_iter()
        .filter_map(|id| packages.get(id))
        .map(|Package { name, version, license, .. }| {
            json!({
                "type": "library",
                "name": name,
                "version": version,
                "purl": format!("pkg:cargo/{name}@{version}"),
                "licenses": license.iter().map(|license| json!({ "expression": license })).collect::<Vec<_>>(),
            })
        })
        .collect();
    components.sort_by_key(|component| component["purl"].to_string());
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "name": "edge-vitals",
                "version": version,
                "purl": format!("pkg:npm/edge-vitals@{version}"),
            },
        },
        "components": components,
    })
}

const FOLDER: &str = "target/release-files";
/// The crates whose modules are in the package.
const SHIPPED: [&str; 3] = ["client", "toolkit", "edge-vitals-worker"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_must_be_the_version_of_both_manifests() {
        let cargo = "[workspace.package]\nversion = \"0.2.0\"\n";
        let package = |version: &str| format!(r#"{{"version":"{version}"}}"#);
        assert_eq!(released_version("v0.2.0", cargo, &package("0.2.0")).ok(), Some("0.2.0"));
        for (tag, version) in [("0.2.0", "0.2.0"), ("v0.2.1", "0.2.0"), ("v0.2.0", "0.1.0")] {
            assert!(released_version(tag, cargo, &package(version)).is_err(), "{tag}, {version}");
        }
    }

    #[test]
    fn notes_are_the_section_of_the_version_alone() {
        let changelog = "# Changelog\n\n## [Unreleased]\n\n- Next.\n\n## [0.2.0] - 2027-01-01\n\n### Added\n\n- This.\n\n## [0.1.0] - 2026-11-21\n\n- Old.\n";
        assert_eq!(notes(changelog, "0.2.0").ok().as_deref(), Some("### Added\n\n- This.\n"));
        for missing in ["0.3.0", "0.2"] {
            assert!(notes(changelog, missing).is_err(), "{missing}");
        }
    }

    #[test]
    fn the_bill_lists_the_crates_of_the_shipped_code_alone() {
        let metadata = serde_json::from_value(json!({
            "packages": [
                { "id": "w", "name": "edge-vitals-worker", "version": "0.2.0", "license": "MIT OR Apache-2.0" },
                { "id": "s", "name": "serde", "version": "1.0.0", "license": "MIT OR Apache-2.0" },
                { "id": "t", "name": "proptest", "version": "1.0.0", "license": null },
                { "id": "x", "name": "xtask", "version": "0.2.0", "license": null },
            ],
            "resolve": { "nodes": [
                { "id": "w", "deps": [
                    { "pkg": "s", "dep_kinds": [{ "kind": null }] },
                    { "pkg": "t", "dep_kinds": [{ "kind": "dev" }] },
                ] },
                { "id": "s", "deps": [] },
                { "id": "x", "deps": [{ "pkg": "t", "dep_kinds": [{ "kind": null }] }] },
            ] },
        }))
        .expect("metadata");
        let bill = bill_of_materials(&metadata, "0.2.0");
        let names: Vec<&Value> = bill["components"]
            .as_array()
            .expect("components")
            .iter()
            .map(|component| &component["purl"])
            .collect();
        assert_eq!(names, ["pkg:cargo/edge-vitals-worker@0.2.0", "pkg:cargo/serde@1.0.0"]);
    }

    #[test]
    fn the_published_manifest_names_the_repository_of_the_workflow() {
        let original = r#"{"exports":{"types":"t","default":"d"}}"#;
        let text = with_repository(original, "owner/name").expect("a manifest");
        assert!(
            text.ends_with(r#""exports":{"types":"t","default":"d"}}"#),
            "the order of conditions stays: {text}"
        );
        let manifest: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(manifest["repository"]["url"], "git+https://github.com/owner/name.git");
    }
}
