//! Any bytes are parsed or rejected without a panic, and every parsed value is in its range.
//!
//! `cargo +nightly fuzz run beacon fuzz/corpus/beacon tests/v1` in `crates/wire`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::{ApiError, Beacon};

fuzz_target!(|bytes: &[u8]| match Beacon::parse(bytes) {
    Ok(beacon) => {
        assert!(beacon.values.iter().all(|(_, value)| value <= 600_000));
        assert!(beacon.seq < 32 && beacon.dimensions.len() <= 5 && beacon.path.starts_with('/'));
    }
    Err(error) => {
        assert!(matches!(error.status(), 400 | 413 | 422));
        assert!(error.problem_json().len() < 1024 && ApiError::field(&error).is_none_or(|field| !field.is_empty()));
    }
});
