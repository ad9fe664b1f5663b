//! Stored responses, and the envelope in which every tier holds a response with its body. Envelopes of an
//! unsupported version are ignored.

use serde::{Deserialize, Serialize};
use wire::UnixMillis;

use crate::date;
use crate::decision_log::LifetimeSource;
use crate::directives::{DirectiveScope, MAX_DELTA_SECONDS, ResponseDirectives, parse_delta_seconds};
use crate::headers::{Headers, members};
use crate::http_head::ResponseHead;

/// A stored response without its body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheEntry {
    /// The status code.
    pub status: u16,
    /// The header fields, without those that must not be shared.
    pub headers: Headers,
    /// The age on arrival in seconds (`corrected_initial_age`, RFC 9111 §4.2.3).
    pub initial_age: u64,
    /// The time of arrival.
    pub received: UnixMillis,
    /// The purge count just before the origin was requested.
    #[serde(rename = "stamp")]
    pub purge_seq: u64,
    /// The cache tags.
    pub tags: Vec<String>,
    /// The freshness data.
    #[serde(rename = "terms")]
    pub freshness: Freshness,
    /// The cache made the ETag, so that the origin does not know it.
    pub etag_is_ours: bool,
}

/// The layout of an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnvelopeHeader {
    head_offset: usize,
    /// The offset of the body in bytes.
    pub body_offset: usize,
    body_length: Option<usize>,
}

/// The freshness data of a response, for a shared cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freshness {
    /// The freshness lifetime in seconds (RFC 9111 §4.2.1).
    pub lifetime: u64,
    /// The source of the lifetime.
    pub source: LifetimeSource,
    /// `no-cache`: every use needs validation (RFC 9111 §5.2.2.4).
    pub never_without_validation: bool,
    /// `must-revalidate` or `proxy-revalidate`: once stale, every use needs validation (RFC 9111 §5.2.2.2).
    pub must_revalidate: bool,
    /// Only the origin's own directives can allow serving the response stale.
    pub forbids_implied_stale: bool,
    /// The origin's `stale-while-revalidate`, in seconds (RFC 5861 §3).
    pub stale_while_revalidate: Option<u64>,
    /// The origin's `stale-if-error`, in seconds (RFC 5861 §4).
    pub stale_if_error: Option<u64>,
}

impl CacheEntry {
    /// Returns the age in seconds (RFC 9111 §4.2.3).
    #[must_use]
    pub fn age(&self, now: UnixMillis) -> u64 {
        let resident = now.0.saturating_sub(self.received.0) / 1000;
        self.initial_age.saturating_add(resident).min(MAX_DELTA_SECONDS)
    }

    /// Returns the number of seconds for which the response is still fresh.
    #[must_use]
    pub fn remaining_lifetime(&self, now: UnixMillis) -> u64 {
        self.freshness.lifetime.saturating_sub(self.age(now))
    }

    /// Returns the number of seconds since the response went stale; none while it is fresh, that is while
    /// its lifetime exceeds its age (RFC 9111 §4.2).
    #[must_use]
    pub fn staleness(&self, now: UnixMillis) -> Option<u64> {
        self.age(now).checked_sub(self.freshness.lifetime)
    }

    /// Returns the conditional request fields that validate the response (RFC 9111 §4.3.1).
    pub fn validators(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let etag = self.headers.first("etag").filter(|_| !self.etag_is_ours);
        let modified = self.headers.first("last-modified");
        etag.map(|etag| ("if-none-match", etag))
            .into_iter()
            .chain(modified.map(|modified| ("if-modified-since", modified)))
    }

    /// Returns the number of seconds after arrival for which a tier keeps the response.
    #[must_use]
    pub fn retention_seconds(&self, stale_seconds: u64) -> u64 {
        let stale = self
            .freshness
            .stale_while_revalidate
            .max(self.freshness.stale_if_error)
            .unwrap_or(0)
            .max(stale_seconds);
        let validating = if self.validators().next().is_some() { REVALIDATION_RETENTION_SECONDS } else { 0 };
        let lifetime = self.freshness.lifetime.saturating_sub(self.initial_age);
        lifetime.saturating_add(stale.max(validating)).clamp(MIN_RETENTION_SECONDS, MAX_RETENTION_SECONDS)
    }

    /// Returns true if the lifetime is long enough for Workers KV, where writes take time to propagate.
    #[must_use]
    pub const fn is_for_kv(&self) -> bool {
        self.freshness.lifetime >= MIN_KV_LIFETIME_SECONDS
    }

    /// Returns the part of the envelope that precedes a body of this length.
    #[must_use]
    pub fn encode_head(&self, body: u32) -> Vec<u8> {
        // Serialization to memory does not fail. An empty head would not decode.
        let inner = postcard::to_allocvec(self).unwrap_or_default();
        let mut head = Vec::with_capacity(inner.len() + ENVELOPE_PREFIX_BYTES);
        head.extend_from_slice(MAGIC_V2);
        head.extend_from_slice(&u32::try_from(inner.len()).unwrap_or(u32::MAX).to_be_bytes());
        head.extend_from_slice(&body.to_be_bytes());
        head.extend_from_slice(&inner);
        head
    }

    /// Decodes an envelope, with or without its body. Returns the entry and the offset of the body.
    #[must_use]
    pub fn decode(envelope: &[u8]) -> Option<(Self, usize)> {
        let EnvelopeHeader { head_offset: head, body_offset: start, .. } = EnvelopeHeader::parse(envelope)?;
        let entry = postcard::from_bytes(envelope.get(head..start)?).ok()?;
        Some((entry, start))
    }
}

impl EnvelopeHeader {
    /// Parses the first [`ENVELOPE_PREFIX_BYTES`] of an envelope.
    #[must_use]
    pub fn parse(envelope: &[u8]) -> Option<Self> {
        let number = |at: usize| {
            let bytes = envelope.get(at..)?.first_chunk::<4>()?;
            usize::try_from(u32::from_be_bytes(*bytes)).ok()
        };
        let (head, body) = match envelope.first_chunk::<4>()? {
            MAGIC_V2 => (ENVELOPE_PREFIX_BYTES, Some(number(8)?)),
            // Version 1 does not contain the length of the body.
            MAGIC_V1 => (8, None),
            _ => return None,
        };
        Some(Self { head_offset: head, body_offset: number(4)?.checked_add(head)?, body_length: body })
    }

    /// Returns true if an envelope of this length is complete. A tier may return a truncated one.
    #[must_use]
    pub fn is_complete(&self, bytes: usize) -> bool {
        match self.body_length {
            Some(body) => self.body_offset.checked_add(body) == Some(bytes),
            None => self.body_offset <= bytes,
        }
    }
}

impl Freshness {
    /// Returns the freshness data that the response itself states (RFC 9111 §4.2.1).
    pub(crate) fn from_response(response: &ResponseHead, directives: &ResponseDirectives) -> Self {
        let (lifetime, source) = explicit_lifetime(response, directives).unwrap_or((0, LifetimeSource::None));
        Self {
            lifetime,
            source,
            never_without_validation: directives.no_cache == DirectiveScope::WholeResponse,
            must_revalidate: directives.must_revalidate,
            // RFC 9111 §5.2.2.10: s-maxage implies proxy-revalidate. Explicit stale-* directives beside it
            // still apply.
            forbids_implied_stale: directives.must_revalidate || directives.s_maxage.is_some(),
            stale_while_revalidate: directives.stale_while_revalidate,
            stale_if_error: directives.stale_if_error,
        }
    }
}

/// Returns the explicit lifetime and its source, in the order of RFC 9111 §4.2.1.
fn explicit_lifetime(
    response: &ResponseHead,
    directives: &ResponseDirectives,
) -> Option<(u64, LifetimeSource)> {
    let own = |source| if directives.targeted { LifetimeSource::Targeted } else { source };
    if let Some(lifetime) = directives.s_maxage {
        return Some((lifetime, own(LifetimeSource::SMaxage)));
    }
    if let Some(lifetime) = directives.max_age {
        return Some((lifetime, own(LifetimeSource::MaxAge)));
    }
    if directives.targeted {
        return None;
    }
    let mut all = response.headers.get_all("expires").peekable();
    all.peek()?;
    // RFC 9111 §5.3: an invalid date, such as 0, is in the past. Of several, the earliest applies.
    let expires = all.map(|text| date::parse(text).unwrap_or(0)).min()?;
    Some((expires.saturating_sub(date_seconds(response)).min(MAX_DELTA_SECONDS), LifetimeSource::Expires))
}

/// Returns the Date of the response, or else the time of its arrival (RFC 9110 §6.6.1).
pub(crate) fn date_seconds(response: &ResponseHead) -> u64 {
    response.headers.first("date").and_then(date::parse).unwrap_or(response.received.0 / 1000)
}

/// Returns the age on arrival in seconds (`corrected_initial_age`, RFC 9111 §4.2.3).
pub(crate) fn initial_age(response: &ResponseHead) -> u64 {
    let received = response.received.0 / 1000;
    let apparent = received.saturating_sub(date_seconds(response));
    // RFC 9111 §5.1: the first member of a list applies; an invalid value is ignored.
    let age_value =
        response.headers.first("age").and_then(|text| members(text).next()).and_then(parse_delta_seconds);
    let delay = response.received.0.saturating_sub(response.requested.0) / 1000;
    apparent.max(age_value.unwrap_or(0).saturating_add(delay)).min(MAX_DELTA_SECONDS)
}

/// The magic bytes of the current version.
const MAGIC_V2: &[u8; 4] = b"evc2";
/// The magic bytes of version 1, which is still decoded.
const MAGIC_V1: &[u8; 4] = b"evc1";
/// The magic bytes and the lengths of the head and the body.
pub const ENVELOPE_PREFIX_BYTES: usize = 12;
const MIN_KV_LIFETIME_SECONDS: u64 = 300;
/// Stale responses with a validator are kept for an hour, because validating is cheaper than fetching.
const REVALIDATION_RETENTION_SECONDS: u64 = 3600;
/// The shortest expiration that Workers KV accepts.
const MIN_RETENTION_SECONDS: u64 = 60;
/// Purge versions are retained for longer than this.
pub(crate) const MAX_RETENTION_SECONDS: u64 = 24 * 3600;
