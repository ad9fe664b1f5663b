//! What is stored of an answer beside its body, and the envelope in which both lie in every tier. The
//! envelope has a version; one of another version is as good as none.

use serde::{Deserialize, Serialize};
use wire::UnixMillis;

use crate::date;
use crate::decision_log::LifetimeSource;
use crate::directives::{DirectiveScope, MAX_DELTA_SECONDS, ResponseDirectives, parse_delta_seconds};
use crate::headers::{Headers, members};
use crate::http_head::ResponseHead;

/// A stored answer, without its body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheEntry {
    /// Its status.
    pub status: u16,
    /// Its fields, without those that may not be shared.
    pub headers: Headers,
    /// How old it was when it came (RFC 9111 §4.2.3), in seconds.
    pub initial_age: u64,
    /// When it came.
    pub received: UnixMillis,
    /// The moment of the tag clock before it was asked for.
    #[serde(rename = "stamp")]
    pub purge_seq: u64,
    /// Its tags.
    pub tags: Vec<String>,
    /// What it allows.
    #[serde(rename = "terms")]
    pub freshness: Freshness,
    /// Its ETag is ours and says nothing to the origin.
    pub etag_is_ours: bool,
}

/// How an envelope is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnvelopeHeader {
    head_offset: usize,
    /// Where its body begins.
    pub body_offset: usize,
    body_length: Option<usize>,
}

/// What an answer allows a shared cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freshness {
    /// For how many seconds it is fresh.
    pub lifetime: u64,
    /// Who says so.
    pub source: LifetimeSource,
    /// It may not be used without asking.
    pub never_without_validation: bool,
    /// Once stale, it may not be used without asking, whatever happens.
    pub must_revalidate: bool,
    /// Nobody but the origin itself can allow that it is served stale.
    pub forbids_implied_stale: bool,
    /// What the origin says itself.
    pub stale_while_revalidate: Option<u64>,
    /// What the origin says itself.
    pub stale_if_error: Option<u64>,
}

impl CacheEntry {
    /// How old it is, in seconds (RFC 9111 §4.2.3).
    #[must_use]
    pub fn age(&self, now: UnixMillis) -> u64 {
        let resident = now.0.saturating_sub(self.received.0) / 1000;
        self.initial_age.saturating_add(resident).min(MAX_DELTA_SECONDS)
    }

    /// For how many seconds it is still fresh.
    #[must_use]
    pub fn remaining_lifetime(&self, now: UnixMillis) -> u64 {
        self.freshness.lifetime.saturating_sub(self.age(now))
    }

    /// For how many seconds it has been stale; none while it is fresh. RFC 9111 §4.2: it is fresh while
    /// its lifetime exceeds its age.
    #[must_use]
    pub fn staleness(&self, now: UnixMillis) -> Option<u64> {
        self.age(now).checked_sub(self.freshness.lifetime)
    }

    /// The fields by which the origin can tell whether it still holds.
    pub fn validators(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let etag = self.headers.first("etag").filter(|_| !self.etag_is_ours);
        let modified = self.headers.first("last-modified");
        etag.map(|etag| ("if-none-match", etag))
            .into_iter()
            .chain(modified.map(|modified| ("if-modified-since", modified)))
    }

    /// For how many seconds from now it can be of use at all.
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

    /// Whether it is fresh for so long that KV, which learns of writes late, is worth it.
    #[must_use]
    pub const fn is_for_kv(&self) -> bool {
        self.freshness.lifetime >= MIN_KV_LIFETIME_SECONDS
    }

    /// The envelope's head: what stands before a body of so many bytes.
    #[must_use]
    pub fn encode_head(&self, body: u32) -> Vec<u8> {
        // Writing to memory does not fail; an empty head would be read as no envelope.
        let inner = postcard::to_allocvec(self).unwrap_or_default();
        let mut head = Vec::with_capacity(inner.len() + ENVELOPE_PREFIX_BYTES);
        head.extend_from_slice(MAGIC_V2);
        head.extend_from_slice(&u32::try_from(inner.len()).unwrap_or(u32::MAX).to_be_bytes());
        head.extend_from_slice(&body.to_be_bytes());
        head.extend_from_slice(&inner);
        head
    }

    /// Opens an envelope, with or without its body: what is stored, and where its body begins.
    #[must_use]
    pub fn decode(envelope: &[u8]) -> Option<(Self, usize)> {
        let EnvelopeHeader { head_offset: head, body_offset: start, .. } = EnvelopeHeader::parse(envelope)?;
        let entry = postcard::from_bytes(envelope.get(head..start)?).ok()?;
        Some((entry, start))
    }
}

impl EnvelopeHeader {
    /// Reads the first [`PREFIX`] bytes of an envelope.
    #[must_use]
    pub fn parse(envelope: &[u8]) -> Option<Self> {
        let number = |at: usize| {
            let bytes = envelope.get(at..)?.first_chunk::<4>()?;
            usize::try_from(u32::from_be_bytes(*bytes)).ok()
        };
        let (head, body) = match envelope.first_chunk::<4>()? {
            MAGIC_V2 => (ENVELOPE_PREFIX_BYTES, Some(number(8)?)),
            // Version 1 does not say how long its body is.
            MAGIC_V1 => (8, None),
            _ => return None,
        };
        Some(Self { head_offset: head, body_offset: number(4)?.checked_add(head)?, body_length: body })
    }

    /// Whether an envelope of so many bytes is whole. A tier may give one cut short.
    #[must_use]
    pub fn is_complete(&self, bytes: usize) -> bool {
        match self.body_length {
            Some(body) => self.body_offset.checked_add(body) == Some(bytes),
            None => self.body_offset <= bytes,
        }
    }
}

impl Freshness {
    /// What a response allows by its own words (RFC 9111 §4.2.1).
    pub(crate) fn from_response(response: &ResponseHead, directives: &ResponseDirectives) -> Self {
        let (lifetime, source) = explicit_lifetime(response, directives).unwrap_or((0, LifetimeSource::None));
        Self {
            lifetime,
            source,
            never_without_validation: directives.no_cache == DirectiveScope::WholeResponse,
            must_revalidate: directives.must_revalidate,
            // RFC 9111 §5.2.2.10: s-maxage carries the meaning of proxy-revalidate, unless the origin
            // itself says otherwise beside it.
            forbids_implied_stale: directives.must_revalidate || directives.s_maxage.is_some(),
            stale_while_revalidate: directives.stale_while_revalidate,
            stale_if_error: directives.stale_if_error,
        }
    }
}

/// RFC 9111 §4.2.1, in its order.
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
    // RFC 9111 §5.3: what is no date, such as 0, is in the past. Of several, the earliest.
    let expires = all.map(|text| date::parse(text).unwrap_or(0)).min()?;
    Some((expires.saturating_sub(date_seconds(response)).min(MAX_DELTA_SECONDS), LifetimeSource::Expires))
}

/// When the origin sent it: its Date, or else when it came (RFC 9110 §6.6.1).
pub(crate) fn date_seconds(response: &ResponseHead) -> u64 {
    response.headers.first("date").and_then(date::parse).unwrap_or(response.received.0 / 1000)
}

/// How old a response was when it came (RFC 9111 §4.2.3).
pub(crate) fn initial_age(response: &ResponseHead) -> u64 {
    let received = response.received.0 / 1000;
    let apparent = received.saturating_sub(date_seconds(response));
    // RFC 9111 §5.1: of a list, the first member; what is no number is ignored.
    let age_value =
        response.headers.first("age").and_then(|text| members(text).next()).and_then(parse_delta_seconds);
    let delay = response.received.0.saturating_sub(response.requested.0) / 1000;
    apparent.max(age_value.unwrap_or(0).saturating_add(delay)).min(MAX_DELTA_SECONDS)
}

/// The name of this envelope and its version.
const MAGIC_V2: &[u8; 4] = b"evc2";
/// The one before, which is read as well.
const MAGIC_V1: &[u8; 4] = b"evc1";
/// How many bytes of an envelope tell how long its head and its body are.
pub const ENVELOPE_PREFIX_BYTES: usize = 12;
/// Seconds.
const MIN_KV_LIFETIME_SECONDS: u64 = 300;
/// An hour: what can be validated is worth keeping a while.
const REVALIDATION_RETENTION_SECONDS: u64 = 3600;
/// A minute, below which KV does not go.
const MIN_RETENTION_SECONDS: u64 = 60;
/// Tags are remembered for longer than anything is kept.
pub(crate) const MAX_RETENTION_SECONDS: u64 = 24 * 3600;
