//! Files that are generated from a table in Rust, wholly or in part.

use std::path::{Path, PathBuf};

/// Fails where a file of the repository differs from what its table says. With `UPDATE_GENERATED=1`, writes it.
#[track_caller]
pub(crate) fn check_generated(file: &str, table: &str, expected: &str) {
    let path = path(file);
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&path, expected).unwrap_or_else(|error| panic!("{file}: {error}"));
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let mut expected_lines = expected.lines();
    let mut found_lines = found.lines();
    for number in 1.. {
        let (expected, found) = (expected_lines.next(), found_lines.next());
        assert_eq!(
            found, expected,
            "{file}, line {number}, differs from {table}; to write the file anew, set UPDATE_GENERATED=1 and run this test"
        );
        if expected.is_none() {
            return;
        }
    }
}

/// A path below the root of the repository.
pub(crate) fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file)
}
