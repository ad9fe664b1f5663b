//! The wasm32 standard library, built from the distribution's own `rust-src` where rustup cannot
//! download. It names no host: it reads the machine's own package sources. Tried only after rustup
//! has failed, because two builds of the library must never mix in one folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::tools::WASM_TARGET;
use crate::{process, tools, workspace};

/// Builds the library into `library`, the sysroot's folder for it.
pub(crate) fn build(root: &Path, library: &Path) -> Result<()> {
    let version = compiler_version(root)?;
    let work = root.join("target/setup/std");
    fs::create_dir_all(&work)?;
    let source = match source_in_sysroot(library) {
        Some(source) => source,
        None => download_source(&work, &version)?,
    };
    compile(root, &source, &work.join("target"))?;
    fs::create_dir_all(library)?;
    let built = work.join("target").join(WASM_TARGET).join("release/deps");
    let mut copied = 0;
    for file in fs::read_dir(&built)?.flatten() {
        let path = file.path();
        if path.extension().is_some_and(|extension| extension == "rlib") {
            fs::copy(&path, library.join(file.file_name()))
                .with_context(|| format!("cannot write {}", library.display()))?;
            copied += 1;
        }
    }
    if copied == 0 {
        bail!("the build of the standard library produced no .rlib files");
    }
    Ok(())
}

fn compile(root: &Path, source: &Path, target: &Path) -> Result<()> {
    // Cargo writes beside a manifest, and the distribution's copy may be read-only.
    let mut cargo = tools::cargo(root);
    cargo
        .current_dir(source)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "-Cembed-bitcode=yes -Zunstable-options -Zforce-unstable-if-unmarked")
        .env("__CARGO_DEFAULT_LIB_METADATA", "wasmstd")
        .env("CARGO_TARGET_DIR", target)
        .args(["build", "--locked", "--release", "--target", WASM_TARGET])
        .args(["-p", "sysroot", "--no-default-features", "--features", "compiler-builtins-mem"]);
    process::run_silently(&mut cargo, Duration::from_secs(900))
        .context("cannot build the standard library from rust-src")
}

/// The `1.95.0` in `rustc 1.95.0 (…)`.
fn compiler_version(root: &Path) -> Result<String> {
    let version = process::capture(tools::rustc(root).arg("--version"))?;
    version.split_whitespace().nth(1).map(str::to_owned).context("rustc prints no version")
}

fn source_in_sysroot(library: &Path) -> Option<PathBuf> {
    let source = library.parent()?.parent()?.join("src/rust/library");
    source.join("Cargo.lock").is_file().then_some(source)
}

/// Downloads the distribution's package of exactly the compiler's version and unpacks it into `work`.
fn download_source(work: &Path, version: &str) -> Result<PathBuf> {
    let machine = apt_sources().context("no apt sources were found")?;
    let codename = codename().context("/etc/os-release names no release")?;
    let mut reasons = Vec::new();
    // The machine's own release first, then suites with newer compilers.
    for suite in [codename.clone(), format!("{codename}-backports"), "trixie-backports".into(), "sid".into()]
    {
        match unpack(work, version, &machine, &codename, &suite) {
            Ok(source) => return Ok(source),
            Err(error) => reasons.push(format!("{suite}: {error}")),
        }
    }
    bail!("no package rust-src {version} was found ({})", reasons.join("; "))
}

fn unpack(work: &Path, version: &str, machine: &str, codename: &str, suite: &str) -> Result<PathBuf> {
    let folder = work.join(suite);
    let lists = folder.join("lists");
    let cache = folder.join("cache");
    fs::create_dir_all(lists.join("partial"))?;
    fs::create_dir_all(cache.join("archives/partial"))?;
    let list = folder.join("sources.list");
    fs::write(&list, sources_in_suite(machine, codename, suite))?;
    let options = [
        format!("Dir::Etc::SourceList={}", list.display()),
        "Dir::Etc::SourceParts=/dev/null".to_owned(),
        format!("Dir::State::Lists={}", lists.display()),
        format!("Dir::Cache={}", cache.display()),
    ];
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.current_dir(&folder).args(options.iter().flat_map(|option| ["-o", option])).args(arguments);
        process::run_silently(&mut command, Duration::from_secs(180))
    };
    apt(&["update"])?;
    apt(&["download", &format!("rust-src={version}*")])?;
    let package = fs::read_dir(&folder)?
        .flatten()
        .map(|file| file.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .context("apt downloaded no package")?;
    let tree = folder.join("tree");
    process::capture(Command::new("dpkg-deb").arg("-x").arg(&package).arg(&tree))?;
    find_library(&tree).context("the package holds no library/Cargo.lock")
}

/// The machine's apt sources in one-line format, without the security suite.
fn apt_sources() -> Option<String> {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    files.extend(
        fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten().map(|file| file.path()),
    );
    let lines: Vec<String> = files
        .iter()
        .filter_map(|file| fs::read_to_string(file).ok())
        .flat_map(|text| if text.contains("URIs:") { parse_deb822(&text) } else { parse_one_lines(&text) })
        .filter(|line| !line.contains("security"))
        .collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn parse_one_lines(text: &str) -> Vec<String> {
    text.lines().map(str::trim).filter(|line| line.starts_with("deb ")).map(str::to_owned).collect()
}

fn parse_deb822(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for stanza in text.split("\n\n") {
        let field = |name: &str| {
            stanza.lines().find_map(|line| line.strip_prefix(name)).map(str::trim).unwrap_or_default()
        };
        let options = match field("Signed-By:") {
            "" => String::new(),
            key => format!("[signed-by={key}] "),
        };
        for uri in field("URIs:").split_whitespace() {
            for suite in field("Suites:").split_whitespace() {
                lines.push(format!("deb {options}{uri} {suite} {}", field("Components:")));
            }
        }
    }
    lines
}

/// Replaces the release in the sources; its updates and duplicates are left out.
fn sources_in_suite(machine: &str, codename: &str, suite: &str) -> String {
    let mut lines: Vec<String> = machine
        .lines()
        .filter(|line| line.split_whitespace().any(|word| word == codename))
        .map(|line| line.replace(&format!(" {codename} "), &format!(" {suite} ")))
        .collect();
    lines.dedup();
    lines.join("\n") + "\n"
}

fn codename() -> Option<String> {
    let text = fs::read_to_string("/etc/os-release").ok()?;
    text.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME=")).map(str::to_owned)
}

fn find_library(tree: &Path) -> Option<PathBuf> {
    let files = workspace::files(tree).ok()?;
    files.into_iter().find(|file| file.ends_with("library/Cargo.lock"))?.parent().map(Path::to_path_buf)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_of_either_format_are_read_in_another_suite() {
        let stanza = "Types: deb\nURIs: http://mirror.test/debian\nSuites: bookworm bookworm-updates\n\
                      Components: main\nSigned-By: /usr/share/keyrings/k.gpg\n";
        let stanza = parse_deb822(stanza).join("\n");
        assert_eq!(
            sources_in_suite(&stanza, "bookworm", "trixie-backports"),
            "deb [signed-by=/usr/share/keyrings/k.gpg] http://mirror.test/debian trixie-backports main\n"
        );
        let one_line =
            parse_one_lines("# comment\ndeb http://mirror.test/debian bookworm main contrib\n").join("\n");
        assert_eq!(
            sources_in_suite(&one_line, "bookworm", "sid"),
            "deb http://mirror.test/debian sid main contrib\n"
        );
    }
}
