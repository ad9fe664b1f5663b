//! The explanation of a decision, as JSON for `/api/cache/explain`.

use serde_json::{Value, json};
use wire::UnixMillis;

use super::step::Step;
use super::{Candidate, Exchange};
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
        json!({
            "url": self.url(),
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
