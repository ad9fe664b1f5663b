//! The responses of an exchange: from the candidate, from the origin, or an error. Each method returns a
//! head in full and a selection of the body, which the shell holds.

use std::rc::Rc;

use wire::UnixMillis;

use super::Exchange;
use super::step::ExchangeFailure;
use crate::cache_status::{CacheStatusParams, LookupOutcome};
use crate::conditional::{BodyRange, is_not_modified, not_modified_headers, select_range};
use crate::decision_log::DecisionReason;
use crate::headers::Headers;
use crate::memory_cache::MemoryEntry;
use crate::purge::{NEXT_TAGS_FIELD, PURGE_SEQ_FIELD};

/// A response from a stored entry.
#[derive(Debug)]
pub struct StoredResponse<B> {
    /// The entry.
    pub found: Rc<MemoryEntry<B>>,
    /// The status code.
    pub status: u16,
    /// The header fields, but for the three below.
    pub headers: SelectedHeaders,
    /// The part of the body.
    pub body: SelectedBody,
    /// `Age`, in seconds.
    pub age: u64,
    /// `Cache-Status`.
    pub cache_status: String,
    /// `Server-Timing`.
    pub server_timing: String,
}

/// The header fields of a response from a stored entry. The first two depend on the entry alone, so that
/// a shell can keep them with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SelectedHeaders {
    /// [`Exchange::full_headers`].
    Full,
    /// [`Exchange::not_modified_headers`].
    NotModified,
    /// Those of a 206 or a 416.
    Range(Headers),
}

/// The part of a stored body that is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelectedBody {
    /// All of it.
    Full,
    /// From `start` up to, and without, `end`.
    Range {
        /// The first byte.
        start: u32,
        /// The byte after the last.
        end: u32,
    },
    /// No body.
    Empty,
}

/// The head of a response whose body comes from the origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardedHead {
    /// The status code.
    pub status: u16,
    /// The header fields.
    pub headers: Headers,
    /// The length of the body for the statistics.
    pub bytes: ForwardedBytes,
}

/// The length of a body for the statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardedBytes {
    /// The length that the origin declares; 0 if it declares none.
    Declared(u64),
    /// Known once the body is complete.
    Pending,
}

/// An error response with a JSON body (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorResponse {
    /// The status code.
    pub status: u16,
    /// The header fields.
    pub headers: Headers,
    /// The body.
    pub body: String,
}

/// The head of an envelope, for the tiers below memory.
#[derive(Debug)]
pub struct TierWrite<B> {
    /// The bytes before the body.
    pub envelope_head: Vec<u8>,
    /// The entry with its body.
    pub found: Rc<MemoryEntry<B>>,
    /// The number of seconds for which a tier keeps the envelope.
    pub retention_seconds: u64,
    /// Workers KV gets it too.
    pub is_for_kv: bool,
    /// The cache key, under which an envelope tells the fields that the responses vary on.
    pub key: String,
}

impl<B> Exchange<B> {
    /// Returns the response from the candidate; none if there is no candidate.
    pub fn stored_response(&self, now: UnixMillis) -> Option<StoredResponse<B>> {
        let found = Rc::clone(&self.candidate.as_ref()?.found);
        found.record_use();
        let entry = &found.entry;
        let (cache_status, server_timing) = self.explain_headers(now, entry.headers.joined("cache-status"));
        let (mut status, mut body) = (entry.status, SelectedBody::Full);
        let headers = if status == 200 && is_not_modified(&self.request.head.headers, &entry.headers) {
            status = 304;
            SelectedHeaders::NotModified
        } else {
            match self.select_range(&found) {
                BodyRange::Full => SelectedHeaders::Full,
                BodyRange::Bytes { start, end } => {
                    let byte = |at: u64| u32::try_from(at).unwrap_or(u32::MAX);
                    (status, body) = (206, SelectedBody::Range { start: byte(start), end: byte(end) });
                    let range = format!("bytes {start}-{}/{}", end.saturating_sub(1), found.body_length);
                    SelectedHeaders::Range(self.range_headers(entry.headers.clone(), &range))
                }
                BodyRange::Unsatisfiable => {
                    (status, body) = (416, SelectedBody::Empty);
                    let range = format!("bytes */{}", found.body_length);
                    SelectedHeaders::Range(self.range_headers(not_modified_headers(&entry.headers), &range))
                }
            }
        };
        if self.request.head.method == "HEAD" || matches!(status, 204 | 205 | 304) {
            body = SelectedBody::Empty;
        }
        let age = entry.age(now);
        Some(StoredResponse { found, status, headers, body, age, cache_status, server_timing })
    }

    /// Returns the header fields of a stored response as every client gets them.
    #[must_use]
    pub fn full_headers(&self, found: &MemoryEntry<B>) -> Headers {
        self.client_headers(found.entry.headers.clone())
    }

    /// Returns the header fields of a 304 for a stored response as every client gets them.
    #[must_use]
    pub fn not_modified_headers(&self, found: &MemoryEntry<B>) -> Headers {
        self.client_headers(not_modified_headers(&found.entry.headers))
    }

    /// Returns the head of the origin's response as the client gets it: 304 if the client has it already.
    #[must_use]
    pub fn forwarded_head(&self, now: UnixMillis) -> ForwardedHead {
        let Some(response) = &self.origin.response else {
            return ForwardedHead {
                status: 502,
                headers: Headers::new(),
                bytes: ForwardedBytes::Declared(0),
            };
        };
        let is_stored = self.origin.storable.is_some();
        let is_known = is_stored
            && response.status == 200
            && is_not_modified(&self.request.head.headers, &response.headers);
        let source = match is_known {
            true => not_modified_headers(&response.headers),
            false => response.headers.clone(),
        };
        let (length, age) = (source.joined("content-length"), source.joined("age"));
        let (cache_status, server_timing) = self.explain_headers(now, source.joined("cache-status"));
        let mut headers = self.client_headers(source);
        headers.set("cache-status", &cache_status);
        headers.append("server-timing", &server_timing);
        if let Some(age) = age {
            headers.set("age", &age);
        }
        // RFC 9110 §9.3.2: a HEAD has the length of the body that it does not bring.
        if let Some(length) = length.filter(|_| self.request.head.method == "HEAD") {
            headers.set("content-length", &length);
        }
        let declared = response.headers.first("content-length").filter(|_| !is_stored);
        let declared = declared.and_then(|length| length.parse().ok()).unwrap_or(0);
        ForwardedHead {
            status: if is_known { 304 } else { response.status },
            headers,
            bytes: match is_stored && !is_known {
                true => ForwardedBytes::Pending,
                false => ForwardedBytes::Declared(declared),
            },
        }
    }

    /// Returns the error response.
    #[must_use]
    pub fn error_response(&self, now: UnixMillis) -> ErrorResponse {
        let failure = self.failure.unwrap_or(ExchangeFailure::Origin(super::step::OriginError::Unreachable));
        let (cache_status, server_timing) = self.explain_headers(now, None);
        let mut headers = Headers::new();
        headers.append("cache-status", &cache_status);
        headers.append("server-timing", &server_timing);
        if let ExchangeFailure::Limited { retry_after } = failure {
            headers.append("retry-after", &retry_after.to_string());
        }
        ErrorResponse::new(failure.status(), failure.message(), headers)
    }

    /// Returns what the tiers below memory get; none unless the candidate is new.
    #[must_use]
    pub fn tier_write(&self) -> Option<TierWrite<B>> {
        let candidate = self.candidate.as_ref().filter(|candidate| candidate.is_new)?;
        let found = Rc::clone(&candidate.found);
        let policy = &self.target.policy;
        let stale_seconds = policy.stale_while_revalidate.max(policy.stale_if_error);
        Some(TierWrite {
            envelope_head: found.entry.encode_head(found.body_length),
            retention_seconds: found.entry.retention_seconds(stale_seconds),
            is_for_kv: found.entry.is_for_kv(),
            key: self.target.key.clone().unwrap_or_default(),
            found,
        })
    }

    /// Returns the parameters of `Cache-Status`.
    pub(super) fn cache_status_params(&self, now: UnixMillis) -> CacheStatusParams<'static> {
        let is_served = match self.outcome {
            LookupOutcome::Hit | LookupOutcome::Stale | LookupOutcome::Revalidated => true,
            LookupOutcome::Miss(_) | LookupOutcome::Bypass => false,
        };
        let entry = self.candidate.as_ref().filter(|_| is_served).map(|candidate| &candidate.found.entry);
        CacheStatusParams {
            ttl: entry.map(|entry| {
                let seconds = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
                seconds(entry.remaining_lifetime(now))
                    .saturating_sub(seconds(entry.staleness(now).unwrap_or(0)))
            }),
            fwd_status: self.origin.response.as_ref().map(|response| response.status),
            stored: self.origin.storable.is_some(),
            collapsed: self.is_collapsed,
            detail: self.detail(),
        }
    }

    fn detail(&self) -> Option<&'static str> {
        match (self.outcome, &self.candidate) {
            (LookupOutcome::Hit | LookupOutcome::Stale, Some(candidate)) => match candidate.replaces_error {
                true => Some("stale-if-error"),
                false => Some(candidate.tier.code()),
            },
            _ => self.failure.and_then(ExchangeFailure::code).or_else(|| {
                let last = self.log.last().map(DecisionReason::code);
                last.filter(|code| *code != DecisionReason::Stored.code())
            }),
        }
    }

    /// Returns `Cache-Status` and `Server-Timing`.
    fn explain_headers(&self, now: UnixMillis, earlier: Option<String>) -> (String, String) {
        let member = self.outcome.to_list_member(&self.cache_status_params(now));
        let cache_status = match earlier {
            Some(earlier) => format!("{earlier}, {member}"),
            None => member,
        };
        let duration_ms = now.0.saturating_sub(self.request.started_at.0);
        let mut timing = format!("edge;desc={};dur={duration_ms}", self.outcome.as_str());
        if let Some(duration_ms) = self.origin.duration_ms {
            timing.push_str(&format!(", origin;dur={duration_ms}"));
        }
        // Each response has its own: nothing of it is stored.
        if let Some(token) = &self.request.page_token {
            timing.push_str(&format!(", evidence;desc={token}"));
        }
        (cache_status, timing)
    }

    fn select_range(&self, found: &MemoryEntry<B>) -> BodyRange {
        match found.entry.status == 200 && self.request.head.method == "GET" {
            true => select_range(&self.request.head.headers, &found.entry.headers, found.body_length.into()),
            false => BodyRange::Full,
        }
    }

    fn range_headers(&self, headers: Headers, content_range: &str) -> Headers {
        let mut headers = self.client_headers(headers);
        headers.set("content-range", content_range);
        headers
    }

    /// Removes the fields that are for caches, and applies the route's security headers.
    fn client_headers(&self, mut headers: Headers) -> Headers {
        headers.remove_hop_by_hop();
        for name in INTERNAL_HEADERS {
            headers.remove(name);
        }
        if let Some(route) = self.route() {
            route.security_headers.apply(&mut headers, &self.request.scheme);
        }
        headers
    }
}

impl ErrorResponse {
    /// Adds a JSON body and its fields.
    #[must_use]
    pub fn new(status: u16, detail: &str, mut headers: Headers) -> Self {
        headers.append("content-type", "application/problem+json");
        headers.append("cache-control", "no-store");
        headers.append("x-content-type-options", "nosniff");
        let body = serde_json::json!({ "status": status, "detail": detail }).to_string();
        Self { status, headers, body }
    }
}

const INTERNAL_HEADERS: [&str; 6] =
    ["cache-tag", "surrogate-key", NEXT_TAGS_FIELD, PURGE_SEQ_FIELD, "age", "content-length"];
