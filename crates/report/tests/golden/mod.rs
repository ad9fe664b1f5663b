//! Golden files: stored and sent documents, compared byte for byte.
//! `ACCEPT_GOLDEN=1 cargo test -p report -p alerting -p export` rewrites them; review the diff.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test may fail by panic")]

use std::path::Path;

/// Compares the text with the golden file of that name.
#[track_caller]
pub(crate) fn check(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("ACCEPT_GOLDEN").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    let golden = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{name}: {error}; create it with ACCEPT_GOLDEN=1"));
    assert_eq!(found, golden, "{name} has changed; if intended, accept it with ACCEPT_GOLDEN=1");
}
