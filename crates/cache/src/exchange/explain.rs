//! The explanation of a decision, as JSON for `/api/cache/explain`.

use serde_json::{Value, json};
use wire::UnixMillis;

use super::step::Step;
use super::{Candidate, Exchange};
use crate::headers::Headers;
use crate::origin_limiter::OriginLimiter;
use crate::shared_state::SharedState;

impl<B> Exchange<B> {
    /// Explains the step that the lookup led to.
    #[must_use]
    pub fn explain(&self, step: Step, now: UnixMillis, shared: &SharedState<B>) -> Value {
        let reasons: Vec<String> = self.log.iter().map(ToString::to_string).collect();
        let limit = self.route().and_then(|route| route.limit).map(|limits| {
            let rate = shared.limiter(self.target.route_index).map_or(limits.max_rate, OriginLimiter::rate);
            json!({ "rate": rate, "least": limits.min_rate, "most": limits.max_rate })
        });
        let fields = &self.request.head.headers;
        let is_assumed = |(name, value): &(&str, &str)| BROWSER_FIELDS.contains(&(*name, *value));
        json!({
            "url": self.url(),
            "request": fields.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>(),
            "assumed": fields.iter().filter(is_assumed).map(|(name, _)| name).collect::<Vec<_>>(),
            "route": self.route().map(|route| route.path.as_str()),
            "origin": self.target.origin_url,
            "key": self.target.key,
            "does": step.code(),
            "because": reasons,
            "stored": self.candidate.as_ref().map(|candidate| describe(candidate, now)),
            "limit": limit,
        })
    }
}

/// Adds the fields with which a current browser requests a page, except those of which the caller gives one. The codings
/// are those of the last visitor.
#[must_use]
pub fn complete_as_browser(mut given: Headers, codings: &str) -> Headers {
    let missing: Vec<_> = BROWSER_FIELDS
        .iter()
        .copied()
        .chain([("accept-encoding", codings)])
        .filter(|(name, _)| !given.has(name))
        .collect();
    for (name, value) in missing {
        given.append(name, value);
    }
    given
}

/// The fields of a current browser's request for a page, in English.
const BROWSER_FIELDS: &[(&str, &str)] = &[
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"),
    ("accept-language", "en-US,en;q=0.9"),
    ("sec-fetch-dest", "document"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-site", "none"),
    ("upgrade-insecure-requests", "1"),
];

fn describe<B>(candidate: &Candidate<B>, now: UnixMillis) -> Value {
    let entry = &candidate.found.entry;
    json!({
        "status": entry.status,
        "age": entry.age(now),
        "lifetime": entry.freshness.lifetime,
        "tags": entry.tags,
        "stamp": entry.purge_seq,
        "bytes": candidate.found.body_length,
        "tier": candidate.tier.code(),
    })
}
