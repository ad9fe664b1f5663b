//! One function for each parser of bytes from outside. Any bytes are parsed or refused without a panic, and what is
//! parsed keeps the promises of its type. The fuzzer (`fuzz/`) and the native test (`tests/corpus.rs`) run the same
//! functions, on the corpora in `corpus/`.

mod cache_targets;
mod codec_targets;
mod document_targets;
mod time;

/// A parser by its name, which is also the folder of its corpus.
pub type FuzzTarget = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[FuzzTarget] = &[
    ("access-tokens", document_targets::access_tokens),
    ("beacon", document_targets::beacon),
    ("browser-headers", document_targets::browser_headers),
    ("budgets", document_targets::budgets),
    ("codecs", codec_targets::codecs),
    ("directives", cache_targets::directives),
    ("edge-config", cache_targets::edge_config),
    ("envelope", cache_targets::envelope),
    ("journal-rows", codec_targets::journal_rows),
    ("lab-upload", document_targets::lab_upload),
    ("live-protocols", document_targets::live_protocols),
    ("origin-health", document_targets::origin_health),
    ("purge", document_targets::purge),
    ("query", document_targets::query),
    ("report", document_targets::report),
    ("request", cache_targets::request),
    ("retry-after", document_targets::retry_after),
    ("server-timing", cache_targets::server_timing),
    ("sitemap", cache_targets::sitemap),
    ("traceparent", document_targets::traceparent),
];

/// Returns the target of a name.
#[must_use]
pub fn target(name: &str) -> Option<fn(&[u8])> {
    TARGETS.iter().find(|(known, _)| *known == name).map(|(_, run)| *run)
}
