//! The shared cache: RFC 9111 with RFC 9213, RFC 5861 and RFC 9211, purges by tag, and the routes of a
//! site. Nothing in here does I/O or reads a clock: a shell reports events to an [`Exchange`] and performs
//! the steps that come back. Each decision records its reasons in a [`DecisionLog`], so that the
//! explanation is what was done.

mod access;
mod cache_status;
mod conditional;
pub mod date;
mod decision_log;
mod directives;
mod entry;
mod exchange;
mod headers;
mod http_head;
mod lookup_policy;
mod memory_cache;
pub mod metrics;
mod next_routes;
mod origin_limiter;
mod path_reading;
mod pattern;
mod policy;
pub mod prefetch;
mod prefetcher;
pub mod purge;
pub mod purge_relay;
pub mod report_pace;
mod request;
mod revalidate;
mod route;
mod route_access;
mod route_values;
mod routes;
mod security_headers;
pub mod server_timing;
mod shared_state;
pub mod sharing;
mod storage_policy;
pub mod stored_value;
mod url_hash;
mod vary;
mod visitor_rate;
pub mod warm;
pub mod write_purge;

pub use access::{AccessRule, AuthChallenge, Credential};
pub use cache_status::{CacheStatusParams, LookupOutcome, MissReason};
pub use conditional::{BodyRange, is_not_modified, not_modified_headers, select_range};
pub use decision_log::{DecisionLog, DecisionReason, LifetimeSource};
pub use directives::{DirectiveScope, RequestDirectives, ResponseDirectives};
pub use entry::{CacheEntry, ENVELOPE_PREFIX_BYTES, EnvelopeHeader, Freshness};
pub use exchange::Exchange;
pub use exchange::explain::complete_as_browser;
pub use exchange::origin::OriginRequest;
pub use exchange::record::{ExchangeRecord, REJECTED_ROUTE, RecordedRoute};
pub use exchange::response::{
    ErrorResponse, ForwardedBytes, ForwardedHead, SelectedBody, SelectedHeaders, StoredResponse, TierWrite,
};
pub use exchange::start::{ExchangeRejection, RequestStart};
pub use exchange::step::{ExchangeEvent, OriginError, Step, Tier};
pub use headers::Headers;
pub use http_head::{RequestHead, RequestParts, ResponseHead, UrlParts};
pub use lookup_policy::{
    ConditionalHeaders, LookupCandidate, LookupPlan, can_serve_stale_on_error, plan_lookup,
};
pub use memory_cache::{MemoryCache, MemoryEntry};
pub use origin_limiter::{OriginLimiter, OriginLimits};
pub use pattern::PathPattern;
pub use policy::{RoutePolicy, UnusualStorage};
pub use prefetcher::{MIN_SHARE, Prefetcher};
pub use request::{RequestRejection, RequestTarget, RoutedRequest};
pub use revalidate::{RevalidationOutcome, apply_not_modified};
pub use route::{CacheRoute, CookiePolicy};
pub use route_values::{FieldName, HostPattern, OriginUrl};
pub use routes::{CacheConfig, CacheConfigError, WarmSchedule};
pub use security_headers::SecurityHeaders;
pub use shared_state::SharedState;
pub use storage_policy::storable_entry;
pub use url_hash::UrlHash;
pub use vary::{names as vary_names, variant_key};
pub use wire::UnixMillis;
