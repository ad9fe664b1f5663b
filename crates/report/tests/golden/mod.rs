//! Golden files: what is sent to others is compared with what was sent before, byte for byte.
//! `ACCEPT_GOLDEN=1 cargo test -p report -p alerting -p export` writes them anew; the diff is then read by a person.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test may fail by panic")]

use std::path::Path;

/// Compares with the golden file of that name.
#[track_caller]
pub(crate) fn check(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("ACCEPT_GOLDEN").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    let golden = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{name}: {error}; accept it with ACCEPT_GOLDEN=1"));
    assert_eq!(found, golden, "{name} is not what it was; if that is meant, accept it with ACCEPT_GOLDEN=1");
}
