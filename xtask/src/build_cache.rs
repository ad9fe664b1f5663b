//! Build steps that are skipped while their inputs are unchanged. `target/setup/marks` keeps the
//! fingerprint of the inputs that each output was made from.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::{terminal, workspace};

/// An output and the files that it is made from.
pub(crate) struct Artifact {
    pub(crate) name: &'static str,
    /// Files and folders. Their contents count, and their names inside of a folder.
    pub(crate) inputs: Vec<PathBuf>,
    /// A file or folder that the build leaves.
    pub(crate) output: PathBuf,
}

impl Artifact {
    /// Runs the build as a step, unless the output is up to date.
    pub(crate) fn build(&self, root: &Path, step: &str, build: impl FnOnce() -> Result<()>) -> Result<()> {
        if self.is_current(root)? {
            return Ok(());
        }
        terminal::step(step, || {
            build()?;
            self.mark_current(root)
        })
    }

    pub(crate) fn is_current(&self, root: &Path) -> Result<bool> {
        if !self.output.exists() {
            return Ok(false);
        }
        let fingerprint = self.fingerprint()?;
        Ok(fs::read_to_string(self.mark(root)).is_ok_and(|mark| mark == fingerprint))
    }

    /// Records that the output was made from the inputs as they are now.
    pub(crate) fn mark_current(&self, root: &Path) -> Result<()> {
        let mark = self.mark(root);
        fs::create_dir_all(mark.parent().unwrap_or(root))?;
        fs::write(&mark, self.fingerprint()?).with_context(|| format!("cannot write {}", mark.display()))
    }

    fn mark(&self, root: &Path) -> PathBuf {
        root.join("target/setup/marks").join(self.name)
    }

    fn fingerprint(&self) -> Result<String> {
        let mut hasher = Sha256::new();
        for input in &self.inputs {
            for file in workspace::files(input)? {
                let name = file.strip_prefix(input)?.to_string_lossy().into_owned();
                let content = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
                // Lengths keep a name and its content, and two files, apart.
                hasher.update(name.len().to_le_bytes());
                hasher.update(name);
                hasher.update(content.len().to_le_bytes());
                hasher.update(content);
            }
        }
        Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_artifact_is_current_until_an_input_or_its_output_changes() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path();
        let write = |file: &str, text: &str| fs::write(root.join(file), text);
        fs::create_dir(root.join("sources")).expect("a folder");
        write("sources/a.js", "1").expect("a file");
        let artifact =
            Artifact { name: "bundle", inputs: vec![root.join("sources")], output: root.join("bundle.js") };
        let is_current = || artifact.is_current(root).expect("readable inputs");
        assert!(!is_current(), "never built");
        artifact.build(root, "bundles", || Ok(write("bundle.js", "1")?)).expect("a build");
        assert!(is_current());
        write("sources/a.js", "2").expect("a file");
        assert!(!is_current(), "an edited input");
        write("sources/a.js", "1").expect("a file");
        assert!(is_current(), "an input edited back");
        fs::rename(root.join("sources/a.js"), root.join("sources/b.js")).expect("a rename");
        assert!(!is_current(), "a renamed input");
        fs::rename(root.join("sources/b.js"), root.join("sources/a.js")).expect("a rename");
        fs::remove_file(root.join("bundle.js")).expect("a file");
        assert!(!is_current(), "a missing output");
    }
}
