//! An exchange: one request's way through the cache, as a state machine without I/O. A shell reports an
//! [`ExchangeEvent`] with the current time and the isolate's [`SharedState`], and performs the [`Step`]
//! that comes back. The entry, its purge status and the policy decide; see `lookup_policy`,
//! `storage_policy` and `revalidate`. What clients get is made in `exchange::response`.

pub(crate) mod explain;
pub(crate) mod injection;
pub(crate) mod invalidation;
pub(crate) mod origin;
pub(crate) mod record;
pub(crate) mod response;
pub(crate) mod start;
pub(crate) mod step;

use std::rc::Rc;

use wire::UnixMillis;

use self::step::{ExchangeEvent, ExchangeFailure, OriginRequestMark, Step, Tier};
use crate::cache_status::{LookupOutcome, MissReason};
use crate::decision_log::{DecisionLog, DecisionReason};
use crate::entry::CacheEntry;
use crate::http_head::{RequestHead, ResponseHead};
use crate::lookup_policy::{ConditionalHeaders, LookupCandidate, LookupPlan, plan_lookup};
use crate::memory_cache::MemoryEntry;
use crate::purge::PurgeStatus;
use crate::request::RequestTarget;
use crate::route::CacheRoute;
use crate::routes::CacheConfig;
use crate::shared_state::SharedState;
use crate::vary::{self, variant_key};

/// One request's way through the cache. `B` is the shell's handle of a body.
#[derive(Debug)]
pub struct Exchange<B> {
    config: Rc<CacheConfig>,
    target: RequestTarget,
    request: ClientRequest,
    log: DecisionLog,
    outcome: LookupOutcome,
    candidate: Option<Candidate<B>>,
    /// The conditions of a request to the origin about the candidate.
    revalidation: Revalidation,
    origin: OriginContact,
    failure: Option<ExchangeFailure>,
    /// The response comes from another request's fetch.
    is_collapsed: bool,
    prefetches: Vec<String>,
}

/// The client's side of an exchange.
#[derive(Debug)]
struct ClientRequest {
    scheme: String,
    host: String,
    path: String,
    head: RequestHead,
    traceparent: Option<String>,
    page_token: Option<String>,
    started_at: UnixMillis,
}

/// The entry that may answer the request.
#[derive(Debug)]
struct Candidate<B> {
    found: Rc<MemoryEntry<B>>,
    tier: Tier,
    /// It stands in for an error of the origin.
    replaces_error: bool,
    /// The tiers below memory do not have it yet.
    is_new: bool,
}

#[derive(Debug, Default)]
struct Revalidation {
    conditions: ConditionalHeaders,
    stale_on_error: bool,
}

/// The requests to the origin and their result.
#[derive(Debug, Default)]
struct OriginContact {
    request: Option<OriginRequestMark>,
    duration_ms: Option<u64>,
    /// The client's fields of content negotiation that the request has, and those that it lacks.
    forwarded: Vec<String>,
    withheld: Vec<String>,
    /// The request was repeated with other fields.
    is_repeated: bool,
    response: Option<ResponseHead>,
    /// The entry that the response becomes once its body is complete.
    storable: Option<CacheEntry>,
    /// The limiter waits for the result.
    is_admitted: bool,
}

impl<B: Clone> Exchange<B> {
    /// Advances the exchange by one event.
    pub fn handle(&mut self, event: ExchangeEvent<B>, now: UnixMillis, shared: &mut SharedState<B>) -> Step {
        match event {
            ExchangeEvent::Started => self.start(now, shared),
            ExchangeEvent::TierEntryFound { tier, entry, body, body_length } => {
                self.find_in_tier(tier, *entry, (body, body_length), now, shared)
            }
            // Another request's fill may have landed in memory while the tiers were asked.
            ExchangeEvent::TiersExhausted => {
                self.candidate = self.find_in_memory(shared);
                self.decide(now, shared)
            }
            ExchangeEvent::FillLanded => self.join_fill(now, shared),
            ExchangeEvent::OriginNeeded => self.admit(now, shared),
            ExchangeEvent::OriginResponded { status, headers } => self.receive(status, headers, now, shared),
            ExchangeEvent::OriginFailed(error) => self.lose_origin(error, now, shared),
            ExchangeEvent::BodyComplete { body, body_length, etag } => {
                self.complete_body((body, body_length), etag, now, shared)
            }
            ExchangeEvent::BodyAborted => self.abort_body(now, shared),
        }
    }

    /// Tries to serve from memory alone. Returns false, and leaves no trace, if anything else has to be
    /// done first.
    pub fn try_memory(&mut self, now: UnixMillis, shared: &mut SharedState<B>) -> bool {
        if self.target.key.is_none() || self.needs_purge_sync(now, shared) {
            return false;
        }
        self.candidate = self.find_in_memory(shared);
        if self.candidate.is_none() {
            return false;
        }
        let decisions = self.log.len();
        let is_served = self.decide(now, shared) == Step::Serve;
        if !is_served {
            self.log.truncate(decisions);
        }
        is_served
    }

    /// Gives back what the limiter granted, when the exchange ends before the origin responded.
    pub fn abandon(&mut self, shared: &mut SharedState<B>) {
        if std::mem::take(&mut self.origin.is_admitted)
            && let Some(limiter) = shared.limiter_mut(self.target.route_index)
        {
            limiter.abandon();
        }
    }

    fn start(&mut self, now: UnixMillis, shared: &mut SharedState<B>) -> Step {
        if self.target.key.is_none() {
            return Step::Pass;
        }
        self.candidate = self.find_in_memory(shared);
        match self.candidate {
            Some(_) => self.decide(now, shared),
            None => Step::Lookup,
        }
    }

    fn find_in_memory(&self, shared: &mut SharedState<B>) -> Option<Candidate<B>> {
        let key = self.target.key.as_deref()?;
        let found = shared.memory.get(key, &self.target.negotiation)?;
        Some(Candidate { found, tier: Tier::Memory, replaces_error: false, is_new: false })
    }

    fn find_in_tier(
        &mut self,
        tier: Tier,
        entry: CacheEntry,
        body: (B, u32),
        now: UnixMillis,
        shared: &mut SharedState<B>,
    ) -> Step {
        // The route may have changed since the entry was stored.
        let names = self.vary_fields(&entry).filter(|_| self.target.policy.permits(&entry));
        let Some(names) = names else { return Step::Lookup };
        let key = self.target.key.clone().unwrap_or_default();
        let storage_key = format!("{key}{}", variant_key(&names, &self.target.negotiation));
        if storage_key != self.storage_key(shared) {
            // The envelope under the plain key tells the fields on which the responses vary.
            shared.memory.set_vary_fields(&key, names);
            return Step::Lookup;
        }
        let found = self.remember(entry, names, body, shared);
        self.candidate = Some(Candidate { found, tier, replaces_error: false, is_new: false });
        self.decide(now, shared)
    }

    fn join_fill(&mut self, now: UnixMillis, shared: &mut SharedState<B>) -> Step {
        self.candidate = self.find_in_memory(shared);
        match self.decide(now, shared) {
            // RFC 9211 §2.2: the origin was asked, together with other requests.
            Step::Serve | Step::ServeThenRevalidate => {
                self.outcome = LookupOutcome::Miss(MissReason::Uri);
                self.is_collapsed = true;
                Step::Serve
            }
            step => step,
        }
    }

    /// Applies the lookup policy to the candidate.
    fn decide(&mut self, now: UnixMillis, shared: &mut SharedState<B>) -> Step {
        let found = self.candidate.as_ref().map(|candidate| Rc::clone(&candidate.found));
        let candidate = found.as_ref().map(|found| LookupCandidate {
            entry: &found.entry,
            purge_status: self.purge_status(&found.entry, now, shared),
            is_hot: found.is_hot(),
        });
        let plan = plan_lookup(candidate, &self.request.head, &self.target.policy, now, &mut self.log);
        self.outcome = self.lookup_outcome(&plan, candidate, now, shared);
        let (step, revalidation) = match plan {
            LookupPlan::Serve => (Step::Serve, Revalidation::default()),
            LookupPlan::ServeThenRevalidate(conditions) => {
                (Step::ServeThenRevalidate, Revalidation { conditions, stale_on_error: false })
            }
            LookupPlan::Revalidate { conditions, stale_on_error } => {
                (Step::Fetch, Revalidation { conditions, stale_on_error })
            }
            LookupPlan::Fetch { stale_on_error } => {
                (Step::Fetch, Revalidation { conditions: Vec::new(), stale_on_error })
            }
            LookupPlan::GatewayTimeout => {
                self.failure = Some(ExchangeFailure::OnlyIfCached);
                return Step::Refuse;
            }
        };
        self.revalidation = revalidation;
        if step == Step::Fetch && self.must_pass() { Step::Pass } else { step }
    }

    /// Returns true if the origin alone can respond: a part cannot be stored, and a HEAD brings no body.
    fn must_pass(&mut self) -> bool {
        let head = &self.request.head;
        let has_range = head.headers.has("range") && self.candidate.is_none();
        if head.method == "GET" && has_range {
            self.log.record(DecisionReason::HasRange);
        }
        head.method == "HEAD" || has_range
    }

    fn lookup_outcome(
        &self,
        plan: &LookupPlan,
        candidate: Option<LookupCandidate<'_>>,
        now: UnixMillis,
        shared: &mut SharedState<B>,
    ) -> LookupOutcome {
        let is_purged = candidate.is_some_and(|found| found.purge_status == PurgeStatus::HardPurged);
        let is_stale = candidate.is_some_and(|found| {
            found.entry.staleness(now).is_some() || found.purge_status == PurgeStatus::SoftPurged
        });
        match plan {
            LookupPlan::Serve | LookupPlan::ServeThenRevalidate(_) if is_stale => LookupOutcome::Stale,
            LookupPlan::Serve | LookupPlan::ServeThenRevalidate(_) => LookupOutcome::Hit,
            LookupPlan::Revalidate { .. } if is_stale => LookupOutcome::Revalidated,
            LookupPlan::Revalidate { .. } => LookupOutcome::Miss(MissReason::Request),
            LookupPlan::Fetch { .. } | LookupPlan::GatewayTimeout if candidate.is_none() || is_purged => {
                LookupOutcome::Miss(self.miss_reason(shared))
            }
            LookupPlan::Fetch { .. } | LookupPlan::GatewayTimeout => LookupOutcome::Miss(MissReason::Stale),
        }
    }

    fn miss_reason(&self, shared: &mut SharedState<B>) -> MissReason {
        let names = self.target.key.as_deref().and_then(|key| shared.memory.vary_fields(key));
        if names.is_some_and(|names| !names.is_empty()) { MissReason::Vary } else { MissReason::Uri }
    }

    fn complete_body(
        &mut self,
        body: (B, u32),
        etag: Option<String>,
        now: UnixMillis,
        shared: &mut SharedState<B>,
    ) -> Step {
        if self.declared_length().is_some_and(|declared| declared != body.1) {
            return self.abort_body(now, shared);
        }
        let Some(mut entry) = self.origin.storable.take() else { return Step::Done };
        if let Some(etag) = etag {
            entry.headers.set("etag", &etag);
            entry.etag_is_ours = true;
        }
        let Some(names) = self.vary_fields(&entry) else { return Step::Done };
        let found = self.remember(entry, names, body, shared);
        self.candidate = Some(Candidate { found, tier: Tier::Memory, replaces_error: false, is_new: true });
        Step::WriteTiers
    }

    fn abort_body(&mut self, now: UnixMillis, shared: &mut SharedState<B>) -> Step {
        self.origin.storable = None;
        if let Some(key) = &self.target.key {
            shared.memory.mark_uncacheable(key, now);
        }
        Step::Done
    }

    /// Stores an entry in memory under the cache key and its variant.
    fn remember(
        &self,
        entry: CacheEntry,
        names: Vec<String>,
        (body, body_length): (B, u32),
        shared: &mut SharedState<B>,
    ) -> Rc<MemoryEntry<B>> {
        let key = self.target.key.clone().unwrap_or_default();
        let storage_key = format!("{key}{}", variant_key(&names, &self.target.negotiation));
        let found = Rc::new(MemoryEntry::new(entry, body, body_length, self.url()));
        shared.memory.set_vary_fields(&key, names);
        shared.memory.insert(storage_key, Rc::clone(&found));
        found
    }
}

impl<B> Exchange<B> {
    /// Returns true if the known purges are older than the lease, and matter for this request.
    #[must_use]
    pub fn needs_purge_sync(&self, now: UnixMillis, shared: &SharedState<B>) -> bool {
        self.target.key.is_some() && !shared.purge_view.is_current(now, self.config.lease_ms)
    }

    /// Returns the cache key followed by the variant, under which every tier has the entry.
    pub fn storage_key(&self, shared: &mut SharedState<B>) -> String {
        let key = self.target.key.as_deref().unwrap_or_default();
        shared.memory.storage_key(key, &self.target.negotiation)
    }

    /// Returns the key under which concurrent fetches are collapsed into one; none if requests need not
    /// wait for each other.
    pub fn fill_key(&self, now: UnixMillis, shared: &mut SharedState<B>) -> Option<String> {
        let key = self.target.key.as_deref()?;
        (!shared.memory.is_uncacheable(key, now)).then(|| self.storage_key(shared))
    }

    /// Returns true if memory has the response, which it refuses if it is too large.
    pub fn is_in_memory(&self, shared: &mut SharedState<B>) -> bool {
        let headers = &self.target.negotiation;
        self.target.key.as_deref().is_some_and(|key| shared.memory.get(key, headers).is_some())
    }

    /// Returns true if a complete body of this length is to get an entity tag, because the origin gave none.
    #[must_use]
    pub fn needs_etag(&self, body_length: u32) -> bool {
        let is_whole = self.declared_length().is_none_or(|declared| declared == body_length);
        let has_no_etag = self
            .origin
            .storable
            .as_ref()
            .is_some_and(|entry| entry.status == 200 && !entry.headers.has("etag"));
        is_whole && has_no_etag && body_length <= MAX_HASHED_BODY_BYTES
    }

    /// Returns the configuration.
    #[must_use]
    pub fn config(&self) -> &CacheConfig {
        &self.config
    }

    /// Returns the index of the route.
    #[must_use]
    pub const fn route_index(&self) -> usize {
        self.target.route_index
    }

    /// Returns the route.
    #[must_use]
    pub fn route(&self) -> Option<&CacheRoute> {
        self.config.routes.get(self.target.route_index)
    }

    /// Returns the host that the client requests.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.request.host
    }

    fn url(&self) -> String {
        format!("{}://{}", self.request.scheme, self.target.purge_url)
    }

    fn purge_status(&self, entry: &CacheEntry, now: UnixMillis, shared: &SharedState<B>) -> PurgeStatus {
        let lease_ms = self.config.lease_ms;
        if shared.writes.is_written_since(&self.target.purge_url, entry.received) {
            return PurgeStatus::HardPurged;
        }
        shared.purge_view.purge_status(entry.purge_seq, &entry.tags, &self.target.purge_url, now, lease_ms)
    }

    /// Returns the fields outside the key on which a response varies; none if it cannot be shared.
    fn vary_fields(&self, entry: &CacheEntry) -> Option<Vec<String>> {
        let policy = &self.target.policy;
        let mut names = vary::names(&entry.headers, &policy.vary).ok()?;
        names.retain(|name| !policy.keyed.contains(name));
        Some(names)
    }

    /// Returns the length that the origin declares for the body.
    fn declared_length(&self) -> Option<u32> {
        self.origin.response.as_ref()?.headers.first("content-length")?.parse().ok()
    }
}

const MAX_HASHED_BODY_BYTES: u32 = 1 << 20;
