//! Revalidation: the effect of a 304 response on a stored response (RFC 9111 §4.3.3, §4.3.4).

use crate::decision_log::DecisionLog;
use crate::entry::CacheEntry;
use crate::headers::Headers;
use crate::http_head::{RequestHead, ResponseHead};
use crate::policy::RoutePolicy;
use crate::storage_policy::storable_entry;

/// The outcome of a revalidation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RevalidationOutcome {
    /// The stored response is valid, with the updated header fields.
    Updated(Box<CacheEntry>),
    /// The stored response is valid for this request only. Its updated header fields forbid storing it.
    UseOnce(Box<CacheEntry>),
    /// The 304 is about another representation. Fetch the response unconditionally.
    Mismatch,
}

/// Updates a stored response by a 304 to a conditional request.
#[must_use]
pub fn apply_not_modified(
    entry: &CacheEntry,
    request: &RequestHead,
    not_modified: &ResponseHead,
    policy: &RoutePolicy,
    purge_seq: u64,
    log: &mut DecisionLog,
) -> RevalidationOutcome {
    // RFC 9111 §4.3.4: a strong entity tag identifies the stored response to update.
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
            // A 304 without cache tags leaves the stored ones valid.
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

/// Updates stored header fields (RFC 9111 §3.2): each field of the 304 replaces those of its name, except for
/// the fields that describe the body.
fn merge_headers(entry: &CacheEntry, update: &Headers) -> Headers {
    let mut update = update.clone();
    update.remove_hop_by_hop();
    update.retain(|name| !BODY_HEADERS.contains(&name));
    let mut merged = entry.headers.clone();
    // Age and Date of the stored response do not apply to the 304.
    merged.remove("age");
    if !update.has("date") {
        merged.remove("date");
    }
    let replaced = update.names();
    merged.retain(|name| !replaced.contains(name));
    for (name, value) in update.iter() {
        merged.append(name, value);
    }
    merged
}

const BODY_HEADERS: &[&str] =
    &["content-length", "content-encoding", "content-range", "content-type", "etag"];
