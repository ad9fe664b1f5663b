//! Golden files: stored and sent documents, compared byte for byte.
//! `ACCEPT_GOLDEN=1 cargo test -p report -p alerting -p export` rewrites them; review the diff.

use std::path::Path;

/// Compares the text with the golden file of that name.
#[track_caller]
pub(crate) fn check(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("ACCEPT_GOLDEN").is_some() {
        let written = std::fs::write(&path, found);
        assert!(written.is_ok(), "{name}: {written:?}");
    }
    let golden = std::fs::read_to_string(&path);
    assert!(golden.is_ok(), "{name}: {golden:?}; create it with ACCEPT_GOLDEN=1");
    let golden = golden.unwrap_or_default();
    assert_eq!(found, golden, "{name} has changed; if intended, accept it with ACCEPT_GOLDEN=1");
}
