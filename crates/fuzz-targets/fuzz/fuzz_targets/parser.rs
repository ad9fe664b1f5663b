//! The parser that the variable PARSER names, under the fuzzer:
//! `PARSER=beacon cargo +nightly fuzz run parser corpus/beacon` in `crates/fuzz-targets`.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = std::env::var("PARSER").unwrap_or_default();
    fuzz_targets::target(&name).expect("PARSER names a target of crates/fuzz-targets")
});

fuzz_target!(|bytes: &[u8]| TARGET(bytes));
