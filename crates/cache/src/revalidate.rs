//! What a 304 of the origin makes of what is stored (RFC 9111 §4.3.3 and §4.3.4).

use crate::decision_log::DecisionLog;
use crate::entry::CacheEntry;
use crate::headers::Headers;
use crate::http_head::{RequestHead, ResponseHead};
use crate::policy::RoutePolicy;
use crate::storage_policy::storable_entry;

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RevalidationOutcome {
    /// What is stored holds, with the fields that the origin sent.
    Updated(Box<CacheEntry>),
    /// It holds for this request, and may not be kept any longer.
    UseOnce(Box<CacheEntry>),
    /// The origin speaks of something else than what is stored: it must be fetched whole.
    Mismatch,
}

/// Brings what is stored up to date by a 304 to a request that asked about it.
#[must_use]
pub fn apply_not_modified(
    entry: &CacheEntry,
    request: &RequestHead,
    not_modified: &ResponseHead,
    policy: &RoutePolicy,
    purge_seq: u64,
    log: &mut DecisionLog,
) -> RevalidationOutcome {
    // RFC 9111 §4.3.4: a strong tag names what it is about.
    let own = entry.headers.first("etag").filter(|_| !entry.etag_is_ours);
    let is_other = |tag: &str| !tag.starts_with("W/") && own.is_some_and(|own| own != tag);
    if not_modified.headers.first("etag").is_some_and(is_other) {
        return RevalidationOutcome::Mismatch;
    }
    let response = ResponseHead {
        status: entry.status,
        headers: merge_headers(entry, &not_modified.headers),
        requested: not_modified.requested,
        received: not_modified.received,
    };
    let mut storage_log = DecisionLog::new();
    match storable_entry(request, &response, policy, purge_seq, &mut storage_log) {
        Some(mut fresh) => {
            fresh.etag_is_ours = entry.etag_is_ours;
            // An origin tags its whole answers; one that does not repeat the tags does not revoke them.
            if fresh.tags.is_empty() {
                fresh.tags.clone_from(&entry.tags);
            }
            for reason in storage_log.iter() {
                log.record(reason.clone());
            }
            RevalidationOutcome::Updated(Box::new(fresh))
        }
        None => {
            if let Some(reason) = storage_log.last() {
                log.record(reason.clone());
            }
            let headers = { response.headers };
            RevalidationOutcome::UseOnce(Box::new(CacheEntry {
                headers,
                received: not_modified.received,
                initial_age: 0,
                ..entry.clone()
            }))
        }
    }
}

/// RFC 9111 §3.2: every field of the new answer replaces those of its name, but for those that are
/// about the body that was not sent.
fn merge_headers(entry: &CacheEntry, update: &Headers) -> Headers {
    let mut update = update.clone();
    update.remove_hop_by_hop();
    update.retain(|name| !BODY_HEADERS.contains(&name));
    let mut merged = entry.headers.clone();
    // What was added to what is stored says nothing of this answer.
    merged.remove("age");
    if !update.has("date") {
        merged.remove("date");
    }
    merged.retain(|name| !update.has(name));
    for (name, value) in update.iter() {
        merged.append(name, value);
    }
    merged
}

const BODY_HEADERS: &[&str] =
    &["content-length", "content-encoding", "content-range", "content-type", "etag"];
